"""Watch one batch of a diffusers pipeline: what it really runs, and whose numbers break."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch

DENOISERS = ("transformer", "unet")


def weight_bytes(pipe: Any) -> dict[str, int]:
    """Return the bytes that each component's weights and buffers take in memory, by its name."""
    modules = {k: m for k, m in pipe.components.items() if isinstance(m, torch.nn.Module)}
    return {k: sum(t.nbytes for t in (*m.parameters(), *m.buffers())) for k, m in modules.items()}


@dataclass
class Trace:
    """What one batch did."""

    size: int
    timesteps: list[float] = field(default_factory=list)
    """In the order in which the scheduler stepped through them."""
    denoised: int = 0
    """Latents that went through the denoiser, all pictures and both halves of guidance."""
    broken: set[int] = field(default_factory=set)
    """Pictures whose latents or pixels were not finite."""

    @property
    def evaluations(self) -> int | float:
        """Denoiser evaluations per picture; guidance in one doubled batch counts as two."""
        whole, rest = divmod(self.denoised, self.size)
        return self.denoised / self.size if rest else whole

    def inspect(self, values: Any) -> None:
        """Note the pictures of which a value is NaN or infinite."""
        if torch.is_tensor(values) and len(values) == self.size:
            finite = torch.isfinite(values).flatten(1).all(1)
            self.broken.update((~finite).nonzero().flatten().tolist())


@contextmanager
def watch(pipe: Any, generators: Sequence[torch.Generator]) -> Iterator[Trace]:
    """Trace a batch, and give the scheduler the pictures' own generators.

    Some pipelines (SD3, FLUX) pass none to the scheduler, so that one which draws noise between
    steps would take it from the global generator: the picture would depend on its batch.
    """
    trace = Trace(len(generators))
    with ExitStack() as stack:
        step = pipe.scheduler.step
        pipe.scheduler.step = _seeded(step, list(generators), trace)
        stack.callback(delattr, pipe.scheduler, "step")  # uncovers the class's own method
        for name in DENOISERS:
            module = getattr(pipe, name, None)
            if isinstance(module, torch.nn.Module):
                hook = _counter(trace)
                stack.enter_context(module.register_forward_pre_hook(hook, with_kwargs=True))
        decoder = getattr(getattr(pipe, "vae", None), "decoder", None)
        if isinstance(decoder, torch.nn.Module):
            # Before the pipeline clamps to [0, 1], which would make white of infinity.
            stack.enter_context(decoder.register_forward_hook(_inspector(trace)))
        yield trace


def _seeded(step: Any, generators: list[torch.Generator], trace: Trace) -> Any:
    takes_generator = "generator" in _parameters(step)

    @functools.wraps(step)
    def seeded(model_output: Any, timestep: Any, *args: Any, **kwargs: Any) -> Any:
        if takes_generator and kwargs.get("generator") is None:
            kwargs["generator"] = generators
        trace.timesteps.append(float(torch.as_tensor(timestep).flatten()[0]))
        trace.inspect(model_output)
        return step(model_output, timestep, *args, **kwargs)

    return seeded


def _parameters(function: Any) -> set[str]:
    return set(inspect.signature(function).parameters)


def _counter(trace: Trace) -> Any:
    def count(_module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        latents = next(v for v in (*args, *kwargs.values()) if torch.is_tensor(v) and v.ndim > 1)
        trace.denoised += len(latents)

    return count


def _inspector(trace: Trace) -> Any:
    def inspect(_module: Any, _args: Any, output: Any) -> None:
        trace.inspect(output)

    return inspect
