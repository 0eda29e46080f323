"""The card says in words what its parts found."""

import json

import pandas as pd
import pytest

from arena.exclusion import OneSided, TooFew
from arena.fragility import fragility
from arena.influence import MODELS
from evalkit.errors import VotesError
from tests.arena.test_exclusion import study
from tests.arena.test_influence import drawn


@pytest.mark.parametrize("model", MODELS)
def test_a_card_is_a_document_and_sentences(model):
    votes = drawn(800, taste=0.5)
    found = fragility(votes, model)
    assert [one.what for one in found.removals] == ["votes", "answers", "raters", "prompts"]
    assert [one.what for one in found.left_out] == ["rater", "prompt"]
    document = json.loads(json.dumps(found.to_dict()))
    assert document["first"] == found.first == max(found.ratings, key=found.ratings.get)
    assert found.lead == pytest.approx(found.ratings[found.first] - found.ratings[found.second])
    lines = found.lines()
    assert lines[0].startswith(f"#1 is {found.first}, ")
    assert all(line.endswith(".") for line in lines)
    assert found == fragility(votes, model)


def test_rules_are_tried_side_by_side():
    found = fragility(study(left=6), rules=[OneSided(), TooFew()])
    (one,) = found.without
    assert (one.rule, one.raters_excluded, one.votes_excluded) == ("one-sided", 6, 360)
    assert set(one.ratings) == set(found.ratings)
    assert one.ratings != found.ratings
    text = "\n".join(found.lines())
    assert (
        f"Without raters by the rule one-sided, 360 votes (13.0%) fewer: #1 is still {one.first}"
        in text
    )
    assert "Nobody is left out by the rules too-few." in text


def test_a_rule_that_leaves_nobody_rates_nobody():
    found = fragility(drawn(), rules=[TooFew(votes=10_000)])
    assert found.without[0].first is None
    assert found.without[0].ratings == {}
    assert "#1 is nobody; alarm" in "\n".join(found.lines())


def test_who_is_tied_with_the_first_is_said():
    close, clear = fragility(drawn(60, seed=1)), fragility(drawn(20_000))
    assert set(close.tied) == {"m0", "m1", "m2", "m3"} - {close.first}
    assert "statistically tied with" in close.lines()[0]
    assert clear.tied == ()
    assert clear.lines()[0].endswith("surely the best.")


def test_votes_alone_have_a_card():
    found = fragility(drawn()[["left", "right", "winner"]])
    assert [one.what for one in found.removals] == ["votes", "answers"]
    assert found.left_out == ()
    with pytest.raises(VotesError, match="No two models"):
        fragility(drawn().assign(winner="tie"))


def test_checks_on_raters_rate_nobody():
    votes = drawn(600)
    checks = votes.head(50).assign(purpose="gold", gold="left", winner="right")
    every = pd.concat([votes.assign(purpose="rating", gold=None), checks], ignore_index=True)
    plain, card = fragility(votes), fragility(every)
    assert card.votes == plain.votes == 600
    assert card.ratings == plain.ratings
