"""Where a pipeline's parts lie while it draws, and how they are run."""

from __future__ import annotations

from typing import Any

from evalkit.errors import SpecError
from evalkit.generators.recipe import Recipe


def settle(where: str, pipe: Any, recipe: Recipe, device: str) -> None:
    """Bring the pipeline to the device as its recipe asks; raise SpecError where that cannot be."""
    if recipe.tiling:
        _tile(where, pipe)
    if recipe.compile:
        _compile(pipe, recipe.compile)
    if recipe.offload is None:
        pipe.to(device)
        return
    if device == "cpu":
        raise SpecError(
            f"{where}: option offload = {recipe.offload!r} brings weights to an accelerator when "
            "they are needed, and there is only a processor here. Leave it out."
        )
    if recipe.offload == "model":
        pipe.enable_model_cpu_offload(device=device)
    else:
        pipe.enable_sequential_cpu_offload(device=device)


def _tile(where: str, pipe: Any) -> None:
    if not hasattr(pipe.vae, "enable_tiling"):
        raise SpecError(
            f"{where}: {type(pipe.vae).__name__} cannot decode in tiles. Leave out the option "
            "'tiling'."
        )
    pipe.vae.enable_tiling()


def _compile(pipe: Any, backend: str) -> None:
    """Compile what the module does, not its hooks: a new hook would compile it all again."""
    import torch

    module = getattr(pipe, "unet", None) or pipe.transformer
    module.forward = torch.compile(module.forward, backend=backend)
