"""The miniature's autoencoder: 64 px pictures to 16 x 16 x 8 latents and back."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from evalkit.miniature.data import WORK, Pixels, pictures
from evalkit.miniature.training import Plan, fit, keep
from evalkit.weights import MINIATURE_ROOT

if TYPE_CHECKING:
    import torch
    from diffusers import AutoencoderKL

SIDE = 64
BATCH = 16
PICTURES = {"train": 24_000, "validation": 128}
CONFIG: Mapping[str, Any] = MappingProxyType(
    {
        "in_channels": 3,
        "out_channels": 3,
        "down_block_types": ("DownEncoderBlock2D",) * 3,
        "up_block_types": ("UpDecoderBlock2D",) * 3,
        "block_out_channels": (16, 32, 64),
        "layers_per_block": 1,
        "latent_channels": 8,
        "norm_num_groups": 8,
        "sample_size": SIDE,
        "use_quant_conv": False,
        "use_post_quant_conv": False,
        "mid_block_add_attention": False,
    }
)


def build() -> AutoencoderKL:
    """Make the untrained autoencoder (0.66 M parameters)."""
    import torch
    from diffusers import AutoencoderKL

    return AutoencoderKL(**CONFIG).to(memory_format=torch.channels_last)


def train(
    out: Path, minutes: float, seed: int = 0, *, steps: int | None = None, work: Path = WORK
) -> None:
    """Train on scenes and save to ``out``; the latents' scale and shift are measured at the end."""
    import torch

    torch.manual_seed(seed)
    plan = Plan("vae", minutes, seed, steps, work, rate=2.5e-3, warm_up=50, weight_decay=0.0)
    data = pictures("train", PICTURES["train"], SIDE, work=work)
    held = tensor(pictures("validation", PICTURES["validation"], SIDE, work=work))
    model = build()
    curve = fit(
        model,
        lambda g: loss(
            model, tensor(data[torch.randint(len(data), (BATCH,), generator=g).numpy()]), g
        ),
        lambda: {"psnr": psnr(_decoded(model, held), held)},
        plan,
    )
    scale_latents(model, held)
    model.eval().half().save_pretrained(out)
    keep(out, plan, CONFIG, curve)


def tensor(images: Pixels) -> torch.Tensor:
    """Bring pictures [N, H, W, 3] (0..255) to the autoencoder's form [N, 3, H, W] (-1..1)."""
    import torch

    x = torch.from_numpy(np.array(images)).permute(0, 3, 1, 2).float() / 127.5 - 1
    return x.contiguous(memory_format=torch.channels_last)


def loss(model: AutoencoderKL, x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Return the error of pixels and of edges, plus a small pull towards a unit Gaussian."""
    posterior = model.encode(x).latent_dist
    error = model.decode(posterior.sample(generator)).sample - x
    edges = error.diff(dim=2).abs().mean() + error.diff(dim=3).abs().mean()
    kl = 0.5 * (posterior.mean**2 + posterior.var - 1 - posterior.logvar).mean()
    total: torch.Tensor = error.abs().mean() + (error**2).mean() + 0.25 * edges + 2e-4 * kl
    return total


def psnr(y: torch.Tensor, x: torch.Tensor) -> float:
    """Return the peak signal-to-noise ratio in dB of pictures in -1..1."""
    return 10 * math.log10(4 / float(((y - x) ** 2).mean()))


def scale_latents(model: AutoencoderKL, x: torch.Tensor) -> None:
    """Record the scale and shift that give the latents mean 0 and deviation 1."""
    import torch

    with torch.no_grad():
        z = model.encode(x).latent_dist.mean
    factors = {"scaling_factor": 1 / float(z.std()), "shift_factor": float(z.mean())}
    model.register_to_config(**{k: round(v, 4) for k, v in factors.items()})


def _decoded(
    model: AutoencoderKL, x: torch.Tensor, jitter: float = 0.0, seed: int = 0
) -> torch.Tensor:
    import torch

    z = model.encode(x).latent_dist.mean
    if jitter:
        noise = torch.randn(z.shape, generator=torch.Generator().manual_seed(seed))
        z = z + noise * (jitter / model.config.scaling_factor)
    decoded: torch.Tensor = model.decode(z).sample
    return decoded.clamp(-1, 1)


@lru_cache(maxsize=2)
def load(folder: Path = MINIATURE_ROOT / "vae") -> AutoencoderKL:
    """Load the trained autoencoder."""
    import torch
    from diffusers import AutoencoderKL

    model = AutoencoderKL.from_pretrained(folder, torch_dtype=torch.float32)
    return model.eval().requires_grad_(False)


def encode(images: Pixels, *, batch: int = 64) -> torch.Tensor:
    """Return pictures [N, 64, 64, 3] as latents [N, 8, 16, 16] of mean 0 and deviation 1."""
    import torch

    model = load()
    with torch.no_grad():
        found = [
            model.encode(tensor(images[i : i + batch])).latent_dist.mean
            for i in range(0, len(images), batch)
        ]
    scale, shift = model.config.scaling_factor, model.config.shift_factor
    latents: torch.Tensor = (torch.cat(found) - shift) * scale
    return latents


def decode(latents: torch.Tensor, *, batch: int = 64) -> Pixels:
    """Return normalised latents [N, 8, 16, 16] as pictures [N, 64, 64, 3]."""
    import torch

    model, done = load(), []
    z = latents / model.config.scaling_factor + model.config.shift_factor
    for part in z.split(batch):
        with torch.no_grad():
            y = model.decode(part).sample.clamp(-1, 1)
        pixels = ((y + 1) * 127.5).round().permute(0, 2, 3, 1).to(torch.uint8)
        done.append(pixels.contiguous().numpy())
    return np.concatenate(done)


def round_trip(images: Pixels, *, jitter: float = 0.0, seed: int = 0, batch: int = 64) -> Pixels:
    """Encode and decode pictures [N, 64, 64, 3]; the result has the same shape.

    ``jitter`` adds noise to the latents, in units of their deviation, as an imperfect model would.
    """
    import torch

    model, done = load(), []
    for start in range(0, len(images), batch):
        x = tensor(images[start : start + batch])
        with torch.no_grad():
            y = _decoded(model, x, jitter, seed + start)
        pixels = ((y + 1) * 127.5).round().permute(0, 2, 3, 1).to(torch.uint8)
        done.append(pixels.contiguous().numpy())
    return np.concatenate(done) if done else np.zeros_like(images)
