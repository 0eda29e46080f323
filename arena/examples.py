"""Pairs of which the better picture is known: where they are, and on which side each is shown."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from arena.protocol import Criterion, Example, Outcome, Picture
from arena.records import Entry, Purpose
from arena.sampling import Draw
from evalkit.errors import StudyError

PROMPT = "example"
"""The prompt id of pictures that came with the study's file; they compete with no model."""


@dataclass(frozen=True)
class Opening:
    """A battle to be opened: what is shown, what is asked, and what for."""

    drawn: Draw
    criterion: Criterion
    purpose: Purpose = Purpose.RATING
    expected: Outcome | None = None
    repeat_of: int | None = None
    example: int | None = None
    redo_of: int | None = None


def competes(entry: Entry) -> bool:
    """Say whether a picture is a model's in the study, and no example's."""
    return entry.generation_id is not None


class Examples:
    """The examples of a protocol with their pictures."""

    def __init__(self, examples: Mapping[int, Example], entries: Iterable[Entry]) -> None:
        self._examples = examples
        self._of_run: dict[tuple[str, str, int | None], Entry] = {}
        self._of_file: dict[tuple[str, str], Entry] = {}
        for entry in entries:
            if competes(entry):
                self._of_run.setdefault((entry.model, entry.prompt_id, entry.seed), entry)
                self._of_run.setdefault((entry.model, entry.prompt_id, None), entry)
            elif entry.image is not None and entry.prompt_id == PROMPT:
                self._of_file.setdefault((entry.image, entry.prompt), entry)

    def opening(self, number: int, purpose: Purpose, rng: random.Random) -> Opening:
        """Put an example on the screen, the better picture on a side drawn by chance."""
        example = self._examples[number]
        better, worse = (self._find(p, example.prompt) for p in (example.better, example.worse))
        on_left = rng.random() < 1 / 2
        left, right = (better, worse) if on_left else (worse, better)
        return Opening(
            Draw(left, right, 1 / 2),
            example.criterion,
            purpose,
            expected=Outcome.LEFT if on_left else Outcome.RIGHT,
            example=number,
        )

    def _find(self, picture: Picture, prompt: str) -> Entry:
        """Return the entry of an example's picture."""
        if picture.image is not None:
            found = self._of_file.get((picture.image, prompt))
        else:
            found = self._of_run.get((picture.model or "", picture.prompt or "", picture.seed))
        if found is None:
            raise StudyError(
                f"The study has no picture {picture.model_dump(exclude_none=True)} for its "
                "examples. Load the run that drew it, or name another."
            )
        return found
