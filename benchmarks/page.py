"""How long the parts of a report take: python -m benchmarks.page RUN [--votes 50000].

Votes are made up for the pictures of a scored run: the models' ratings, the raters' tastes and the
votes are drawn from one seed. Figures are seconds of one process.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from arena import evidence
from arena.ratings import fit
from evalkit.runs import Run


def votes(run: Run, number: int, raters: int, seed: int = 0) -> pd.DataFrame:
    """Make up votes on pairs of a run's pictures of one prompt and seed."""
    rng = np.random.default_rng(seed)
    made = pd.DataFrame(
        [(g.id, g.model, g.prompt_id, g.seed) for g in run.generations() if g.image],
        columns=["generation", "model", "prompt", "seed"],
    )
    groups = [g.reset_index(drop=True) for _, g in made.groupby(["prompt", "seed"])]
    category = {p.id: p.category for p in run.suite.prompts}
    models = sorted(made["model"].unique())
    worth = dict(zip(models, np.linspace(0.5, -0.5, len(models)), strict=True))
    taste = rng.normal(0, 0.3, (raters, len(models)))
    rows = []
    for _ in range(number):
        group = groups[rng.integers(len(groups))]
        one, other = (group.iloc[i] for i in rng.choice(len(group), 2, replace=False))
        rater = int(rng.integers(raters))
        gap = worth[one.model] - worth[other.model]
        gap += taste[rater, models.index(one.model)] - taste[rater, models.index(other.model)]
        heard = gap + rng.logistic()
        winner = "tie" if abs(heard) < 0.4 else "left" if heard > 0 else "right"
        winner = "both_bad" if winner == "tie" and rng.random() < 0.1 else winner
        rows.append((one.model, other.model, winner, f"r{rater}", one.prompt, category[one.prompt],
                     one.generation, other.generation, 3.0))  # fmt: skip
    columns = ["left", "right", "winner", "rater", "prompt", "category"]
    return pd.DataFrame(rows, columns=[*columns, "left_generation", "right_generation", "seconds"])


def timed(what: str, call: Callable[[], object]) -> object:
    started = time.perf_counter()
    found = call()
    print(f"{what:<24} {time.perf_counter() - started:7.1f} s", flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("--votes", type=int, default=50_000)
    parser.add_argument("--raters", type=int, default=300)
    asked = parser.parse_args()
    run = Run.open(asked.run)
    frame = votes(run, asked.votes, asked.raters)
    print(f"{len(frame):,} votes by {asked.raters} raters")
    ratings = timed("ratings", lambda: fit(frame))
    timed("paper-style Elo", lambda: fit(frame, model="elo"))
    source = evidence.Source(frame, frame, ratings, evidence.scores_of(run))  # type: ignore[arg-type]
    for part in evidence.PARTS:
        others = [name for name in evidence.PARTS if name != part]
        found = timed(part, lambda others=others: evidence.find(source, others))
        for why in found.refused.values():  # type: ignore[attr-defined]
            print(f"  refused: {why}")


if __name__ == "__main__":
    main()
