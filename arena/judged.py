"""Votes joined with what scorers say of the same pictures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from arena.codes import Codes, factorise
from arena.tally import LEFT, MIRRORED, RIGHT, Floats, Tally, count
from evalkit.errors import EvalkitError, VotesError
from evalkit.runs import Run

Scores: TypeAlias = Mapping[str, Mapping[str, float]]
"""Scorer to generation id to value, turned so that higher is better; missing ones are absent."""
PICTURES = ("left_generation", "right_generation")


class Picture(NamedTuple):
    """What a generation is a picture of, and by which model."""

    model: str
    prompt: str
    seed: int


@dataclass(frozen=True)
class Scored:
    """The pictures of a run and their scores."""

    pictures: Mapping[str, Picture]
    """By generation; failed generations are no pictures."""
    scores: Scores
    steps: Mapping[str, int | None]
    """By model."""


@dataclass(frozen=True, eq=False)
class Judged:
    """Votes with the pictures they judged: one entry a vote in every array."""

    votes: pd.DataFrame
    tally: Tally
    outcome: Codes
    pictures: tuple[str, ...]
    left: Codes
    """Index into ``pictures`` of the picture on the left; -1 where it is not known."""
    right: Codes

    @property
    def decisive(self) -> NDArray[np.bool_]:
        """Which votes prefer a picture; ties and both-bad do not."""
        return np.asarray(self.outcome <= RIGHT)

    @property
    def prefers_left(self) -> NDArray[np.bool_]:
        """Which votes prefer the left picture."""
        return np.asarray(self.outcome == LEFT)

    @property
    def models(self) -> tuple[Codes, Codes]:
        """Return the models on the left and on the right, as indices of the tally's."""
        pair = self.tally.cell // 4
        return self.tally.left[pair], self.tally.right[pair]

    @property
    def pair(self) -> Codes:
        """Number the pairs of pictures whatever their sides; -1 where one is not known."""
        one, other = np.minimum(self.left, self.right), np.maximum(self.left, self.right)
        codes = one.astype(np.int64) * max(1, len(self.pictures)) + other
        return np.where(one < 0, -1, codes)

    def difference(self, values: Mapping[str, float]) -> Floats:
        """Return the left picture's score less the right one's, NaN where either is missing."""
        table = np.array([values.get(name, np.nan) for name in self.pictures] + [np.nan], float)
        table[~np.isfinite(table)] = np.nan
        gap: Floats = table[self.left] - table[self.right]
        return gap


def join(votes: pd.DataFrame) -> Judged:
    """Find the pictures of votes shaped like votes.csv; refuse votes that name none.

    Raises:
        VotesError: a row is no vote, or no row names its pictures' generations.
    """
    tally = count(votes)
    columns = [votes[name] for name in PICTURES if name in votes.columns]
    if len(columns) < 2 or any(column.isna().all() for column in columns):
        raise VotesError(
            "The votes do not name the pictures they judged (columns left_generation and "
            "right_generation), so no score can be found for them. Votes cast in the arena on "
            "a loaded run name theirs."
        )
    codes, names = factorise(pd.concat(columns, ignore_index=True).astype(object))
    left, right = codes[: len(votes)], codes[len(votes) :]
    # The tally has turned rows marked side_swapped round; the pictures follow its models.
    turned = np.array(tally.models, dtype=object)[tally.left[tally.cell // 4]] != votes["left"]
    swap = turned.to_numpy(dtype=bool) if isinstance(turned, pd.Series) else np.asarray(turned)
    left, right = np.where(swap, right, left), np.where(swap, left, right)
    return Judged(votes, tally, tally.cell % 4, tuple(map(str, names)), left, right)


def mirrored(outcome: Codes, turned: NDArray[np.bool_]) -> Codes:
    """Return the outcomes as they are with the sides of some votes exchanged."""
    table = np.array(MIRRORED, dtype=outcome.dtype)
    return np.where(turned, table[outcome], outcome)


def read(run: Run) -> Scored:
    """Read the pictures of a run and the newest version of each of its scores."""
    cards = {card.name: card for card in sorted(run.cards(), key=lambda card: card.version)}
    if not cards:
        raise EvalkitError(
            f"The run {run.path} has no scores. Score it first: evalkit score --run {run.path} "
            "--scorer NAME"
        )
    made = [g for g in run.generations() if g.image is not None]
    scores: dict[str, dict[str, float]] = {}
    for name in sorted(cards):
        sign = 1.0 if cards[name].higher_is_better else -1.0
        rows = run.scores(cards[name])
        scores[name] = {s.generation_id: sign * s.value for s in rows if s.value is not None}
    return Scored(
        pictures={g.id: Picture(g.model, g.prompt_id, g.seed) for g in made},
        scores=scores,
        steps={model.name: model.steps for model in run.manifest.models},
    )


def texts(column: pd.Series[Any]) -> NDArray[np.object_]:
    """Return a column as text, with None for what is missing or blank."""
    found = column.astype(object).where(column.notna(), None)
    blank = np.array([value is None or not str(value).strip() for value in found], dtype=bool)
    names = found.map(str).to_numpy(dtype=object)
    names[blank] = None
    return names
