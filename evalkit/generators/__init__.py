"""What every generator of pictures offers; the registry loads the adapters by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from evalkit.records import ModelSpec, Prompt

if TYPE_CHECKING:
    from PIL import Image


@dataclass(frozen=True)
class Picture:
    """One drawn picture (RGB), or the reason why there is none."""

    image: Image.Image | None
    seconds: float | None = None
    peak_memory_mb: float | None = None
    error: str | None = None


class Generator(Protocol):
    """Draw prompts with one model.

    ``Generator(spec)`` is cheap; ``load`` brings the weights in. The picture of (prompt, seed) is
    the same alone, in a batch, and in any order.
    """

    spec: ModelSpec

    def load(self) -> None:
        """Bring the weights into memory; raise WeightsError or SpecError when that cannot work."""
        ...

    def draw(self, prompts: Sequence[Prompt], seeds: Sequence[int]) -> list[Picture]:
        """Draw ``prompts[i]`` from ``seeds[i]``: one picture each, in order, failures included."""
        ...

    def realised(self) -> dict[str, Any]:
        """Say what was really run, as JSON: timesteps or sigmas, evaluations, weights' digest."""
        ...


@runtime_checkable
class Checkable(Protocol):
    """A generator that can tell before any work whether it could draw."""

    def check(self) -> str:
        """Say what it will draw with; raise an EvalkitError for what would stop it. Be quick."""
        ...


@runtime_checkable
class Paid(Protocol):
    """A generator whose pictures cost money: a service."""

    paid: bool


@runtime_checkable
class Knowing(Protocol):
    """A generator that knows what is wrong with its own pictures, such as a drawn world."""

    def truth(self, prompt: Prompt, seed: int) -> tuple[str, ...]:
        """Name the faults of the picture of (prompt, seed); an empty tuple is a faithful one."""
        ...


@runtime_checkable
class Timed(Protocol):
    """A generator whose parts can be timed one by one."""

    @property
    def together(self) -> int:
        """How many it drew at once the last time; fewer than asked where memory is short."""
        ...

    def stopwatch(self) -> AbstractContextManager[Mapping[str, float]]:
        """Add up the seconds of each part (text, denoiser, decoder) while pictures are drawn."""
        ...
