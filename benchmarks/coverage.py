"""How often nominal 95 % intervals hold, for raters of different taste and prompts of their own.

Run: python benchmarks/coverage.py [--studies 200]
"""

from __future__ import annotations

import argparse

import numpy as np
import pandas as pd

from arena.ratings import fit

MODELS, RATERS, PROMPTS, EACH, NU = 8, 40, 60, 50, 0.5
TRUE = np.linspace(-0.6, 0.6, MODELS)
NAMES = np.array(list("abcdefgh"), dtype=object)
WINNERS = np.array(["left", "right", "tie"], dtype=object)
SETTINGS = (  # sd of taste, sd of prompt effects, unevenness of raters, what it is
    (0.0, 0.0, 0.0, "independent votes"),
    (0.5, 0.0, 0.0, "raters differ in taste"),
    (0.5, 0.5, 0.0, "and prompts suit models differently"),
    (0.5, 0.0, 1.0, "raters differ in taste, votes as 1, 1/2, 1/3, ..."),
)
WAYS = {"independent": (), "by rater": ("rater",), "by rater and prompt": ("rater", "prompt")}


def outcome_chances(x: np.ndarray) -> np.ndarray:
    weight = np.stack([np.exp(x / 2), np.exp(-x / 2), np.full_like(x, NU)], axis=-1)
    return weight / weight.sum(axis=-1, keepdims=True)


def study(rng: np.random.Generator, taste: float, prompts: float, uneven: float) -> pd.DataFrame:
    """Draw the votes of one study."""
    number = RATERS * EACH
    share = 1 / np.arange(1, RATERS + 1) ** uneven
    rater = rng.choice(RATERS, number, p=share / share.sum())
    if not uneven:
        rater = np.repeat(np.arange(RATERS), EACH)
    prompt = rng.integers(0, PROMPTS, number)
    left = rng.integers(0, MODELS, number)
    right = (left + 1 + rng.integers(0, MODELS - 1, number)) % MODELS
    liking = rng.normal(0, 1, (RATERS, MODELS)) * taste
    suits = rng.normal(0, 1, (PROMPTS, MODELS)) * prompts
    utility = TRUE + liking[rater] + suits[prompt]
    rows = np.arange(number)
    chance = outcome_chances(utility[rows, left] - utility[rows, right]).cumsum(axis=1)
    winner = (rng.random(number)[:, None] > chance[:, :2]).sum(axis=1)
    columns = {"left": NAMES[left], "right": NAMES[right], "winner": WINNERS[winner]}
    return pd.DataFrame(columns | {"rater": rater, "prompt": prompt})


def population(taste: float, prompts: float) -> pd.Series[float]:
    """Return the ratings of a large study in which every vote has a rater and prompt of its own."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    rows = []
    for i, j in zip(*np.triu_indices(MODELS, 1), strict=True):
        x = TRUE[i] - TRUE[j] + np.sqrt(2) * np.hypot(taste, prompts) * nodes
        chance = (outcome_chances(x) * (weights / weights.sum())[:, None]).sum(axis=0)
        counts = np.rint(chance * 50_000).astype(int)
        rows += [
            (NAMES[i], NAMES[j], w) for w, n in zip(WINNERS, counts, strict=True) for _ in range(n)
        ]
    found = fit(pd.DataFrame(rows, columns=["left", "right", "winner"]), cluster=())
    return found.table.set_index("model")["rating"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--studies", type=int, default=200)
    options = parser.parse_args()
    print(f"{options.studies} studies, {MODELS} models, {RATERS} raters, {RATERS * EACH} votes;")
    print("share of the intervals of all 28 differences that hold (simulation error, 1 sigma)")
    for taste, prompts, uneven, words in SETTINGS:
        rng = np.random.default_rng(0)
        truth = population(taste, prompts)
        held: dict[str, list[float]] = {name: [] for name in WAYS}
        for _ in range(options.studies):
            votes = study(rng, taste, prompts, uneven)
            for name, cluster in WAYS.items():
                pair = fit(votes, cluster=cluster).pairwise()
                gap = truth[pair["first"]].to_numpy() - truth[pair["second"]].to_numpy()
                held[name].append(((pair["low"] <= gap) & (gap <= pair["high"])).mean())
        print(f"\n{words}")
        for name, shares in held.items():
            error = np.std(shares) / np.sqrt(len(shares))
            print(f"  {name:22}{np.mean(shares):7.1%} ({error:.1%})")


if __name__ == "__main__":
    main()
