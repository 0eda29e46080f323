"""Random files laid over the small checkpoints, in the forms in which they are published."""

from __future__ import annotations

from pathlib import Path

import torch
from diffusers import FluxTransformer2DModel, SD3Transformer2DModel, UNet2DConditionModel
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file

DENOISERS = {
    "sdxl": ("unet", UNet2DConditionModel),
    "sd3": ("transformer", SD3Transformer2DModel),
    "flux-dev": ("transformer", FluxTransformer2DModel),
}


def write(adapter: dict, family: str, checkpoint: Path, folder: Path) -> dict:
    """Write the adapter's file for the small checkpoint, and return it pointing there."""
    part, cls = DENOISERS[family]
    path = folder / adapter.get("file", "")
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(1)
    if adapter["kind"] == "denoiser":
        state = load_file(checkpoint / part / "diffusion_pytorch_model.safetensors")
        (save_file if path.suffix == ".safetensors" else torch.save)(state, path)
    elif adapter["kind"] == "lora":
        module = cls.from_pretrained(checkpoint / part)
        save_file(_kohya(module) if part == "unet" else _named(module), path)
    elif adapter["kind"] == "peft":
        _wrapped(cls.from_pretrained(checkpoint / part)).save_pretrained(folder)
    else:
        lora = _wrapped(
            cls.from_pretrained(checkpoint / part),
            adapter["rank"],
            adapter["alpha"],
            adapter["modules"],
        )
        listed = [p.detach() for n, p in lora.named_parameters() if "lora_" in n]
        torch.save({"decay": 0.9, "ema_parameters": listed}, path)
    return {**adapter, "weights": str(folder)}


def _attention(module: torch.nn.Module) -> dict[str, torch.nn.Linear]:
    return {n: m for n, m in module.named_modules() if n.endswith((".to_q", ".to_v"))}


def _kohya(unet: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Name a LoRA of rank 2 as the published SDXL files do."""
    state = {}
    for name, linear in _attention(unet).items():
        key = "lora_unet_" + name.replace(".", "_")
        state[f"{key}.lora_down.weight"] = torch.randn(2, linear.in_features)
        state[f"{key}.lora_up.weight"] = 0.3 * torch.randn(linear.out_features, 2)
        state[f"{key}.alpha"] = torch.tensor(2.0)
    return state


def _named(transformer: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Name a LoRA of rank 2 as diffusers does."""
    state = {}
    for name, linear in _attention(transformer).items():
        state[f"transformer.{name}.lora_A.weight"] = torch.randn(2, linear.in_features)
        state[f"transformer.{name}.lora_B.weight"] = 0.3 * torch.randn(linear.out_features, 2)
    return state


def _wrapped(module, rank=2, alpha=4, modules=("to_q", "to_v")):
    lora = get_peft_model(
        module, LoraConfig(r=rank, lora_alpha=alpha, target_modules=list(modules))
    )
    for name, parameter in lora.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.3)
    return lora
