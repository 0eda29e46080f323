"""What is laid over a pipeline: a LoRA in one of its forms, a whole denoiser, an autoencoder."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from evalkit.errors import MissingPackageError, WeightsError
from evalkit.generators import low_rank
from evalkit.generators.recipe import Adapter
from evalkit.weights import Weights, resolve

_FOLDERS = {
    "peft": ("adapter_config.json", "adapter_model.safetensors"),
    "vae": ("config.json", "diffusion_pytorch_model.safetensors"),
}
"""What the folder of an adapter holds, where it is no single file."""


def lay_over(pipe: Any, adapter: Adapter, path: Path) -> None:
    """Put what was located into the pipeline."""
    if adapter.kind == "lora":
        _fuse_lora(pipe, adapter, path)
    elif adapter.kind == "denoiser":
        _replace_denoiser(pipe, path)
    elif adapter.kind == "vae":
        _replace_vae(pipe, path)
    else:
        low_rank.merge(pipe, adapter, path)


def locate(adapter: Adapter) -> Weights:
    """Find the adapter's file or folder."""
    folder = _FOLDERS.get(adapter.kind, ())
    found = resolve(adapter.weights, revision=adapter.revision, files=files(adapter))
    path = found.path / adapter.file if adapter.file else found.path
    for needed in [path / name for name in folder] or [path]:
        if not needed.is_file():
            raise WeightsError(
                f"The {adapter.kind} of {adapter.weights} has no file at {needed}. "
                + ("Copy it again." if folder else "Name it in the adapter's 'file'.")
            )
    return Weights(path, found.info)


def files(adapter: Adapter) -> list[str] | None:
    """Return which files of a hub's repository an adapter is; None is all of them."""
    return list(_FOLDERS.get(adapter.kind, ())) or ([adapter.file] if adapter.file else None)


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


def _replace_vae(pipe: Any, path: Path) -> None:
    import diffusers
    from safetensors import SafetensorError

    try:
        name = str(json.loads((path / "config.json").read_text(encoding="utf-8"))["_class_name"])
        vae = getattr(diffusers, name).from_pretrained(
            path, dtype=pipe.vae.dtype, local_files_only=True
        )
    except (OSError, ValueError, LookupError, AttributeError, TypeError, SafetensorError) as error:
        raise WeightsError(f"The autoencoder at {path} could not be loaded: {error}") from error
    sizes = [(v.config.latent_channels, len(v.config.block_out_channels)) for v in (pipe.vae, vae)]
    if sizes[0] != sizes[1]:
        raise WeightsError(
            f"The autoencoder at {path} is for latents of {sizes[1][0]} channels and "
            f"{2 ** (sizes[1][1] - 1)} times less side; the pipeline's have {sizes[0][0]} and "
            f"{2 ** (sizes[0][1] - 1)}. Take the one for this model."
        )
    pipe.register_modules(vae=vae)


def _read_state(path: Path) -> Any:
    import torch
    from safetensors.torch import load_file

    if path.suffix == ".safetensors":
        return load_file(path)
    return torch.load(path, map_location="cpu", weights_only=True)
