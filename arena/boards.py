"""Boards: the ratings of some votes with what is asked beside them, and one for each level."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from arena import tiers
from arena.comparisons import Equivalence
from arena.covariates import differences
from arena.estimate import CENTRE
from arena.ratings import SCHEMA, WORDS, Ratings, fit, fit_counts
from arena.tally import Tally, count
from evalkit.errors import EvalkitError, UnknownNameError, VotesError

BY = ("category", "criterion", "language", "budget")


@dataclass(frozen=True)
class Tied:
    """A question: are two models tied within a margin of Elo points?"""

    first: str
    second: str
    margin: float


@dataclass(frozen=True)
class Asked:
    """What is asked of every board."""

    options: Mapping[str, Any] = field(default_factory=dict)
    """Those of ``arena.ratings.fit``; of ``fit_counts`` where there are only counts."""
    paper_style: bool = False
    """Elo as papers have it beside the ratings, never ranked with them."""
    tied: Sequence[Tied] = ()
    margin: float | None = None
    """Of Elo points: which pairs of all are tied within it?"""

    @property
    def anchor(self) -> tuple[str, float] | None:
        """The model whose rating is held fixed."""
        found: tuple[str, float] | None = self.options.get("anchor")
        return found

    def check(self, models: Sequence[str]) -> None:
        """Refuse names that no vote has, and margins that are none."""
        anchors = [self.anchor[0]] if self.anchor else []
        for kind, names in (("anchor model", anchors), ("model of these votes", self._named)):
            for name in names:
                if name not in models:
                    raise UnknownNameError(kind, name, models)
        if self.margin is not None and not 0 < self.margin < np.inf:
            raise EvalkitError(
                f"Models are tied within a margin above 0 Elo points, not {self.margin:g}."
            )
        for one in self.tied:
            if one.first == one.second or not 0 < one.margin < np.inf:
                raise EvalkitError(
                    f"{one.first!r} and {one.second!r} within {one.margin:g} Elo points is no "
                    "question: it takes two models and a margin above 0."
                )

    @property
    def _named(self) -> list[str]:
        return [name for one in self.tied for name in (one.first, one.second)]


@dataclass(frozen=True, eq=False)
class Board:
    """The ratings of one level, or why there are none."""

    votes: int
    ratings: Ratings | None
    level: str | None = None
    """Of what the boards are told apart by; None where there is one board for all votes."""
    raters: int | None = None
    """None where the votes name none, as ``prompts``."""
    prompts: int | None = None
    refusal: str | None = None
    paper: Ratings | None = None
    tied: tuple[Equivalence | tuple[Tied, str], ...] = ()
    """The answer to each question, or the question and why it has none."""
    equivalences: tuple[Equivalence, ...] | None = None
    """Of all pairs, adjusted by Holm; None where that was not asked."""

    @property
    def rated(self) -> int:
        """How many models have a rating."""
        return int(self.ratings.table["rating"].notna().sum()) if self.ratings else 0

    def to_dict(self) -> dict[str, Any]:
        """Return the document of ``arena rate --json``, with what was asked beside it."""
        document = self.ratings.to_dict() if self.ratings else {"ratings": [], "diagnostics": None}
        if self.paper:
            document["paper_style"] = self._paper_style(self.paper)
        if self.tied:
            document["tied"] = [_tied(one) for one in self.tied]
        if self.equivalences is not None:
            document["equivalences"] = [_tied(one) for one in self.equivalences]
        if self.level is None:
            return document
        known = {"votes": self.votes, "raters": self.raters, "prompts": self.prompts}
        inner = {k: v for k, v in document.items() if k not in ("schema", "model")}
        return {"level": self.level, **known, "refusal": self.refusal, **inner}

    @staticmethod
    def _paper_style(paper: Ratings) -> dict[str, Any]:
        known = paper.table[["model", "rating"]].dropna()
        return {
            "method": WORDS["elo"],
            "ratings": dict(zip(known["model"], known["rating"].map(float), strict=True)),
            "replays": paper.diagnostics.get("replays"),
            "largest_shuffling_error": paper.diagnostics.get("largest_shuffling_error"),
        }


@dataclass(frozen=True, eq=False)
class Boards:
    """One board for each level of what the votes are told apart by."""

    by: str
    model: str
    boards: tuple[Board, ...]
    votes: int
    without: int
    """Votes that have no level, and are in no board."""
    anchor: tuple[str, float] | None = None

    @cached_property
    def notes(self) -> tuple[str, ...]:
        """What holds of all boards together."""
        if self.anchor:
            name, at = self.anchor
            scale = (
                f"every board holds {name} at {at:g}, so the boards are on one scale: a rating "
                f"is the distance from {name}, whose own interval is 0"
            )
        else:
            scale = (
                f"every board has a zero of its own, its models' mean at {CENTRE:g}, so ratings "
                "of two boards are not compared; an anchor that is in all of them joins them"
            )
        notes = [scale]
        if len(self.boards) > 1:
            notes.append(
                "intervals and ranks hold for each board by itself: of many boards some mislead"
            )
        if self.without:
            why = f"name no {self.by}"
            if self.by == "budget":
                why = "do not know their budget, or are between models of two budgets"
            notes.append(f"{self.without} votes {why}, and are in no board")
        return tuple(notes)

    def to_dict(self) -> dict[str, Any]:
        """Return the document of ``arena rate --by --json``."""
        return {
            "schema": SCHEMA,
            "model": self.model,
            "by": self.by,
            "votes": self.votes,
            "votes_without_level": self.without,
            "anchor": dict(zip(("model", "rating"), self.anchor, strict=True))
            if self.anchor
            else None,
            "boards": [board.to_dict() for board in self.boards],
            "notes": list(self.notes),
        }


def board(votes: pd.DataFrame | Tally, asked: Asked | None = None) -> Board:
    """Rate all votes, shaped like votes.csv or counted, and answer what is asked beside.

    Raises:
        VotesError: a row is no vote, or the fit does not converge.
        UnknownNameError: an option, the anchor or a model that is asked about does not exist.
    """
    asked = asked or Asked()
    if asked.anchor or asked.tied or asked.margin is not None:
        asked.check(_models(votes))
    return _board(votes, asked)


def by_level(votes: pd.DataFrame, by: str, asked: Asked | None = None) -> Boards:
    """Rate the votes of each level of ``by`` apart; a level that cannot be rated says why.

    Raises as ``board`` does, for what is wrong with all votes and not with one level's.
    """
    asked = asked or Asked()
    asked.check(count(votes).models)
    differences(votes, asked.options.get("covariates", ()))
    named = levels(votes, by, asked.anchor[0] if asked.anchor else None)
    parts: dict[str, pd.DataFrame | Tally] = {
        str(level): part.reset_index(drop=True)
        for level, part in votes.groupby(named.to_numpy(), sort=True)
    }
    if not parts:
        cure = f"Rate without --by, or name the {by}."
        if by == "budget":
            cure = "Name the model that all budgets are compared with: --anchor MODEL."
        raise VotesError(f"No vote has a {by} of its own, so there is no board. {cure}")
    return of_parts(parts, by, asked, len(votes))


def of_parts(
    parts: Mapping[str, pd.DataFrame | Tally], by: str, asked: Asked, votes: int
) -> Boards:
    """Rate votes that are told apart already, of ``votes`` in all."""
    made = tuple(_level(parts[level], level, asked) for level in sorted(parts, key=_order(by)))
    without = votes - sum(one.votes for one in made)
    model = str(asked.options.get("model", "davidson"))
    return Boards(by, model, made, votes, without, asked.anchor)


def levels(votes: pd.DataFrame, by: str, anchor: str | None = None) -> pd.Series[Any]:
    """Return the level of each vote, missing where it has none."""
    if by not in BY:
        raise UnknownNameError("way to tell boards apart", by, BY)
    if by != "budget" and by not in votes.columns:
        raise VotesError(
            f"The votes name no {by}: a votes.csv needs a column {by}. Rate without --by {by}."
        )
    named = tiers.budgets(votes, anchor) if by == "budget" else votes[by]
    text = named.astype(object).where(named.notna(), None)
    return text.map(lambda level: None if level is None or not str(level).strip() else str(level))


def _order(by: str) -> Callable[[str], tuple[int, str]]:
    known = tiers.ORDER if by == "budget" else ()
    return lambda level: (known.index(level) if level in known else len(known), level)


def _models(votes: pd.DataFrame | Tally) -> tuple[str, ...]:
    return votes.models if isinstance(votes, Tally) else count(votes).models


def _level(votes: pd.DataFrame | Tally, level: str, asked: Asked) -> Board:
    """Rate one level; what its votes cannot give is words, and no error of the others."""
    refusal = _unjoined(votes, asked)
    if refusal is None:
        try:
            return _board(votes, asked, level)
        except VotesError as error:
            refusal = str(error)
    return Board(ratings=None, level=level, refusal=refusal, **_sizes(votes))


def _unjoined(votes: pd.DataFrame | Tally, asked: Asked) -> str | None:
    if asked.anchor is None or asked.anchor[0] in _models(votes):
        return None
    return (
        f"the anchor {asked.anchor[0]} has no votes here, so nothing joins this board to the "
        "others; without an anchor it has a zero of its own."
    )


def _board(votes: pd.DataFrame | Tally, asked: Asked, level: str | None = None) -> Board:
    ratings = _rate(votes, asked.options)
    paper = None
    if asked.paper_style and ratings.model != "elo":
        rule = "drop" if asked.options.get("both_bad") == "drop" else "tie"
        paper = _rate(votes, {"model": "elo", "both_bad": rule})
    tied = tuple(_answer(ratings, one) for one in asked.tied)
    pairs = None if asked.margin is None else tuple(ratings.equivalences(asked.margin))
    return Board(
        ratings=ratings,
        level=level,
        paper=paper,
        tied=tied,
        equivalences=pairs,
        **_sizes(votes),
    )


def _rate(votes: pd.DataFrame | Tally, options: Mapping[str, Any]) -> Ratings:
    return fit_counts(votes, **options) if isinstance(votes, Tally) else fit(votes, **options)


def _sizes(votes: pd.DataFrame | Tally) -> dict[str, Any]:
    if isinstance(votes, Tally):
        return {"votes": votes.votes}
    named = [name for name in ("rater", "prompt") if name in votes.columns]
    return {"votes": len(votes)} | {f"{n}s": votes[n].nunique() or None for n in named}


def _answer(ratings: Ratings, one: Tied) -> Equivalence | tuple[Tied, str]:
    try:
        return ratings.equivalent(one.first, one.second, one.margin)
    except UnknownNameError:
        return one, "one of them is not rated here"
    except VotesError as error:
        return one, str(error)


def _tied(one: Equivalence | tuple[Tied, str]) -> dict[str, Any]:
    if isinstance(one, Equivalence):
        return vars(one) | {"words": one.words}
    question, why = one
    none = dict.fromkeys(("difference", "low", "high", "p", "equivalent", "p_holm"))
    return vars(question) | none | {"words": f"not tested: {why.removesuffix('.')}"}
