"""The board as of now, from the counts that the database keeps beside the votes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from arena.estimate import Model
from arena.ratings import Ratings, fit_counts
from arena.store import Miscount, Store
from arena.tally import gather
from evalkit.errors import StoreError, UnknownNameError, VotesError


def board(
    store: Store,
    study: str,
    model: Model = "davidson",
    *,
    criterion: str | None = None,
    category: str | None = None,
    **options: Any,
) -> Ratings:
    """Rate a study, or one category of it, in milliseconds whatever the number of votes.

    The estimates are those of ``arena.ratings.fit``. The intervals take votes as independent, for
    counts do not say who voted, and a warning says so. ``options`` are those of ``fit_counts``.

    Raises:
        VotesError: there are no votes, or the fit does not converge.
        UnknownNameError: the study, the category or an option does not exist.
    """
    with store.reading() as facts:
        key, asked = facts.study(study)
        criterion = _only(asked.criteria, criterion)
        if category is not None and category not in (known := facts.categories(key)):
            raise UnknownNameError("category with votes", category, known)
        counts = facts.counts(key, category, criterion)
    return fit_counts(gather(counts), model, **options)


def _only(asked: Sequence[str], criterion: str | None) -> str:
    """Return the criterion that is meant where a study has only one."""
    if criterion is None and len(asked) > 1:
        raise VotesError(
            f"The study asks {len(asked)} questions: {', '.join(asked)}. "
            "Choose one with --criterion."
        )
    if criterion is not None and criterion not in asked:
        raise UnknownNameError("criterion of this study", criterion, asked)
    return criterion or asked[0]


def check(store: Store, study: str) -> list[Miscount]:
    """Count the votes anew and return where the kept counts differ; they should not."""
    with store.reading() as facts:
        return facts.miscounts(facts.study(study)[0])


def recount(store: Store, study: str) -> list[Miscount]:
    """Make the kept counts anew from the votes that stand; return what was wrong before."""
    with store.writing() as facts:
        key, _ = facts.study(study)
        wrong = facts.miscounts(key)
        facts.recount(key)
    return wrong


def refuse_miscounts(study: str, wrong: list[Miscount]) -> None:
    """Raise StoreError if kept counts are not those of the votes, naming the first."""
    if wrong:
        one = wrong[0]
        raise StoreError(
            f"{len(wrong)} counts kept for {study!r} are not those of its votes: of {one.left!r} "
            f"against {one.right!r}, {one.outcome}, {one.kept} are kept and {one.votes} stand. "
            "The votes are right. Make the counts anew: arena recount --mend"
        )
