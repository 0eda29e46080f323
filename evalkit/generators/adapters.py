"""Files that are laid over a pipeline: a LoRA, or a whole denoiser."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from evalkit.errors import MissingPackageError, WeightsError
from evalkit.generators.recipe import Adapter
from evalkit.weights import Weights, resolve


def lay_over(pipe: Any, adapter: Adapter, path: Path) -> None:
    """Put an adapter's file into the pipeline."""
    if adapter.kind == "lora":
        _fuse_lora(pipe, adapter, path)
    else:
        _replace_denoiser(pipe, path)


def locate(adapter: Adapter) -> Weights:
    """Find the adapter's file."""
    files = [adapter.file] if adapter.file else None
    found = resolve(adapter.weights, revision=adapter.revision, files=files)
    path = found.path / adapter.file if adapter.file else found.path
    if not path.is_file():
        raise WeightsError(
            f"The {adapter.kind} of {adapter.weights} has no file at {path}. "
            "Name it in the adapter's 'file'."
        )
    return Weights(path, found.info)


def _fuse_lora(pipe: Any, adapter: Adapter, path: Path) -> None:
    if find_spec("peft") is None:
        raise MissingPackageError("peft", "models", f"The LoRA {path.name}")
    from safetensors import SafetensorError

    refusals = (AttributeError, LookupError, OSError, RuntimeError, SafetensorError, ValueError)
    try:
        with _texts_may_be_without():
            pipe.load_lora_weights(str(path.parent), weight_name=path.name)
        if not pipe.get_list_adapters():
            raise ValueError("none of its keys belongs to the pipeline.")
        pipe.fuse_lora(lora_scale=adapter.scale)
        pipe.unload_lora_weights()
    except refusals as error:
        raise WeightsError(
            f"The LoRA {path} does not fit {type(pipe).__name__}: {error} Is it for another model?"
        ) from error


@contextmanager
def _texts_may_be_without() -> Iterator[None]:
    """Let diffusers not remark that a LoRA holds nothing for the text encoders: few do."""

    def other(record: logging.LogRecord) -> bool:
        return "No LoRA keys associated" not in record.getMessage()

    logger = logging.getLogger("diffusers.loaders.lora_base")
    logger.addFilter(other)
    try:
        yield
    finally:
        logger.removeFilter(other)


def _replace_denoiser(pipe: Any, path: Path) -> None:
    from pickle import UnpicklingError

    from safetensors import SafetensorError

    module = getattr(pipe, "unet", None) or pipe.transformer
    where = f"{path} could not replace the weights of {type(module).__name__}"
    try:
        module.load_state_dict(_read_state(path), strict=True)
    except UnpicklingError as error:
        raise WeightsError(
            f"{where}: it holds more than tensors. Get it as safetensors."
        ) from error
    except (OSError, SafetensorError, RuntimeError, TypeError, AttributeError, EOFError) as error:
        reason = str(error)[:600]
        raise WeightsError(f"{where}: {reason} Is it for another model, or cut short?") from error


def _read_state(path: Path) -> Any:
    import torch
    from safetensors.torch import load_file

    if path.suffix == ".safetensors":
        return load_file(path)
    return torch.load(path, map_location="cpu", weights_only=True)
