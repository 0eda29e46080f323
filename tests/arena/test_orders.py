"""The order of models by score and by rating."""

import numpy as np
import pytest
from scipy import stats

from arena import orders
from arena.judged import join
from arena.ratings import fit
from benchmarks.worlds import World, by_generation, scores, study


@pytest.fixture(scope="module")
def world():
    rng = np.random.default_rng(3)
    votes, quality = study(rng)
    return join(votes), fit(votes), quality, scores(rng, quality)


def compare(world, values):
    judged, ratings, *_ = world
    return orders.compare(judged, values, ratings, level=0.95, seed=0)


def test_the_estimates_are_those_of_scipy(world):
    _, ratings, _, found = world
    order = compare(world, found["good"])
    mean = dict(order.means)
    rating = ratings.table.set_index("model")["rating"]
    x, y = [mean[m] for m in mean], [rating[m] for m in mean]
    assert order.tau == pytest.approx(stats.kendalltau(x, y).statistic)
    assert order.rho == pytest.approx(stats.spearmanr(x, y).statistic)
    assert order.tau_low <= order.tau <= order.tau_high
    assert order.p < 0.05


def test_a_useless_score_has_a_wide_interval_about_nothing(world):
    order = compare(world, world[3]["useless"])
    assert order.tau_low < 0 < order.tau_high
    assert order.tau_high - order.tau_low > 0.6


def test_an_order_upside_down(world):
    order = compare(world, by_generation(-world[2]))
    assert order.tau < -0.7


def test_means_are_of_the_judged_pictures_once_each(world):
    judged, _, quality, _ = world
    shown = set(judged.pictures)
    of_first = [v for g, v in by_generation(quality).items() if g in shown and g[:3] == "g0-"]
    order = compare(world, by_generation(quality))
    assert dict(order.means)["m0"] == pytest.approx(np.mean(of_first))


def test_equal_means_have_no_order(world):
    order = compare(world, dict.fromkeys(by_generation(world[2]), 1.0))
    assert order.tau is None
    assert "same mean score" in order.status


def test_scores_of_one_model_have_no_order(world):
    values = {g: v for g, v in by_generation(world[2]).items() if g.startswith("g0-")}
    order = compare(world, values)
    assert (order.models, order.tau) == (1, None)
    assert "1 of the 6 rated models" in order.status


@pytest.mark.parametrize(("models", "words"), [(2, "one order"), (4, "once in 24")])
def test_few_models_are_called_few(models, words):
    rng = np.random.default_rng(0)
    votes, quality = study(rng, World(models=models, votes=600))
    found = orders.compare(join(votes), by_generation(quality), fit(votes), level=0.95, seed=0)
    assert words in found.status
