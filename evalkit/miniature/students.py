"""Few-step students: a copy of the teacher's transformer, walked along a schedule of few times."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import torch
from diffusers import SD3Transformer2DModel
from diffusers.pipelines.stable_diffusion_3 import StableDiffusion3Pipeline
from safetensors.torch import load_file, save_file
from torch import nn

from evalkit.miniature import sd3

LORA = "pytorch_lora_weights.safetensors"
RANK = 32


def times(steps: int) -> tuple[float, ...]:
    """Return the even schedule from 1 (noise) to 0 (picture), both included."""
    return tuple(1 - i / steps for i in range(steps + 1))


def student_of(teacher: SD3Transformer2DModel) -> SD3Transformer2DModel:
    """Copy the teacher; only its matrices will learn, so that a LoRA can hold the difference."""
    student = copy.deepcopy(teacher).requires_grad_(False)
    for layer in linear_layers(student).values():
        layer.weight.requires_grad_(True)
    return student


def linear_layers(model: nn.Module) -> dict[str, nn.Linear]:
    """Return the model's linear layers by name."""
    return {n: m for n, m in model.named_modules() if isinstance(m, nn.Linear)}


def matrices(model: nn.Module) -> dict[str, torch.Tensor]:
    """Return copies of what a student learns."""
    return {n: m.weight.detach().clone() for n, m in linear_layers(model).items()}


def set_matrices(model: nn.Module, found: dict[str, torch.Tensor]) -> None:
    """Put matrices into a model."""
    layers = linear_layers(model)
    for name, matrix in found.items():
        layers[name].weight.data.copy_(matrix)


def merge(
    a: dict[str, torch.Tensor], b: dict[str, torch.Tensor], share: float
) -> dict[str, torch.Tensor]:
    """Return ``share`` of ``a`` and the rest of ``b``."""
    return {n: share * a[n] + (1 - share) * b[n] for n in a}


def walk(
    model: SD3Transformer2DModel,
    latents: torch.Tensor,
    text: tuple[torch.Tensor, torch.Tensor],
    schedule: Sequence[float],
) -> torch.Tensor:
    """Take the student's steps from the first time of ``schedule`` to its last."""
    for now, then in pairwise(schedule):
        time = torch.full((len(latents),), now)
        latents = latents + (then - now) * sd3.velocity(model, latents, time, *text)
    return latents


def keep_matrices(path: Path, found: dict[str, torch.Tensor]) -> None:
    """Write a student's matrices whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    save_file({n: m.contiguous() for n, m in found.items()}, part)
    part.replace(path)


def read_matrices(path: Path) -> dict[str, torch.Tensor]:
    """Read a student's matrices."""
    found: dict[str, torch.Tensor] = load_file(path)
    return found


def low_rank(
    teacher: SD3Transformer2DModel, found: dict[str, torch.Tensor], rank: int = RANK
) -> tuple[dict[str, torch.Tensor], float]:
    """Return the difference from the teacher as a LoRA's factors, and the share of it they hold.

    Each factor pair is the best of its rank (Eckart and Young, Psychometrika 1936); the share is
    of the squared differences.
    """
    factors, held, total = {}, 0.0, 0.0
    for name, layer in linear_layers(teacher).items():
        u, s, v = torch.linalg.svd(found[name] - layer.weight.detach(), full_matrices=False)
        held, total = held + float((s[:rank] ** 2).sum()), total + float((s**2).sum())
        root = s[:rank].sqrt()
        factors[f"{name}.lora_A.weight"] = (root[:, None] * v[:rank]).contiguous()
        factors[f"{name}.lora_B.weight"] = (u[:, :rank] * root).contiguous()
    return factors, held / total if total else 1.0


def save_lora(out: Path, factors: dict[str, torch.Tensor]) -> None:
    """Write a LoRA as diffusers lays it over an SD3 pipeline, in half precision."""
    StableDiffusion3Pipeline.save_lora_weights(
        out, transformer_lora_layers={n: f.half() for n, f in factors.items()}, weight_name=LORA
    )
