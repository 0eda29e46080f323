"""The ratings without each rater, and without each prompt: who moves what, and how far."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from arena.estimate import POINTS
from arena.influence import Base, Members, times
from arena.ratings import Ratings
from arena.tally import Floats, Ints

REFITTED = 300
"""Raters or prompts left out one by one by an exact refit: those that move most to first order."""
BLOCK = 50_000_000
"""Numbers held at once."""


@dataclass(frozen=True)
class LeaveOut:
    """What happens to the ratings when one rater (or prompt) is left out, the worst of all."""

    what: str
    of: int
    refitted: int
    """Those that were left out exactly; the others move less to first order."""
    name: str
    """Whose absence moves a rating most."""
    votes: int
    model: str
    """The model moved, and by how many Elo points."""
    moved: float
    others_first: tuple[str, ...]
    """Those without whom another model is #1."""
    lost: int
    """The most pairs of models that are told apart with all and no longer without one."""
    lost_without: str | None
    unrated: tuple[str, ...]
    """Those without whom the votes no longer rate the same models."""

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)

    def line(self) -> str:
        """Say it in words."""
        words = (
            f"Leaving out one {self.what} of {self.of}: {self.name} ({self.votes} votes) moves a "
            f"rating most, {self.model} by {self.moved:+.1f} Elo; "
        )
        words += (
            f"#1 changes without {_some(self.others_first)}" if self.others_first else ("#1 stays")
        )
        if self.lost:
            fewer = "1 difference is" if self.lost == 1 else f"{self.lost} differences are"
            words += f"; {fewer} no longer sure without {self.lost_without}"
        if self.unrated:
            words += f"; without {_some(self.unrated)} the same models cannot be rated"
        return f"{words}."


def leave_one_out(base: Base, members: Members, ratings: Ratings) -> LeaveOut:
    """Leave out each rater, or prompt; differences are tested with the errors of all votes."""
    strengths, slopes = base.slopes(base.counts)
    first_order = -times(members.counts, slopes)
    order = np.argsort(-np.abs(first_order).max(axis=1), kind="stable")
    overtaken = (strengths + first_order).argmax(axis=1) != strengths.argmax()
    chosen = np.concatenate([order[:REFITTED], order[REFITTED:][overtaken[order[REFITTED:]]]])
    found = _refitted(base, members, chosen[: 2 * REFITTED])
    chosen = chosen[: len(found)]
    rated = ~np.isnan(found[:, 0])
    moves = np.where(rated[:, None], found - strengths, 0.0)
    row, model = np.unravel_index(np.abs(moves).argmax(), moves.shape)
    changed = rated & (found.argmax(axis=1) != strengths.argmax())
    lost = np.where(rated, _lost(base, ratings, strengths, found), 0)
    return LeaveOut(
        what=members.what,
        of=len(members.names),
        refitted=len(found),
        name=members.names[chosen[row]],
        votes=int(members.votes[chosen[row]]),
        model=base.models[int(model)],
        moved=float(moves[row, model]) * POINTS,
        others_first=tuple(members.names[c] for c in chosen[changed]),
        lost=int(lost.max()),
        lost_without=members.names[chosen[lost.argmax()]] if lost.max() else None,
        unrated=tuple(members.names[c] for c in chosen[~rated]),
    )


def _refitted(base: Base, members: Members, chosen: Ints) -> Floats:
    block = max(1, BLOCK // (8 * base.counts.size + 8 * len(base.models) ** 2))
    found = []
    for start in range(0, len(chosen), block):
        some = members.counts[chosen[start : start + block]].toarray()
        found.append(base.strengths(base.counts - some.reshape(-1, *base.counts.shape)))
    return np.concatenate(found)


def _lost(base: Base, ratings: Ratings, strengths: Floats, found: Floats) -> Ints:
    """Count the differences sure with all votes that are not, or not the same, without one."""
    tests = ratings.pairwise()
    sure = tests[tests["p_holm"] <= 1 - ratings.level]
    if sure.empty:
        return np.zeros(len(found), dtype=np.int64)
    place = {name: number for number, name in enumerate(base.models)}
    one, other = (np.array([place[n] for n in sure[side]]) for side in ("first", "second"))
    needed = sure["statistic"].abs().min() * sure["error"].to_numpy(dtype=float) / POINTS
    sign = np.sign(strengths[one] - strengths[other])
    gone: Ints = ((found[:, one] - found[:, other]) * sign < needed).sum(axis=1)
    return gone


def _some(names: tuple[str, ...]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
