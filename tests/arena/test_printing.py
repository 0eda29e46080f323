"""Tables fit the terminal, wide letters count as two, and many boards are a line each."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from arena.boards import Asked, board, by_level
from arena.cli.printing import _wide, board_lines, boards_lines, history_lines
from arena.elo import history
from arena.tally import count
from tests.arena.test_grounding import battles
from tests.arena.test_ratings import cycle, drawn, frame

LONG = {"a": "stable-diffusion-one", "b": "二つ目", "c": "e\u0301", "d": "d"}


@pytest.fixture
def grounded():
    votes = battles(np.array([-1.0, 0.2, 0.6, 1.0]), 800)
    votes = votes.assign(left=votes["left"].map(LONG), right=votes["right"].map(LONG))
    return board(votes, Asked({"both_bad": "ground"}, paper_style=True))


@pytest.mark.parametrize("columns", [80, 100, 120])
def test_no_line_is_wider_than_the_terminal(monkeypatch, grounded, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    lines = board_lines(grounded)
    assert max(map(_wide, lines)) <= columns
    heads = [line for line in lines if line.startswith("model")]
    assert len(heads) == (2 if columns < 115 else 1)
    assert "over the line" in heads[-1]
    assert "paper-style" in heads[-1]


def test_wide_letters_take_two_columns_and_marks_none(monkeypatch, grounded):
    monkeypatch.setenv("COLUMNS", "120")
    assert (_wide("二つ目"), _wide("e\u0301"), _wide("d")) == (6, 1, 1)
    rows = [line for line in board_lines(grounded) if line.startswith(tuple(LONG.values()))]
    assert len({_wide(line) for line in rows}) == 1


def test_models_with_one_reason_share_a_sentence(monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    lines = board_lines(board(frame(("a", "b", "tie", 3), ("b", "c", "tie", 3))))
    reason = "equal, as every vote was a tie, so there is no interval"
    assert [line for line in lines if reason in line] == [f"a, b, c: {reason}"]


def test_many_boards_are_a_line_each_that_names_who_may_be_first(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    clear = pd.concat(
        [
            frame(("a", "b", "left", 60), ("b", "a", "left", 6), ("c", "b", "left", 40)),
            frame(("b", "c", "left", 40), ("a", "c", "left", 60), ("c", "a", "left", 6)),
        ]
    )
    few = [frame(("a", "b", "left")).assign(category=f"few{i:02d}") for i in range(24)]
    votes = pd.concat([clear.assign(category="all"), cycle("a", "b").assign(category="even"), *few])
    lines = boards_lines(by_level(votes.reset_index(drop=True), "category"))
    assert lines[0].split()[:3] == ["category", "votes", "raters"]
    assert lines[1].endswith("3  a")
    assert lines[2].endswith("2  any of them")
    assert lines[3].endswith("0  no model can be rated")
    assert f"26 boards of {len(votes)} of {len(votes)} votes." in lines


def test_what_all_boards_share_is_said_once(monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    votes = drawn(votes=800).assign(category=np.resize(["x", "y"], 800), criterion="q")
    votes.loc[:9, "criterion"] = "other"
    text = "\n".join(boards_lines(by_level(votes, "category")))
    assert text.count("votes on 2 criteria are pooled") == 1
    assert text.count("Davidson: a tie is an outcome of its own") == 1


def test_a_history_fits_beside_the_models(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    tally = count(drawn(votes=1000))
    lines = history_lines(history(tally), tally.models, 4)
    assert lines[1].split()[:2] == ["after", "votes"]
    assert lines[1].split()[-1] == "1000"
    assert max(map(len, lines)) <= 80
    one = count(frame(("a", "b", "left")))
    assert history_lines(history(one), one.models, 4)[2].split() == ["a", "1002"]
