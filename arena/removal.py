"""The fewest votes, raters or prompts without which another model is first."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy.sparse import csr_array, eye_array

from arena.influence import OUTCOMES, Base, Members, times
from arena.tally import LEFT, RIGHT, Floats, Ints

MOST = 0.25
"""Share up to which a set is searched, or one of it: a study that loses more is another study."""
CHALLENGERS = 5
"""Models tried in the first one's place: those that need the fewest moves to first order."""
ROUNDS = 80
"""Refits on the way to one set; each takes half of what the last one left to do."""
AHEAD = 1e-9
"""How far, in log-odds, another must be ahead to be first: less is rounding."""


@dataclass(frozen=True)
class Removal:
    """A set whose removal (or change) puts another model first, found greedily and refitted.

    It is an upper bound: a smaller set may exist.
    """

    what: str
    """votes, answers (votes turned to the other side), raters or prompts."""
    number: int | None
    """How many; None if no set up to ``searched`` of all was found."""
    of: int
    votes: int | None
    """How many votes they hold."""
    first: str | None
    """The model that is first then."""
    which: tuple[str, ...]
    """Whose they are, the most influential first."""
    searched: float = MOST

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)

    def line(self) -> str:
        """Say it in words."""
        turned = self.what == "answers"
        of = f"{self.of} {'votes' if turned else self.what}"
        if self.number is None:
            how = "turning round" if turned else "removing"
            return (
                f"No set of up to {self.searched:.0%} of the {of} was found whose {how} changes #1."
            )
        verb = "Turning round" if turned else "Without"
        named = ", ".join(self.which[:3]) + (" ..." if len(self.which) > 3 else "")
        who = f": {named}" if named else ""
        share = f"{self.number / self.of:.2%}"
        return f"{verb} at most {self.number} of {of} ({share}{who}), {self.first} is #1."


@dataclass(frozen=True, eq=False)
class _Moves:
    """Changes of the counts: so many of each kind can be made, each of which adds a row."""

    change: csr_array[np.float64]
    capacity: Ints

    def after(self, counts: Floats, taken: Ints) -> Floats:
        """Return the counts when these moves are made."""
        table: Floats = counts + times(self.change.T, taken.astype(float)).reshape(counts.shape)
        return table


def of_votes(base: Base) -> Removal:
    """Search among the single votes."""
    cells = base.counts.size
    moves = _Moves(csr_array(-eye_array(cells)), base.counts.ravel().astype(np.int64))
    return _fewest(base, moves, "votes", ())


def of_answers(base: Base) -> Removal:
    """Search among single votes with a winner, each turned round to the other side."""
    cells = np.arange(base.counts.size)
    outcome = cells % OUTCOMES
    other = np.where(outcome == LEFT, cells + RIGHT, cells - RIGHT)
    decisive = np.flatnonzero(outcome <= RIGHT)
    rows = np.arange(len(decisive))
    change = csr_array(
        (
            np.concatenate([-np.ones(len(rows)), np.ones(len(rows))]),
            (np.tile(rows, 2), np.concatenate([decisive, other[decisive]])),
        ),
        shape=(len(rows), len(cells)),
    )
    return _fewest(
        base, _Moves(change, base.counts.ravel()[decisive].astype(np.int64)), "answers", ()
    )


def of_members(base: Base, members: Members) -> Removal:
    """Search among whole raters, or whole prompts."""
    moves = _Moves(-members.counts, np.ones(len(members.names), dtype=np.int64))
    return _fewest(base, moves, f"{members.what}s", members.names)


def _fewest(base: Base, moves: _Moves, what: str, names: tuple[str, ...]) -> Removal:
    of = int(base.counts.sum()) if not names else len(names)
    start, slopes = base.slopes(base.counts)
    top = int(start.argmax())
    needs = [(_need(start, slopes, moves, top, k), k) for k in range(len(start)) if k != top]
    best: Ints | None = None
    for _, rival in sorted(needs)[:CHALLENGERS]:
        limit = max(1, int(MOST * of)) if best is None else int(best.sum()) - 1
        found = _path(base, moves, top, rival, limit)
        if found is not None and (best is None or found.sum() < best.sum()):
            best = found
    if best is None:
        return Removal(what, None, of, None, None, (), max(MOST, 1 / of))
    after = moves.after(base.counts, best)
    leader = base.models[int(base.strengths(after[None])[0].argmax())]
    held, which = int(best.sum()), ()
    if names:
        _, order = _ordered(slopes, moves, best, top, base.models.index(leader))
        which = tuple(names[kind] for kind in order)
        held = int(base.counts.sum() - moves.after(base.counts, best).sum())
    return Removal(what, int(best.sum()), of, held, leader, which)


def _need(start: Floats, slopes: Floats, moves: _Moves, top: int, rival: int) -> float:
    """Return how many moves close the gap to first order; infinite where all do not."""
    pull, order = _ordered(slopes, moves, moves.capacity, top, rival)
    return float(_enough(pull, moves.capacity[order], start[top] - start[rival]))


def _ordered(
    slopes: Floats, moves: _Moves, left: Ints, top: int, rival: int
) -> tuple[Floats, Ints]:
    """Return the moves that close the gap, the strongest first, and how much each closes it."""
    pull = times(moves.change, slopes[:, rival] - slopes[:, top])
    useful = np.flatnonzero((pull > 0) & (left > 0))
    order = useful[np.argsort(-pull[useful], kind="stable")]
    return pull[order], order


def _enough(pull: Floats, left: Ints, gap: float) -> float:
    """Return how many of the ordered moves add up to a gap, the last kind counted in part."""
    closed = np.cumsum(pull * left)
    place = int(np.searchsorted(closed, gap))
    if place == len(closed):
        return np.inf
    before = closed[place - 1] if place else 0.0
    return float(left[:place].sum() + np.ceil((gap - before) / pull[place]))


def _path(base: Base, moves: _Moves, top: int, rival: int, limit: int) -> Ints | None:
    """Move until another is first, refitting on the way; then drop the moves not needed."""
    taken = np.zeros(len(moves.capacity), dtype=np.int64)
    steps: list[tuple[int, int]] = []
    for _ in range(ROUNDS):
        strengths, slopes = base.slopes(moves.after(base.counts, taken))
        if np.isnan(strengths[0]):
            return None
        if _overtaken(strengths, top):
            return _shortest(base, moves, top, steps)
        pull, order = _ordered(slopes, moves, moves.capacity - taken, top, rival)
        need = _enough(pull, (moves.capacity - taken)[order], strengths[top] - strengths[rival])
        room = limit - int(taken.sum())
        if not len(order) or room < 1:
            return None
        budget = max(1, int(min(np.ceil(need / 2), room)))
        for kind in order:
            number = int(min(moves.capacity[kind] - taken[kind], budget))
            steps.append((int(kind), number))
            taken[kind] += number
            budget -= number
            if not budget:
                break
    return None


def _overtaken(strengths: Floats, top: int) -> bool:
    return bool(np.nanmax(np.delete(strengths, top)) > strengths[top] + AHEAD)


def _shortest(base: Base, moves: _Moves, top: int, steps: list[tuple[int, int]]) -> Ints:
    """Bisect the moves in the order they were made for the fewest that still do."""
    ends = np.cumsum([number for _, number in steps])
    low, high = 0, int(ends[-1])

    def made(number: int) -> Ints:
        taken = np.zeros(len(moves.capacity), dtype=np.int64)
        for (kind, some), end in zip(steps, ends, strict=True):
            taken[kind] += max(0, min(some, number - (int(end) - some)))
        return taken

    while high - low > 1:
        middle = (low + high) // 2
        strengths = base.strengths(moves.after(base.counts, made(middle))[None])[0]
        low, high = (low, middle) if _overtaken(strengths, top) else (middle, high)
    return made(high)
