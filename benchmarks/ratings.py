"""Time and memory from a table of strings to ratings, beside others on the same table.

Run: python -m benchmarks.ratings [--largest 1000000] [--repeats 3] [--kind str]
Each contender has a process of its own. "work" is memory beyond the table, "peak" all of it; "off"
is the largest distance in Elo points from our rating by the same model. The ratios are to the first
line, of CPU seconds and of work.
"""

from __future__ import annotations

import argparse
import os
import platform
from collections.abc import Callable
from functools import partial
from importlib import metadata
from typing import Any

import numpy as np
import pandas as pd

from benchmarks import rating_peers
from benchmarks.metering import Cost, measure

MODELS, RATERS, PROMPTS, NU = 20, 20_000, 500, 0.5
KINDS = ("str", "object", "category", "string[pyarrow]", "own")


def votes(number: int, seed: int = 0, kind: str = "str") -> pd.DataFrame:
    """Draw votes of strings: 20 models, strengths of sd 0.6, Davidson's nu = 0.5 (19 % ties)."""
    rng = np.random.default_rng(seed)
    strength = rng.normal(0, 0.6, MODELS)
    left = rng.integers(0, MODELS, number)
    right = (left + 1 + rng.integers(0, MODELS - 1, number)) % MODELS
    half = (strength[left] - strength[right]) / 2
    win, loss = np.exp(half), np.exp(-half)
    place = rng.random(number) * (win + loss + NU)
    winner = np.where(place < win, 0, np.where(place < win + loss, 1, 2))
    names = np.array([f"model-{i:02d}" for i in range(MODELS)], dtype=object)
    raters = np.array([f"rater-{i}" for i in range(RATERS)], dtype=object)
    prompts = np.array([f"prompt-{i}" for i in range(PROMPTS)], dtype=object)
    frame = pd.DataFrame(
        {
            "left": names[left],
            "right": names[right],
            "winner": np.array(["left", "right", "tie"], dtype=object)[winner],
            "rater": raters[rng.integers(0, min(RATERS, number // 10), number)],
            "prompt": prompts[rng.integers(0, PROMPTS, number)],
        }
    )
    if kind == "own":
        return frame.apply(_own)
    return frame if kind == "str" else frame.astype(kind)


def _own(column: pd.Series[str]) -> pd.Series[str]:
    """Give every cell a string of its own, as a database's driver does."""
    return pd.Series([name.encode().decode() for name in column])


def by_rater(frame: pd.DataFrame) -> pd.Series[float]:
    return _ours(frame, cluster="rater")


def by_rater_and_prompt(frame: pd.DataFrame) -> pd.Series[float]:
    return _ours(frame)


def independent(frame: pd.DataFrame) -> pd.Series[float]:
    return _ours(frame, cluster=None)


def bradley_terry(frame: pd.DataFrame) -> pd.Series[float]:
    return _ours(frame, model="bradley-terry", cluster="rater")


def _ours(frame: pd.DataFrame, **options: Any) -> pd.Series[float]:
    from arena.ratings import fit

    return fit(frame, **options).table.set_index("model")["rating"]


OURS: dict[str, Callable[[pd.DataFrame], pd.Series[float]]] = {
    "davidson, clustered by rater": by_rater,
    "davidson, by rater and prompt": by_rater_and_prompt,
    "davidson, votes independent": independent,
    "bradley-terry, by rater": bradley_terry,
}


def compare(number: int, kind: str, repeats: int) -> None:
    """Print a line for each contender at so many votes."""
    others, left_out = rating_peers.peers(number)
    print(f"\n{number:,} votes, {MODELS} models, {min(RATERS, number // 10):,} raters")
    heads = ("wall s", "CPU s", "work MB", "peak MB", "x CPU", "x work", "off")
    print(" " * 34 + "".join(f"{head:>9}" for head in heads))
    found: dict[str, Cost] = {}
    for name, task in (OURS | others).items():
        found[name] = cost = measure(task, partial(votes, kind=kind), number, repeats)
        first = found["davidson, clustered by rater"]
        like = "bradley-terry, by rater" if "bradley-terry, by rater" in found else name
        like = "davidson, clustered by rater" if "avidson" in name else like
        off = (cost.answer - found[like].answer).abs().max()
        print(
            f"{name:34}{cost.wall:9.4f}{cost.busy:9.4f}{cost.work:9.1f}{cost.peak:9.0f}"
            f"{cost.busy / first.busy:9.2f}{cost.work / max(first.work, 0.1):9.2f}{off:9.5f}",
            flush=True,
        )
    print("".join(f"Left out: {words}.\n" for words in left_out), end="")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--smallest", type=int, default=10_000)
    parser.add_argument("--largest", type=int, default=1_000_000, help="up to 10000000 votes")
    parser.add_argument("--repeats", type=int, default=3, help="best of so many")
    parser.add_argument("--kind", default="str", choices=KINDS, help="how the columns are held")
    options = parser.parse_args()
    print(_versions())
    print(f"Columns: {options.kind} ({votes(10, kind=options.kind)['left'].dtype!r}).")
    for number in (10_000, 100_000, 1_000_000, 10_000_000):
        if options.smallest <= number <= options.largest:
            compare(number, options.kind, options.repeats)


def _versions() -> str:
    names = ("numpy", "pandas", "scipy", "pyarrow", "evalica", "choix", "arena-rank", "jax")
    here = {
        d.metadata["Name"].lower().replace("_", "-"): d.version for d in metadata.distributions()
    }
    found = [f"{name} {here[name]}" for name in names if name in here]
    return f"Python {platform.python_version()}, {os.cpu_count()} cores; {', '.join(found)}"


if __name__ == "__main__":
    main()
