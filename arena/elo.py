"""Elo as papers use it, averaged over shuffled replays, and as arenas once did, vote by vote."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from arena.tally import LEFT, RIGHT, Floats, Ints, Tally

START = 1000.0
K_FACTOR = 1.0
SEQUENTIAL_K = 4.0
"""Of Chatbot Arena's online Elo in 2023; the larger, the more the last votes decide."""
UPDATES = 20_000_000
"""Replays are limited to about this many updates in all: 1000 up to 20 000 votes, at least 10."""


@dataclass(frozen=True, eq=False)
class Replays:
    """Mean ratings over shuffled replays, and the error of that mean from the shuffling alone."""

    ratings: Floats
    shuffling_error: Floats
    replays: int


def replay(tally: Tally, *, replays: int = 1000, seed: int = 0) -> Replays:
    """Replay the votes in random orders with K = 1, start 1000, 400 points = 10 : 1, ties half.

    Stable Video Diffusion's recipe (arXiv 2311.15127, App. E.1). The result depends on the number
    of votes (it has not converged to anything), so it does not compare across studies; ties are
    our addition, as the recipe allowed none.
    """
    rounds = max(10, min(replays, UPDATES // tally.votes))
    runs = _replay(tally, rounds, np.random.default_rng(seed))
    error = runs.std(axis=0, ddof=1) / np.sqrt(rounds)
    return Replays(runs.mean(axis=0), error, rounds)


@dataclass(frozen=True, eq=False)
class History:
    """Elo after the first so many votes, in the order in which they were cast."""

    votes: Ints
    ratings: Floats
    """Points in time x models."""


def history(tally: Tally, *, k: float = SEQUENTIAL_K, points: int = 100) -> History:
    """Update Elo vote by vote, ties half, and look at evenly spaced points in time.

    It shows how a study went. It is no rating: the same votes in another order end elsewhere, and
    a model that has changed nothing moves with the luck of its last battles.
    """
    pair, outcome = tally.cell.astype(np.int64) // 4, tally.cell % 4
    score = np.where(outcome == LEFT, 1.0, np.where(outcome == RIGHT, 0.0, 0.5))
    stops = np.unique(np.linspace(0, tally.votes, min(points, tally.votes) + 1).round())[1:]
    now = [START] * len(tally.models)
    rows = zip(tally.left[pair].tolist(), tally.right[pair].tolist(), score.tolist(), strict=True)
    seen = []
    at = set(stops.astype(int).tolist())
    for number, (one, other, won) in enumerate(rows, start=1):
        change = k * (won - 1 / (1 + 10 ** ((now[other] - now[one]) / 400)))
        now[one] += change
        now[other] -= change
        if number in at:
            seen.append(list(now))
    return History(stops.astype(np.int64), np.array(seen))


def _replay(tally: Tally, lanes: int, rng: np.random.Generator) -> Floats:
    """Run independent orders side by side; a replay is a row of the table of ratings."""
    pair, outcome = tally.cell // 4, tally.cell % 4
    left, right = tally.left[pair].astype(np.int32), tally.right[pair].astype(np.int32)
    score = np.where(outcome == LEFT, 1.0, np.where(outcome == RIGHT, 0.0, 0.5))
    order = np.stack([rng.permutation(len(pair)).astype(np.int32) for _ in range(lanes)], axis=1)
    size = len(tally.models)
    ratings = np.full(lanes * size, START)
    base = np.arange(lanes) * size
    for now in order:
        one, other = base + left[now], base + right[now]
        gap = (ratings[other] - ratings[one]) * (np.log(10) / 400)
        change = K_FACTOR * (score[now] - 1 / (1 + np.exp(gap)))
        ratings[one] += change
        ratings[other] -= change
    return ratings.reshape(lanes, size)
