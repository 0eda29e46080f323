"""What every scorer of pictures offers; the registry loads the adapters by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from evalkit.records import Prompt, ScorerCard

if TYPE_CHECKING:
    from PIL import Image


@dataclass(frozen=True)
class Verdict:
    """What a scorer says of one picture: a value, or a reason why there is none."""

    value: float | None
    reason: str | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if (self.value is None) != (self.reason is not None):
            raise ValueError("a verdict has either a value or a reason for its absence")


class Scorer(Protocol):
    """Judge pictures against their prompts, each pair on its own.

    ``Scorer(...)`` is cheap; ``load`` brings the weights in. A verdict does not depend on the
    other pictures of the call, nor on their order.
    """

    @property
    def card(self) -> ScorerCard:
        """Name, version, unit, direction and weights of the numbers; resolves the weights."""
        ...

    def load(self) -> None:
        """Bring the weights into memory; raise WeightsError when that cannot work."""
        ...

    def score(
        self, prompts: Sequence[Prompt | str], images: Sequence[Image.Image]
    ) -> list[Verdict]:
        """Judge ``images[i]`` against ``prompts[i]``: one verdict each, in order. Loads."""
        ...


def text_of(prompt: Prompt | str) -> str:
    """Return the text of a prompt that may be given as plain text."""
    return prompt if isinstance(prompt, str) else prompt.text
