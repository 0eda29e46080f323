"""What the scorers with a network share: batches, the device, and honest failures."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from evalkit.errors import EvalkitError, MissingPackageError
from evalkit.records import Prompt
from evalkit.scorers import Verdict

if TYPE_CHECKING:
    import torch
    from PIL import Image

T = TypeVar("T")


@contextmanager
def needs_models(purpose: str) -> Iterator[None]:
    """Turn an import that fails into an error that says what to install."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise MissingPackageError(error.name or "torch", "models", purpose) from error


def pick_device(device: str | None) -> torch.device:
    """Return the device asked for; by default CUDA where there is one, else the CPU."""
    import torch

    if device is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise EvalkitError(f"Device {device!r} was asked for, but torch finds no CUDA. Use 'cpu'.")
    return torch.device(device)


def judge_in_batches(
    prompts: Sequence[Prompt | str],
    images: Sequence[Image.Image],
    *,
    prepare: Callable[[Prompt | str, Image.Image], T | Verdict],
    judge: Callable[[list[T]], list[Verdict]],
    size: int,
) -> list[Verdict]:
    """Prepare and judge ``size`` pairs at a time; what cannot be prepared keeps its verdict."""
    if len(prompts) != len(images):
        raise ValueError(f"{len(prompts)} prompts for {len(images)} images")
    verdicts: list[Verdict] = []
    for start in range(0, len(images), size):
        stop = start + size
        pairs = zip(prompts[start:stop], images[start:stop], strict=True)
        prepared = [prepare(p, i) for p, i in pairs]
        usable = [x for x in prepared if not isinstance(x, Verdict)]
        judged = iter(judge(usable) if usable else [])
        verdicts += [x if isinstance(x, Verdict) else next(judged) for x in prepared]
    return verdicts


def unreadable(text: str) -> str | None:
    """Say why a prompt's text cannot be tokenised, or None."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        return f"The prompt is not valid Unicode at character {error.start}: {text[:40]!a}."
    return None


def verdict(value: float, detail: Mapping[str, Any]) -> Verdict:
    """Make a verdict of a network's output; NaN and infinity are reasons, not values."""
    if math.isfinite(value):
        return Verdict(value, detail=detail)
    return Verdict(None, f"The network returned {value}. Check the weights.", detail)
