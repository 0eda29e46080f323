"""Soft-TIFA (GenEval 2, arXiv 2512.16853): how sure is each right answer?"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from evalkit.geneval import NUMBER_WORDS
from evalkit.records import Question
from evalkit.scorers.by_question import YES, Ask, OfPrompts


def spellings(answer: str) -> tuple[str, ...]:
    """Return what GenEval 2 takes for an answer: for a count, its word and its digits."""
    plain = answer.strip().lower()
    if plain == "yes":
        return YES
    words = [plain, plain.capitalize()]
    if plain in NUMBER_WORDS:
        words.append(str(NUMBER_WORDS.index(plain)))
    elif plain.isdecimal() and int(plain) < len(NUMBER_WORDS):
        word = NUMBER_WORDS[int(plain)]
        words = [word, word.capitalize(), str(int(plain))]
    return tuple(dict.fromkeys(s + w for s in ("", " ") for w in words))


class SoftTifa(OfPrompts):
    """Score pictures with the mean probability of the right answers (GenEval 2's "AM").

    The suite's prompts bring the questions (``evalkit.questions``). ``detail`` has the geometric
    mean too, and each answer's probability. Values are shares; the paper prints 100 times them.
    """

    name = "soft-tifa"
    title = "Soft-TIFA"
    unit = "mean probability of the right answers"
    frame = "{} Answer in one word."

    suite = "GenEval 2's geneval2_data.jsonl"

    def _fault(self, questions: Sequence[Question]) -> str | None:
        empty = [q.id for q in questions if not q.answer.strip()]
        return f"Question {empty[0]} of the prompt has no answer." if empty else None

    def _ask(self, question: Question) -> Ask:
        return Ask(question.text, (spellings(question.answer),))

    def _value_of(
        self, questions: Sequence[Question], found: Sequence[tuple[float, ...]]
    ) -> tuple[float, Mapping[str, Any]]:
        sure = [min(1.0, p) for (p,) in found]
        answers = [
            {"id": q.id, "skill": q.skill, "probability": p}
            for q, p in zip(questions, sure, strict=True)
        ]
        means = {"arithmetic": math.fsum(sure) / len(sure), "geometric": geometric(sure)}
        return self._mean(means), {**means, "answers": answers}

    def _mean(self, means: Mapping[str, float]) -> float:
        return means["arithmetic"]


class SoftTifaGm(SoftTifa):
    """Score pictures with the geometric mean (GenEval 2's "GM"): one wrong answer is felt."""

    name = "soft-tifa-gm"
    title = "Soft-TIFA GM"
    unit = "geometric mean probability of the right answers"

    def _mean(self, means: Mapping[str, float]) -> float:
        return means["geometric"]


def geometric(values: Sequence[float]) -> float:
    """Return the geometric mean; zero where a value is."""
    if min(values) <= 0:
        return 0.0
    return math.exp(math.fsum(map(math.log, values)) / len(values))
