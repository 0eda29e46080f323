"""Which models the votes can rate at all: connection and separation, before any number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csgraph

from arena.tally import Floats, Ints, Tally

RATED = "rated"
Counts: TypeAlias = Ints | Floats


@dataclass(frozen=True)
class Identified:
    """The group of models that can be rated together, and a status in words for every model."""

    group: tuple[int, ...]
    status: tuple[str, ...]


def identify(tally: Tally, anchor: int | None = None) -> Identified:
    """Find the models whose relative strengths have a finite maximum-likelihood estimate.

    A strength is finite if and only if every division of the models in two has a loss or a tie
    each way (Ford 1957, Amer. Math. Monthly 64(8):28-33): the strongly connected components of
    the graph "has beaten or tied". The largest one is rated, or the anchor's; of equally large
    ones that with more votes; of equals none, so that names never decide.
    """
    wins, draws = tally.wins(), tally.draws()
    over = beaten(wins, draws)
    _, part = csgraph.connected_components(over, directed=True, connection="strong")
    group = _choose(part, wins + draws, anchor)
    if not len(group):
        words = _without_group(tally.models, wins, draws, part)
    else:
        words = _beside(group, tally.models, wins, draws, over)
    return Identified(tuple(int(m) for m in group), tuple(words))


def beaten(wins: Counts, draws: Counts, bad: Counts | None = None) -> NDArray[np.bool_]:
    """Return the graph (or a batch of them) "has beaten or tied", with the line if grounded.

    The line of the grounded law is its last node: whoever wins or ties has beaten it, and it has
    beaten both models of a both-bad vote.
    """
    over: NDArray[np.bool_] = (wins + draws) > 0
    if bad is None:
        return over
    grounded = np.zeros((*over.shape[:-2], over.shape[-1] + 1, over.shape[-1] + 1), dtype=bool)
    grounded[..., :-1, :-1] = over
    grounded[..., :-1, -1] = over.any(axis=-1)
    grounded[..., -1, :-1] = bad.any(axis=-1)
    return grounded


def finite_ties(wins: Counts, draws: Counts, bad: Counts | None = None) -> bool:
    """Say whether the tie parameter is finite, for a strongly connected group.

    Strengths d and tie parameter grow together without end if no vote's likelihood falls on the
    way. For Davidson's law that asks each win to go down by two steps at least, d_i >= d_j + 2,
    and each tie to span two at most, while log nu grows by one; for Rao-Kupper's by one and one,
    while log kappa grows by one: the same up to scale. Grounded, a win also asks d_i >= 0, a tie
    d_i + d_j >= -2, and both bad d_i, d_j <= 0 and d_i + d_j <= -2. These are constraints on two
    variables each: feasible unless a graph has a negative cycle, hence Bellman and Ford, with a
    node for d_i and one for -d_i where there are sums (Shostak 1981, J. ACM 28(4):769-779).
    """
    if ((wins > 0) & (wins.T > 0)).any():
        return True
    steps: Floats = np.where(wins > 0, -1.0, np.where(draws > 0, 1.0, np.inf))
    if bad is not None:
        rise = np.where(draws > 0, 1.0, np.inf)
        fall = np.where(bad > 0, -1.0, np.inf)
        np.fill_diagonal(rise, np.where(wins.any(axis=1), 0.0, np.inf))
        np.fill_diagonal(fall, np.where(bad.any(axis=1), 0.0, np.inf))
        steps = np.block([[steps, rise], [fall, steps.T]])
    # From a source beside them all, as sums need not connect what the line connects.
    steps = np.pad(steps, ((1, 0), (1, 0)), constant_values=np.inf)
    steps[0, 1:] = 0
    try:
        csgraph.bellman_ford(csgraph.csgraph_from_dense(steps, null_value=np.inf), indices=[0])
    except csgraph.NegativeCycleError:
        return True
    return False


def _choose(part: NDArray[np.int32], battles: Ints, anchor: int | None) -> Ints:
    """Return the members of the component to rate, none if there is no single best choice."""
    sizes = np.bincount(part)
    if anchor is not None:
        own = np.flatnonzero(part == part[anchor])
        return own if len(own) > 1 else own[:0]
    within = part[:, None] == part[None, :]
    votes = np.bincount(part, weights=np.where(within, battles, 0).sum(axis=1))
    best = np.flatnonzero(sizes == sizes.max())
    best = best[votes[best] == votes[best].max()]
    alone = len(best) > 1 or sizes.max() < 2
    return np.flatnonzero(part == best[0])[: 0 if alone else None]


def _beside(
    group: Ints, models: Sequence[str], wins: Ints, draws: Ints, over: NDArray[np.bool_]
) -> list[str]:
    """Describe every model by its place relative to the rated group."""
    below = reached(over, group[0])
    above = reached(over.T, group[0])
    _, island = csgraph.connected_components(over, directed=False)
    members = set(group.tolist())
    rated = "the rated models (" + listing([models[m] for m in group]) + ")"
    words = []
    for m in range(len(models)):
        if m in members:
            words.append(RATED)
        elif island[m] != island[group[0]]:
            words.append(f"not identified: no votes connect it to {rated}")
        elif above[m]:
            words.append(_one_sided(m, wins, draws, "above", "loss", rated))
        elif below[m]:
            words.append(_one_sided(m, wins.T, draws, "below", "win", rated))
        else:
            words.append(f"not identified: its wins and losses order it with none of {rated}")
    return words


def _one_sided(m: int, over: Ints, draws: Ints, side: str, cure: str, rated: str) -> str:
    verb = {"above": "lost", "below": "won"}[side]
    if over[:, m].any() or draws[m].any():
        fact = f"it and its like never {verb} or tied against {rated}"
    else:
        fact = f"never {verb} and never tied in {_votes(over[m].sum())}"
    return (
        f"not identified: {fact}, so it stands {side} them all by an unknown distance; "
        f"one {cure} or tie against {rated} would cure it"
    )


def _without_group(
    models: Sequence[str], wins: Ints, draws: Ints, part: NDArray[np.int32]
) -> list[str]:
    """Describe every model where no group can be rated."""
    sizes = np.bincount(part)[part]
    words = []
    for m in range(len(models)):
        votes = wins[m].sum() + wins[:, m].sum() + draws[m].sum()
        peers = listing([models[other] for other in np.flatnonzero(part == part[m]).tolist()])
        if not votes:
            fact = "it has no votes"
        elif not wins[:, m].any() and not draws[m].any():
            fact = f"never lost and never tied in {_votes(votes)}; one loss or tie is needed"
        elif not wins[m].any() and not draws[m].any():
            fact = f"never won and never tied in {_votes(votes)}; one win or tie is needed"
        elif sizes[m] > 1:
            fact = (
                f"losses or ties both ways link it only with its own group ({peers}), and no "
                "group stands out; name an anchor to rate the anchor's group"
            )
        else:
            fact = "no chain of losses or ties links it both ways with another model"
        words.append(f"not identified: {fact}")
    return words


def _votes(number: int | np.int64) -> str:
    return "1 vote" if number == 1 else f"{number} votes"


def reached(over: NDArray[np.bool_], start: int | np.int64) -> NDArray[np.bool_]:
    """Mark what a node has beaten or tied, at any remove, and itself."""
    seen = np.zeros(over.shape[0], dtype=bool)
    seen[csgraph.breadth_first_order(over, int(start), return_predecessors=False)] = True
    return seen


def listing(names: Sequence[str], most: int = 4) -> str:
    """Join names for a sentence, the first few of them."""
    head = ", ".join(names[:most])
    return head if len(names) <= most else f"{head} and {len(names) - most} more"


def strongly_connected(over: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Say of each graph in a batch (B x K x K) whether it is strongly connected."""
    size = over.shape[-1]
    closed = (over | np.eye(size, dtype=bool)).astype(np.float32)
    for _ in range(max(1, (size - 1).bit_length())):
        closed = np.minimum(closed @ closed, 1)
    reached: NDArray[np.bool_] = closed.min(axis=(1, 2)) > 0
    return reached
