"""DPG-Bench (Hu et al. 2024, arXiv 2403.05135): questions that hang on each other."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from evalkit import questions as asking
from evalkit.records import Question
from evalkit.scorers.by_question import NO, YES, Ask, OfPrompts


class Dpg(OfPrompts):
    """Score pictures with the share of questions answered yes, none below a no counting.

    Yes is an answer whose "yes" is likelier than its "no". The suite's prompts bring the questions
    (``evalkit.questions``). Each picture is judged on its own: cut a grid up first. ``detail``
    has each answer, and the shares by category of the answers as given (as the authors print
    them), of this picture. Values are shares; the authors print 100 times them.
    """

    name = "dpg"
    title = "DPG-Bench"
    unit = "share of questions answered yes"
    frame = "{} Please answer yes or no."

    suite = "dpg_bench.csv"

    def _fault(self, questions: Sequence[Question]) -> str | None:
        if other := [q.id for q in questions if q.answer.strip().lower() != "yes"]:
            return f"Question {other[0]} of the prompt is no question of yes or no."
        reason = asking.fault(questions)
        return f"The prompt's questions are faulty. {reason}" if reason else None

    def _ask(self, question: Question) -> Ask:
        return Ask(question.text, (YES, NO))

    def _value_of(
        self, questions: Sequence[Question], found: Sequence[tuple[float, ...]]
    ) -> tuple[float, Mapping[str, Any]]:
        yes = {q.id: p > n for q, (p, n) in zip(questions, found, strict=True)}
        counts = asking.counted(questions, yes)
        answers = [
            {"id": q.id, "skill": q.skill, "yes": yes[q.id], "counted": counts[q.id],
             "probability": p, "probability_no": n}
            for q, (p, n) in zip(questions, found, strict=True)
        ]  # fmt: skip
        by_category: dict[str, list[bool]] = defaultdict(list)
        for q in questions:
            by_category[q.skill.partition("-")[0].strip()].append(yes[q.id])
        shares = {name: sum(given) / len(given) for name, given in by_category.items()}
        return sum(counts.values()) / len(counts), {"answers": answers, "categories": shares}
