"""How often nominal 95 % intervals hold with the help of scores, and how much narrower they are.

Run: python -m benchmarks.assisted [--studies 300]
     python -m benchmarks.assisted --scores         (the figures of arena concordance instead)
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from arena.assisted import fit as assist
from arena.concordance import measure
from arena.ratings import fit
from benchmarks.worlds import World, by_generation, chances, choose, scored, scores, study

Values = dict[str, dict[str, float]]
USUAL = World(prompts=200, votes=1500, twice=0.1)
VARIED = replace(USUAL, picture=1.6, taste=0.3)
"""Pictures of one model differ more, raters less."""


def good(blur: float) -> Callable[[np.random.Generator, np.ndarray], Values]:
    return lambda rng, quality: {"good": scores(rng, quality, blur)["good"]}


def useless(rng: np.random.Generator, quality: np.ndarray) -> Values:
    return {f"noise {k}": by_generation(rng.normal(0, 1, quality.shape)) for k in range(3)}


def reversed_(rng: np.random.Generator, quality: np.ndarray) -> Values:
    return {"reversed": by_generation(-quality - rng.normal(0, 0.5, quality.shape))}


def misleading(rng: np.random.Generator, quality: np.ndarray) -> Values:
    """Adores the worst model, is right on half of the prompts and the reverse on the others."""
    sign = np.where(np.arange(quality.shape[1]) % 2, 1.0, -1.0)[:, None]
    favour = np.where(np.arange(len(quality)) == 0, 5.0, 0.0)[:, None, None]
    noise = rng.standard_t(2, quality.shape)
    return {"misleading": by_generation(favour + sign * quality + noise)}


SETTINGS = (
    ("good scores", USUAL, good(0.8)),
    ("good scores, more varied pictures", VARIED, good(0.3)),
    ("the same, no more pairs than votes", replace(VARIED, prompts=50), good(0.3)),
    ("useless scores", USUAL, useless),
    ("reversed scores", VARIED, reversed_),
    ("misleading scores", VARIED, misleading),
    ("good scores, few raters", replace(VARIED, raters=12), good(0.3)),
)


def population(world: World) -> pd.Series[float]:
    """Return the ratings that infinitely many votes would give."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    spread = np.sqrt(2 * (world.taste**2 + world.prompt**2 + world.picture**2))
    rows = []
    for i, j in zip(*np.triu_indices(world.models, 1), strict=True):
        x = world.true[i] - world.true[j] + spread * nodes
        chance = (chances(x, world.ties) * (weights / weights.sum())[:, None]).sum(axis=0)
        counts = np.rint(chance * 20_000).astype(int)
        rows += [
            (world.names[i], world.names[j], word)
            for word, number in zip(("left", "right", "tie"), counts, strict=True)
            for _ in range(number)
        ]
    found = fit(pd.DataFrame(rows, columns=["left", "right", "winner"]), cluster=())
    return found.table.set_index("model")["rating"]


def held(ratings: Any, truth: pd.Series[float]) -> tuple[float, float]:
    """Return the share of intervals of differences that hold, and their mean width."""
    pair = ratings.pairwise()
    gap = truth[pair["first"]].to_numpy() - truth[pair["second"]].to_numpy()
    inside = (pair["low"] <= gap) & (gap <= pair["high"])
    return float(inside.mean()), float((pair["high"] - pair["low"]).mean())


def setting(world: World, judge: Any, studies: int, seed: int = 0) -> dict[str, np.ndarray]:
    """Simulate one setting; return each study's figures by name."""
    rng, truth = np.random.default_rng(seed), population(world)
    figures: dict[str, list[Any]] = {}
    for _ in range(studies):
        votes, quality = study(rng, world)
        found = assist(votes, scored(quality, judge(rng, quality)))
        one, other = (r.table.set_index("model")["rating"] for r in (found.plain, found.ratings))
        plain, assisted = held(found.plain, truth), held(found.ratings, truth)
        for name, value in (
            ("plain", plain[0]),
            ("assisted", assisted[0]),
            ("width", plain[1]),
            ("narrow", assisted[1]),
            ("weight", found.weight),
            ("shift", (other - one)[truth.index].to_numpy()),
            ("alarms", any("no random sample" in warning for warning in found.warnings)),
        ):
            figures.setdefault(name, []).append(value)
    return {name: np.array(values) for name, values in figures.items()}


def lines(studies: int) -> Iterator[str]:
    yield f"{studies} studies each. Plain, assisted: the 95 % intervals of differences that hold;"
    yield "narrower: mean width saved; shift: mean of assisted less plain in Elo, of the model"
    yield "where it is largest; alarms: judged pictures called no random sample. (1 sigma of error)"
    heads = ("plain", 14), ("assisted", 14), ("narrower", 10), ("weight", 8), ("shift", 13)
    yield " " * 46 + "".join(f"{head:>{width}}" for head, width in (*heads, ("alarms", 8)))
    for name, world, judge in SETTINGS:
        f = setting(world, judge, studies)
        root = studies**0.5
        cells = [f"{f[k].mean():.1%} ({f[k].std() / root:.1%})" for k in ("plain", "assisted")]
        narrower = 1 - f["narrow"].mean() / f["width"].mean()
        shift, error = f["shift"].mean(axis=0), f["shift"].std(axis=0) / root
        most = int(np.argmax(np.abs(shift)))
        yield (
            f"{name:46}{cells[0]:>14}{cells[1]:>14}{narrower:>10.1%}{f['weight'].mean():>8.2f}"
            f"{shift[most]:>+7.1f} ({error[most]:.1f}){f['alarms'].mean():>8.1%}"
        )


def truths(world: World, rng: np.random.Generator, number: int = 4_000_000) -> dict[str, float]:
    """Return the shares in infinitely many votes, raters, prompts and pictures."""
    left = rng.integers(0, world.models, number)
    right = (left + 1 + rng.integers(0, world.models - 1, number)) % world.models
    spread = np.sqrt(2) * np.hypot(world.prompt, world.picture)
    quality = world.true[left] - world.true[right] + rng.normal(0, spread, number)
    one, other = (
        choose(rng, quality + rng.normal(0, np.sqrt(2) * world.taste, number), world.ties)
        for _ in range(2)
    )
    score = quality + rng.normal(0, np.sqrt(2) * world.blur, number)
    agree, both = (score > 0) == (one == 0), (one < 2) & (other < 2)
    two = float((one == other)[both].mean())
    return {
        "accuracy": float(agree[one < 2].mean()),
        "two raters": two,
        "less a rater": float(agree[both].mean()) - two,
    }


def score_lines(studies: int) -> Iterator[str]:
    world, rng = World(), np.random.default_rng(1)
    truth = truths(world, rng)
    inside: dict[str, list[bool]] = {}
    for _ in range(studies):
        votes, quality = study(rng, world)
        found = measure(votes, scores(rng, quality, world.blur))
        one, other = sorted(found.scorers, key=lambda scorer: scorer.scorer)
        order = one.order
        for name, low, high, value in (
            ("accuracy", one.accuracy.low, one.accuracy.high, truth["accuracy"]),
            ("accuracy, useless", other.accuracy.low, other.accuracy.high, 0.5),
            ("models held fixed, useless", other.within.low, other.within.high, 0.5),
            ("two raters", found.people.two.low, found.people.two.high, truth["two raters"]),
            ("less a rater", one.to_people.low, one.to_people.high, truth["less a rater"]),
            (
                "good less useless",
                found.versus[0].gap.low,
                found.versus[0].gap.high,
                truth["accuracy"] - 0.5,
            ),
            ("Kendall's tau, truly 1", order.tau_low, order.tau_high, 1.0),
        ):
            inside.setdefault(name, []).append(bool(low <= value <= high))
    yield f"{studies} studies: share of the 95 % intervals that hold (simulation error, 1 sigma)"
    for name, shares in inside.items():
        yield f"{name:30}{np.mean(shares):7.1%} ({np.std(shares) / studies**0.5:.1%})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--studies", type=int, default=300)
    parser.add_argument("--scores", action="store_true")
    options = parser.parse_args()
    make = score_lines if options.scores else lines
    for line in make(options.studies):
        print(line, flush=True)


if __name__ == "__main__":
    main()
