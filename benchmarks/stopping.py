"""How often a study looked at again and again errs, and what a rule that keeps the rate costs.

Run: python benchmarks/stopping.py [--studies 300]
"""

from __future__ import annotations

import argparse

import numpy as np
import pandas as pd
from scipy import special

from arena.design import Clustering
from arena.estimate import POINTS
from arena.planning import plan
from arena.ratings import fit
from arena.stopping import chance_of_leaving

MODELS, EACH, PROMPTS, NU, LOOKS, GAP = 4, 25, 60, 0.5, 12, 60.0
NAMES = np.array(list("abcd"), dtype=object)
WINNERS = np.array(["left", "right", "tie"], dtype=object)
ALPHA = 0.05
SETTINGS = (  # sd of taste, sd of prompt effects, clusters of the test, what it is
    (0.0, 0.0, (), "independent votes"),
    (0.5, 0.0, ("rater",), "raters differ in taste"),
    (0.5, 0.5, ("rater", "prompt"), "and prompts suit models differently"),
)


def study(
    rng: np.random.Generator, number: int, gap: float, taste: float, prompts: float
) -> pd.DataFrame:
    """Draw votes in the order they come: one rater after the other, on prompts that come back."""
    rater = np.arange(number) // EACH
    prompt = rng.integers(0, PROMPTS, number)
    left = rng.integers(0, MODELS, number)
    right = (left + 1 + rng.integers(0, MODELS - 1, number)) % MODELS
    true = np.array([gap / 2, -gap / 2, 0, 0]) / POINTS
    liking = rng.normal(0, 1, (rater.max() + 1, MODELS)) * taste
    suits = rng.normal(0, 1, (PROMPTS, MODELS)) * prompts
    utility = true + liking[rater] + suits[prompt]
    rows = np.arange(number)
    half = (utility[rows, left] - utility[rows, right]) / 2
    weight = np.stack([np.exp(half), np.exp(-half), np.full(number, NU)], axis=1)
    chance = (weight / weight.sum(axis=1, keepdims=True)).cumsum(axis=1)
    winner = (rng.random(number)[:, None] > chance[:, :2]).sum(axis=1)
    columns = {"left": NAMES[left], "right": NAMES[right], "winner": WINNERS[winner]}
    return pd.DataFrame(columns | {"rater": rater, "prompt": prompt})


def looks_at(votes: pd.DataFrame, cluster: tuple[str, ...]) -> np.ndarray:
    """Return |z| of the first two models at every look, from the clustered test's p."""
    found = []
    for share in np.arange(1, LOOKS + 1) / LOOKS:
        pair = fit(votes[: int(share * len(votes))], cluster=cluster).pairwise()
        row = pair[pair["first"].isin(["a", "b"]) & pair["second"].isin(["a", "b"])]
        found.append(-special.ndtri(float(row["p"].iloc[0]) / 2))
    return np.array(found)


def mixture(z: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Say where an always-valid normal mixture rejects, tuned to half of the planned votes."""
    ratio = 0.5 / (8.1 * share)
    return z**2 >= (1 + ratio) * np.log((1 + ratio) / (ratio * ALPHA**2))


def rules(z: np.ndarray) -> dict[str, np.ndarray]:
    """Return studies x looks: where each rule would stop."""
    share = np.arange(1, LOOKS + 1) / LOOKS
    reach = z * np.sqrt(share)
    once = np.zeros_like(z, dtype=bool)
    once[:, -1] = z[:, -1] >= 1.96
    return {
        "one look, at the end": once,
        "p < 5 % at any look": z >= 1.96,
        f"{LOOKS} looks planned": np.array([chance_of_leaving(r, LOOKS) <= ALPHA for r in reach]),
        "any number of looks": np.array([chance_of_leaving(r, None) <= ALPHA for r in reach]),
        "always-valid mixture": mixture(z, share),
    }


def shown(title: str, z: np.ndarray, number: int) -> None:
    """Print how often each rule stopped, and after how many votes on average."""
    print(f"\n{title}")
    for name, stopped in rules(z).items():
        hit = stopped.any(axis=1)
        at = np.where(hit, stopped.argmax(axis=1) + 1, LOOKS) / LOOKS
        error = np.sqrt(hit.mean() * (1 - hit.mean()) / len(hit))
        print(f"  {name:24}{hit.mean():7.1%} ({error:.1%})   {at.mean() * number:7.0f} votes")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--studies", type=int, default=300)
    options = parser.parse_args()
    design = plan(MODELS, GAP, clustering=Clustering(EACH))
    number = design.votes // LOOKS * LOOKS
    print(f"{options.studies} studies, {MODELS} models, {EACH} votes a rater, {PROMPTS} prompts,")
    print(f"{number} votes planned for {GAP:g} Elo with 80 % power, looked at {LOOKS} times;")
    print("share that calls two models different (simulation error), and votes when it stopped")
    for gap, what in ((0.0, "no difference"), (GAP, f"{GAP:g} Elo apart")):
        for taste, prompts, cluster, words in SETTINGS:
            rng = np.random.default_rng(0)
            z = np.array([
                looks_at(study(rng, number, gap, taste, prompts), cluster)
                for _ in range(options.studies)
            ])  # fmt: skip
            shown(f"{what}; {words}", z, number)


if __name__ == "__main__":
    main()
