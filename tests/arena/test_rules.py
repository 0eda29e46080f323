"""The rules of sampling: exact chances, a floor for all, and no favourites among names."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arena import rules
from arena.gains import Answers
from arena.rules import RULES, Focused, rule
from evalkit.errors import EvalkitError, UnknownNameError

NAMES = ("a", "b", "c", "d", "e")
MATCHES = list(combinations(NAMES, 2))
FOCUSED = ("least-certain", "top-focused")

count = st.integers(0, 400)
some_answers = st.dictionaries(st.sampled_from(MATCHES), st.builds(Answers, *[count] * 3))
some_drawn = st.dictionaries(st.sampled_from(MATCHES), count)
some_matches = st.lists(st.sampled_from(MATCHES), min_size=1, unique=True).map(sorted)
floors = st.floats(0.01, 1)


@given(matches=some_matches, drawn=some_drawn, answers=some_answers, name=st.sampled_from([*RULES]))
def test_the_chances_of_all_draws_add_up_to_one(matches, drawn, answers, name):
    shares = rule(name).shares(matches, drawn, answers)
    assert len(shares) == len(matches)
    assert sum(shares) == pytest.approx(1, abs=1e-12)
    assert min(shares) >= 0


@given(
    matches=some_matches,
    drawn=some_drawn,
    answers=some_answers,
    name=st.sampled_from(FOCUSED),
    floor=floors,
)
def test_every_pair_of_models_has_the_floors_chance(matches, drawn, answers, name, floor):
    shares = rule(name, floor=floor).shares(matches, drawn, answers)
    assert min(shares) >= floor / len(matches) * (1 - 1e-12)


@given(
    drawn=some_drawn,
    answers=some_answers,
    name=st.sampled_from([*RULES]),
    new=st.permutations(NAMES),
)
def test_other_names_for_the_same_models_change_no_chance(drawn, answers, name, new):
    called = dict(zip(NAMES, new, strict=True))

    def renamed(match):
        return tuple(sorted((called[match[0]], called[match[1]])))

    def turned(match, counts):
        kept = called[match[0]] < called[match[1]]
        return counts if kept else Answers(counts.second, counts.first, counts.neither)

    shares = dict(zip(MATCHES, rule(name).shares(MATCHES, drawn, answers), strict=True))
    again = rule(name).shares(
        MATCHES,
        {renamed(m): n for m, n in drawn.items()},
        {renamed(m): turned(m, n) for m, n in answers.items()},
    )
    for match, share in shares.items():
        assert again[MATCHES.index(renamed(match))] == pytest.approx(share, rel=1e-4, abs=1e-6)


@pytest.mark.parametrize(
    "answers",
    [
        {},
        {m: Answers(0, 0, 5) for m in MATCHES},
        {("a", "b"): Answers(3, 1, 0), ("d", "e"): Answers(0, 7, 0)},
        {m: Answers(10**9, 0, 0) for m in MATCHES},
    ],
    ids=["none", "ties", "apart", "undefeated"],
)
@pytest.mark.parametrize("name", FOCUSED)
def test_any_state_of_a_study_has_chances(name, answers):
    shares = rule(name).shares(MATCHES, {}, answers)
    assert np.isfinite(shares).all()
    assert sum(shares) == pytest.approx(1)


@pytest.mark.parametrize("name", RULES)
def test_at_first_every_pair_is_as_likely(name):
    assert rule(name).shares(MATCHES, {}, {}) == pytest.approx([1 / len(MATCHES)] * len(MATCHES))


def test_balanced_takes_those_that_met_least():
    drawn = dict.fromkeys(MATCHES, 3) | {("a", "c"): 2, ("d", "e"): 2}
    shares = dict(zip(MATCHES, rule("balanced").shares(MATCHES, drawn, {}), strict=True))
    assert {m: s for m, s in shares.items() if s} == {("a", "c"): 0.5, ("d", "e"): 0.5}


def clear_order(lead: Answers) -> dict[tuple[str, str], Answers]:
    """Answers that put the models in the order of their names, the first two about level."""
    return {m: Answers(80, 20, 10) for m in MATCHES} | {("a", "b"): lead}


def test_top_focused_asks_about_the_first_two():
    answers = clear_order(Answers(28, 26, 6))
    shares = dict(zip(MATCHES, rule("top-focused").shares(MATCHES, {}, answers), strict=True))
    assert max(shares, key=shares.__getitem__) == ("a", "b")
    assert shares["a", "b"] > 0.7
    assert shares["d", "e"] == pytest.approx(0.2 / 10, abs=0.01)


def test_least_certain_asks_about_those_that_nobody_can_tell_apart():
    answers = {m: Answers(80, 20, 10) for m in MATCHES} | {("d", "e"): Answers(9, 9, 2)}
    shares = dict(zip(MATCHES, rule("least-certain").shares(MATCHES, {}, answers), strict=True))
    assert max(shares, key=shares.__getitem__) == ("d", "e")


def test_raters_at_once_are_not_all_sent_to_one_pair():
    close = {("a", "b"): Answers(28, 26, 6), ("a", "c"): Answers(28, 26, 6)}
    answers = clear_order(Answers()) | close | {("b", "c"): Answers(27, 27, 6)}
    held = {m: sum(a) for m, a in answers.items()}
    before = rule("top-focused").shares(MATCHES, held, answers)
    after = rule("top-focused").shares(MATCHES, held | {("a", "b"): 90}, answers)
    assert before[0] == pytest.approx(before[1])
    assert after[0] < 0.5 * after[1]


def test_a_fit_that_fails_leaves_chance(monkeypatch):
    monkeypatch.setattr(rules, "believe", lambda *_: None)
    assert rule("top-focused").shares(MATCHES[:4], {}, {}) == [0.25] * 4


def test_gains_too_small_for_a_float_leave_chance(monkeypatch):
    monkeypatch.setattr(rules.TopFocused, "weigh", lambda _, belief: 0 * belief.difference)
    assert rule("top-focused").shares(MATCHES[:4], {}, {}) == [0.25] * 4


def test_a_rule_that_weighs_nothing_is_none():
    with pytest.raises(NotImplementedError):
        Focused().shares(MATCHES, {}, {})


def test_an_unknown_rule_is_named_with_the_known_ones():
    with pytest.raises(UnknownNameError, match="Did you mean 'top-focused'"):
        rule("top-focussed")


@pytest.mark.parametrize("floor", [0, -0.1, 1.1, float("nan")])
def test_a_floor_is_a_share(floor):
    with pytest.raises(EvalkitError, match="A floor of uniform draws is a share"):
        rule("top-focused", floor=floor)


@pytest.mark.parametrize("sharpness", [0, -1, 101, float("nan")])
def test_a_sharpness_is_a_power(sharpness):
    with pytest.raises(EvalkitError, match="A sharpness is a number"):
        rule("least-certain", sharpness=sharpness)


@pytest.mark.parametrize(
    ("name", "words"), [("balanced", "It has none"), ("top-focused", "It has floor, sharpness")]
)
def test_an_unknown_option_is_named(name, words):
    with pytest.raises(EvalkitError, match=f"no such options: temperature. {words}"):
        rule(name, temperature=1)


def test_only_rules_that_follow_the_votes_listen():
    assert [name for name in RULES if rule(name).listens] == list(FOCUSED)
    assert all(rule(name).name == name for name in RULES)
