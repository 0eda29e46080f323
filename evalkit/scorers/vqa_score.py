"""VQAScore (Lin et al. 2024, arXiv 2404.01291): does the judge say that the picture shows it?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from evalkit.records import Prompt
from evalkit.scorers import text_of
from evalkit.scorers.by_question import Ask, ByQuestion


class VqaScore(ByQuestion):
    """Score pictures with the probability that the judge's next token is "Yes" (section 3).

    The authors' own judge, CLIP-FlanT5, is no model of transformers: these are other judges under
    their question, and their published numbers are of none of them.
    """

    name = "vqa-score"
    title = "VQAScore"
    unit = "probability of Yes"
    frame = 'Does this figure show "{}"? Please answer yes or no.'

    def _asks(self, prompt: Prompt | str) -> Sequence[Ask]:
        return [Ask(text_of(prompt), (("Yes",),))]

    def _value(
        self, prompt: Prompt | str, found: Sequence[tuple[float, ...]]
    ) -> tuple[float, Mapping[str, Any]]:
        del prompt
        ((yes,),) = found
        return yes, {}
