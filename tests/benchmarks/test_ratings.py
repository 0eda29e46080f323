"""What is timed is the same work: every contender ends with the same ratings."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks import rating_peers
from benchmarks.metering import measure
from benchmarks.ratings import KINDS, bradley_terry, by_rater, votes

FRAME = votes(3000)
APART = {"  and 100 bootstrap rounds": 10.0, "choix, list of pairs": 60.0}
"""Elo points: a median of draws is not the estimate, and without ties the scale is wider."""


@pytest.mark.parametrize("name", rating_peers.peers(1000)[0])
def test_contenders_agree(name: str) -> None:
    theirs = rating_peers.peers(1000)[0][name](FRAME)
    ours = (by_rater if "Davidson" in name else bradley_terry)(FRAME)
    assert (theirs - ours).abs().max() < APART.get(name, 0.02)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if "pyarrow" not in kind])
def test_every_kind_of_column_is_rated_alike(kind: str) -> None:
    assert by_rater(votes(3000, kind=kind)).equals(by_rater(FRAME))


def test_slow_ones_are_left_out_in_words() -> None:
    names, words = rating_peers.peers(1_000_000)
    assert "choix, list of pairs" not in names
    assert words[0].startswith("choix from a list of pairs")


def zeros(megabytes: int) -> np.ndarray:
    return np.zeros(megabytes << 17)


def touched(given: np.ndarray) -> int:
    return len(np.ones(2 * len(given)))


def test_a_cost_counts_the_work_and_not_the_data() -> None:
    cost = measure(touched, zeros, 64, 2)
    assert cost.answer == 2 * 64 << 17
    assert 120 < cost.work < 140
    assert cost.peak > cost.work
    assert cost.wall > 0
