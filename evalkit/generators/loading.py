"""Turn a diffusers model specification into a pipeline that is ready, or say why not."""

from __future__ import annotations

import copy
import inspect
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from evalkit.errors import SpecError, WeightsError
from evalkit.generators.adapters import lay_over
from evalkit.generators.checkpoint import read_index
from evalkit.generators.recipe import CALL_ARGUMENTS, Recipe, check_known
from evalkit.records import ModelSpec


def load(spec: ModelSpec, recipe: Recipe, folder: Path, files: Sequence[Path]) -> Any:
    """Build the pipeline on the CPU, with its scheduler and adapters.

    All that can be checked without the weights is checked before they are read. ``files`` are
    those of the recipe's adapters, in their order.
    """
    cls, scheduler = prepare(spec, recipe, folder)
    pipe = _from_pretrained(cls, spec, recipe, folder, scheduler)
    if hasattr(pipe, "watermark"):
        pipe.watermark = None  # SDXL marks pictures where invisible-watermark happens to be there
    pipe.set_progress_bar_config(disable=True)
    for adapter, file in zip(recipe.adapters, files, strict=True):
        lay_over(pipe, adapter, file)
    return pipe


def prepare(spec: ModelSpec, recipe: Recipe, folder: Path) -> tuple[Any, Any]:
    """Return the pipeline's class and its scheduler, once both take what the recipe says."""
    cls = _pipeline_class(spec, recipe, folder)
    scheduler = _scheduler(spec, recipe, folder)
    _rehearse(spec, recipe, cls, scheduler)
    return cls, scheduler


def _pipeline_class(spec: ModelSpec, recipe: Recipe, folder: Path) -> Any:
    import diffusers

    index = read_index(folder)
    name = recipe.pipeline or index["_class_name"]
    if not isinstance(name, str):
        raise SpecError(
            f"{folder} needs code of its own ({name}), which is not run here. "
            "Name a pipeline of diffusers in the option 'pipeline'."
        )
    known = [n for n in dir(diffusers) if n.endswith("Pipeline")]
    check_known(f"Model {spec.name!r}: unknown", "pipeline", [name], known)
    cls = getattr(diffusers, name)
    if "prompt" not in inspect.signature(cls.__call__).parameters:
        raise SpecError(f"{name} does not draw from a text. Name a text-to-image pipeline.")
    _check_fits(cls, recipe, index, folder)
    models = [n for n in index if (folder / n / "config.json").is_file() and n not in recipe.drop]
    where = f"Model {spec.name!r}: option precision names an unknown"
    check_known(where, "component", recipe.precision, models)
    return cls


def _check_fits(cls: Any, recipe: Recipe, index: Mapping[str, Any], folder: Path) -> None:
    parameters = inspect.signature(cls.__init__).parameters.values()
    needed = [p.name for p in parameters if p.default is p.empty and p.name != "self"]
    missing = [n for n in needed if n not in index and n not in recipe.drop]
    if missing:
        raise SpecError(
            f"{cls.__name__} needs {', '.join(missing)}, which the {index['_class_name']} "
            f"at {folder} does not have. Drop the option 'pipeline', or name other weights."
        )


def _from_pretrained(
    cls: Any, spec: ModelSpec, recipe: Recipe, folder: Path, scheduler: Any
) -> Any:
    import torch
    from safetensors import SafetensorError

    dtype = getattr(torch, spec.dtype or "float32")
    components = {"scheduler": scheduler, **dict.fromkeys(recipe.drop)}
    with _listening() as complaints:
        try:
            pipe = cls.from_pretrained(
                folder, dtype=dtype, variant=recipe.variant, local_files_only=True, **components
            )
        except MemoryError:
            raise
        except (OSError, ValueError, RuntimeError, KeyError, TypeError, SafetensorError) as error:
            reason = " ".join([*complaints, *str(error).split()])
            raise WeightsError(
                f"The pipeline at {folder} could not be loaded as {cls.__name__}: {reason} "
                "The files may be cut short or of another model: copy the checkpoint again."
            ) from error
    if complaints:
        raise WeightsError(
            f"The pipeline at {folder} is incomplete and would draw with random weights: "
            f"{' '.join(complaints)} Copy the checkpoint again."
        )
    return pipe


class _Complaints(logging.Handler):
    """Collect the libraries' warnings that tensors were missing and were drawn at random."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if "newly initialized" in text:
            self.found.append(" ".join(text.split()))


@contextmanager
def _listening() -> Iterator[list[str]]:
    """Hear of randomly initialised tensors, and show no progress bars, while loading."""
    handler = _Complaints()
    libraries = _library_logs()
    bars = [library.is_progress_bar_enabled() for library in libraries]
    with verbosity(logging.WARNING):
        for library in libraries:
            library.add_handler(handler)
            library.disable_progress_bar()
        try:
            yield handler.found
        finally:
            for library, bar in zip(libraries, bars, strict=True):
                library.remove_handler(handler)
                if bar:
                    library.enable_progress_bar()


@contextmanager
def verbosity(level: int) -> Iterator[None]:
    """Set the level of diffusers' and transformers' logs for a while."""
    libraries = _library_logs()
    levels = [library.get_verbosity() for library in libraries]
    for library in libraries:
        library.set_verbosity(level)
    try:
        yield
    finally:
        for library, former in zip(libraries, levels, strict=True):
            library.set_verbosity(former)


def _library_logs() -> tuple[Any, Any]:
    from diffusers.utils import logging as diffusers_logging
    from transformers.utils import logging as transformers_logging

    return diffusers_logging, transformers_logging


def _scheduler(spec: ModelSpec, recipe: Recipe, folder: Path) -> Any:
    """Make the scheduler of the recipe from the checkpoint's own configuration."""
    where = f"Model {spec.name!r}"
    own = _scheduler_class(where, str(read_index(folder)["scheduler"][1]))
    try:
        current = own.from_pretrained(folder / "scheduler", local_files_only=True)
    except (OSError, ValueError, TypeError) as error:
        raise WeightsError(
            f"The scheduler at {folder / 'scheduler'} cannot be read: {error} "
            "Copy the checkpoint again."
        ) from error
    cls = _scheduler_class(where, str(recipe.scheduler.get("class", own.__name__)))
    overrides = {k: v for k, v in recipe.scheduler.items() if k != "class"}
    parameters = [p for p in inspect.signature(cls.__init__).parameters if p != "self"]
    check_known(f"{where}: unknown", f"argument of {cls.__name__}", overrides, parameters)
    try:
        return cls.from_config(current.config, **overrides)
    except (ImportError, TypeError, ValueError) as error:
        raise SpecError(f"{where}: {cls.__name__} refuses {overrides}: {error}") from error


def _scheduler_class(where: str, name: str) -> Any:
    """Return a scheduler of diffusers, or one of ours."""
    import diffusers

    from evalkit.generators import schedulers

    known = [n for m in (diffusers, schedulers) for n in dir(m) if n.endswith("Scheduler")]
    check_known(f"{where}: unknown", "scheduler", [name], (n for n in known if n[0] != "_"))
    return getattr(schedulers, name, None) or getattr(diffusers, name)


def _rehearse(spec: ModelSpec, recipe: Recipe, cls: Any, scheduler: Any) -> None:
    """Check the call's arguments and try the schedule on a copy of the scheduler."""
    where = f"Model {spec.name!r}: {cls.__name__}"
    signature = inspect.signature(cls.__call__).parameters
    for name in arguments(spec, recipe):
        if name not in signature:
            raise SpecError(f"{where} takes no {name!r}. Leave it out of the model's entry.")
    accepted = inspect.signature(scheduler.set_timesteps).parameters
    for name in ("sigmas", "timesteps"):
        if getattr(recipe, name) is not None and name not in accepted:
            raise SpecError(
                f"Model {spec.name!r}: {type(scheduler).__name__} takes no explicit {name}. "
                "Name another scheduler in the option 'scheduler', or leave them out."
            )
    values = _schedule(spec, recipe, signature, accepted)
    _set_timesteps(where, copy.deepcopy(scheduler), values)


def _schedule(
    spec: ModelSpec, recipe: Recipe, signature: Mapping[str, Any], accepted: Mapping[str, Any]
) -> dict[str, Any]:
    """Return what the pipeline will pass to the scheduler's set_timesteps."""
    values = {k: p.default for k, p in signature.items() if k in accepted}
    values |= {k: v for k, v in arguments(spec, recipe).items() if k in accepted}
    if recipe.sigmas is not None or recipe.timesteps is not None:
        values.pop("num_inference_steps", None)  # an explicit schedule has its own length
    return values


def _set_timesteps(where: str, scheduler: Any, values: dict[str, Any]) -> None:
    if getattr(scheduler.config, "use_dynamic_shifting", False) and values.get("mu") is None:
        values["mu"] = 1.0  # the pipeline derives it from the size; any value will do here
    try:
        with verbosity(logging.ERROR):
            scheduler.set_timesteps(**values)
    except (ValueError, TypeError, IndexError) as error:
        shown = {k: v for k, v in values.items() if v is not None}
        raise SpecError(
            f"{where} cannot make its schedule from {shown} "
            f"with {type(scheduler).__name__}: {error}"
        ) from error


def arguments(spec: ModelSpec, recipe: Recipe) -> dict[str, Any]:
    """Return the arguments of the pipeline's call that are the same for every picture.

    A picture that grows between steps (SwD) is begun at its first size.
    """
    fields = {
        "num_inference_steps": spec.steps,
        "guidance_scale": spec.guidance,
        "width": spec.width and round(spec.width / recipe.growth),
        "height": spec.height and round(spec.height / recipe.growth),
        "timesteps": list(recipe.timesteps) if recipe.timesteps is not None else None,
        "sigmas": list(recipe.sigmas) if recipe.sigmas is not None else None,
    }
    return {**{k: v for k, v in fields.items() if v is not None}, **recipe.arguments}


def effective(cls: Any, recipe: Recipe) -> dict[str, Any]:
    """Return the call's arguments that decide the picture, with the pipeline's own defaults."""
    signature = inspect.signature(cls.__call__).parameters
    values = {n: signature[n].default for n in CALL_ARGUMENTS if n in signature}
    found = {n: v for n, v in (values | recipe.arguments).items() if v is not None}
    return {n: list(v) if isinstance(v, tuple) else v for n, v in found.items()}
