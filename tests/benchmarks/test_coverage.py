"""The drawn studies have the truth they are said to have, and the tables' figures can be wrong."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchmarks import coverage
from benchmarks.studies import TIES, World, draw


@pytest.mark.parametrize("model", [name for name in TIES if name != "bradley-terry"])
def test_without_tastes_the_truth_is_what_was_put_in(model: str) -> None:
    world = World(model)
    assert world.truth == pytest.approx(world.strengths, abs=1e-6)


def test_tastes_and_halved_ties_pull_the_truth_together() -> None:
    widest = [World(taste=sd).truth.max() for sd in (0.0, 0.5, 1.0)]
    assert widest[0] > widest[1] > widest[2] > 0
    assert World("bradley-terry").truth.max() < widest[0]


@pytest.mark.parametrize("model", TIES)
def test_a_large_study_finds_the_truth(model: str) -> None:
    world = World(model, raters=40_000, prompts=40_000, each=5, taste=0.5, suits=0.5)
    tally, _ = draw(world, np.random.default_rng(0))
    assert tally.votes == 200_000
    assert world.fit(tally.counts).strengths[0] == pytest.approx(world.truth, abs=0.06)


def test_every_way_gives_intervals_and_only_the_clustered_hold() -> None:
    world = replace(coverage.BOTH, taste=1.0, suits=1.0)
    shares = coverage.held(world, 20, list(coverage.WAYS), (0.95,)).mean(axis=0)[:, 0]
    found = dict(zip(coverage.WAYS, shares, strict=True))
    assert found["by rater and prompt"] > 0.88
    assert max(found["votes independent"], found["votes resampled"]) < 0.82


def test_tests_of_independent_votes_err_where_tastes_differ() -> None:
    one, any_, rank, _, same = coverage.errors(coverage.BOTH, 20, ()).mean(axis=0)
    assert one > 0.1
    assert any_ == rank > 0
    assert 0 <= same < 0.5
