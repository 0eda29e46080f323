"""How often what the scores claim holds: ``python benchmarks/score_coverage.py [ROUNDS]``.

Four tables, of studies drawn at random whose truth is known: nominal 95 % intervals of means and of
paired differences, in closed form and by a bootstrap stratified by task; tests and margins where
nothing is to be found; and the power at the number of prompts that is said to be enough.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from evalkit import clusters
from evalkit.clusters import Floats, Mean, Stratum

SHARES = np.array([0.95, 0.8, 0.6, 0.8, 0.4, 0.5])
"""True shares of six tasks, from nearly solved to even chances."""
SEEDS = 4
DROP = 0.05
"""How much of its share one model loses to the other."""

Study = Callable[[np.random.Generator], list[Floats]]
"""Draws one study: per task, values of prompts x seeds."""


def continuous(prompts: int) -> Study:
    """Score prompts whose pictures are alike."""
    return lambda rng: [rng.normal(size=(prompts, 1)) + rng.normal(size=(prompts, SEEDS))]


def chances(rng: np.random.Generator, prompts: int, concentration: float) -> Floats:
    """Draw each prompt's chance: a low concentration makes prompts all or nothing."""
    a = SHARES * concentration
    return rng.beta(a, concentration - a, size=(prompts, 6)).T


def geneval(prompts: int, concentration: float) -> Study:
    """Judge six tasks."""

    def draw(rng: np.random.Generator) -> list[Floats]:
        chance = chances(rng, prompts, concentration)
        return [(rng.random((prompts, SEEDS)) < c[:, None]).astype(float) for c in chance]

    return draw


def gaps(prompts: int, shared: float, drop: float = DROP) -> Study:
    """Judge two models, one worse by a share, whose prompts are equally hard with a chance."""

    def draw(rng: np.random.Generator) -> list[Floats]:
        one, other = chances(rng, prompts, 1.5), chances(rng, prompts, 1.5)
        two = np.where(rng.random(one.shape) < shared, one, other) * (1 - drop)
        x, y = (rng.random((6, prompts, SEEDS)) < c[..., None] for c in (one, two))
        return list(x.astype(float) - y)

    return draw


def strata(study: Sequence[Floats]) -> list[Stratum]:
    """Turn drawn values into strata."""
    return [Stratum(task.sum(axis=1), np.full(len(task), float(task.shape[1]))) for task in study]


def mean(study: Sequence[Floats], pseudo: clusters.Pseudo = ()) -> Mean:
    """Estimate a study's headline in closed form."""
    return clusters.mean_of_means([clusters.mean(s, pseudo) for s in strata(study)])


def coverage(draw: Study, truth: float, rounds: int, pseudo: clusters.Pseudo = ()) -> str:
    """Count how often both intervals hold the truth, with their mean widths."""
    held, width = np.zeros(2), np.zeros(2)
    for seed in range(rounds):
        study = draw(np.random.default_rng(seed))
        low, high = clusters.percentiles(clusters.bootstrap(strata(study), rounds=999, seed=seed))
        closed = mean(study, pseudo).interval()
        assert closed is not None
        both = np.array([closed, (low, high)])
        held += (both[:, 0] <= truth) & (truth <= both[:, 1])
        width += both[:, 1] - both[:, 0]
    (a, b), (wide, drawn) = held / rounds, width / rounds
    return f"{a:.3f} (width {wide:.3f})   {b:.3f} (width {drawn:.3f})"


def alarms(draw: Study, rounds: int) -> str:
    """Count how often nothing is called a difference, and the margin itself is called passed."""
    flips = errors = 0
    for seed in range(rounds):
        study = draw(np.random.default_rng(seed))
        each = np.concatenate([task.sum(axis=1) / task.size / len(study) for task in study])
        flips += clusters.sign_flips(each[:, None], rounds=999, seed=seed)[0] <= 0.05
        found = mean(study)
        errors += clusters.upper_tail(found.value / found.error, found.freedom) <= 0.05
    return f"{flips / rounds:.3f}   {errors / rounds:.3f}"


def power(shared: float, drop: float, rounds: int) -> str:
    """Take as many prompts as are said to be enough, and count how often the drop is found."""
    pilot, truth = mean(gaps(2000, shared, drop)(np.random.default_rng(0))), SHARES.mean() * drop
    both = clusters.quantile(0.975) + clusters.quantile(0.8)
    enough = int(np.ceil(2000 * (both * pilot.error / truth) ** 2))
    found = 0
    for seed in range(1, rounds + 1):
        interval = mean(gaps(enough, shared, drop)(np.random.default_rng(seed))).interval()
        found += interval is not None and interval[0] > 0
    return f"{6 * enough:>5} prompts   {found / rounds:.3f}"


def table(rounds: int) -> Iterator[str]:
    """Yield the lines of all tables."""
    yield (
        f"95 % intervals of means, {rounds} studies:".ljust(50) + "closed form           bootstrap"
    )
    for n in (10, 60):
        yield f"  continuous, {n:>2} prompts".ljust(50) + coverage(continuous(n), 0, rounds)
    for n, c in ((5, 1.5), (20, 0.7), (20, 1.5), (20, 4.0), (90, 1.5)):
        held = coverage(geneval(n, c), float(SHARES.mean()), rounds, clusters.at_bounds(0, 1))
        yield f"  GenEval, {n:>2} prompts a task, concentration {c}".ljust(50) + held
    yield "95 % intervals of paired differences:"
    for n, shared in ((5, 0.8), (20, 0.0), (20, 0.8), (90, 0.0), (90, 0.8)):
        held = coverage(gaps(n, shared), float(SHARES.mean()) * DROP, rounds)
        yield f"  GenEval, {n:>2} prompts a task, {shared:.0%} as hard".ljust(50) + held
    yield "Equal models called different at 5 % (sign flips), no worse by a margin of nil (t):"
    for n, shared in ((5, 0.8), (20, 0.8), (90, 0.8)):
        yield f"  GenEval, {n:>2} prompts a task".ljust(50) + alarms(gaps(n, shared, 0), rounds)
    yield "Power where 0.80 was asked for:"
    for shared, drop in ((0.0, 0.05), (0.8, 0.05), (0.8, 0.1)):
        yield f"  a drop of {drop:.0%}, {shared:.0%} as hard".ljust(50) + power(
            shared, drop, rounds
        )


if __name__ == "__main__":
    for line in table(int(sys.argv[1]) if len(sys.argv) > 1 else 1000):
        print(line, flush=True)
