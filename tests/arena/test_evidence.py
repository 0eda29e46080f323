"""What stands behind the ratings is found, or refused in a sentence; nothing fails the page."""

from __future__ import annotations

import json

import pytest

from arena import evidence, leaderboard, simulation
from arena.evidence import PARTS
from evalkit.errors import UnknownNameError
from tests.arena.conftest import MODELS
from tests.arena.test_leaderboard import alphabetical, votes
from tests.arena.test_simulation import scored


@pytest.fixture
def judged(arena, run):
    """A study whose raters follow a score of the run."""
    scored(run, lambda g: float(MODELS.index(g.model)))
    sight = simulation.look(run, ["alike"])
    for _ in simulation.simulate(arena, sight, raters=8, votes=90):
        pass
    return run


def found(store, run=None, **more):
    scores = evidence.scores_of(run) if run else None
    return leaderboard.human(store, "s", scored=scores, **more).headline.evidence


def test_each_part_is_found_or_refused(store, judged):
    made = found(store, judged)
    for part in PARTS:
        assert (getattr(made, part) is None) == (part in made.refused)
    assert made.concordance.scorers[0].scorer == "alike"
    assert made.fragility.first == MODELS[-1]
    assert [one.what for one in made.fragility.removals] == [
        "votes",
        "answers",
        "raters",
        "prompts",
    ]


def test_without_scores_two_parts_say_so(store, arena):
    for person in ("ann", "bob", "cho"):
        votes(arena, person, alphabetical, 12)
    made = found(store)
    assert "has no scores" in made.refused["concordance"]
    assert "has no scores" in made.refused["assisted"]
    assert "No line of good enough: no vote was both bad" in made.refused["line"]


def test_one_rater_is_refused_in_words_and_the_page_is_written(store, arena, run, tmp_path):
    votes(arena, "ann", alphabetical, 3)
    page = leaderboard.write(store, "s", run.path, tmp_path)["html"].read_text()
    assert page.count("Not told: ") >= 3


def test_parts_can_be_left_out(store, judged):
    made = found(store, judged, without=PARTS)
    assert made.model_dump(exclude_defaults=True) == {}
    with pytest.raises(UnknownNameError, match="part of a report"):
        evidence.named(["fragilty"])


def test_it_is_in_the_document(store, judged, tmp_path):
    paths = leaderboard.write(store, "s", judged.path, tmp_path)
    made = json.loads(paths["json"].read_text())["human"]["boards"][0]["evidence"]
    assert made["fragility"]["votes"] == 90
    assert "Not told" in paths["html"].read_text() or not made["refused"]
