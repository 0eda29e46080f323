"""A rater's way through a study: server state, resumed at any point, on both databases."""

from __future__ import annotations

import itertools
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from PIL import Image

from arena import live, phases, simulation, studies, votes
from arena.battles import Arena
from arena.protocol import Outcome, Protocol
from arena.records import Ending, Phase, PhaseKind, Purpose, Rater
from arena.refusals import Reason, Refusal
from arena.store import Store
from evalkit.errors import VotesError
from evalkit.runs import Run
from tests.arena.test_battles import token

ASKED = ({"id": "quality", "question": "Which is better made?", "show_prompt": False},)
TWO = (*ASKED, {"id": "alignment", "question": "Which shows the text?"})


class Clock:
    """Time that moves when it is told to, and a moment at every look."""

    def __init__(self) -> None:
        self.at = datetime(2026, 1, 1, tzinfo=UTC)

    def __call__(self) -> str:
        self.at += timedelta(microseconds=1)
        return self.at.isoformat(timespec="microseconds")

    def wait(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


@pytest.fixture
def clock() -> Clock:
    return Clock()


def example(use: str, number: int, criterion: str = "quality", why: str = "") -> dict[str, object]:
    better = {"model": "alpha-model", "prompt": f"{number:05d}", "seed": 0}
    worse = {"model": "gamma-model", "prompt": f"{number:05d}", "seed": 0}
    return {"use": use, "criterion": criterion, "better": better, "worse": worse, "why": why}


def hold(store: Store, run: Run, clock: Clock | None = None, **rules: object) -> Arena:
    protocol = Protocol.model_validate({"criteria": ASKED} | rules)
    studies.load(store, run, studies.plan("s", protocol, seed=5))
    return Arena(store, "s", clock=clock) if clock else Arena(store, "s")


def kind(arena: Arena, rater: Rater) -> PhaseKind:
    return arena.phase(rater).kind


def answer(arena: Arena, rater: Rater, outcome: Outcome = Outcome.LEFT) -> Phase:
    shown = arena.phase(rater)
    arena.cast(token(shown.battle), rater, outcome)
    return shown


FULL = {
    "consent": "You may stop at any time.",
    "instructions": "Look closely.",
    "examples": [example("example", 0, why="It is sharp."), example("training", 1)],
    "raters": {"quota": 3, "break_after": 2},
    "training": {"attempts": 2, "pass_share": 1.0},
}


def right(battle: object) -> Outcome:
    return battle.expected


def test_a_rater_goes_from_consent_to_thanks(store: Store, run: Run) -> None:
    arena = hold(store, run, **FULL)
    rater = arena.enter("secret")
    first = arena.phase(rater)
    assert (first.kind, first.text) == (PhaseKind.CONSENT, "You may stop at any time.")
    arena.consent(rater)
    second = arena.phase(rater)
    assert (second.kind, second.text) == (PhaseKind.INSTRUCTIONS, "Look closely.")
    (lesson,) = second.lessons
    assert lesson.why == "It is sharp."
    shown = {Outcome.LEFT: lesson.battle.left, Outcome.RIGHT: lesson.battle.right}
    assert shown[lesson.expected].model == "alpha-model"
    arena.finish_instructions(rater)
    third = arena.phase(rater)
    assert third.kind is PhaseKind.TRAINING
    assert third.battle is not None
    feedback = arena.answer_training(token(third.battle), rater, third.battle.expected)
    assert feedback.correct
    for _ in range(2):
        assert answer(arena, rater).kind is PhaseKind.BATTLE
    assert kind(arena, rater) is PhaseKind.BREAK
    arena.end_break(rater)
    answer(arena, rater)
    last = arena.phase(rater)
    assert (last.kind, last.ending) == (PhaseKind.DONE, Ending.DONE)
    assert last.completion is None, "no panel, no code"
    assert len(studies.standing_votes(store, "s")) == 3, "training rates no model"


def test_every_step_is_resumed_by_another_process(store: Store, run: Run) -> None:
    arena = hold(store, run, **FULL)
    rater = arena.enter("secret")
    for step in (arena.consent, arena.finish_instructions):
        step(rater)
        assert kind(Arena(store, "s"), rater) is kind(arena, rater)
    training = arena.phase(rater)
    assert Arena(store, "s").phase(rater) == training


@pytest.mark.parametrize("step", ["consent", "decline", "finish_instructions", "end_break"])
def test_a_step_out_of_turn_or_twice_changes_nothing(store: Store, run: Run, step: str) -> None:
    arena = hold(store, run, **FULL)
    rater = arena.enter("secret")
    arena.consent(rater)
    arena.consent(rater)
    before = arena.phase(rater)
    if step != "finish_instructions":
        getattr(arena, step)(rater)
        assert arena.phase(rater) == before
    with store.reading() as facts:
        key, _ = facts.study("s")
        assert [e.kind for e in facts.path(key, rater, *phases.STEPS)] == ["consent"]


def test_no_battle_is_given_before_its_time(store: Store, run: Run) -> None:
    arena = hold(store, run, **FULL)
    rater = arena.enter("secret")
    assert arena.open(rater) is None
    arena.consent(rater)
    assert arena.deal(rater, 3) == ()
    lesson = arena.phase(rater).lessons[0]
    for attempt in (
        lambda: arena.cast(token(lesson.battle), rater, Outcome.LEFT),
        lambda: arena.skip(token(lesson.battle), rater),
        lambda: arena.answer_training(token(lesson.battle), rater, Outcome.LEFT),
    ):
        with pytest.raises(Refusal) as caught:
            attempt()
        assert caught.value.reason is Reason.NOT_NOW
    assert studies.standing_votes(store, "s", checks=True) == []


def test_who_declines_is_asked_nothing_and_may_think_again(store: Store, run: Run) -> None:
    arena = hold(store, run, **FULL)
    rater = arena.enter("secret")
    arena.decline(rater)
    assert kind(arena, rater) is PhaseKind.DECLINED
    assert arena.open(rater) is None
    arena.consent(rater)
    assert kind(arena, rater) is PhaseKind.INSTRUCTIONS


def test_training_is_repeated_and_then_ends_the_way(store: Store, run: Run) -> None:
    panel = {
        "kind": "generic",
        "rater": "pid",
        "done": {"code": "D"},
        "screened_out": {"code": "S"},
    }
    arena = hold(store, run, **(FULL | {"panel": panel}))
    rater = arena.enter("secret")
    arena.consent(rater)
    arena.finish_instructions(rater)
    for _ in range(2):
        shown = arena.phase(rater)
        assert shown.kind is PhaseKind.TRAINING
        assert shown.battle is not None
        wrong = shown.battle.expected.mirrored
        assert not arena.answer_training(token(shown.battle), rater, wrong).correct
        again = arena.answer_training(token(shown.battle), rater, wrong)
        assert again.outcome is wrong, "the same click twice is one answer"
    end = arena.phase(rater)
    assert (end.kind, end.ending) == (PhaseKind.SCREENED_OUT, Ending.SCREENED_OUT)
    assert end.completion is not None
    assert end.completion.code == "S"
    assert arena.open(rater) is None


def test_an_answer_sooner_than_anybody_can_look_is_refused(
    store: Store, run: Run, clock: Clock
) -> None:
    arena = hold(store, run, clock, raters={"minimum_seconds": 2.0})
    rater = arena.enter("secret")
    now, following = arena.deal(rater, 1)
    for battle in (now, following):
        clock.wait(1)
        with pytest.raises(Refusal, match="look for 2 seconds") as caught:
            arena.cast(token(battle), rater, Outcome.LEFT, seconds=60)
        assert caught.value.reason is Reason.TOO_SOON
        clock.wait(1.5)
        arena.cast(token(battle), rater, Outcome.LEFT)
    arena.cast(token(arena.open(rater)), rater, Outcome.LEFT, simulated=True)
    late = arena.open(rater)
    clock.wait(-3600)  # the machine's clock is set right
    arena.cast(token(late), rater, Outcome.LEFT, seconds=5)


def test_training_is_looked_at_as_long(store: Store, run: Run, clock: Clock) -> None:
    rules = {"examples": [example("training", 0), example("training", 1)]}
    arena = hold(store, run, clock, raters={"minimum_seconds": 2.0}, **rules)
    rater = arena.enter("secret")
    for number in range(2):
        shown = arena.phase(rater)
        assert shown.minimum_seconds == 2.0
        with pytest.raises(Refusal, match="look for 2 seconds"):
            arena.answer_training(token(shown.battle), rater, right(shown.battle))
        clock.wait(2.5)
        feedback = arena.answer_training(token(shown.battle), rater, right(shown.battle))
        assert (feedback.item.done, feedback.item.total) == (number, 2)
        assert arena.answer_training(token(shown.battle), rater, feedback.outcome).correct


def test_outcomes_that_the_study_does_not_take_are_refused(store: Store, run: Run) -> None:
    arena = hold(store, run, outcomes=["left", "right"])
    rater = arena.enter("secret")
    shown = arena.phase(rater)
    assert shown.outcomes == (Outcome.LEFT, Outcome.RIGHT)
    with pytest.raises(Refusal, match="'tie'; it takes left, right"):
        arena.cast(token(shown.battle), rater, Outcome.TIE)


def test_criteria_are_asked_equally_and_each_vote_names_its_own(store: Store, run: Run) -> None:
    arena = hold(store, run, criteria=TWO)
    for i in range(4):
        rater = arena.enter(f"secret {i}")
        while (battle := arena.open(rater)) is not None:
            assert arena.phase(rater).question.id == battle.criterion
            arena.cast(token(battle), rater, Outcome.LEFT)
    standing = studies.standing_votes(store, "s")
    assert Counter(v.criterion for v in standing) == {"quality": 24, "alignment": 24}
    for criterion in ("quality", "alignment"):
        of = [frozenset((v.left, v.right)) for v in standing if v.criterion == criterion]
        assert set(Counter(of).values()) == {8}, "each criterion is a balanced design of its own"


def test_nobody_sees_two_pictures_twice_whatever_is_asked(store: Store, run: Run) -> None:
    arena = hold(store, run, criteria=TWO)
    rater = arena.enter("secret")
    seen = []
    while (battle := arena.open(rater)) is not None:
        seen.append(frozenset((battle.left.id, battle.right.id)))
        arena.cast(token(battle), rater, Outcome.TIE)
    assert len(seen) == len(set(seen)) == arena.pairs


def test_the_first_draw_s_probability_counts_the_criteria(store: Store, run: Run) -> None:
    arena = hold(store, run, criteria=TWO)
    battle = arena.open(arena.enter("secret"))
    assert battle is not None
    assert battle.draw_probability == pytest.approx(1 / 48)


def test_kept_counts_follow_the_criterion_and_leave_checks_out(store: Store, run: Run) -> None:
    gold = [example("gold", n) for n in range(4)]
    draws = {"gold_rate": 0.3, "repeat_rate": 0.2, "repeat_gap": 1}
    arena = hold(store, run, criteria=TWO, examples=gold, draws=draws)
    for i in range(6):
        rater = arena.enter(f"secret {i}")
        for _ in range(8):
            if (battle := arena.open(rater)) is not None:
                arena.cast(token(battle), rater, Outcome.LEFT)
        arena.undo(rater)
    assert live.check(store, "s") == []
    with pytest.raises(VotesError, match="asks 2 questions: quality, alignment"):
        live.board(store, "s")
    with store.reading() as facts:
        key, _ = facts.study("s")
        kept = sum(c.votes for c in facts.counts(key))
    assert kept == len(studies.standing_votes(store, "s"))
    assert kept < len(studies.standing_votes(store, "s", checks=True))


def test_gold_and_repeats_come_at_their_rates_and_look_like_the_rest(
    store: Store, run: Run
) -> None:
    gold = [example("gold", n) for n in range(4)]
    draws = {"gold_rate": 0.2, "repeat_rate": 0.2, "repeat_gap": 2}
    arena = hold(store, run, examples=gold, draws=draws, raters={"quota": 10})
    found: list[object] = []
    for i in range(12):
        rater = arena.enter(f"secret {i}")
        while (battle := arena.open(rater)) is not None:
            found.append(battle)
            arena.cast(token(battle), rater, Outcome.LEFT)
        assert arena.progress(rater).done == 10, "the quota counts checks too"
    purposes = Counter(b.purpose for b in found)
    assert 12 <= purposes[Purpose.GOLD] <= 36
    assert 8 <= purposes[Purpose.REPEAT] <= 36
    rated = {b.id: b for b in found if b.purpose is Purpose.RATING}
    for battle in found:
        if battle.purpose is Purpose.GOLD:
            better = battle.left if battle.expected is Outcome.LEFT else battle.right
            assert better.model == "alpha-model"
        if battle.purpose is Purpose.REPEAT:
            first = rated[battle.repeat_of]
            assert (battle.left, battle.right) == (first.right, first.left)
            assert battle.ordinal - first.ordinal > 2
    frame = votes.table(studies.standing_votes(store, "s", checks=True))
    assert len(votes.rated(frame)) == purposes[Purpose.RATING]
    assert set(frame.loc[frame["purpose"] == "gold", "gold"]) <= {"left", "right"}


def test_an_undone_check_is_asked_again_as_the_check_it_was(store: Store, run: Run) -> None:
    arena = hold(store, run, examples=[example("gold", 0)], draws={"gold_rate": 0.5})
    for i in itertools.count():
        rater = arena.enter(f"secret {i}")
        battle = arena.open(rater)
        assert battle is not None
        if battle.purpose is Purpose.GOLD:
            break
    arena.cast(token(battle), rater, Outcome.LEFT)
    again = arena.undo(rater)
    assert again is not None
    assert (again.purpose, again.expected) == (Purpose.GOLD, battle.expected)


def test_votes_per_pair_end_a_study_that_is_full(store: Store, run: Run) -> None:
    arena = hold(store, run, draws={"votes_per_pair": 1})
    first, second = arena.enter("one"), arena.enter("two")
    for _ in range(12):
        answer(arena, first)
    assert arena.phase(first).ending is Ending.DONE
    late = arena.phase(second)
    assert (late.kind, late.ending) == (PhaseKind.DONE, Ending.FULL)


def test_no_rater_gives_more_than_a_share_of_the_plan(store: Store, run: Run) -> None:
    arena = hold(store, run, draws={"votes_per_pair": 2}, raters={"max_share": 0.125})
    rater = arena.enter("secret")
    for _ in range(3):
        answer(arena, rater)
    assert arena.phase(rater).ending is Ending.DONE
    assert arena.progress(rater).total == 3


def test_what_a_rater_gave_back_is_asked_of_others(store: Store, run: Run) -> None:
    arena = hold(store, run, draws={"votes_per_pair": 1})
    gone, other = arena.enter("gone"), arena.enter("other")
    held = arena.deal(gone, 2)
    assert arena.release(gone) == 3
    with pytest.raises(Refusal, match="somebody else") as caught:
        arena.cast(token(held[0]), gone, Outcome.LEFT)
    assert caught.value.reason is Reason.RELEASED
    for _ in range(12):
        answer(arena, other)
    assert kind(arena, other) is PhaseKind.DONE
    assert Arena(store, "s").phase(gone).ending is Ending.FULL
    assert len(studies.standing_votes(store, "s")) == 12


def test_a_late_vote_counts_while_nobody_else_was_asked(
    store: Store, run: Run, clock: Clock
) -> None:
    rules = {"draws": {"votes_per_pair": 1}, "raters": {"expire_after_minutes": 30}}
    arena = hold(store, run, clock, **rules)
    slow, late = arena.enter("slow"), arena.enter("late")
    one, two = token(arena.open(slow)), token(arena.open(late))
    clock.wait(3600)
    arena.cast(one, slow, Outcome.LEFT)
    other = arena.enter("other")
    arena.open(other)
    with pytest.raises(Refusal, match="somebody else"):
        arena.cast(two, late, Outcome.LEFT)
    assert len(studies.standing_votes(store, "s")) == 1


def test_a_reported_picture_is_passed_over_once_and_kept_in_the_audit_trail(
    store: Store, run: Run
) -> None:
    arena = hold(store, run)
    rater = arena.enter("secret")
    name = token(arena.open(rater))
    arena.report(name, rater, "left", "offensive", "x" * 900)
    arena.report(name, rater, "right")
    assert token(arena.open(rater)) != name
    with store.reading() as facts:
        key, _ = facts.study("s")
        (event,) = facts.events(key, "report")
    assert event.detail == {"side": "left", "reason": "offensive", "note": "x" * 500}
    with pytest.raises(Refusal, match="left, right or both"):
        arena.report(token(arena.open(rater)), rater, "middle")
    for reason in ("I am Ann", "", "BROKEN"):
        with pytest.raises(Refusal, match="broken, offensive, private, other"):
            arena.report(token(arena.open(rater)), rater, "left", reason)


def test_undo_sent_twice_undoes_once(store: Store, run: Run) -> None:
    arena = hold(store, run)
    rater = arena.enter("secret")
    for _ in range(2):
        answer(arena, rater)
    shown = token(arena.open(rater))
    assert arena.undo(rater, shown=shown) is not None
    assert arena.undo(rater, shown=shown) is None
    assert arena.progress(rater).done == 1


def test_who_fails_the_checks_is_told_at_the_end_and_the_votes_stay(store: Store, run: Run) -> None:
    panel = {"kind": "prolific", "done": {"code": "D"}, "failed": {"code": "F"}, "gold_pass": 1.0}
    gold = [example("gold", n) for n in range(4)]
    draws = {"gold_rate": 0.5}
    rules = {"examples": gold, "draws": draws, "panel": panel, "raters": {"quota": 12}}
    arena = hold(store, run, **rules)
    codes = set()
    for secret, good in (("careful", True), ("careless", False)):
        rater = arena.enter(secret)
        while (battle := arena.open(rater)) is not None:
            wanted = battle.expected or Outcome.LEFT
            arena.cast(token(battle), rater, wanted if good else wanted.mirrored)
        end = arena.phase(rater)
        assert end.completion is not None
        codes.add((secret, end.ending, end.completion.code))
    assert codes == {("careful", Ending.DONE, "D"), ("careless", Ending.FAILED, "F")}
    assert len(studies.standing_votes(store, "s", checks=True)) == 24


def test_a_vote_names_the_rules_it_was_given_under(store: Store, run: Run) -> None:
    arena = hold(store, run)
    rater = arena.enter("secret")
    arena.cast(token(arena.open(rater)), rater, Outcome.LEFT, language="ko")
    (vote,) = studies.standing_votes(store, "s")
    assert vote.protocol == arena.study.protocol.digest
    assert vote.language == "ko"


def test_a_picture_of_a_file_competes_with_nobody(store: Store, run: Run) -> None:
    image = run.images.put(Image.new("RGB", (8, 8), "red"))
    blank = {"generation_id": None, "fingerprint": None, "category": "", "seed": None}
    hold(store, run)
    with store.writing() as facts:
        key, _ = facts.study("s")
        row = {"model": "better", "prompt_id": "example", "prompt": "p", "image": image}
        facts.add_entries(key, [blank | row, blank | row | {"model": "worse"}])
    assert Arena(store, "s").pairs == 12


def test_simulated_raters_go_the_whole_way(store: Store, run: Run) -> None:
    arena = hold(store, run, **FULL)
    turns = simulation.simulate(arena, simulation.by_truth(run.truths()), raters=2, votes=6)
    assert max(turns) == 6
    assert all(v.simulated for v in studies.standing_votes(store, "s"))


def test_the_language_that_a_rater_reads_is_kept_once_a_change(store: Store, run: Run) -> None:
    arena = hold(store, run)
    rater, other = arena.enter("one"), arena.enter("two")
    assert arena.language(rater) is None
    for tag in ("ko", "ko", "ja", "ja", "ko"):
        arena.speak(rater, tag)
    assert arena.language(rater) == "ko"
    assert arena.language(other) is None
    with store.reading() as facts:
        key, _ = facts.study("s")
        assert [e.detail["language"] for e in facts.events(key, "language")] == ["ko", "ja", "ko"]


def test_who_comes_to_a_full_study_is_told_at_the_door(store: Store, run: Run) -> None:
    rules = {"consent": "Agreed?", "instructions": "Look.", "draws": {"votes_per_pair": 1}}
    arena = hold(store, run, **rules)
    first, early, late = (arena.enter(name * 20) for name in "abc")
    arena.consent(early)
    arena.consent(first)
    arena.finish_instructions(first)
    for _ in range(11):
        answer(arena, first)
    assert kind(arena, late) is PhaseKind.CONSENT, "one pair is left to ask"
    answer(arena, first)
    for who in (early, late):
        assert arena.phase(who).kind is PhaseKind.DONE
        assert arena.phase(who).ending is Ending.FULL
    arena.undo(first)
    assert kind(arena, late) is PhaseKind.CONSENT, "now there is something to ask again"
