"""How often the scores' nominal 95 % intervals hold: ``python benchmarks/score_coverage.py``."""

from __future__ import annotations

import sys

import numpy as np

from evalkit.records import Generation, Prompt, Score, ScorerCard
from evalkit.summary import summarise

PLAIN = ScorerCard(name="s", version=1, title="S")
TASKS = PLAIN.model_copy(update={"low": 0.0, "high": 1.0, "headline": "mean of category means"})
SHARES = np.array([0.95, 0.8, 0.6, 0.8, 0.4, 0.5])
"""True shares of six tasks, from nearly solved to even chances."""


def holds(card: ScorerCard, values: np.ndarray, categories: list[str], truth: float) -> bool:
    """Summarise values [prompt, seed] and say whether the headline's interval holds the truth."""
    prompts, made, scores = {}, [], []
    for i, row in enumerate(values):
        key = str(i)
        prompts[key] = Prompt(id=key, suite="s", text="t", category=categories[i])
        for seed, value in enumerate(row):
            one = Generation(id=f"{i}.{seed}", prompt_id=key, model="m", seed=seed, image="0" * 64)
            made.append(one)
            scores.append(Score(generation_id=one.id, scorer="s", version=1, value=float(value)))
    (found,) = summarise(card, prompts, made, scores)
    low, high = found.headline.low, found.headline.high
    return low is not None and high is not None and low <= truth <= high


def continuous(seed: int) -> bool:
    """Score 60 prompts of 4 pictures that are alike within a prompt."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(60, 1)) + rng.normal(size=(60, 4))
    return holds(PLAIN, values, [""] * 60, 0.0)


def geneval(seed: int, prompts: int, concentration: float) -> bool:
    """Judge six tasks of 4 pictures a prompt; a low concentration makes prompts all or nothing."""
    rng = np.random.default_rng(seed)
    a = SHARES * concentration
    chance = rng.beta(a, concentration - a, size=(prompts, 6)).T.reshape(-1, 1)
    values = rng.random((6 * prompts, 4)) < chance
    return holds(TASKS, values, [t for t in "abcdef" for _ in range(prompts)], float(SHARES.mean()))


def main(rounds: int) -> None:
    """Print the share of intervals that hold, for each case."""
    print(f"continuous, 60 prompts: {np.mean([continuous(s) for s in range(rounds)]):.3f}")
    for prompts, concentration in ((20, 0.7), (20, 1.5), (20, 4.0), (90, 1.5)):
        share = np.mean([geneval(s, prompts, concentration) for s in range(rounds)])
        print(f"GenEval, {prompts} prompts a task, concentration {concentration}: {share:.3f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000)
