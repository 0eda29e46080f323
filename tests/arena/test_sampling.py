"""The draws: balanced, seeded, and as likely as they say."""

from __future__ import annotations

import random
from collections import Counter
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arena.gains import Answers
from arena.records import Entry, Outcome
from arena.rules import RULES, Rule, rule
from arena.sampling import FAVOUR, Field, History, draw, generator, key


def entry(
    number: int, model: str, prompt: str = "p", seed: int | None = 0, image: str = "i"
) -> Entry:
    return Entry(
        id=number,
        generation_id=str(number),
        model=model,
        prompt_id=prompt,
        prompt=prompt,
        seed=seed,
        image=image or None,
    )


def entries(models: int, prompts: int, seeds: int = 1) -> list[Entry]:
    cells = [(f"p{p}", s) for p in range(prompts) for s in range(seeds)]
    return [
        entry(i * models + m, f"m{m}", prompt, seed)
        for i, (prompt, seed) in enumerate(cells)
        for m in range(models)
    ]


def hold(pairs: Field, votes: int, raters: int, seed: int) -> tuple[History, list[set[object]]]:
    """Draw battles for raters in turn, as a study would."""
    history, seen = History(), [set() for _ in range(raters)]
    for n in range(votes):
        mine = seen[n % raters]
        drawn = draw(pairs, history, mine, generator(seed, history.drawn))
        if drawn is None:
            continue
        pair = pairs.by_key[key(drawn.left.id, drawn.right.id)]
        assert pair.key not in mine
        mine.add(pair.key)
        history.add(pair, first_is_left=drawn.left == pair.first)
    return history, seen


def test_pairs_are_of_one_prompt_and_seed_and_two_models() -> None:
    field = Field(entries(models=3, prompts=2, seeds=2))
    assert len(field) == 3 * 2 * 2
    for pair in field.by_key.values():
        assert pair.first.model < pair.second.model
        assert pair.first.prompt_id == pair.second.prompt_id
        assert pair.first.seed == pair.second.seed


def test_a_picture_that_does_not_exist_is_in_no_pair() -> None:
    assert len(Field([entry(1, "a"), entry(2, "b", image="")])) == 0


def test_a_model_never_meets_itself() -> None:
    assert len(Field([entry(1, "a"), entry(2, "a")])) == 0


def test_other_words_under_the_same_prompt_id_are_another_prompt() -> None:
    other = entry(2, "b").model_copy(update={"prompt": "other words"})
    assert len(Field([entry(1, "a"), other])) == 0


@pytest.mark.parametrize("of", [[], [entry(1, "a")], [entry(1, "a"), entry(2, "b", "q")]])
def test_nothing_to_compare_draws_nothing(of: list[Entry]) -> None:
    assert draw(Field(of), History(), set(), random.Random(0)) is None


def test_a_rater_who_has_seen_every_pair_draws_nothing() -> None:
    field = Field(entries(3, 2))
    assert draw(field, History(), set(field.by_key), random.Random(0)) is None


def test_a_pair_seen_in_another_study_is_ignored() -> None:
    assert draw(Field(entries(2, 1)), History(), {(77, 78)}, random.Random(0)) is not None


@given(
    models=st.integers(2, 5),
    prompts=st.integers(1, 4),
    raters=st.integers(1, 4),
    votes=st.integers(0, 60),
    seed=st.integers(0, 2**31),
)
def test_nobody_sees_a_pair_twice_and_pairs_of_models_stay_level(
    models: int, prompts: int, raters: int, votes: int, seed: int
) -> None:
    field = Field(entries(models, prompts))
    history, seen = hold(field, votes, raters, seed)
    assert history.drawn == sum(map(len, seen)) == min(votes, history.drawn)
    if votes <= len(field):  # nobody can have run out of any pair of models by then
        counts = [history.matches[m] for m in field.by_match]
        assert max(counts) - min(counts) <= 1
    if raters == 1:
        assert history.drawn == min(votes, len(field))
        assert max(history.pairs.values(), default=0) <= 1


def test_prompts_stay_level() -> None:
    history, _ = hold(Field(entries(models=4, prompts=10)), votes=600, raters=20, seed=5)
    assert sum(history.prompts.values()) == 600
    assert set(history.prompts.values()) <= {59, 60, 61}


@pytest.mark.parametrize("seed", range(5))
def test_sides_stay_balanced_for_every_pair_of_models(seed: int) -> None:
    history, _ = hold(Field(entries(models=4, prompts=50)), votes=1200, raters=12, seed=seed)
    # The lead of a biased coin of 2/3 has standard deviation below 2; a fair one's would be 14.
    assert all(abs(lead) <= 8 for lead in history.lead.values())


def test_sides_are_random_all_the_same() -> None:
    firsts = Counter()
    for seed in range(400):
        drawn = draw(Field(entries(2, 1)), History(), set(), generator(seed, 0))
        assert drawn
        firsts[drawn.left.model] += 1
    assert 150 < firsts["m0"] < 250


def test_the_side_that_was_had_less_often_is_favoured_but_not_certain() -> None:
    field = Field(entries(2, 2))
    history = History()
    pair = next(iter(field.by_key.values()))
    history.add(pair, first_is_left=True)
    left = Counter()
    for seed in range(600):
        drawn = draw(field, history, set(), random.Random(seed))
        assert drawn
        left[drawn.left.model, drawn.probability] += 1
    (less, p), (more, q) = sorted(left, key=lambda k: k[1])
    assert (less, more) == ("m0", "m1")
    assert (p, q) == (pytest.approx(float(1 - FAVOUR)), pytest.approx(float(FAVOUR)))
    assert left[more, q] / 600 == pytest.approx(2 / 3, abs=0.08)


def check_chances(field: Field, history: History, trials: int, error: float, *chosen: Rule) -> None:
    """Draw often, and hold the logged chance of each pair in its sides against its share."""
    seen: Counter[tuple[int, int]] = Counter()
    chance: dict[tuple[int, int], float] = {}
    for seed in range(trials):
        drawn = draw(field, history, set(), random.Random(seed), *chosen)
        assert drawn
        sides = drawn.left.id, drawn.right.id
        seen[sides] += 1
        assert chance.setdefault(sides, drawn.probability) == drawn.probability
    assert sum(chance.values()) == pytest.approx(1)
    for sides, p in chance.items():
        assert seen[sides] / trials == pytest.approx(p, abs=error)


def test_the_logged_probability_is_how_often_it_happens() -> None:
    field, history = Field(entries(3, 2)), History()
    for pair in list(field.by_key.values())[:2]:
        history.add(pair, first_is_left=True)
    check_chances(field, history, 6000, 0.03)


@pytest.mark.parametrize("name", RULES)
def test_the_chances_of_every_rule_are_those_of_the_draws(name: str) -> None:
    field, history = Field(entries(3, 2)), History()
    for pair, outcome in zip(field.by_key.values(), [*Outcome, Outcome.LEFT], strict=False):
        history.add(pair, first_is_left=True)
        history.hear(pair.match, outcome, first_is_left=True)
    chosen = rule(name, **({} if name == "balanced" else {"sharpness": 1}))
    check_chances(field, history, 3000, 0.04, chosen)


@pytest.mark.parametrize("name", RULES)
def test_sides_and_pictures_stay_balanced_under_every_rule(name: str) -> None:
    field, history, rng = Field(entries(4, 12)), History(), random.Random(7)
    for n in range(500):
        drawn = draw(field, history, set(), generator(3, n), rule(name))
        assert drawn
        pair = field.by_key[key(drawn.left.id, drawn.right.id)]
        first_is_left = drawn.left == pair.first
        history.add(pair, first_is_left=first_is_left)
        history.hear(pair.match, rng.choice([*Outcome]), first_is_left=first_is_left)
    assert all(abs(lead) <= 8 for lead in history.lead.values())
    for pairs in field.by_match.values():
        shown = [history.pairs[p.key] for p in pairs]
        assert max(shown) - min(shown) <= 1


def test_an_answer_is_heard_whatever_the_sides_and_can_be_taken_back() -> None:
    history, match = History(), ("a", "b")
    history.hear(match, Outcome.LEFT, first_is_left=True)
    history.hear(match, Outcome.LEFT, first_is_left=False)
    history.hear(match, Outcome.RIGHT, first_is_left=False)
    history.hear(match, Outcome.TIE, first_is_left=False)
    history.hear(match, Outcome.BOTH_BAD, first_is_left=True)
    assert history.answers == {match: Answers(first=2, second=1, neither=2)}
    history.hear(match, Outcome.LEFT, first_is_left=False, times=-1)
    assert history.answers == {match: Answers(first=2, second=0, neither=2)}


def test_the_same_seed_and_place_draw_the_same() -> None:
    field = Field(entries(4, 4))
    one = draw(field, History(), set(), generator(1, 2))
    assert one == draw(field, History(), set(), generator(1, 2))
    assert {
        (d.left.id, d.right.id)
        for n in range(20)
        if (d := draw(field, History(), set(), generator(1, n)))
    } != {(one.left.id, one.right.id) if one else None}


def test_the_order_of_the_entries_changes_nothing_but_ties_of_ids() -> None:
    of = entries(3, 3)
    assert set(Field(of).by_key) == set(Field(reversed(of)).by_key)


def test_the_favour_is_a_chance() -> None:
    assert Fraction(1, 2) < FAVOUR < 1
