"""People's ratings beside the machine's scores: one page says both, and whose votes they are."""

from __future__ import annotations

import json

import pytest
from jsonschema import Draft202012Validator

from arena import leaderboard, simulation
from arena.records import Outcome
from evalkit import history, pages, report, schema
from evalkit.errors import StudyError
from tests.arena.conftest import MODELS
from tests.arena.test_simulation import scored


def votes(arena, person, outcome_of, count):
    rater = arena.enter_as(person)
    for _ in range(count):
        battle = arena.open(rater)
        arena.cast(battle.token, rater, outcome_of(battle))


def alphabetical(battle):
    """Prefer the model whose name comes first, but not always."""
    if battle.ordinal % 4 == 3:
        return Outcome.TIE
    first = battle.left.model < battle.right.model
    return Outcome.LEFT if first != (battle.ordinal % 5 == 4) else Outcome.RIGHT


def test_a_study_without_votes_is_refused(store, arena):
    with pytest.raises(StudyError, match="has no votes yet"):
        leaderboard.human(store, "s")


def test_ratings_and_win_rates_are_those_of_the_votes(store, arena):
    for person in ("ann", "bob", "cho"):
        votes(arena, person, alphabetical, 12)
    human = leaderboard.human(store, "s")
    assert (human.votes, human.simulated_votes, human.raters) == (36, 0, 3)
    assert (
        sorted(human.headline.ratings) == sorted(human.headline.win_rates.models) == sorted(MODELS)
    )
    for i, row in enumerate(human.headline.win_rates.battles):
        assert row[i] == 0
        for j, battles in enumerate(row):
            assert battles == human.headline.win_rates.battles[j][i]
            if i != j:
                there, back = (
                    human.headline.win_rates.rate[i][j],
                    human.headline.win_rates.rate[j][i],
                )
                assert there + back == pytest.approx(1)
    assert sum(map(sum, human.headline.win_rates.battles)) == 2 * 36
    best = max(human.headline.ratings, key=lambda m: human.headline.ratings[m].rating)
    assert best == MODELS[0]


def test_what_is_not_identified_has_words_and_no_number(store, arena):
    votes(
        arena, "ann", lambda b: Outcome.LEFT if b.left.model < b.right.model else Outcome.RIGHT, 9
    )
    cells = leaderboard.human(store, "s").headline.ratings.values()
    assert all(c.rating is None and c.status for c in cells)


def test_of_ties_alone_no_method_of_intervals_is_named(store, arena):
    votes(arena, "ann", lambda _: Outcome.TIE, 9)
    board = leaderboard.human(store, "s").headline
    assert board.method.endswith("; no intervals")
    assert "Every vote was a tie." in board.notes


def test_undone_votes_do_not_count(store, arena):
    votes(arena, "ann", alphabetical, 4)
    arena.undo(arena.enter_as("ann"))
    assert leaderboard.human(store, "s").votes == 3


def test_the_report_tells_that_votes_were_simulated(store, arena, run, tmp_path):
    truths = {g.id: ("blur",) * MODELS.index(g.model) for g in run.generations()}
    for _ in simulation.simulate(arena, simulation.by_truth(truths), raters=6, votes=60):
        pass
    paths = leaderboard.write(store, "s", run.path, tmp_path / "out")
    board = json.loads(paths["json"].read_text())
    assert board["human"]["simulated_votes"] == 60
    assert "60 of 60 votes were cast by simulated raters" in paths["html"].read_text()
    assert board["rows"][0]["model"] == MODELS[0]
    assert "followed the scores" not in paths["html"].read_text()


def test_without_a_run_the_page_has_the_ratings_alone(store, arena, tmp_path):
    for person in ("ann", "bob", "cho"):
        votes(arena, person, alphabetical, 12)
    paths = leaderboard.write(store, "s", None, tmp_path / "out")
    board = json.loads(paths["json"].read_text())
    Draft202012Validator(schema.leaderboard()).validate(board)
    assert [row["model"] for row in board["rows"]] == list(MODELS)
    assert board["manifest"] is None
    assert board["human"]["boards"][0]["evidence"]["refused"].keys() <= {"fragility", "line"}
    assert "--run" not in board["commands"][-1]
    for form in ("html", "md"):
        assert "made of votes alone" in paths[form].read_text()
    index = history.keep(paths, tmp_path / "history")
    assert "36" in index.read_text()


def test_models_that_the_run_did_not_draw_are_in_the_table_and_named(store, arena, run, tmp_path):
    for person in ("ann", "bob", "cho"):
        votes(arena, person, alphabetical, 12)
    human = leaderboard.human(store, "s")
    whole = human.headline
    cells = {("stranger" if m == MODELS[0] else m): c for m, c in whole.ratings.items()}
    human = human.model_copy(update={"boards": (whole.model_copy(update={"ratings": cells}),)})
    board = report.build(run, human)
    assert {row.model for row in board.rows} == {*MODELS, "stranger"}
    assert any(b.startswith("Of stranger there are votes") for b in board.banners)
    assert pages.html(board)


def test_the_report_tells_which_scores_the_simulated_raters_followed(store, arena, run, tmp_path):
    scored(run, lambda g: float(MODELS.index(g.model)))
    sight = simulation.look(run, ["alike"])
    for _ in simulation.simulate(arena, sight, raters=6, votes=60):
        pass
    paths = leaderboard.write(store, "s", run.path, tmp_path / "out")
    board = json.loads(paths["json"].read_text())
    assert board["human"]["simulated_by"] == ["alike"]
    for form in ("html", "md"):
        text = paths[form].read_text()
        assert "Simulated raters followed the scores alike" in text
        assert "says nothing of whether people would" in text
