"""The board as of now, from the counts that the database keeps beside the votes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from arena.boards import Asked, Boards, of_parts
from arena.estimate import Model
from arena.facts.counts import Count, Miscount
from arena.ratings import Ratings, fit_counts
from arena.store import Store
from arena.tally import Tally, gather
from evalkit.errors import StoreError, UnknownNameError, VotesError

KEPT = ("category", "criterion")
"""What counts are kept apart by."""


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
    return fit_counts(counted(store, study, criterion, category), model, **options)


def counted(
    store: Store, study: str, criterion: str | None = None, category: str | None = None
) -> Tally:
    """Return the kept counts of a study, or of one category of it."""
    with store.reading() as facts:
        key, asked = facts.study(study)
        criterion = _only(asked.criteria, criterion)
        if category is not None and category not in (known := facts.categories(key)):
            raise UnknownNameError("category with votes", category, known)
        counts = facts.counts(key, category, criterion)
    return gather(counts)


def models(store: Store, study: str) -> tuple[str, ...]:
    """Return the models that have votes in a study."""
    with store.reading() as facts:
        return gather(facts.counts(facts.study(study)[0])).models


def boards(
    store: Store, study: str, by: str, wanted: Asked, criterion: str | None = None
) -> Boards:
    """Rate each category, or each criterion, of a study from its kept counts.

    Raises:
        VotesError: the counts are not kept by ``by``, or there are no votes.
        UnknownNameError: the study, the criterion or a name that is asked about does not exist.
    """
    if by not in KEPT:
        raise VotesError(
            f"Counts are kept by {' and '.join(KEPT)}, not by {by}. Rate from the votes: without "
            "--live."
        )
    with store.reading() as facts:
        key, study_asked = facts.study(study)
        if by == "criterion":
            found = {c: facts.counts(key, None, c) for c in study_asked.criteria}
        else:
            criterion = _only(study_asked.criteria, criterion)
            found = {c: facts.counts(key, c, criterion) for c in facts.categories(key)}
    whole = gather([row for rows in found.values() for row in rows])
    wanted.check(whole.models)
    # What has no category is kept under the empty one.
    parts = {level: gather(rows) for level, rows in found.items() if level and _some(rows)}
    if not parts:
        raise VotesError(f"No vote has a {by}, so there is no board. Rate without --by.")
    return of_parts(parts, by, wanted, whole.votes)


def _some(counts: Sequence[Count]) -> bool:
    return any(one.votes for one in counts)


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
