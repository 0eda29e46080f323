"""Time a pipeline's parts while it draws."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch

from evalkit.generators.probe import DENOISERS

DENOISER, TEXT, DECODER = "denoiser", "text", "decoder"


@contextmanager
def stopwatch(pipe: Any) -> Iterator[dict[str, float]]:
    """Add up the seconds that each part takes, with the device awaited before and after it.

    Awaiting keeps a GPU from working ahead, so that the whole is slower than unwatched: time the
    whole and the parts in separate turns.
    """
    laps: dict[str, float] = defaultdict(float)
    with ExitStack() as stack:
        for part, module in _parts(pipe):
            started: list[float] = []
            before = module.register_forward_pre_hook(_starter(started))
            stack.enter_context(before)
            stack.enter_context(module.register_forward_hook(_stopper(started, laps, part)))
        yield laps


def _parts(pipe: Any) -> Iterator[tuple[str, torch.nn.Module]]:
    for name, module in pipe.components.items():
        if isinstance(module, torch.nn.Module):
            if name in DENOISERS:
                yield DENOISER, module
            elif name.startswith("text_encoder"):
                yield TEXT, module
            elif name == "vae" and isinstance(
                decoder := getattr(module, "decoder", None), torch.nn.Module
            ):
                yield DECODER, decoder


def _starter(started: list[float]) -> Any:
    def start(_module: Any, _args: Any) -> None:
        _await_device()
        started.append(time.perf_counter())

    return start


def _stopper(started: list[float], laps: dict[str, float], part: str) -> Any:
    def stop(_module: Any, _args: Any, _output: Any) -> None:
        _await_device()
        laps[part] += time.perf_counter() - started.pop()

    return stop


def _await_device() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
