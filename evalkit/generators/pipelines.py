"""Any text-to-image pipeline of diffusers, from a folder or the hub."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalkit.errors import MissingPackageError
from evalkit.generators import Picture, adapters, checkpoint
from evalkit.generators.loading import arguments, effective, load, verbosity
from evalkit.generators.placing import settle
from evalkit.generators.recipe import parse
from evalkit.records import ModelSpec, Prompt
from evalkit.weights import Weights

if TYPE_CHECKING:
    import torch

    from evalkit.generators.probe import Trace
    from evalkit.generators.quantisation import Held

_PACKAGES = ("diffusers", "torch", "transformers")


class Diffusers:
    """Draw with a diffusers pipeline, one generator of noise per picture.

    The picture of (prompt, seed) does not depend on its neighbours: its noise comes from a CPU
    generator of its own, between steps too. Drawn alone its bytes repeat; with others the device
    may round differently, by at most 1/255 in tests on a CPU. ``batch_size`` limits how many are
    drawn together; None means as many as each call of ``draw`` names.
    """

    def __init__(self, spec: ModelSpec, batch_size: int | None = None) -> None:
        self.spec = spec
        self._batch_size = batch_size
        self._recipe = parse(spec)
        self._pipe: Any = None
        self._found: Weights | None = None
        self._overlays: list[Weights] = []
        self._held: dict[str, Held] = {}
        self._bytes: dict[str, int] = {}
        self._alone = False
        self._together = 0
        self._facts: dict[str, Any] = {"dtype": spec.dtype or "float32"}
        self._realised: dict[str, Any] = {"timesteps": None, "sigmas": None, "evaluations": None}

    def check(self) -> str:
        """Say what the weights take, or raise what would stop them; none are read."""
        from evalkit.generators.checking import check

        _need_packages(self.spec.name, self._packages)
        return check(self.spec, self._recipe)

    def load(self) -> None:
        """Load the pipeline onto CUDA, or the CPU where there is none."""
        if self._pipe is not None:
            return
        _need_packages(self.spec.name, self._packages)
        self._found = checkpoint.locate(self.spec, self._recipe)
        self._overlays = [adapters.locate(a) for a in self._recipe.adapters]
        files = [w.path for w in self._overlays]
        pipe = load(self.spec, self._recipe, self._found.path, files)
        self._hold(pipe)
        settle(f"Model {self.spec.name!r}", pipe, self._recipe, _device())
        self._pipe = pipe
        self._facts = self._loaded(pipe, self._found)

    def _hold(self, pipe: Any) -> None:
        """Bring the weights to the precision that is asked for, and note what they take."""
        from evalkit.generators.probe import weight_bytes
        from evalkit.generators.quantisation import hold

        where = f"Model {self.spec.name!r}"
        for name, precision in self._recipe.precision.items():
            self._held[name] = hold(where, name, getattr(pipe, name), precision)
        self._bytes = weight_bytes(pipe)

    @property
    def _packages(self) -> tuple[str, ...]:
        return (*_PACKAGES, "gguf") if self._recipe.precision else _PACKAGES

    def draw(self, prompts: Sequence[Prompt], seeds: Sequence[int]) -> list[Picture]:
        """Draw in batches; what fails in a batch is drawn again in halves, down to one picture."""
        self.load()
        todo = list(zip([p.text for p in prompts], seeds, strict=True))
        pictures: list[Picture] = []
        while todo:
            size = 1 if self._alone else self._batch_size or len(todo)
            pictures += self._attempt(todo[:size])
            todo = todo[size:]
        return pictures

    def _attempt(self, items: list[tuple[str, int]]) -> list[Picture]:
        import torch

        try:
            pictures = self._batch(items)
        except torch.AcceleratorError:
            raise  # the device is lost, and every later picture with it
        except Exception as error:  # noqa: BLE001 - whatever a pipeline raises fails this picture alone
            if len(items) == 1:
                return [Picture(None, error=_reason(error))]
            if _out_of_memory(error):
                self._batch_size = max(1, len(items) // 2)
        else:
            return pictures
        middle = len(items) // 2
        return [*self._attempt(items[:middle]), *self._attempt(items[middle:])]

    def _batch(self, items: list[tuple[str, int]]) -> list[Picture]:
        import torch

        devices = [torch.cuda.current_device()] if torch.cuda.is_available() else []
        with torch.random.fork_rng(devices=devices), torch.inference_mode():
            torch.manual_seed(items[0][1])
            before = _random_state()
            pictures = self._run(items)
            shared = not torch.equal(before, _random_state())
        if shared and len(items) > 1:
            # Something drew from the generator that all pictures share: give each its own turn.
            self._alone = True
            return [picture for item in items for picture in self._attempt([item])]
        return pictures

    def _run(self, items: list[tuple[str, int]]) -> list[Picture]:
        import torch

        from evalkit.generators.probe import watch

        generators = [torch.Generator("cpu").manual_seed(seed) for _, seed in items]
        _reset_memory()
        start = time.perf_counter()
        # Else a long prompt, or DMD2's own timesteps, would be remarked on for every picture.
        with verbosity(logging.ERROR), watch(self._pipe, generators) as trace:
            output = self._pipe(
                prompt=[text for text, _ in items],
                generator=generators,
                output_type="pt",
                **arguments(self.spec, self._recipe),
            )
            pixels = output.images.float().cpu()
        seconds = (time.perf_counter() - start) / len(items)
        trace.inspect(pixels)
        self._note(trace)
        self._together = len(items)
        flagged = getattr(output, "nsfw_content_detected", None) or [False] * len(items)
        memory = _peak_memory_mb()
        return [
            _picture(pixels[i], _fault(i, trace, flagged), seconds, memory)
            for i in range(len(items))
        ]

    @property
    def together(self) -> int:
        """How many pictures the last batch had: fewer than asked where memory was short."""
        return self._together

    def stopwatch(self) -> AbstractContextManager[Mapping[str, float]]:
        """Time the text encoders, the denoiser and the decoder while pictures are drawn."""
        from evalkit.generators.stopwatch import stopwatch

        self.load()
        return stopwatch(self._pipe)

    def _note(self, trace: Trace) -> None:
        sigmas = getattr(self._pipe.scheduler, "sigmas", None)
        self._realised = {
            "timesteps": [round(t, 6) for t in trace.timesteps],
            "sigmas": None if sigmas is None else [round(float(s), 6) for s in sigmas],
            "evaluations": trace.evaluations,
        }

    def realised(self) -> dict[str, Any]:
        """Say what was run: the schedule of the last batch, and what it was run with.

        ``timesteps`` are those that the scheduler stepped through, ``sigmas`` its noise levels
        with the last one, ``evaluations`` the denoiser's per picture (guidance counts as two).
        All three are None until a picture has been drawn. ``weight_bytes`` are those in memory,
        by component; ``call`` is what else the pipeline was told, its own defaults included, such
        as the instruction by which SANA-Sprint enhances every prompt.
        """
        return {**self._realised, "drawn_alone": self._alone, **self._facts}

    def _loaded(self, pipe: Any, found: Weights) -> dict[str, Any]:
        """Say what was loaded; every picture asks, and files' sizes do not change."""
        return {
            "dtype": self.spec.dtype or "float32",
            "pipeline": type(pipe).__name__,
            "scheduler": type(pipe.scheduler).__name__,
            "device": str(pipe.device),
            "call": effective(type(pipe), self._recipe),
            "weights": _described(found),
            "adapters": [_described(w) for w in self._overlays],
            "precision": {name: held.model_dump() for name, held in self._held.items()},
            "weight_bytes": self._bytes,
            "packages": {name: version(name) for name in self._packages},
        }


def _need_packages(name: str, packages: Sequence[str]) -> None:
    for package in packages:
        if find_spec(package) is None:
            raise MissingPackageError(package, "models", f"Model {name!r}")


def _device() -> str:
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def _random_state() -> torch.Tensor:
    """Return the state of the global generators, to see whether a pipeline drew from them."""
    import torch

    state = torch.random.get_rng_state()
    return torch.cat([state, torch.cuda.get_rng_state()]) if torch.cuda.is_available() else state


def _reset_memory() -> None:
    import torch

    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()


def _peak_memory_mb() -> float | None:
    """Return what CUDA's allocator held at most during the batch, in MB of 10^6 bytes."""
    import torch

    return torch.cuda.max_memory_allocated() / 1e6 if torch.cuda.is_available() else None


def _out_of_memory(error: Exception) -> bool:
    import torch

    on_cpu = isinstance(error, RuntimeError) and "can't allocate memory" in str(error)
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or on_cpu


def _reason(error: Exception) -> str:
    text = " ".join(str(error).split())[:400]
    kind = "out of memory" if _out_of_memory(error) else type(error).__name__
    return f"{kind}: {text}" if text else kind


def _fault(index: int, trace: Trace, flagged: Sequence[bool]) -> str | None:
    if index in trace.broken:
        return "the model's output is not finite (NaN or infinity)"
    if flagged[index]:
        return "the pipeline's safety checker withheld the picture"
    return None


def _picture(
    pixels: torch.Tensor, fault: str | None, seconds: float, memory: float | None
) -> Picture:
    """Make a picture of pixels (3, height, width) in [0, 1], rounded as diffusers rounds them."""
    from PIL import Image

    if fault is not None:
        return Picture(None, seconds, memory, fault)
    array = (pixels.permute(1, 2, 0) * 255).round().byte().numpy()
    return Picture(Image.fromarray(array), seconds, memory)


def _described(weights: Weights) -> dict[str, Any]:
    return {**weights.info.model_dump(), "bytes": _size(weights.path)}


def _size(path: Path) -> int:
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(p.stat().st_size for p in files if p.is_file())
