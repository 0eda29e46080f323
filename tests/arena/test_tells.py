"""Numbers that come with pictures: told apart when they tell, and seldom when they do not."""

from __future__ import annotations

import numpy as np
import pytest

from arena.tells import tell

MODELS = list("abcdef")


def drawn(rng: np.random.Generator, battles: int) -> tuple[list[str], list[str]]:
    pairs = [rng.choice(MODELS, 2, replace=False) for _ in range(battles)]
    return [str(p[0]) for p in pairs], [str(p[1]) for p in pairs]


def found(rng: np.random.Generator, shift: float, battles: int = 60, alpha: float = 0.05) -> bool:
    left, right = drawn(rng, battles)
    gaps = rng.standard_normal(battles)
    gaps += shift * (np.array(left) == "a") - shift * (np.array(right) == "a")
    return tell(list(gaps), left, right, alpha=alpha, flips=199).p <= alpha


def test_what_does_not_tell_is_seldom_found() -> None:
    rng = np.random.default_rng(0)
    assert sum(found(rng, 0.0) for _ in range(400)) <= 32  # 20 expected; 32 is 2.7 deviations more


def test_what_is_said_to_be_visible_is_found_four_times_in_five() -> None:
    rng = np.random.default_rng(1)
    hits = []
    for _ in range(200):
        left, right = drawn(rng, 80)
        noise = rng.standard_normal(80)
        seen = tell(list(noise), left, right, alpha=0.05, flips=199)
        assert seen.visible is not None
        least = min(MODELS, key=lambda m: left.count(m) + right.count(m))
        sign = (np.array(left) == least).astype(float) - (np.array(right) == least)
        gaps = noise + seen.visible * sign
        hits.append(tell(list(gaps), left, right, alpha=0.05, flips=199).p <= 0.05)
    assert 0.7 <= np.mean(hits) <= 0.92


def test_the_model_that_differs_is_named() -> None:
    rng = np.random.default_rng(2)
    left, right = drawn(rng, 60)
    gaps = 5.0 * (np.array(left) == "c") - 5.0 * (np.array(right) == "c") + rng.standard_normal(60)
    seen = tell(list(gaps), left, right, alpha=0.001)
    assert seen.p <= 0.001
    assert seen.model == "c"
    assert seen.most == pytest.approx(5, rel=0.3)


def test_one_slow_answer_proves_nothing() -> None:
    rng = np.random.default_rng(3)
    left, right = drawn(rng, 60)
    gaps = rng.standard_normal(60)
    gaps[0] = 1e6
    assert tell(list(gaps), left, right, alpha=0.001).p > 0.001


@pytest.mark.parametrize(
    ("gaps", "left", "right"),
    [([], [], []), ([1.0], ["a"], ["b"]), ([0.0] * 9, ["a"] * 9, ["b"] * 9)],
)
def test_where_nothing_can_be_seen_nothing_is_claimed(
    gaps: list[float], left: list[str], right: list[str]
) -> None:
    seen = tell(gaps, left, right, alpha=0.001)
    assert seen.visible is None
    assert seen.p > 0.001
