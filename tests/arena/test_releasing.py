"""What nobody comes back to is given back: by age, by a panel's own limit, and by hand."""

from __future__ import annotations

import pytest

from arena import tables
from arena.protocol import Outcome
from arena.store import Store
from evalkit.errors import StudyError
from evalkit.runs import Run
from tests.arena.test_battles import rows, token
from tests.arena.test_phases import Clock, hold

PANEL = {"kind": "prolific", "done": {"code": "D"}, "timeout_minutes": 60}


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_a_submission_out_of_time_leaves_its_battles_to_others(
    store: Store, run: Run, clock: Clock
) -> None:
    arena = hold(store, run, clock, panel=PANEL)
    late = arena.arrive("ann", "first")
    clock.wait(59 * 60)
    held = arena.deal(late, 1)
    clock.wait(2 * 60)
    arena.open(arena.arrive("bob", "other"))
    assert rows(store, tables.event) == len(held) == 2
    with pytest.raises(Exception, match="given to somebody else"):
        arena.cast(token(held[0]), late, Outcome.LEFT)
    assert token(arena.open(late)) not in [b.token for b in held]


def test_a_second_submission_begins_the_time_anew(store: Store, run: Run, clock: Clock) -> None:
    arena = hold(store, run, clock, panel=PANEL)
    arena.arrive("ann", "first")
    clock.wait(50 * 60)
    ann = arena.arrive("ann", "second")
    name = token(arena.open(ann))
    clock.wait(50 * 60)
    arena.open(arena.arrive("bob", "other"))
    arena.cast(name, ann, Outcome.LEFT)


def test_the_same_battle_is_given_back_once_by_two_limits(
    store: Store, run: Run, clock: Clock
) -> None:
    arena = hold(store, run, clock, panel=PANEL, raters={"expire_after_minutes": 5})
    arena.open(arena.arrive("ann", "first"))
    clock.wait(2 * 3600)
    arena.open(arena.arrive("bob", "other"))
    assert rows(store, tables.event) == 1


def test_the_idle_are_those_who_left_something_open(store: Store, run: Run, clock: Clock) -> None:
    arena = hold(store, run, clock)
    busy, gone, finished = (arena.enter_as(name) for name in ("busy", "gone", "finished"))
    for who in (busy, gone, finished):
        arena.open(who)
    arena.skip(token(arena.open(finished)), finished)
    clock.wait(20 * 60)
    arena.cast(token(arena.open(busy)), busy, Outcome.TIE)
    assert arena.idle(10) == [gone]
    assert arena.idle(30) == []
    assert arena.release(gone) == 1
    assert arena.idle(10) == []


def test_a_name_that_nobody_has_is_refused(store: Store, run: Run) -> None:
    with pytest.raises(StudyError, match="No rater is called"):
        hold(store, run).labelled("nobody")
