"""Intervals hold what they promise when votes of one rater or prompt are related."""

import numpy as np
import pandas as pd
import pytest

from arena.clusters import Clusters, group
from arena.comparisons import quantile
from arena.likelihood import Pairs, Shape
from arena.newton import newton
from arena.ratings import fit
from arena.tally import Tally
from arena.uncertainty import bootstrap, outcome_counts, sandwich
from evalkit.errors import EvalkitError

SIZE, RATERS, PROMPTS, EACH, NU = 8, 40, 60, 50, 0.5
LEFT, RIGHT = np.nonzero(~np.eye(SIZE, dtype=bool))
PAIRS, SHAPE = Pairs(LEFT, RIGHT), Shape(SIZE, side=False, ties=True)
TRUE = np.linspace(-0.6, 0.6, SIZE)


def outcome_chances(x):
    weight = np.stack([np.exp(x / 2), np.exp(-x / 2), np.full_like(x, NU)], axis=-1)
    return weight / weight.sum(axis=-1, keepdims=True)


def population(sd):
    """The strengths that infinitely many raters and prompts would give (Gauss and Hermite)."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    x = (TRUE[LEFT] - TRUE[RIGHT])[:, None] + np.sqrt(2) * sd * nodes
    chance = (outcome_chances(x) * (weights / weights.sum())[:, None]).sum(axis=1)
    return newton(PAIRS, 1000 * chance[None], SHAPE).strengths[0]


def study(rng, taste, difficulty, uneven=0.0):
    """One study: every rater has a taste and every prompt an effect for each model."""
    rater = np.repeat(np.arange(RATERS), EACH)
    if uneven:
        share = 1 / np.arange(1, RATERS + 1) ** uneven
        rater = rng.choice(RATERS, RATERS * EACH, p=share / share.sum())
    prompt = rng.integers(0, PROMPTS, RATERS * EACH)
    pair = rng.integers(0, len(LEFT), RATERS * EACH)
    liking = rng.normal(0, 1, (RATERS, SIZE)) * taste
    effect = rng.normal(0, 1, (PROMPTS, SIZE)) * difficulty
    utility = TRUE + liking[rater] + effect[prompt]
    rows = np.arange(len(pair))
    x = utility[rows, LEFT[pair]] - utility[rows, RIGHT[pair]]
    chance = outcome_chances(x).cumsum(axis=1)
    cell = 4 * pair + (rng.random(len(pair))[:, None] > chance[:, :2]).sum(axis=1)
    counts = np.bincount(cell, minlength=4 * len(LEFT)).reshape(-1, 4)
    tally = Tally(tuple("abcdefgh"), LEFT, RIGHT, counts, cell)
    return tally, Clusters("rater", rater, RATERS), Clusters("prompt", prompt, PROMPTS)


def coverage(taste, difficulty, ways, uneven=0.0, repeats=300, seed=0):
    """Share of all pairwise 95 % intervals that hold the population's difference."""
    rng = np.random.default_rng(seed)
    one, other = np.triu_indices(SIZE, 1)
    truth = population(np.hypot(taste, difficulty))
    held = []
    for _ in range(repeats):
        tally, *found = study(rng, taste, difficulty, uneven)
        estimate = newton(PAIRS, outcome_counts(tally.counts[None], split_ties=False), SHAPE)
        spread = sandwich(estimate, PAIRS, tally, group(tally, found[:ways]))
        matrix = spread.matrix
        error = np.sqrt(matrix[one, one] + matrix[other, other] - 2 * matrix[one, other])
        miss = estimate.strengths[0] - truth
        reach = quantile(0.95, spread.freedom) * error
        held.append((np.abs(miss[one] - miss[other]) <= reach).mean())
    return np.mean(held)


# The simulation error of 300 studies of 28 correlated pairs is 0.4 to 0.6 % (one sigma).
@pytest.mark.parametrize(
    ("taste", "difficulty", "ways", "low", "high"),
    [
        (0.0, 0.0, 0, 0.935, 0.965),
        (0.0, 0.0, 2, 0.93, 0.97),
        (0.5, 0.0, 1, 0.93, 0.97),
        (0.5, 0.0, 2, 0.93, 0.97),
        (0.5, 0.0, 0, 0.80, 0.91),
        (0.5, 0.5, 2, 0.93, 0.97),
        (0.5, 0.5, 1, 0.85, 0.935),
        (0.5, 0.5, 0, 0.78, 0.88),
    ],
)
def test_nominal_95_percent_intervals(taste, difficulty, ways, low, high):
    """Clustered they hold; taken as independent votes they fall short as soon as tastes differ."""
    assert low < coverage(taste, difficulty, ways) < high


@pytest.mark.parametrize(("taste", "low", "high"), [(0.5, 0.92, 0.97), (0.0, 0.93, 0.975)])
def test_intervals_hold_with_uneven_raters(taste, low, high):
    """Forty raters who vote as 1, 1/2, 1/3, ...: with the plain number of raters 91 % hold."""
    assert low < coverage(taste, 0.0, 2, uneven=1.0) < high


def votes(seed=1, taste=0.8, number=RATERS):
    tally, rater, prompt = study(np.random.default_rng(seed), taste, 0.0)
    frame = pd.DataFrame(
        {
            "left": np.array(tally.models)[LEFT[tally.cell // 4]],
            "right": np.array(tally.models)[RIGHT[tally.cell // 4]],
            "winner": np.array(["left", "right", "tie", "both_bad"])[tally.cell % 4],
            "rater": rater.codes,
            "prompt": prompt.codes,
        }
    )
    return frame[frame["rater"] < number]


def errors(ratings):
    return np.sqrt(np.diag(ratings.cov.sort_index().sort_index(axis=1)))


def test_the_meat_is_the_sum_over_clusters_written_out():
    tally, rater, _ = study(np.random.default_rng(3), 0.5, 0.0)
    estimate = newton(PAIRS, outcome_counts(tally.counts[None], split_ties=False), SHAPE)
    meat = np.zeros((SIZE + 1, SIZE + 1))
    theta = estimate.theta[0]
    for one in range(RATERS):
        score = np.zeros(SIZE + 1)
        for cell in tally.cell[rater.codes == one]:
            i, j, outcome = LEFT[cell // 4], RIGHT[cell // 4], cell % 4
            p = outcome_chances(np.array(theta[i] - theta[j]))
            weight = np.array([np.exp((theta[i] - theta[j]) / 2), 0, np.exp(theta[-1])])
            weight[1] = 1 / weight[0]
            p = weight / weight.sum()
            pull = {0: 1, 1: -1}.get(outcome, 0) / 2 - (p[0] - p[1]) / 2
            score[i] += pull
            score[j] -= pull
            score[-1] += (outcome == 2) - p[2]
        meat += np.outer(score, score)
    inverse = np.linalg.pinv(estimate.information[0])
    by_hand = inverse @ meat @ inverse * RATERS / (RATERS - 1)
    spread = sandwich(estimate, PAIRS, tally, group(tally, [rater]))
    centred = np.eye(SIZE + 1)
    centred[:SIZE, :SIZE] -= 1 / SIZE
    assert spread.matrix == pytest.approx(centred @ by_hand @ centred, abs=1e-9)


def test_clusters_that_are_single_votes_change_nothing_but_the_factor():
    frame = votes().assign(rater=range(RATERS * EACH))
    one, independent = fit(frame, cluster="rater"), fit(frame, cluster=())
    number = RATERS * EACH
    assert errors(one) == pytest.approx(errors(independent) * np.sqrt(number / (number - 1)))
    assert one.diagnostics["intervals"]["design_effect"] == pytest.approx(1, abs=1e-3)


def test_tastes_widen_the_interval_and_the_design_effect_says_so():
    frame = votes()
    clustered, independent = fit(frame, cluster="rater"), fit(frame, cluster=None)
    assert (errors(clustered) > errors(independent)).mean() > 0.8
    assert clustered.diagnostics["intervals"]["design_effect"] > 1.5
    assert independent.diagnostics["intervals"]["method"] == "independent votes, sandwich"
    assert independent.diagnostics["intervals"]["degrees_of_freedom"] is None


def test_raters_who_agree_to_the_letter_leave_some_doubt():
    sheet = votes(number=1)
    frame = pd.concat([sheet.assign(rater=rater) for rater in range(12)])
    agreed, independent = fit(frame, cluster="rater"), fit(frame, cluster=None)
    assert (errors(agreed) > 0.4 * errors(independent)).all()


@pytest.mark.parametrize("cluster", [None, "rater", ("rater", "prompt")])
@pytest.mark.parametrize("model", ["davidson", "bradley-terry"])
def test_the_bootstrap_agrees_with_the_sandwich(cluster, model):
    frame = votes()
    closed = fit(frame, model, cluster)
    drawn = fit(frame, model, cluster, method="bootstrap", replicates=400, seed=3)
    ratio = errors(drawn).mean() / errors(closed).mean()
    assert 0.9 < ratio < 1.1
    facts = drawn.diagnostics["intervals"]
    ways = 3 if isinstance(cluster, tuple) else 1
    assert (facts["replicates"], facts["failed_replicates"]) == (400 * ways, 0)
    assert drawn.diagnostics["warnings"] == []
    again = fit(frame, model, cluster, method="bootstrap", replicates=400, seed=3)
    pd.testing.assert_frame_equal(drawn.table, again.table)


def few(*rows):
    frame = pd.DataFrame(rows, columns=["left", "right", "winner", "times"])
    return frame.loc[frame.index.repeat(frame["times"])].reset_index(drop=True)


def test_failed_replicates_are_counted_not_hidden():
    frame = few(("a", "b", "left", 9), ("b", "a", "left", 2), ("a", "b", "tie", 3))
    found = fit(frame, method="bootstrap", replicates=300)
    failed = found.diagnostics["intervals"]["failed_replicates"]
    assert 30 < failed < 100  # no loss of a: e^-2 = 13.5 %; no tie: e^-3 = 5 %
    assert f"{failed} bootstrap replicates had no finite estimate" in found.diagnostics["warnings"]


def test_a_bootstrap_of_failures_is_refused():
    frame = few(("a", "b", "left", 1), ("b", "a", "left", 1))
    with pytest.raises(EvalkitError, match="of 2 bootstrap replicates had a finite estimate"):
        fit(frame, method="bootstrap", replicates=2, seed=0)


def test_a_bootstrap_of_the_side_effect_checks_it_in_every_replicate():
    frame = votes(number=10)
    found = fit(frame, adjust_side=True, method="bootstrap", replicates=100)
    assert found.diagnostics["side_effect"]["adjusted"]
    thin = few(
        ("a", "b", "left", 6), ("a", "b", "right", 5), ("a", "b", "tie", 5), ("b", "a", "left", 2),
        ("b", "a", "right", 1),
    )  # fmt: skip
    shaky = fit(thin, adjust_side=True, method="bootstrap", replicates=200)
    assert shaky.diagnostics["intervals"]["failed_replicates"] > 5


def test_replicates_are_drawn_in_blocks(monkeypatch):
    tally, rater, _ = study(np.random.default_rng(3), 0.5, 0.0)
    estimate = newton(PAIRS, outcome_counts(tally.counts[None], split_ties=False), SHAPE)
    found = bootstrap(
        estimate, PAIRS, tally, group(tally, [rater]), split_ties=False, replicates=9001, seed=0
    )
    assert found.matrix.shape == (SIZE + 1, SIZE + 1)
    assert found.failed == 0


def test_the_columns_that_exist_decide_the_clusters():
    frame = votes()
    assert set(fit(frame).diagnostics["intervals"]["clusters"]) == {"rater", "prompt"}
    bare = fit(frame.drop(columns=["rater", "prompt"]))
    assert bare.diagnostics["intervals"]["clusters"] == {}
    session = fit(frame.assign(session=frame["rater"] // 2), cluster="session")
    assert session.diagnostics["intervals"]["clusters"] == {"session": 20}
    with pytest.raises(EvalkitError, match="two columns at most, not by 3"):
        fit(frame.assign(day=frame["rater"] // 4), cluster=("rater", "prompt", "day"))


def test_missing_one_and_few_clusters_are_told():
    frame = votes(number=3)
    frame.loc[frame.index[:7], "rater"] = None
    frame["prompt"] = "the only one"
    found = fit(frame)
    notes = " | ".join(found.diagnostics["warnings"])
    assert "7 votes name no rater: each counts as a rater of its own" in notes
    assert "all votes have one prompt: the intervals speak of that prompt alone" in notes
    assert found.diagnostics["intervals"]["clusters"] == {"rater": 10}
    assert "only 3 clusters by rater" in fit(votes(number=3)).diagnostics["warnings"][0]
