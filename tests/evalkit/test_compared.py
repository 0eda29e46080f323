"""Which models are compared, and how it reads."""

from __future__ import annotations

import json

import pytest

from evalkit.compared import compared, document, lines, margins, pairs
from evalkit.engine import Local
from evalkit.errors import EvalkitError, UnknownNameError
from evalkit.score import score
from tests.fakes import Redness


@pytest.fixture
def scored(drawn):
    score(drawn, Redness(), Local())
    return drawn


def test_each_with_each_or_all_with_one_or_two():
    assert pairs("abc") == [("a", "b"), ("a", "c"), ("b", "c")]
    assert pairs("abc", baseline="b") == [("a", "b"), ("c", "b")]
    assert pairs("abc", models=("c", "a")) == [("c", "a")]


def test_too_many_pairs_ask_for_a_baseline():
    names = [f"m{i}" for i in range(100)]
    with pytest.raises(EvalkitError, match="100 models make 4950 pairs"):
        pairs(names)
    assert len(pairs(names, baseline="m0")) == 99


def test_unknown_models_and_two_ways_at_once_are_refused():
    with pytest.raises(UnknownNameError, match="Unknown model of this run 'd'"):
        pairs("abc", baseline="d")
    with pytest.raises(EvalkitError, match="Give --models or --baseline"):
        pairs("abc", ("a", "b"), "c")


def test_margins_are_for_every_score_or_a_named_one():
    assert margins(["0.02"], ["x", "y"]) == {"x": 0.02, "y": 0.02}
    assert margins(["0.02", "y=1"], ["x", "y"]) == {"x": 0.02, "y": 1.0}


@pytest.mark.parametrize("text", ["", "two", "x=", "-0.1", "nan", "inf", "x=0.1=0.2"])
def test_a_margin_that_is_none_is_refused(text):
    with pytest.raises(EvalkitError):
        margins([text], ["x"])


def test_a_run_is_compared_in_words_and_as_a_document(scored):
    found = compared(scored, baseline="plain", margin=["0.5"])
    text = "\n".join(lines(found))
    assert "fancy - plain" in text
    assert "12 of 12" in text
    assert "no worse than plain by more than 0.5 (p =" in text
    assert "adjusted for 1 comparison." in text
    told = json.loads(json.dumps(document(scored, found), allow_nan=False))
    assert told["comparisons"][0]["margin"]["margin"] == 0.5
    assert told["tests"] == 1


def test_what_is_not_told_apart_says_what_it_would_take(scored):
    (found,) = compared(scored, ("plain", "fancy"), margin=["0.001"])
    text = "\n".join(lines([found]))
    assert "plain and fancy are not told apart; 6 prompts would find " in text
    assert f"about {found.reach.prompts:,} the {abs(found.difference.value):.3f} that was" in text
    assert f"is not shown (p = {found.margin.p_no_worse:.4f}); about " in text


def test_only_the_newest_version_and_the_named_scores_count(scored):
    newer = Redness()
    newer.version = 2
    score(scored, newer, Local())
    assert len(compared(scored)) == 1
    with pytest.raises(UnknownNameError, match="score of this run"):
        compared(scored, scorers=["blueness"])


def test_a_run_without_scores_says_so(drawn):
    with pytest.raises(EvalkitError, match="no scores yet"):
        compared(drawn)
