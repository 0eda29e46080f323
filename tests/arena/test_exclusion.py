"""Rules leave out whom they should, keep whom they should, and say how much is gone."""

import json

import numpy as np
import pandas as pd
import pytest

from arena.exclusion import RULES, OneSided, TooFew, exclude, rule
from arena.quality import quality
from evalkit.errors import EvalkitError, UnknownNameError


def study(seed=0, honest=40, each=60, taste=0.5, **careless):
    """Draw honest raters and, by name, careless ones; every pair of pictures is seen often."""
    rng = np.random.default_rng(seed)
    names = [f"honest-{i}" for i in range(honest)]
    names += [f"{kind}-{i}" for kind, number in careless.items() for i in range(number)]
    strength = np.linspace(-1, 1, 5)
    rows = []
    for name in names:
        kind = name.rsplit("-", 1)[0]
        liking = strength + rng.normal(0, taste, 5)
        left = rng.integers(0, 5, each)
        right = (left + 1 + rng.integers(0, 4, each)) % 5
        prompt = rng.integers(0, 20, each)
        x = (liking[left] - liking[right]) / 2
        weight = np.stack([np.exp(x), np.exp(-x), np.full(each, 0.5)], axis=1)
        chance = (weight / weight.sum(axis=1, keepdims=True)).cumsum(axis=1)
        place = (rng.random(each)[:, None] > chance[:, :2]).sum(axis=1)
        seconds = rng.lognormal(1.5, 0.5, each)
        if kind == "random":
            place = rng.integers(0, 3, each)
        if kind == "left":
            place = np.zeros(each, dtype=int)
        if kind == "hasty":
            seconds = seconds / 10
        rows += zip(
            [f"m{i}" for i in left],
            [f"m{i}" for i in right],
            np.array(["left", "right", "tie"])[place],
            [name] * each,
            [f"{p}/{m}" for p, m in zip(prompt, left, strict=True)],
            [f"{p}/{m}" for p, m in zip(prompt, right, strict=True)],
            seconds,
            strict=True,
        )
    columns = ["left", "right", "winner", "rater", "left_generation", "right_generation", "seconds"]
    return pd.DataFrame(rows, columns=columns)


ALL = [one() for one in RULES.values()]


def test_the_careless_are_left_out_and_the_honest_are_kept():
    votes = study(random=4, left=3, hasty=2)
    found = exclude(votes, ALL)
    assert set(found.excluded["one-sided"]) == {f"left-{i}" for i in range(3)}
    assert set(found.excluded["too-fast"]) == {f"hasty-{i}" for i in range(2)}
    caught = set(found.excluded["below-chance"])
    assert sum(name.startswith("random") for name in caught) >= 2
    assert not any(
        name.startswith("honest") for reasons in found.excluded.values() for name in reasons
    )
    assert len(found.kept) == found.votes - found.votes_excluded
    assert not found.kept["rater"].isin(caught).any()
    assert not found.alarm


def test_honest_raters_of_different_taste_are_seldom_left_out():
    """5 studies of 40: the simulation error is 0.7 %."""
    gone = sum(exclude(study(seed), ALL).raters_excluded for seed in range(5))
    assert gone / 200 <= 0.02


def test_nothing_is_left_out_by_no_rule():
    votes = study(honest=3)
    found = exclude(votes, [])
    pd.testing.assert_frame_equal(found.kept, votes)
    assert (found.votes_excluded, found.raters_excluded, found.alarm) == (0, 0, False)
    assert found.lines() == ["Left out by rule: 0 of 180 votes (0.0%), 0 of 3 raters."]


def test_more_than_a_fifth_raises_the_alarm():
    votes = study(honest=3, left=2)
    found = exclude(votes, [OneSided()])
    assert found.alarm
    assert found.share_of_raters == 0.4
    text = "\n".join(found.lines())
    assert "Alarm: more than 20% is left out" in text
    assert "one-sided (share 0.9, votes 20): left-0, 100% of 60 winners on the left" in text


def test_a_rater_who_breaks_two_rules_is_left_out_once():
    votes = study(honest=8, left=1)
    found = exclude(votes, [OneSided(), TooFew(votes=61)])
    assert found.raters_excluded == found.raters == 9
    assert found.votes_excluded == len(votes)
    assert found.kept.empty


def test_known_answers_and_repeats_decide_only_where_there_are_enough():
    columns = ["left", "right", "winner", "rater", "left_generation", "right_generation", "gold"]
    base = [("a", "b", "right", "other", "a9", "b9", None)]
    fails = [("a", "b", "left", "x", f"a{i}", f"b{i}", "right") for i in range(5)]
    few = pd.DataFrame([*base, *fails[:4]], columns=columns)
    enough = pd.DataFrame([*base, *fails], columns=columns)
    assert exclude(few, [rule("gold-failed")]).raters_excluded == 0
    found = exclude(enough, [rule("gold-failed")])
    assert found.excluded == {"gold-failed": {"x": "0% of 5 known answers right"}}
    turned = [("a", "b", "left", "x", "a1", "b1", None), ("b", "a", "left", "x", "b1", "a1", None)]
    steady = [("a", "b", "left", "other", "a1", "b1", None)] * 10
    again = pd.DataFrame([*base, *steady, *turned * 5], columns=columns)
    assert exclude(again, [rule("inconsistent")]).excluded["inconsistent"] == {
        "x": "0% of 9 repeats alike"
    }
    short = pd.DataFrame([*base, *turned * 5], columns=columns)  # nobody to compare with
    assert exclude(short, [rule("inconsistent")]).raters_excluded == 0


def test_a_rule_is_read_from_its_name_and_value():
    assert rule("too-fast").parameters == {"seconds": 1.0}
    assert rule("too-fast=0.5").parameters == {"seconds": 0.5}
    assert rule("one-sided=0.95").parameters == {"share": 0.95, "votes": 20}
    with pytest.raises(UnknownNameError, match="too-fast"):
        rule("too-quick")
    for wrong in ("too-fast=soon", "too-fast=-1", "too-fast=nan", "too-fast=inf", "one-sided=2"):
        with pytest.raises(EvalkitError, match=r"takes (seconds|share), a number above 0"):
            rule(wrong)


@pytest.mark.parametrize("name", sorted(RULES))
def test_every_rule_has_its_reasons_written_down(name):
    assert RULES[name].name == name
    assert len(RULES[name].__doc__.split()) > 10


def test_votes_without_raters_lose_nobody():
    votes = study(honest=3).drop(columns="rater")
    found = exclude(votes, ALL)
    assert (found.raters, found.raters_excluded, len(found.kept)) == (0, 0, 180)


def test_what_was_left_out_is_a_document():
    votes = study(honest=5, left=1)
    document = exclude(votes, ALL, quality(votes)).to_dict()
    assert json.loads(json.dumps(document))["votes_excluded"] == 60
    assert document["rules"]["below-chance"] == {"p": 0.001}
    assert "kept" not in document
