"""Whom the rules leave out, honest and careless, and what the cards of a large study cost in time.

Run: python -m benchmarks.trust [--studies 20] [--largest 1000000]
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import pandas as pd

from arena.exclusion import RULES, exclude
from arena.fragility import fragility
from arena.quality import quality
from benchmarks.ratings import votes as drawn

MODELS, PROMPTS, NU, HONEST, CARELESS = 8, 60, 0.5, 40, 4
KINDS = ("honest", "blind", "one button", "hasty")


def study(rng: np.random.Generator, each: int) -> pd.DataFrame:
    """Draw 40 honest raters of different taste and 4 of each careless kind."""
    kinds = ["honest"] * HONEST + [kind for kind in KINDS[1:] for _ in range(CARELESS)]
    number = len(kinds) * each
    rater = np.repeat(np.arange(len(kinds)), each)
    kind = np.array(kinds)[rater]
    left = rng.integers(0, MODELS, number)
    right = (left + 1 + rng.integers(0, MODELS - 1, number)) % MODELS
    liking = np.linspace(-0.6, 0.6, MODELS) + rng.normal(0, 0.5, (len(kinds), MODELS))
    half = (liking[rater, left] - liking[rater, right]) / 2
    weight = np.stack([np.exp(half), np.exp(-half), np.full(number, NU)], axis=1)
    chance = (weight / weight.sum(axis=1, keepdims=True)).cumsum(axis=1)
    place = (rng.random(number)[:, None] > chance[:, :2]).sum(axis=1)
    place = np.where(kind == "blind", rng.integers(0, 3, number), place)
    place = np.where(kind == "one button", 0, place)
    seconds = rng.lognormal(1.5, 0.5, number) / np.where(kind == "hasty", 10, 1)
    prompt = rng.integers(0, PROMPTS, number)
    return pd.DataFrame(
        {
            "left": [f"m{i}" for i in left],
            "right": [f"m{i}" for i in right],
            "winner": np.array(["left", "right", "tie"])[place],
            "rater": [f"{kinds[r]} {r}" for r in rater],
            "left_generation": [f"{p}/{m}" for p, m in zip(prompt, left, strict=True)],
            "right_generation": [f"{p}/{m}" for p, m in zip(prompt, right, strict=True)],
            "seconds": seconds,
        }
    )


def caught(studies: int) -> None:
    """Print the share of each kind of raters that each rule leaves out."""
    for each in (50, 150):
        rng = np.random.default_rng(0)
        gone = {name: dict.fromkeys(KINDS, 0) for name in RULES}
        for _ in range(studies):
            found = exclude(frame := study(rng, each), [one() for one in RULES.values()])
            assert len(frame) >= len(found.kept)
            for name, reasons in found.excluded.items():
                for rater in reasons:
                    gone[name][rater.rpartition(" ")[0]] += 1
        print(f"\n{each} votes a rater: share of each kind left out, {studies} studies")
        print(f"  {'':14}" + "".join(f"{kind:>12}" for kind in KINDS))
        for name, counts in gone.items():
            sizes = [studies * (HONEST if kind == "honest" else CARELESS) for kind in KINDS]
            shares = [f"{counts[k] / n:>12.1%}" for k, n in zip(KINDS, sizes, strict=True)]
            print(f"  {name:14}" + "".join(shares))


def timed(largest: int) -> None:
    """Print the seconds of the raters' cards and of the fragility card."""
    print("\nvotes, raters, prompts: CPU seconds of the raters' cards and of the fragility card")
    for number, raters in ((10_000, 100), (100_000, 2_000), (1_000_000, 20_000)):
        if number > largest:
            break
        frame = drawn(number)
        codes = np.random.default_rng(1).integers(0, raters, number)
        frame["rater"] = np.array([f"r{i}" for i in range(raters)], dtype=object)[codes]
        start = time.process_time()
        judged = quality(frame)
        middle = time.process_time()
        fragility(frame, judged=judged)
        end = time.process_time()
        print(f"  {number:>9} {raters:>6} 500: {middle - start:6.2f} {end - middle:6.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--studies", type=int, default=20)
    parser.add_argument("--largest", type=int, default=1_000_000)
    options = parser.parse_args()
    caught(options.studies)
    timed(options.largest)


if __name__ == "__main__":
    main()
