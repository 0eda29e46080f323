"""What others make of the same table of strings: ratings that know neither raters nor prompts.

Each function takes the frame (left, right, winner) and ends with the models' ratings on the Elo
scale, their mean at 1000. Nothing here is their code, except where their package is called.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Peer = Callable[[pd.DataFrame], "pd.Series[float]"]
Floats = NDArray[np.float64]

FEW = 100_000
"""Above so many votes a list of pairs of Python integers takes minutes."""
ROUNDS = 100
POINTS = 400 / np.log(10)


def peers(number: int) -> tuple[dict[str, Peer], list[str]]:
    """Return the peers to time at so many votes, and in words those left out."""
    found: dict[str, Peer] = {
        "evalica bradley_terry": evalica_bradley_terry,
        "evalica newman (Davidson)": evalica_newman,
        "FastChat's formula, restated": fastchat,
        "  and 100 bootstrap rounds": fastchat_bootstrap,
        "  the estimate, counted by hand": by_hand,
        "choix, counted by hand": choix_dense,
    }
    left_out = []
    if number <= FEW:
        found["choix, list of pairs"] = choix_pairs
    else:
        left_out.append(f"choix from a list of pairs: above {FEW:,} votes it takes minutes")
    if importlib.util.find_spec("arena_rank"):
        found["arena-rank, sandwich"] = arena_rank
    else:
        left_out.append("arena-rank: not installed here (it needs jax)")
    return found, left_out


def evalica_bradley_terry(frame: pd.DataFrame) -> pd.Series[float]:
    import evalica

    return _strengths(_evalica(evalica.bradley_terry, frame))


def evalica_newman(frame: pd.DataFrame) -> pd.Series[float]:
    import evalica

    return _strengths(_evalica(evalica.newman, frame))


def _evalica(method: Callable[..., Any], frame: pd.DataFrame) -> pd.Series[float]:
    import evalica

    words = {"left": evalica.Winner.X, "right": evalica.Winner.Y, "tie": evalica.Winner.Draw}
    scores: pd.Series[float] = method(
        frame["left"], frame["right"], frame["winner"].map(words)
    ).scores
    return scores


def arena_rank(frame: pd.DataFrame) -> pd.Series[float]:
    from arena_rank.models.bradley_terry import BradleyTerry
    from arena_rank.utils.data_utils import PairDataset

    points = {"left": 1.0, "right": 0.0, "tie": 0.5}
    pairs = PairDataset.from_pandas(frame, ["left", "right"], "winner", points)
    found = BradleyTerry(pairs.n_competitors).compute_ratings_and_cis(pairs)
    return _centred(np.array(found["ratings"]), found["competitors"])


def fastchat(frame: pd.DataFrame) -> pd.Series[float]:
    """Bradley-Terry as Chatbot Arena's code fits it: unique (a, b, outcome), weighted, L-BFGS-B."""
    unique, weight, models = _unique(frame)
    return _centred(POINTS * _bradley_terry(unique, weight, len(models)), models)


def fastchat_bootstrap(frame: pd.DataFrame) -> pd.Series[float]:
    """The same with intervals as it makes them: multinomial counts, fitted anew; the median."""
    unique, weight, models = _unique(frame)
    draws = np.random.default_rng(0).multinomial(len(frame), weight / len(frame), ROUNDS)
    fits = [_bradley_terry(unique, drawn.astype(float), len(models)) for drawn in draws]
    return _centred(POINTS * np.median(fits, axis=0), models)


def by_hand(frame: pd.DataFrame) -> pd.Series[float]:
    """The estimate, with the counting done as a patient user might, by numpy's bincount."""
    table, models = _table(frame)
    size, cells = len(models), np.flatnonzero(table)
    unique = np.stack([cells // (3 * size), cells // 3 % size, cells % 3], axis=1)
    return _centred(POINTS * _bradley_terry(unique, table[cells].astype(float), size), models)


def choix_dense(frame: pd.DataFrame) -> pd.Series[float]:
    """I-LSR on a matrix that the user has counted; ties as half a win each."""
    import choix

    table, models = _table(frame)
    shape = (len(models), len(models), 3)
    right, tie, left = table.reshape(shape).astype(float).transpose(2, 0, 1)
    found = choix.ilsr_pairwise_dense(left + right.T + (tie + tie.T) / 2)
    return _centred(POINTS * found, models)


def choix_pairs(frame: pd.DataFrame) -> pd.Series[float]:
    """I-LSR on the list of (winner, loser) that it asks for; ties, which it lacks, are dropped."""
    import choix

    codes, models = _codes(frame)
    one, other = codes[: len(frame)], codes[len(frame) :]
    won, lost = ((frame["winner"] == w).to_numpy() for w in ("left", "right"))
    pairs = [*zip(one[won], other[won], strict=True), *zip(other[lost], one[lost], strict=True)]
    return _centred(POINTS * choix.ilsr_pairwise(len(models), pairs), models)


def _codes(frame: pd.DataFrame) -> tuple[NDArray[np.int64], pd.Index]:
    return pd.factorize(pd.concat([frame["left"], frame["right"]]))


def _unique(frame: pd.DataFrame) -> tuple[NDArray[np.integer], Floats, pd.Index]:
    codes, models = _codes(frame)
    battles = np.ones((len(frame), 3), dtype=np.int32)
    battles[:, 0], battles[:, 1] = codes[: len(frame)], codes[len(frame) :]
    battles[(frame["winner"] == "left").to_numpy(), 2] = 2
    battles[(frame["winner"] == "right").to_numpy(), 2] = 0
    unique, weight = np.unique(battles, axis=0, return_counts=True)
    return unique, weight.astype(float), models


def _table(frame: pd.DataFrame) -> tuple[NDArray[np.int64], pd.Index]:
    """Count (left, right, outcome), the outcome 0 for right, 1 for a tie, 2 for left."""
    codes, models = _codes(frame)
    numbers, words = pd.factorize(frame["winner"])
    points = np.array([{"right": 0, "tie": 1, "left": 2}[word] for word in words])[numbers]
    size = len(models)
    cell = (codes[: len(frame)] * size + codes[len(frame) :]) * 3 + points
    return np.bincount(cell, minlength=3 * size * size), models


def _bradley_terry(unique: NDArray[np.integer], weight: Floats, size: int) -> Floats:
    from scipy.optimize import minimize

    one, other, points = unique[:, 0], unique[:, 1], unique[:, 2] / 2

    def loss(theta: Floats) -> tuple[float, Floats]:
        gap = theta[one] - theta[other]
        value = -(weight * (points * gap - np.logaddexp(0, gap))).sum()
        pull = weight * (1 / (1 + np.exp(-gap)) - points)
        return float(value), np.bincount(one, pull, size) - np.bincount(other, pull, size)

    # In FastChat too: at most 100 steps, gtol 1e-6.
    options = {"maxiter": 100, "gtol": 1e-6}
    found: Floats = minimize(loss, np.zeros(size), jac=True, method="L-BFGS-B", options=options).x
    return found


def _strengths(scores: pd.Series[float]) -> pd.Series[float]:
    return _centred(400 * np.log10(scores.to_numpy()), scores.index)


def _centred(ratings: Floats, models: Any) -> pd.Series[float]:
    return pd.Series(ratings - ratings.mean() + 1000, index=list(models))
