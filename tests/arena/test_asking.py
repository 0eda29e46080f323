"""What is typed after ``arena rate``: read as it was meant, or refused with the options' names."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from arena.boards import Tied
from arena.cli.asking import anchored, tie
from evalkit.errors import VotesError
from evalkit.runs import Run
from tests.arena.test_arena_cli import Terminal
from tests.arena.test_covariates import sized
from tests.arena.test_grounding import battles

MODELS = ("a", "b=2", "c, d", "e", "c")


@pytest.fixture
def arena(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Terminal:
    monkeypatch.setenv("COLUMNS", "120")
    return Terminal(monkeypatch, capsys, tmp_path)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Votes that answer every option: four models, both-bad votes, categories, steps, sizes."""
    votes = battles(np.array([-1.0, 0.2, 0.6, 1.0]), 800)
    size = np.random.default_rng(1).choice([0.25, 1.0], (2, len(votes)))
    steps = {"a": 1, "b": 4, "c": 4, "d": 50}
    votes = votes.assign(
        category=np.resize(["色と形", "counting", "counting", ""], len(votes)),
        language=np.resize(["en", "ko"], len(votes)),
        left_steps=votes["left"].map(steps),
        right_steps=votes["right"].map(steps),
        left_megapixels=size[0],
        right_megapixels=size[1],
    )
    votes.to_csv(tmp_path / "mine.csv", index=False)
    return tmp_path / "mine.csv"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a", ("a", 1000.0)),
        ("a=1200", ("a", 1200.0)),
        ("b=2", ("b=2", 1000.0)),
        ("b=2=900.5", ("b=2", 900.5)),
        ("a=x", ("a=x", 1000.0)),
    ],
)
def test_an_anchor_is_a_model_and_perhaps_a_rating(text: str, found: tuple[str, float]) -> None:
    assert anchored(text, MODELS) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a,e=30", Tied("a", "e", 30)),
        ("a, e = 30", Tied("a", "e", 30)),
        ("c, d,e=5", Tied("c, d", "e", 5)),
        ("b=2,a=7.5", Tied("b=2", "a", 7.5)),
        ("x,y=1", Tied("x", "y", 1)),
    ],
)
def test_two_models_and_a_margin(text: str, found: Tied) -> None:
    assert tie(text, MODELS) == found


@pytest.mark.parametrize("text", ["", "a", "a,e", "a=30", "a,e=far"])
def test_what_is_no_pair_with_a_margin_is_refused(text: str) -> None:
    with pytest.raises(VotesError, match="A,B=30"):
        tie(text, MODELS)


def test_the_line_of_good_enough_is_said_in_words(arena: Terminal, file: Path) -> None:
    text = arena("rate", "--votes", file, "--both-bad", "ground")
    rows = {line.split()[0]: line for line in text.splitlines() if line[:2] in ("a ", "d ")}
    assert rows["a"].endswith("below")
    assert rows["d"].endswith("above")
    assert "Line of good enough: " in text
    assert "preferred as often as both are called bad" in text
    found = arena.json("rate", "--votes", file, "--both-bad", "ground")
    assert found["diagnostics"]["line"]["low"] < found["diagnostics"]["line"]["rating"]
    assert {r["line"] for r in found["ratings"]} >= {"above", "below"}
    dropped = arena.json("rate", "--votes", file, "--both-bad", "drop")
    assert dropped["diagnostics"]["both_bad"] == "left out"


def test_a_board_for_each_category_and_language(arena: Terminal, file: Path) -> None:
    text = arena("rate", "--votes", file, "--by", "category")
    assert "category counting: 400 votes, 30 raters" in text
    assert "category 色と形: 200 votes" in text
    assert "2 boards of 600 of 800 votes." in text
    found = arena.json("rate", "--votes", file, "--by", "language", "--level", "0.9")
    assert [(b["level"], b["votes"]) for b in found["boards"]] == [("en", 400), ("ko", 400)]
    assert found["boards"][0]["diagnostics"]["intervals"]["level"] == 0.9


def test_budgets_are_joined_by_an_anchor(arena: Terminal, file: Path) -> None:
    found = arena.json("rate", "--votes", file, "--by", "budget", "--anchor", "d=1100")
    assert [b["level"] for b in found["boards"]] == ["1 step", "up to 4 steps"]
    for one in found["boards"]:
        held = next(r for r in one["ratings"] if r["model"] == "d")
        assert (held["rating"], held["low"]) == (1100, None)
    text = arena("rate", "--votes", file, "--by", "budget", "--anchor", "d=1100")
    assert "every board holds d at 1100" in text
    assert text.count("fixed by choice") == 0


def test_everything_that_can_stand_beside_one_board(arena: Terminal, file: Path) -> None:
    words = ("--covariate", "megapixels", "--covariate", "steps", "--tied", "b,c=400")
    words += ("--paper-style", "--elo-history", "--cluster", "rater", "--anchor", "a")
    found = arena.json("rate", "--votes", file, *words)
    first, second = found["diagnostics"]["covariates"]
    assert first["low"] < first["estimate"] < first["high"]
    assert second["estimate"] is None
    assert found["tied"][0]["equivalent"] is True
    assert set(found["paper_style"]["ratings"]) == set("abcd")
    assert found["elo_history"]["votes"][-1] == 800
    assert list(found["diagnostics"]["intervals"]["clusters"]) == ["rater"]
    text = arena("rate", "--votes", file, *words)
    assert "b and c are tied within 400 Elo" in text
    assert "Elo points for 1 more (95 %" in text
    assert "Note: steps: not estimated: it follows from the models" in text
    assert "a: the anchor, fixed by choice" in text
    assert "after votes" in text
    assert arena.json("rate", "--votes", file, "--cluster", "none")["diagnostics"]["intervals"][
        "clusters"
    ] == {}  # fmt: skip


def test_a_run_says_what_the_votes_of_a_database_do_not(arena: Terminal, run: Run) -> None:
    where = ("--database", "a.sqlite", "--study", "s")
    arena("load", *where, "--run", run.path, "--seed", 1)
    arena("simulate", *where, "--run", run.path, "--raters", 5, "--votes", 60)
    sizes = ("--covariate", "megapixels", "--run", run.path)
    assert "the same for both pictures" in arena("rate", *where, *sizes).replace("\n  ", " ")
    assert "No vote has a budget" in arena.fails(
        "rate", *where, "--by", "budget", "--run", run.path
    )
    assert "--run DIR" in arena.fails("rate", *where, "--by", "budget")
    live = arena.json("rate", *where, "--live", "--paper-style", "--anchor", "alpha-model")
    assert live["paper_style"]["replays"] == 1000
    assert live["ratings"][0]["rating"] == 1000
    assert "criterion " in arena("rate", *where, "--live", "--by", "criterion")
    assert arena.json("rate", *where, "--by", "criterion")["boards"][0]["votes"] == 60


@pytest.mark.parametrize(
    "option",
    [
        ("--exclude", "too-few"), ("--assisted",), ("--covariate", "steps"), ("--elo-history",),
        ("--cluster", "rater"), ("--by", "language"), ("--by", "budget"),
    ],
)  # fmt: skip
def test_what_counts_do_not_know_is_refused(arena: Terminal, option: tuple[str, ...]) -> None:
    run = ("--run", "x") if option == ("--assisted",) else ()
    message = arena.fails("rate", "--database", "a.sqlite", "--live", *option, *run)
    assert "--live rates counts" in message
    assert option[0] in message


def test_ties_among_all_pairs_and_intervals_by_bootstrap(arena: Terminal, file: Path) -> None:
    words = ("rate", "--votes", file, "--equivalence", 600, "--bootstrap")
    found = arena.json(*words)
    assert len(found["equivalences"]) == 6
    assert "Poisson bootstrap" in found["diagnostics"]["intervals"]["method"]
    text = arena(*words)
    assert "Tied within 600 Elo: " in text
    assert "holding together at 95 %" in text
    none = arena("rate", "--votes", file, "--equivalence", 0.01)
    assert "No two models are shown to be tied within 0.01 Elo. 0 of 6 pairs" in none


def test_options_that_do_not_go_together_are_named(arena: Terminal, file: Path) -> None:
    votes = ("rate", "--votes", file)
    assisted = arena.fails(*votes, "--assisted", "--run", "x", "--by", "category", "--level", 0.9)
    assert "does not go with --by, --level" in assisted
    assert "--elo-history" in arena.fails(*votes, "--by", "category", "--elo-history")
    assert "drop it, or --criterion" in arena.fails(*votes, "--by", "criterion", "--criterion", "x")
    assert "name no criterion" in arena.fails(*votes, "--by", "criterion")
    assert "--run also serves" in arena.fails(*votes, "--run", "x")
    assert "name no prompt" in arena.fails(*votes, "--cluster", "both")
    assert "Unknown anchor model" in arena.fails(*votes, "--anchor", "nobody")
    assert "above 0.5" in arena.fails(*votes, "--level", 0.4, "--tied", "a,b=3")
    arena.fails(*votes, "--by", "colour", code=2)


def test_missing_numbers_are_counted_and_wrong_ones_refused(
    arena: Terminal, tmp_path: Path
) -> None:
    votes = sized(200).astype({"left_megapixels": object})
    votes.loc[:4, "left_megapixels"] = ""
    votes.to_csv(tmp_path / "some.csv", index=False)
    size = ("--covariate", "megapixels")
    assert "5 of 200 votes are left out" in arena("rate", "--votes", "some.csv", *size)
    votes.loc[7, "left_megapixels"] = "large"
    votes.to_csv(tmp_path / "some.csv", index=False)
    assert "first 'large'" in arena.fails("rate", "--votes", "some.csv", *size)


def test_every_document_is_one_that_json_has_words_for(arena: Terminal, file: Path) -> None:
    for words in ((), ("--by", "category", "--both-bad", "ground"), ("--model", "elo")):
        found = arena.json("rate", "--votes", file, *words)
        assert found["schema"] == 1
        json.dumps(found, allow_nan=False)
