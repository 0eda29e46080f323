"""How often intervals hold and tests err, where raters differ in taste and prompts suit models.

Run: python -m benchmarks.coverage [--studies 400] [--only intervals|models|levels|tests|few]
Truth is what votes without end would give, each of a rater and a prompt of its own. After each
share stands its simulation error (one sigma), or in a row's head the largest of the row.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from arena import comparisons
from arena.clusters import Clusters, group
from arena.newton import Fit
from arena.tally import Tally
from arena.uncertainty import bootstrap, sandwich
from benchmarks.studies import World, draw

ROUNDS = 100
PLAIN = World()
TASTES = World(taste=0.5)
BOTH = World(taste=0.5, suits=0.5)
WORLDS = {
    "40 raters of 50 votes, 60 prompts; independent votes": PLAIN,
    "raters differ in taste": TASTES,
    "prompts suit models differently": World(suits=0.5),
    "both": BOTH,
    "both, twice as strong": World(taste=1.0, suits=1.0),
    "both, 12 raters of 167": replace(BOTH, raters=12, each=167),
    "both, 400 raters of 5": replace(BOTH, raters=400, each=5),
    "both, 12 prompts": replace(BOTH, prompts=12),
    "both, 40 raters as 1, 1/2, 1/3, …": replace(BOTH, uneven=1.0),
}
MODELS = {
    "Davidson": "davidson",
    "Rao-Kupper": "rao-kupper",
    "Bradley-Terry (ties as halves)": "bradley-terry",
    "with a line of good enough": "line",
}


@dataclass(frozen=True)
class Study:
    """One drawn study, fitted."""

    world: World
    tally: Tally
    by: list[Clusters]
    fit: Fit

    def covariance(self, *ways: int) -> tuple[np.ndarray, float]:
        """Return the strengths' covariance clustered by these of (rater, prompt), and freedom."""
        groups = group(self.tally, [self.by[way] for way in ways])
        found = sandwich(self.fit, self.world.pairs, self.tally, groups)
        return found.matrix[: self.world.models, : self.world.models], found.freedom

    def differences(self, *ways: int) -> tuple[comparisons.Differences, float]:
        matrix, freedom = self.covariance(*ways)
        return comparisons.differences(self.fit.strengths[0], matrix, freedom), freedom


Ends = tuple[np.ndarray, np.ndarray]


def closed(*ways: int) -> Callable[[Study, float], Ends]:
    """Intervals of all differences by our closed form."""

    def ends(study: Study, level: float) -> Ends:
        tests, freedom = study.differences(*ways)
        reach = comparisons.quantile(level, freedom) * tests.error
        return tests.difference - reach, tests.difference + reach

    return ends


def resampled(study: Study, level: float) -> Ends:
    """Intervals as most boards print them: votes drawn again 100 times, percentiles."""
    counts = study.tally.counts
    rng = np.random.default_rng(int(counts[0].sum()))
    share = counts.ravel() / counts.sum()
    again = rng.multinomial(counts.sum(), share, ROUNDS).reshape(ROUNDS, *counts.shape)
    strengths = study.world.fit(again).strengths
    one, other = np.triu_indices(study.world.models, 1)
    tail = (1 - level) / 2
    low, high = np.quantile(strengths[:, one] - strengths[:, other], [tail, 1 - tail], axis=0)
    return low, high


def by_bootstrap(study: Study, level: float) -> Ends:
    """Intervals by our bootstrap of raters."""
    groups, world = group(study.tally, study.by[:1]), study.world
    drawing = {"split_ties": world.split_ties, "replicates": 2 * ROUNDS, "seed": 0}
    found = bootstrap(study.fit, world.pairs, study.tally, groups, **drawing)
    size = world.models
    tests = comparisons.differences(
        study.fit.strengths[0], found.matrix[:size, :size], found.freedom
    )
    reach = comparisons.quantile(level, found.freedom) * tests.error
    return tests.difference - reach, tests.difference + reach


WAYS: dict[str, Callable[[Study, float], Ends]] = {
    "votes independent": closed(),
    "votes resampled": resampled,
    "by rater": closed(0),
    "by rater, bootstrap": by_bootstrap,
    "by prompt": closed(1),
    "by rater and prompt": closed(0, 1),
}


def studies(world: World, number: int) -> Iterator[Study]:
    """Draw and fit so many studies; the nth is the same whatever is asked of it."""
    for seed in range(number):
        tally, by = draw(world, np.random.default_rng(seed))
        yield Study(world, tally, by, world.fit(tally.counts))


def held(world: World, number: int, ways: list[str], levels: tuple[float, ...]) -> np.ndarray:
    """Return studies x ways x levels: the share of intervals of differences that hold."""
    one, other = np.triu_indices(world.models, 1)
    gap = world.truth[one] - world.truth[other]
    shares = []
    for study in studies(world, number):
        ends = [[WAYS[way](study, level) for level in levels] for way in ways]
        shares.append([[np.mean((lo <= gap) & (gap <= hi)) for lo, hi in row] for row in ends])
    return np.array(shares)


def line(head: str, cells: list[str]) -> None:
    print(f"| {head} | {' | '.join(cells)} |", flush=True)


def heads(first: str, names: list[str]) -> None:
    line(first, names)
    print(f"| --- |{' ---: |' * len(names)}")


def shares(found: np.ndarray) -> list[str]:
    """Write the means over studies, each with its simulation error."""
    errors = found.std(axis=0) / np.sqrt(len(found))
    pairs = zip(found.mean(axis=0).ravel(), errors.ravel(), strict=True)
    return [f"{share:.1%} ({error:.1%})" for share, error in pairs]


def intervals(number: int) -> None:
    print(f"\nDavidson's model, 8 models, 2000 votes; nominal 95 %; {number} studies\n")
    heads("", list(WAYS))
    for words, world in WORLDS.items():
        line(words, shares(held(world, number, list(WAYS), (0.95,))))


def models(number: int) -> None:
    print(f"\nRaters differ in taste and prompts suit models; nominal 95 %; {number} studies\n")
    ways = [way for way in WAYS if "boot" not in way and "resampled" not in way]
    heads("model", ways)
    for words, name in MODELS.items():
        world = replace(BOTH, model=name)
        line(words, shares(held(world, number, ways, (0.95,))))
        if world.ground:
            line("its distances to the line", shares(over_the_line(world, number)))


def over_the_line(world: World, number: int) -> np.ndarray:
    """Return studies x ways: the share of intervals of distances to the line that hold."""
    found = []
    for study in studies(world, number):
        row = []
        for ways in ((), (0,), (1,), (0, 1)):
            matrix, freedom = study.covariance(*ways)
            reach = comparisons.quantile(0.95, freedom) * np.sqrt(np.diag(matrix))
            row.append(np.mean(np.abs(study.fit.strengths[0] - world.truth) <= reach))
        found.append(row)
    return np.array(found)


def levels(number: int) -> None:
    print(f"\nDavidson's model, by rater and prompt; {number} studies\n")
    nominal = (0.9, 0.95, 0.99)
    heads("nominal", [f"{level:.0%}" for level in nominal])
    for words, world in WORLDS.items():
        line(words, shares(held(world, number, ["by rater and prompt"], nominal)))


def errors(world: World, number: int, ways: tuple[int, ...]) -> np.ndarray:
    """Return studies x kinds: the share of tests that err, at 5 %.

    Of equal models: any one test, any of Holm's together, any rank interval. Of models apart: any
    rank interval; equivalence claimed of models exactly the margin apart, if 4 places or more.
    """
    found = []
    flat = replace(world, gap=0.0)
    one, other = np.triu_indices(world.models, 1)
    margin = np.abs(world.truth[one] - world.truth[other])
    for equal, apart in zip(studies(flat, number), studies(world, number), strict=True):
        tests, _ = equal.differences(*ways)
        lows, highs = comparisons.ranks(world.models, tests, 0.05)
        narrow = bool((lows > 1).any() or (highs < world.models).any())
        row = [np.mean(tests.p <= 0.05), float((tests.holm <= 0.05).any()), float(narrow)]
        tests, freedom = apart.differences(*ways)
        lows, highs = comparisons.ranks(world.models, tests, 0.05)
        place = world.models - np.arange(world.models)
        row.append(float(((lows > place) | (place > highs)).any()))
        found.append([*row, np.mean(claims(tests, freedom, margin))])
    return np.array(found)


def claims(tests: comparisons.Differences, freedom: float, margin: np.ndarray) -> list[bool]:
    """Say of which far pairs equivalence is claimed; where a margin is narrow none ever is."""
    far = np.flatnonzero(tests.second - tests.first >= 4)
    rows = zip(tests.difference[far], tests.error[far], margin[far], strict=True)
    return [
        comparisons.equivalence(("", ""), d, e, freedom, margin=m, alpha=0.05).equivalent
        for d, e, m in rows
    ]


def tests(number: int) -> None:
    print(f"\nShare of tests at 5 % that err, Davidson's model; {number} studies\n")
    kinds = ["one test", "any of Holm's 28", "any rank, models equal", "any rank, apart"]
    heads("", [*kinds, "equivalence"])
    for words, world in list(WORLDS.items())[:4]:
        for name, ways in (("votes independent", ()), ("by rater and prompt", (0, 1))):
            line(f"{words}: {name}", shares(errors(world, number, ways)))


def few(number: int) -> None:
    """Of 500 votes: the line and the tie parameter, each but one figure, beside the rest."""
    print(f"\n500 votes, by rater and prompt; nominal 95 %; {number} studies\n")
    heads("", ["the line", "distances to it", "tie parameter", "differences"])
    for name in ("line", "rao-kupper"):
        world = replace(BOTH, model=name, raters=50, each=10)
        for words, drawn in {
            "4 models, 50 raters, votes independent": replace(world, models=4, taste=0, suits=0),
            "4 models, 50 raters": replace(world, models=4),
            "8 models, 50 raters": world,
            "8 models, 10 raters": replace(world, raters=10, each=50),
        }.items():
            found = [single(study) for study in studies(drawn, number)]
            cells = shares(np.array(found))
            line(f"{name}: {words}", cells if world.ground else ["–", "–", *cells])


def single(study: Study) -> list[float]:
    """Say which intervals hold: line and distances to it, if any, tie parameter, differences."""
    size, world = study.world.models, study.world
    found = sandwich(study.fit, world.pairs, study.tally, group(study.tally, study.by))
    reach = comparisons.quantile(0.95, found.freedom)
    off, error = study.fit.theta[0] - world.limit.theta[0], np.sqrt(np.diag(found.matrix))
    mean = np.full(size, 1 / size)
    strengths = found.matrix[:size, :size]
    below = abs(mean @ off[:size]) <= reach * np.sqrt(max(0.0, mean @ strengths @ mean))
    places = np.mean(np.abs(off[:size]) <= reach * error[:size])
    tie = study.fit.theta[0, -1]
    if world.model == "rao-kupper":  # on its logarithm, as `arena rate` prints it
        held = abs(np.log(tie / world.limit.theta[0, -1])) <= reach * error[-1] / tie
    else:
        held = abs(off[-1]) <= reach * error[-1]
    one, other = np.triu_indices(size, 1)
    spread = strengths[one, one] + strengths[other, other] - 2 * strengths[one, other]
    apart = np.mean(np.abs(off[one] - off[other]) <= reach * np.sqrt(spread))
    over = [float(below), float(places)] if world.ground else []
    return [*over, float(held), float(apart)]


TABLES = {"intervals": intervals, "models": models, "levels": levels, "tests": tests, "few": few}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--studies", type=int, default=400)
    parser.add_argument("--only", choices=TABLES, help="one table")
    options = parser.parse_args()
    for name, table in TABLES.items():
        if options.only in (None, name):
            table(options.studies)


if __name__ == "__main__":
    main()
