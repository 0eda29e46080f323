"""LoRAs that diffusers does not read by itself: PEFT's own folders, and lists without names."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

from evalkit.errors import MissingPackageError, WeightsError
from evalkit.generators.recipe import Adapter

LIST = "ema_parameters"
"""Under which name TDM's training keeps its list."""


def merge(pipe: Any, adapter: Adapter, path: Path) -> None:
    """Merge a LoRA into the denoiser's weights."""
    if find_spec("peft") is None:
        raise MissingPackageError("peft", "models", f"The LoRA {path.name}")
    name = "unet" if getattr(pipe, "unet", None) is not None else "transformer"
    fill = _from_folder if adapter.kind == "peft" else _from_list
    try:
        model = fill(getattr(pipe, name), adapter, path)
    except (OSError, ValueError, LookupError, TypeError, RuntimeError, UnpicklingError) as error:
        reason = " ".join(str(error).split())[:600]
        raise WeightsError(
            f"The LoRA {path} does not fit {type(getattr(pipe, name)).__name__}: {reason} "
            "Is it for another model, or cut short?"
        ) from error
    pipe.register_modules(**{name: model.merge_and_unload()})


def _from_folder(module: Any, _adapter: Adapter, path: Path) -> Any:
    from peft import PeftConfig, get_peft_model, set_peft_model_state_dict
    from safetensors.torch import load_file

    model = get_peft_model(module, PeftConfig.from_pretrained(str(path)))
    loaded: Any = set_peft_model_state_dict(model, load_file(path / "adapter_model.safetensors"))
    left = [k for k in loaded.missing_keys if "lora_" in k] + list(loaded.unexpected_keys)
    if left:
        raise ValueError(f"{len(left)} of its tensors have no counterpart, the first is {left[0]}.")
    return model


def _from_list(module: Any, adapter: Adapter, path: Path) -> Any:
    import torch
    from peft import LoraConfig, get_peft_model

    assert adapter.rank is not None and adapter.alpha is not None  # noqa: S101, PT018 - validated
    config = LoraConfig(
        r=adapter.rank, lora_alpha=adapter.alpha, target_modules=list(adapter.modules)
    )
    model = get_peft_model(module, config)
    places = [p for name, p in model.named_parameters() if "lora_" in name]
    tensors = torch.load(path, map_location="cpu", weights_only=True)[LIST]
    _check_alike(places, tensors)
    with torch.no_grad():
        for place, tensor in zip(places, tensors, strict=True):
            place.copy_(tensor)
    return model


def _check_alike(places: Sequence[Any], tensors: Sequence[Any]) -> None:
    """Refuse a list that was made for other places: only its order says what is what."""
    if len(places) != len(tensors):
        raise ValueError(f"it lists {len(tensors)} tensors, and there are {len(places)} places.")
    for at, (place, tensor) in enumerate(zip(places, tensors, strict=True)):
        if place.shape != tensor.shape:
            raise ValueError(f"tensor {at} is {tuple(tensor.shape)}, not {tuple(place.shape)}.")
