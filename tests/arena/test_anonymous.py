"""What leaves without persons still rates the same, and says whom it may still point at."""

from __future__ import annotations

from collections import Counter

import pandas as pd

from arena import votes
from arena.anonymous import SMALL, Anonymous, anonymise
from arena.facts.votes import VoteRow
from arena.ratings import fit


def row(rater: str | None, number: int = 0, **more: object) -> VoteRow:
    models = ("a", "b", "c")
    left, right = models[number % 3], models[(number + 1) % 3]
    winner = ("left", "right", "tie", "left")[number % 4]
    vote = VoteRow(left, right, winner, rater, f"p{number}", "overall", 3.217 + number, False)
    return vote._replace(**more)


def many(raters: int = 12, each: int = 9) -> list[VoteRow]:
    return [row(f"rater-{r}", n) for r in range(raters) for n in range(each)]


def test_no_name_and_no_order_is_left_and_the_ratings_are_the_same() -> None:
    given = many()
    told = anonymise(given)
    assert told.notes == ()
    assert not any("rater-" in v.rater for v in told.votes if v.rater)
    assert {v.rater for v in told.votes} == {f"r{n:02}" for n in range(1, 13)}
    assert sorted(v.prompt for v in told.votes) == sorted(v.prompt for v in given)
    assert [v.prompt for v in told.votes] != [v.prompt for v in given]
    before, after = (fit(votes.table(list(v))) for v in (given, told.votes))
    pd.testing.assert_frame_equal(before.table, after.table, rtol=1e-6)


def test_a_rater_s_votes_stay_together_and_the_numbers_are_new_each_time() -> None:
    given = [row(f"rater-{r}", n) for r in range(12) for n in range(r + 1)]
    drawn = [Counter(v.rater for v in anonymise(given).votes) for _ in range(4)]
    assert all(sorted(count.values()) == list(range(1, 13)) for count in drawn)
    assert len({tuple(sorted(count.items())) for count in drawn}) > 1


def test_times_are_coarse() -> None:
    given = [row("x", seconds=s) for s in (0.4, 3.217, 3600.0, None)]
    assert Counter(v.seconds for v in anonymise(given).votes) == Counter([0.0, 3.0, 60.0, None])


def notes(told: Anonymous) -> str:
    return "\n".join(told.notes)


def test_small_cells_are_left_out_and_said() -> None:
    given = many()
    given += [row(f"rater-{r}", 9, language="ja", protocol="new") for r in range(SMALL - 1)]
    given += [row(f"rater-{r}", 9, language="en", protocol="old") for r in range(SMALL - 1, 12)]
    told = anonymise(given)
    assert {v.language for v in told.votes} == {None, "en"}
    assert {v.protocol for v in told.votes} == {None, "old"}
    assert "language that fewer than 5 raters share is left out: 1" in notes(told)
    assert "version of the rules that fewer than 5" in notes(told)


def test_few_raters_and_odd_numbers_are_said() -> None:
    assert "There are 2 raters" in notes(anonymise([row("x"), row("y")]))
    odd = [*many(), row("rater-0", 10)]
    assert "1 raters gave a number of votes" in notes(anonymise(odd))


def test_votes_of_nobody_stay_nobody_s_and_no_votes_are_none() -> None:
    assert anonymise([row(None)]).votes[0].rater is None
    assert anonymise([]).votes == ()
