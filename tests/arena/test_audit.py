"""The audit's counts, on a study whose counts are known."""

from __future__ import annotations

from arena.audit import agreement, audit
from arena.battles import Arena
from arena.facts.votes import Ballot
from arena.records import Outcome
from arena.store import Store
from tests.arena.test_battles import token


def ballot(left: int, right: int, outcome: str, rater: int | None, *, shown: bool = True) -> Ballot:
    names = "abc"
    return Ballot(
        left, right, names[left], names[right], Outcome(outcome), rater, None, False, shown
    )


def test_agreement_knows_swapped_sides() -> None:
    assert agreement([ballot(0, 1, "left", 1), ballot(1, 0, "right", 2)]) == (1, 1)
    assert agreement([ballot(0, 1, "left", 1), ballot(1, 0, "left", 2)]) == (1, 0)
    assert agreement([ballot(0, 1, "tie", 1), ballot(1, 0, "tie", 2)]) == (1, 1)
    assert agreement([ballot(0, 1, "tie", 1), ballot(1, 0, "both_bad", 2)]) == (1, 0)


def test_agreement_counts_couples_of_raters() -> None:
    three = [ballot(0, 1, "left", i) for i in range(3)]
    assert agreement(three) == (3, 3)
    assert agreement([ballot(0, 1, "left", 1), ballot(0, 1, "left", 1)]) == (0, 0)
    assert agreement([ballot(0, 1, "left", 1), ballot(0, 2, "left", 2)]) == (0, 0)
    assert agreement([ballot(0, 1, "left", None)] * 2) == (0, 0)
    assert agreement([ballot(0, 1, "left", i, shown=False) for i in range(2)]) == (0, 0)


def test_a_study_is_counted(arena: Arena, store: Store) -> None:
    one, two = arena.enter("one"), arena.enter("two")
    for outcome in Outcome:
        arena.cast(token(arena.open(one)), one, outcome, seconds=0.0)
    arena.cast(token(arena.open(two)), two, Outcome.LEFT, simulated=True)
    arena.skip(token(arena.open(two)), two)
    arena.undo(one)
    arena.cast(token(arena.open(one)), one, Outcome.RIGHT)
    arena.open(two)
    found = audit(store, "s")
    assert (found.battles, found.votes, found.simulated) == (8, 5, 1)
    assert (found.skipped, found.undone, found.unanswered) == (1, 1, 1)
    assert (found.left_wins, found.right_wins, found.ties, found.both_bad) == (2, 2, 1, 0)
    assert (found.raters, found.votes_per_rater) == (2, (1, 2.5, 4))
    assert (found.pairs, found.possible_pairs) == (3, 3)
    assert found.median_seconds == 0.0
    assert found.to_dict()["study"] == "s"
    text = "\n".join(found.lines())
    assert "Votes: 5, 1 of them simulated" in text
    assert "1 skipped, 1 undone, 1 unanswered" in text


def test_a_study_without_votes_is_counted(arena: Arena, store: Store) -> None:
    found = audit(store, "s")
    assert (found.votes, found.battles, found.votes_per_rater) == (0, 0, None)
    assert "Time: unknown" in found.lines()
