"""What the scorers that ask a judge share: its name in theirs, and one question after another."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Any, ClassVar

from evalkit.records import Prompt, Question, ScorerCard, WeightsInfo
from evalkit.scorers import Verdict
from evalkit.scorers.batches import (
    judge_in_batches,
    needs_models,
    pick_device,
    unreadable,
    verdict,
)
from evalkit.scorers.pictures import unusable
from evalkit.weights import Weights, expand, resolve

if TYPE_CHECKING:
    from PIL import Image

    from evalkit.scorers.judge import Answers, Asked, Judge

JUDGE = "Qwen/Qwen3-VL-8B-Instruct"
"""GenEval 2's judge. VQAScore's own (CLIP-FlanT5) and DPG-Bench's (mPLUG) are no models of
transformers."""
FILES = ("*.json", "*.jinja", "*.txt", "*.model", "*.safetensors")
YES = ("Yes", "yes", " yes", " Yes")
NO = ("No", "no", " no", " No")


@dataclass(frozen=True)
class Ask:
    """One question, and the answers whose probabilities are wanted."""

    words: str
    answers: Answers


@dataclass(frozen=True)
class _Task:
    prompt: Prompt | str
    asked: tuple[Asked, ...]


def judge_name(info: WeightsInfo) -> str:
    """Return a judge's name as part of a score's: numbers of two judges are not comparable."""
    name = re.sub(r"[^a-z0-9.]+", "-", info.id.rpartition("/")[2].lower()).strip("-.")
    return f"{name or 'judge'}-{(info.digest or '').removeprefix('sha256:')[:8]}"


class ByQuestion:
    """A scorer that asks a judge about each picture.

    ``weights`` is a hub id or folder of an image-text-to-text model of transformers with a chat
    template. ``batch_size`` counts questions. A picture of which one answer is missing has no
    value. ``detail`` holds ``tokens`` (the longest question's, with the picture's) and
    ``truncated`` (any was cut).
    """

    version: ClassVar[int] = 1
    name: ClassVar[str]
    title: ClassVar[str]
    unit: ClassVar[str]
    frame: ClassVar[str]
    """What a judge is asked, with the words at ``{}``."""

    def __init__(
        self,
        weights: str | os.PathLike[str] = JUDGE,
        *,
        device: str | None = None,
        batch_size: int = 4,
    ) -> None:
        self._weights = expand(weights, "judge")
        self._device = device
        self._batch_size = batch_size

    @cached_property
    def _files(self) -> Weights:
        return resolve(self._weights, files=FILES)

    @property
    def card(self) -> ScorerCard:
        """What the numbers mean and which judge gave them."""
        return ScorerCard(
            name=f"{self.name}-{judge_name(self._files.info)}",
            version=self.version,
            title=self.title,
            unit=self.unit,
            low=0,
            high=1,
            weights=(self._files.info,),
            options={"question": self.frame},
        )

    def load(self) -> None:
        """Bring the judge into memory."""
        _ = self._judge

    @cached_property
    def _judge(self) -> Judge:
        with needs_models(f"The scorer {self.name}"):
            from evalkit.scorers.judge import shared_judge
        device = pick_device(self._device)
        return shared_judge(self._files.path, self._files.info.digest, str(device))

    def score(
        self, prompts: Sequence[Prompt | str], images: Sequence[Image.Image]
    ) -> list[Verdict]:
        """Judge ``images[i]`` against ``prompts[i]``."""
        return judge_in_batches(
            prompts, images, prepare=self._prepare, judge=self._answer, size=self._batch_size
        )

    def _asks(self, prompt: Prompt | str) -> Sequence[Ask] | str:
        """Return what is asked about a picture of this prompt, or why nothing can be."""
        raise NotImplementedError

    def _value(
        self, prompt: Prompt | str, found: Sequence[tuple[float, ...]]
    ) -> tuple[float, Mapping[str, Any]]:
        """Make a value and its detail of the answers' probabilities."""
        raise NotImplementedError

    def _prepare(self, prompt: Prompt | str, image: Image.Image) -> _Task | Verdict:
        asks = self._asks(prompt)
        if isinstance(asks, str):
            return Verdict(None, asks)
        reasons = (unreadable(ask.words) for ask in asks)
        if reason := unusable(image) or next(filter(None, reasons), None):
            return Verdict(None, reason)
        picture = image.convert("RGB")
        asked = []
        for ask in asks:
            one = self._judge.prepare(picture, ask.words, self.frame, ask.answers)
            if isinstance(one, str):
                return Verdict(None, one)
            asked.append(one)
        return _Task(prompt, tuple(asked))

    def _answer(self, tasks: list[_Task]) -> list[Verdict]:
        questions = [one for task in tasks for one in task.asked]
        pieces = range(0, len(questions), self._batch_size)
        found = iter(
            [a for at in pieces for a in self._judge.answer(questions[at : at + self._batch_size])]
        )
        return [self._verdict(task, list(islice(found, len(task.asked)))) for task in tasks]

    def _verdict(self, task: _Task, found: list[tuple[float, ...]]) -> Verdict:
        tokens = max(one.tokens for one in task.asked)
        detail: dict[str, Any] = {"tokens": tokens, "truncated": tokens > self._judge.max_tokens}
        if wrong := [p for answers in found for p in answers if not math.isfinite(p)]:
            return verdict(wrong[0], detail)
        value, more = self._value(task.prompt, found)
        return verdict(value, {**detail, **more})


class OfPrompts(ByQuestion):
    """Asks the questions that prompts bring along (``evalkit.questions``)."""

    suite: ClassVar[str]
    """Whose file has such prompts, and its name."""

    def _asks(self, prompt: Prompt | str) -> Sequence[Ask] | str:
        questions = _questions(prompt)
        if not questions:
            name = prompt if isinstance(prompt, str) else prompt.id
            return (
                f"The prompt {name[:60]!r} has no questions. {self.title} needs {self.suite} as "
                "the suite."
            )
        return self._fault(questions) or [self._ask(q) for q in questions]

    def _value(
        self, prompt: Prompt | str, found: Sequence[tuple[float, ...]]
    ) -> tuple[float, Mapping[str, Any]]:
        return self._value_of(_questions(prompt), found)

    def _fault(self, questions: Sequence[Question]) -> str | None:
        """Say why the questions cannot be asked, or None."""
        raise NotImplementedError

    def _ask(self, question: Question) -> Ask:
        """Return what is asked, and the answers wanted."""
        raise NotImplementedError

    def _value_of(
        self, questions: Sequence[Question], found: Sequence[tuple[float, ...]]
    ) -> tuple[float, Mapping[str, Any]]:
        """Make a value and its detail of each question's probabilities."""
        raise NotImplementedError


def _questions(prompt: Prompt | str) -> Sequence[Question]:
    return () if isinstance(prompt, str) else prompt.questions or ()
