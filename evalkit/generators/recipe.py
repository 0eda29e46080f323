"""What a diffusers model's options ask for, checked before anything heavy is imported."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any, Literal

from pydantic import Field, ValidationError, model_validator

from evalkit.errors import SpecError, UnknownNameError
from evalkit.records import ModelSpec, Record

DTYPES = ("bfloat16", "float16", "float32")
PRECISIONS = {"q8_0": 8.5, "q5_1": 6.0, "q5_0": 5.5, "q4_1": 5.0, "q4_0": 4.5}
"""GGUF's types for rows of any multiple of 32, and the bits a weight that they really take."""
CALL_ARGUMENTS = (
    "clean_caption",
    "clip_skip",
    "complex_human_instruction",
    "crops_coords_top_left",
    "denoising_end",
    "eta",
    "guidance_rescale",
    "intermediate_timesteps",
    "max_sequence_length",
    "max_timesteps",
    "mu",
    "negative_prompt",
    "original_size",
    "skip_guidance_layers",
    "skip_layer_guidance_scale",
    "skip_layer_guidance_start",
    "skip_layer_guidance_stop",
    "target_size",
    "true_cfg_scale",
    "use_resolution_binning",
)
"""Arguments of a pipeline's call that decide the picture and have no field in ModelSpec."""

_PAIRS = ("crops_coords_top_left", "original_size", "target_size")
"""Those that SDXL joins as tuples, for which TOML and JSON have only lists."""


class Adapter(Record):
    """What is laid over the pipeline.

    ``lora``: a LoRA's file, in any form that diffusers reads. ``peft``: a folder that PEFT wrote.
    ``lora-list``: a LoRA's tensors without their names, in PEFT's order (TDM's). ``denoiser``: a
    whole UNet or transformer that replaces the pipeline's own. ``vae``: an autoencoder's folder
    that replaces it, such as a tiny one. ``weights`` is a local file or folder, or a folder or hub
    id of which ``file`` names the file.
    """

    kind: Literal["lora", "peft", "lora-list", "denoiser", "vae"]
    weights: str
    file: str | None = None
    revision: str | None = None
    scale: float = 1.0
    """How strongly a LoRA is fused in; what PEFT wrote has its own, and what replaces has none."""
    rank: int | None = None
    alpha: int | None = None
    modules: tuple[str, ...] = ()
    """Of a ``lora-list``: what PEFT was given when it was trained, by which names are found."""

    @model_validator(mode="after")
    def _only_what_its_kind_has(self) -> Adapter:
        if (self.kind == "lora-list") != bool(self.rank and self.alpha and self.modules):
            raise ValueError("rank, alpha and modules belong to a lora-list, all of them")
        if self.kind != "lora" and self.scale != 1.0:
            raise ValueError(f"a {self.kind} has no scale")
        return self


class Recipe(Record):
    """The options of a diffusers model."""

    pipeline: str | None = None
    """Class of the pipeline; None follows the folder's model_index.json."""
    scheduler: dict[str, Any] = Field(default_factory=dict)
    """``class`` and arguments that override the checkpoint's own scheduler configuration."""
    timesteps: tuple[int | float, ...] | None = None
    sigmas: tuple[float, ...] | None = None
    """Noise levels before the scheduler's own shift: SD3's shift of 3 turns .5 into .75."""
    call: dict[str, Any] = Field(default_factory=dict)
    unset: tuple[str, ...] = ()
    """Call arguments passed as None, for which TOML has no word."""
    drop: tuple[str, ...] = ()
    """Components that are left out, such as SD3's T5: text_encoder_3 and tokenizer_3."""
    subfolder: str | None = None
    variant: str | None = None
    adapters: tuple[Adapter, ...] = ()
    tiling: bool = False
    """Decode in overlapping tiles: less memory for large pictures, and slightly other pictures."""
    offload: Literal["model", "sequential"] | None = None
    """Keep weights in the computer's memory, and bring in what is in use: whole components, or
    single layers (least memory, slowest)."""
    compile: Literal["inductor", "cudagraphs", "aot_eager", "eager"] | None = None
    """Compile the denoiser with this backend of torch.compile, in the first batch."""
    precision: dict[str, str] = Field(default_factory=dict)
    """How the linear layers of a component are held, once adapters are in: ``{ transformer =
    "q8_0" }``; one of PRECISIONS. The rest of it, and the arithmetic, keep the dtype."""

    @property
    def arguments(self) -> dict[str, Any]:
        """Everything the options add to the pipeline's call, but for the schedule."""
        sizes = {k: tuple(v) for k, v in self.call.items() if k in _PAIRS and isinstance(v, list)}
        return {**self.call, **sizes, **dict.fromkeys(self.unset)}

    @property
    def growth(self) -> float:
        """How many times the first step's size the picture has, where a scheduler makes it grow."""
        factors = self.scheduler.get("scale_factors")
        return float(factors[-1]) if factors else 1.0


def parse(spec: ModelSpec) -> Recipe:
    """Read and check a model's options; raise SpecError naming the model, the key and the value."""
    where = f"Model {spec.name!r}"
    check_known(f"{where}: unknown", "option", spec.options, Recipe.model_fields)
    try:
        recipe = Recipe.model_validate(spec.options)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(p) for p in first["loc"])
        raise SpecError(f"{where}: option {field}: {first['msg']}: {first['input']!r}.") from error
    check_known(f"{where}: unknown", "call argument", recipe.arguments, CALL_ARGUMENTS)
    if spec.dtype is not None:
        check_known(f"{where}: unknown", "dtype", [spec.dtype], DTYPES)
    check_known(f"{where}: unknown", "precision", recipe.precision.values(), PRECISIONS)
    _check_schedule(where, spec.steps, recipe)
    _check_growth(where, spec, recipe)
    return recipe


def check_known(prefix: str, kind: str, names: Iterable[str], known: Iterable[str]) -> None:
    """Raise SpecError with the nearest known name for the first name that is not known."""
    known = list(known)
    for name in names:
        if name not in known:
            text = str(UnknownNameError(kind, name, known))
            raise SpecError(f"{prefix} {text.removeprefix('Unknown ')}")


def _check_schedule(where: str, steps: int | None, recipe: Recipe) -> None:
    if recipe.sigmas is not None and recipe.timesteps is not None:
        raise SpecError(f"{where}: give either sigmas or timesteps, not both.")
    for name, values in (("sigmas", recipe.sigmas), ("timesteps", recipe.timesteps)):
        if values is not None:
            _check_descending(f"{where}: option {name}", values)
            _check_length(f"{where}: option {name}", values, steps)


def _check_growth(where: str, spec: ModelSpec, recipe: Recipe) -> None:
    factors = recipe.scheduler.get("scale_factors") or [1.0]
    if not all(isinstance(f, int | float) and f > 0 for f in factors):
        raise SpecError(f"{where}: scale_factors must be numbers above zero, found {factors}.")
    for side in (spec.width, spec.height):
        if side is not None and side % recipe.growth:
            raise SpecError(
                f"{where}: {side} pixels cannot be reached by growing {recipe.growth:g} times. "
                "Give a multiple."
            )


def _check_descending(where: str, values: Sequence[float]) -> None:
    if not values:
        raise SpecError(f"{where} is empty. Leave it out for the scheduler's own schedule.")
    if not all(math.isfinite(v) and v >= 0 for v in values):
        raise SpecError(f"{where} must be finite and not negative, found {list(values)}.")
    if any(a <= b for a, b in pairwise(values)):
        raise SpecError(f"{where} must fall from the first to the last, found {list(values)}.")


def _check_length(where: str, values: Sequence[float], steps: int | None) -> None:
    useful = len(values) - (values[-1] == 0)  # SANA-Sprint's timesteps end with the clean picture
    if steps is not None and steps not in (useful, len(values)):
        raise SpecError(
            f"{where} has {len(values)} values, but steps = {steps}. "
            "Make them agree, or leave steps out."
        )
