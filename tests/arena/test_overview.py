"""How a study stands: on both kinds of database, from nothing to closed."""

from __future__ import annotations

from pathlib import Path

import pytest

from arena.battles import Arena
from arena.clock import before, now
from arena.overview import HOURS, Judge, judge, overview
from arena.protocol import Outcome
from arena.store import Store
from evalkit.runs import Run
from tests.arena.conftest import make_run
from tests.arena.test_battles import token
from tests.arena.test_phases import hold


def vote(arena: Arena, who: str, *outcomes: Outcome) -> None:
    rater = arena.enter(who * 20)
    for outcome in outcomes:
        arena.cast(token(arena.open(rater)), rater, outcome)


def test_a_study_without_raters(arena: Arena, store: Store) -> None:
    seen = overview(store, arena, now())
    assert (seen.votes, seen.raters, seen.at_work, seen.last_hour) == (0, {}, 0, 0)
    assert seen.planned is None
    assert seen.hours_left is None
    assert seen.pairs == 12
    assert len(seen.hours) == HOURS
    assert not seen.reports
    assert judge(store, "s") == judge(store, "s")
    assert not judge(store, "s").said


def test_votes_pairs_and_pace_are_counted(store: Store, run: Run) -> None:
    arena = hold(store, run, draws={"votes_per_pair": 2})
    vote(arena, "a", Outcome.LEFT, Outcome.TIE, Outcome.RIGHT)
    vote(arena, "b", *[Outcome.LEFT] * 12)
    ann = arena.enter("a" * 20)
    arena.undo(ann)
    seen = overview(store, arena, now())
    (asked,) = seen.criteria
    assert (asked.votes, asked.planned) == (14, 24)
    assert (asked.begun, asked.complete) == (12, 2)
    assert sum(asked.met.values()) == 2 * 14, "each vote is of two models, both ways round"
    assert asked.range[0] <= asked.range[1]
    assert seen.last_hour == sum(n for _, n in seen.hours) == 14
    assert seen.hours_left == pytest.approx(10 / 14)
    assert seen.at_work == 2
    later = overview(store, arena, before(now(), hours=-2))
    assert (later.at_work, later.last_hour) == (0, 0)
    assert later.hours_left is None, "at no pace nothing ends"


def test_raters_are_counted_where_they_are(store: Store, run: Run) -> None:
    arena = hold(store, run, consent="Agreed?", raters={"quota": 2, "break_after": 1})
    came, agreed, done, gone, back = (arena.enter(name * 20) for name in "abcde")
    arena.speak(came, "en")
    arena.decline(gone)
    for who in (agreed, done, back):
        arena.consent(who)
    arena.cast(token(arena.open(done)), done, Outcome.LEFT)
    arena.end_break(done)
    arena.cast(token(arena.open(done)), done, Outcome.LEFT)
    arena.open(back)
    arena.release(back)
    found = overview(store, arena, now()).raters
    assert found == {"consent": 1, "declined": 1, "battle": 1, "done": 1, "returned": 1}
    arena.close()
    seen = overview(store, arena, now())
    assert seen.closed
    assert seen.raters == found, "closing moves nobody"


def test_reports_come_with_their_pictures(arena: Arena, store: Store) -> None:
    rater = arena.enter("r" * 20)
    battle = arena.open(rater)
    assert battle is not None
    arena.report(token(battle), rater, "left", "broken", "<b>grey</b>")
    seen = overview(store, arena, now())
    assert seen.reported == 1
    (report,) = seen.reports
    assert (report.left, report.left_image) == (battle.left.model, battle.left.image)
    assert report.detail == {"side": "left", "reason": "broken", "note": "<b>grey</b>"}
    assert report.rater == rater.label


def test_a_rater_who_presses_one_button_gives_alarm(store: Store, tmp_path: Path) -> None:
    arena = hold(store, make_run(tmp_path / "runs" / "eight", prompts=8))
    vote(arena, "a", *[Outcome.TIE] * 24)
    vote(arena, "b", *[Outcome.LEFT] * 24)
    found = judge(store, "s")
    ann, bob = (arena.enter(name * 20).label for name in "ab")
    about = [text for text in found.alarms if "one-sided" in text]
    assert len(about) == 1
    assert bob in about[0]
    assert ann not in about[0]
    assert "50% of raters break a rule" in found.alarms[0] or "100%" in found.alarms[0]


def test_the_judge_works_once_a_minute(arena: Arena, store: Store) -> None:
    seconds = [0.0]
    judging = Judge(store, "s", lambda: seconds[0])
    first = judging.verdict()
    vote(arena, "a", Outcome.LEFT)
    assert judging.verdict() is first
    seconds[0] = 61
    assert judging.verdict().said
