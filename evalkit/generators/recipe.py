"""What a diffusers model's options ask for, checked before anything heavy is imported."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any, Literal

from pydantic import Field, ValidationError

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


class Adapter(Record):
    """A file laid over the pipeline: a LoRA, or a whole UNet or transformer that replaces its own.

    ``weights`` is a local file, or a folder or hub id of which ``file`` names the file.
    """

    kind: Literal["lora", "denoiser"]
    weights: str
    file: str | None = None
    revision: str | None = None
    scale: float = 1.0
    """How strongly a LoRA is fused in; a denoiser replaces and has no scale."""


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
    precision: dict[str, str] = Field(default_factory=dict)
    """How the linear layers of a component are held, once adapters are in: ``{ transformer =
    "q8_0" }``; one of PRECISIONS. The rest of it, and the arithmetic, keep the dtype."""

    @property
    def arguments(self) -> dict[str, Any]:
        """Everything the options add to the pipeline's call, but for the schedule."""
        return {**self.call, **dict.fromkeys(self.unset)}


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
