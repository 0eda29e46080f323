"""Files that are laid over a pipeline: a LoRA, or a whole denoiser."""

from __future__ import annotations

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
    try:
        pipe.load_lora_weights(str(path.parent), weight_name=path.name)
        pipe.fuse_lora(lora_scale=adapter.scale)
        pipe.unload_lora_weights()
    except (AttributeError, OSError, ValueError, RuntimeError, KeyError) as error:
        raise WeightsError(
            f"The LoRA {path} does not fit {type(pipe).__name__}: {error} Is it for another model?"
        ) from error


def _replace_denoiser(pipe: Any, path: Path) -> None:
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    module = getattr(pipe, "unet", None) or pipe.transformer
    try:
        if path.suffix == ".safetensors":
            state = load_file(path)
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
        module.load_state_dict(state, strict=True)
    except (OSError, SafetensorError, RuntimeError, TypeError, AttributeError, EOFError) as error:
        reason = str(error)[:600]
        raise WeightsError(
            f"{path} could not replace the weights of {type(module).__name__}: {reason} "
            "Is it for another model, or cut short?"
        ) from error
