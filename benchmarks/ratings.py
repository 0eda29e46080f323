"""Time and memory from a table of votes to ratings, beside evalica on the same table.

Run: python benchmarks/ratings.py [--largest 1000000] [--repeats 3]
The ratios are of CPU seconds, which other work on the machine disturbs least.
"""

from __future__ import annotations

import argparse
import ctypes
import multiprocessing
import resource
import time
from collections.abc import Callable
from pathlib import Path

import evalica
import numpy as np
import pandas as pd

from arena.ratings import fit

MODELS, RATERS, PROMPTS, NU = 20, 20_000, 500, 0.5
WINNERS = {"left": evalica.Winner.X, "right": evalica.Winner.Y, "tie": evalica.Winner.Draw}


def votes(number: int, seed: int = 0) -> pd.DataFrame:
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
    return pd.DataFrame(
        {
            "left": names[left],
            "right": names[right],
            "winner": np.array(["left", "right", "tie"], dtype=object)[winner],
            "rater": raters[rng.integers(0, min(RATERS, number // 10), number)],
            "prompt": prompts[rng.integers(0, PROMPTS, number)],
        }
    )


def _peer(
    method: Callable[..., object], frame: pd.DataFrame, winners: pd.Series[object] | None = None
) -> object:
    mapped = frame["winner"].map(WINNERS) if winners is None else winners
    return method(frame["left"], frame["right"], mapped)


def contenders(frame: pd.DataFrame) -> dict[str, Callable[[], object]]:
    """Return what is timed: each starts from the table of strings and ends with ratings."""
    mapped = frame["winner"].map(WINNERS)
    return {
        "davidson, no clusters": lambda: fit(frame, cluster=None),
        "davidson, clustered by rater": lambda: fit(frame, cluster="rater"),
        "davidson, by rater and prompt": lambda: fit(frame),
        "bradley-terry, by rater": lambda: fit(frame, "bradley-terry", "rater"),
        "evalica bradley_terry": lambda: _peer(evalica.bradley_terry, frame),
        "evalica newman (Davidson)": lambda: _peer(evalica.newman, frame),
        "  newman, winners mapped before": lambda: _peer(evalica.newman, frame, mapped),
    }


def measure(task: Callable[[], object], repeats: int) -> tuple[float, float, float]:
    """Return the best wall and CPU seconds and the peak extra MB, in a process of its own."""
    context = multiprocessing.get_context("fork")
    here, there = context.Pipe()
    worker = context.Process(target=_measure, args=(task, repeats, there))
    worker.start()
    there.close()
    found: tuple[float, float, float] = here.recv()
    worker.join()
    return found


def _measure(
    task: Callable[[], object], repeats: int, answer: multiprocessing.connection.Connection
) -> None:
    # Memory that the parent has freed but kept would hide what the task needs.
    ctypes.CDLL("libc.so.6").malloc_trim(0)
    before = _resident()
    times = []
    for _ in range(repeats):
        start, busy = time.perf_counter(), time.process_time()
        task()
        times.append((time.perf_counter() - start, time.process_time() - busy))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    walls, busies = zip(*times, strict=True)
    answer.send((min(walls), min(busies), peak - before))


def _resident() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--largest", type=int, default=1_000_000, help="up to 10000000 votes")
    parser.add_argument("--repeats", type=int, default=3, help="best of so many")
    options = parser.parse_args()
    contenders(votes(1000))["davidson, by rater and prompt"]()
    for number in (10_000, 100_000, 1_000_000, 10_000_000):
        if number > options.largest:
            break
        frame = votes(number)
        print(f"\n{number:,} votes, {MODELS} models, {frame['rater'].nunique():,} raters")
        print(f"{'':34}{'seconds':>9}{'CPU s':>8}{'extra MB':>10}{'x ours':>8}")
        found = {name: measure(task, options.repeats) for name, task in contenders(frame).items()}
        ours = found["davidson, clustered by rater"][1]
        for name, (seconds, busy, memory) in found.items():
            print(f"{name:34}{seconds:9.3f}{busy:8.3f}{memory:10.0f}{busy / ours:8.2f}")


if __name__ == "__main__":
    main()
