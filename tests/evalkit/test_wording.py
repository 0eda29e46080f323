"""Figures are rounded for a reader, never invented, and a minus is a minus."""

from __future__ import annotations

import pytest

from evalkit import wording
from evalkit.board import Cell, HumanCell, memory_tier, step_tier


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (None, 3, "–"),
        (1234.5, 1, "1,234.5"),
        (-0.25, 2, "−0.25"),
        (-0.0001, 2, "0.00"),
        (0, 0, "0"),
    ],
)
def test_a_figure(value, digits, text):
    assert wording.figure(value, digits) == text


def test_a_small_chance_is_no_zero():
    assert [wording.chance(p) for p in (None, 0.03, 0.00009, 0.0)] == [
        "–",
        "0.0300",
        "< 0.0001",
        "< 0.0001",
    ]


def test_signs_shares_and_intervals():
    assert [wording.signed(v) for v in (12.4, -3, 0.2)] == ["+12", "−3", "0"]
    assert wording.percent(0.126) == "13 %"
    assert wording.interval(-1, 2, 0) == "[−1, 2]"
    assert wording.interval(None, 2) == ""


def test_coverage_is_told_where_it_is_not_whole():
    assert wording.measured(Cell(value=0.5, scored=3, total=4), 2) == "0.50 (3 of 4)"
    assert wording.measured(Cell(value=None, scored=0, total=4), 2) == "– (0 of 4)"
    assert wording.measured(None, 2) == "–"


def test_a_rating_or_the_reason_for_none():
    cell = HumanCell(rating=None, battles=3, status="never lost")
    assert wording.rated(cell) == "– (never lost)"
    known = HumanCell(
        rating=1000.4, low=990, high=1011, rank_low=1, rank_high=3, battles=9, status=""
    )
    assert (wording.rated(known), wording.rank(known)) == ("1,000 [990, 1,011]", "1–3")


def test_memory_and_lists():
    assert [wording.memory(m) for m in (None, 36.2, 1536)] == ["–", "36 MB", "1.5 GB"]
    assert wording.listing(["a"]) == "a"
    assert wording.listing(["a", "b", "c"]) == "a, b and c"
    assert wording.listing(list("abcdefgh"), most=2) == "a, b and 6 more"
    assert wording.listing([]) == ""


def test_tiers_take_in_their_bound():
    assert [step_tier(n) for n in (None, 1, 2, 3, 8, 50)] == [
        "", "1 step", "up to 2 steps", "up to 4 steps", "up to 8 steps", "more than 8 steps",
    ]  # fmt: skip
    assert [memory_tier(m) for m in (None, 8192, 8193, 1e6)] == [
        "", "up to 8 GB", "up to 16 GB", "more than 24 GB",
    ]  # fmt: skip
