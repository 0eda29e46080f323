"""Which models the votes place by the line of "good enough", where both bad is an outcome."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from arena.identify import RATED, Identified, beaten, listing, reached
from arena.tally import BOTH_BAD, TIE, Ints, Tally


def place(tally: Tally) -> Identified:
    """Find the models whose strengths over the line have a finite maximum-likelihood estimate.

    The line takes part like a competitor: it beats both models of a both-bad vote, and whoever
    wins or ties has beaten it. So Ford's condition holds for those that reach the line and are
    reached from it. Votes with others are set aside; the group must hold by its own.
    """
    tables = tally.wins(), tally.draws([TIE]), tally.draws([BOTH_BAD])
    group = np.arange(len(tally.models))
    while True:
        wins, ties, bad = (table[np.ix_(group, group)] for table in tables)
        above, below = _sides(wins, ties, bad)
        if (above & below).all():
            break
        group = group[above & below]
    if len(group) < 2:
        group = group[:0]
    return Identified(tuple(group.tolist()), tuple(_words(tally, group, *tables)))


def unplaced(tally: Tally, anchor: int | None = None) -> str:
    """Say why the votes place no line, or none by which the anchor could be placed."""
    good, bad = tally.counts[:, :BOTH_BAD].sum(), tally.counts[:, BOTH_BAD].sum()
    if not bad:
        return "no vote was both bad, so it lies below all models by an unknown distance"
    if not good:
        return "every vote was both bad, so it lies above all models by an unknown distance"
    if anchor is not None:
        return f"the anchor {tally.models[anchor]} has no votes that place it by the line"
    return (
        "the votes put no two models on both sides of it; it takes both-bad votes and votes with "
        "a winner or a tie among the same models"
    )


def _sides(wins: Ints, ties: Ints, bad: Ints) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Mark the models that votes put above the line, and those that votes put below it."""
    over = beaten(wins, ties, bad)
    line = len(over) - 1
    return reached(over.T, line)[:-1], reached(over, line)[:-1]


def _words(tally: Tally, group: Ints, wins: Ints, ties: Ints, bad: Ints) -> list[str]:
    """Describe every model by its place relative to the line."""
    above, below = _sides(wins, ties, bad)
    rated = listing([tally.models[m] for m in group])
    against = f" against the rated models ({rated})" if len(group) else ""
    votes = (wins + wins.T + ties + bad).sum(axis=1)
    words = []
    for m in range(len(tally.models)):
        if not votes[m]:
            fact = "it has no votes"
        elif above[m] and below[m]:
            fact = (
                "only votes with models that cannot be rated put it on both sides of the line; "
                f"a win or tie and a both-bad vote{against} would cure it"
            )
        elif below[m]:
            fact = (
                f"never won and never tied in {votes[m]} votes, {bad[m].sum()} of them both bad, "
                "so it stands below the line by an unknown distance; "
                f"one win or tie{against} would cure it"
            )
        elif above[m]:
            fact = (
                f"never both bad in {votes[m]} votes, nor was what it lost to or tied with, so it "
                "stands above the line by an unknown distance; "
                f"one both-bad vote{against} would cure it"
            )
        else:
            fact = (
                f"lost all of {votes[m]} votes, to models above the line by an unknown distance; "
                f"a win or tie and a both-bad vote{against} would cure it"
            )
        words.append(RATED if m in group else f"not identified: {fact}")
    return words
