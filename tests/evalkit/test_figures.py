"""Figures are vectors in the page's colours, and only of what is known."""

from __future__ import annotations

import pytest

from evalkit import figures
from evalkit.board import HumanCell
from tests.fakes import row_of


def row(model, rating, seconds, steps=4):
    cell = HumanCell(rating=rating, low=None, high=None, battles=1, status="")
    return row_of(model, cell, steps=steps, seconds=seconds)


def test_the_frontier_is_what_nothing_faster_beats():
    rows = [
        row("slow", 1100, 9.0),
        row("same", 1000, 1.0),
        row("fast", 1000, 0.5),
        row("bad", 900, 2),
    ]
    assert [r.model for r in figures._undominated(rows)] == ["fast", "slow"]


@pytest.mark.parametrize("seconds", [None, 1.0])
def test_a_frontier_of_one_is_not_drawn(leaderboard, seconds):
    board = leaderboard([row("a", 1000, 1.0), row("b", None if seconds else 990, seconds)])
    assert figures.frontier(board) is None


def test_drawings_without_steps_have_no_place_on_the_frontier(leaderboard):
    rows = [row("a-model", 1000, 1.0), row("b-model", 990, 0.1), row("drawing", 1200, 0.01, None)]
    assert "drawing" not in str(figures.frontier(leaderboard(rows)))


def test_a_figure_has_the_pages_colours_and_text_as_text(leaderboard):
    board = leaderboard([row("a-model", 1000, 1.0), row("b-model", 990, 0.1)])
    drawn = str(figures.frontier(board))
    assert "currentColor" in drawn
    assert "var(--accent)" in drawn
    assert "a-model" in drawn
    assert "#01020" not in drawn


@pytest.fixture
def leaderboard(drawn):
    from evalkit import report

    return lambda rows: report.build(drawn).model_copy(update={"rows": tuple(rows)})
