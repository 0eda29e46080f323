"""DPG-Bench (Hu et al. 2024, arXiv 2403.05135): questions that hang on each other."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from evalkit import questions as asking
from evalkit.records import Prompt
from evalkit.scorers.by_question import NO, YES, Ask, ByQuestion, questions_of

_NO_QUESTIONS = "DPG needs DPG-Bench's dpg_bench.csv as the suite."


class Dpg(ByQuestion):
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

    def _asks(self, prompt: Prompt | str) -> Sequence[Ask] | str:
        found = questions_of(prompt, _NO_QUESTIONS)
        if isinstance(found, str):
            return found
        if other := [q.id for q in found if q.answer.strip().lower() != "yes"]:
            return f"Question {other[0]} of the prompt is no question of yes or no."
        if reason := asking.fault(found):
            return f"The prompt's questions are faulty. {reason}"
        return [Ask(q.text, (YES, NO)) for q in found]

    def _value(
        self, prompt: Prompt | str, found: Sequence[tuple[float, ...]]
    ) -> tuple[float, Mapping[str, Any]]:
        questions = questions_of(prompt, _NO_QUESTIONS)
        assert not isinstance(questions, str)  # noqa: S101  it was asked
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
