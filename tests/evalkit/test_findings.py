"""The sentences say what the figures say, and no more."""

from __future__ import annotations

from evalkit.board import Difference, Human, HumanCell, RatingBoard
from evalkit.findings import findings
from tests import boards
from tests.fakes import row_of


def row(model, rating, ranks, steps=None, seconds=None, interval=True):
    low, high = (rating - 10, rating + 10) if interval and rating is not None else (None, None)
    cell = HumanCell(
        rating=rating,
        low=low,
        high=high,
        rank_low=ranks[0],
        rank_high=ranks[1],
        battles=9,
        status="",
    )
    return row_of(model, cell, steps=steps, seconds=seconds)


def said(rows, *differences):
    board = RatingBoard(
        criterion="overall",
        question="?",
        method="m",
        votes=9,
        raters=2,
        differences=differences,
        ratings={r.model: r.human for r in rows},
    )
    return list(
        findings(rows, Human(study="s", boards=(board,), votes=9, simulated_votes=0, raters=2))
    )


def test_without_votes_nothing_is_said():
    assert list(findings([row("a", 1000, (1, 1))], None)) == []


def test_a_clear_first_and_a_shared_first():
    (clear,) = said([row("a", 1100, (1, 1)), row("b", 1000, (2, 2))])
    assert "above every other rated model beyond chance" in clear
    (shared,) = said([row("a", 1100, (1, 2)), row("b", 1090, (1, 2)), row("c", 900, (3, 3))])
    assert "statistically tied with b:" in shared
    assert "c" not in shared.split("tied with")[1].split(":")[0]


def test_no_order_is_claimed_without_intervals():
    (only,) = said([row("a", 1100, (1, 1), interval=False), row("b", 1000, (2, 2), interval=False)])
    assert "no order is sure" in only


def test_of_equals_none_is_highest():
    (only,) = said([row(name, 1000, (1, 2), interval=False) for name in ("a", "b")])
    assert only == "No model is rated above another: all 2 are equal by these votes."


def test_few_steps_are_set_beside_many_whoever_leads():
    rows = [row("teacher", 1050, (1, 2), 28, 0.4), row("student", 1020, (1, 2), 4, 0.04)]
    tied = Difference(
        first="teacher", second="student", difference=30, low=-10, high=70, p=0.3, within=64
    )
    sentence = said(rows, tied)[1]
    assert "student (4 steps) is statistically tied with teacher (28 steps)" in sentence
    assert "−30 Elo [−70, 10], equivalent within ±64, in 10 % of the time." in sentence
    sure = tied.model_copy(update={"low": 5.0, "p": 0.01})
    below = said(rows, sure)[1]
    assert "student (4 steps) is rated below teacher" in below
    assert "equivalent" not in below, "who is surely better is not called equivalent beside"
    ahead = Difference(first="student", second="teacher", difference=30, low=5, high=70, p=0.01)
    assert "is rated above teacher (28 steps): +30 Elo [5, 70], in" in said(rows[::-1], ahead)[1]


def test_with_two_questions_each_sentence_says_of_which_it_speaks():
    names = ("a", "b")
    two = boards.board(names, ("quality", "alignment"))
    sentences = list(findings(two.rows, two.human))
    assert [s.split(":")[0] for s in sentences] == [
        "On quality",
        "How fragile on quality",
        "Scores against people on quality",
        "On alignment",
    ]
    one = boards.board(names)
    assert all(" on quality" not in s for s in findings(one.rows, one.human))


def test_what_has_no_rating_is_named():
    sentences = said([row("a", 1000, (1, 1)), row("b", None, (None, None))])
    assert sentences[-1].startswith("Without a rating: b;")
    assert "do not identify" in said([row("b", None, (None, None))])[0]
