"""Show that our ImageReward gives the rewards of the authors' own package.

Two environments are needed, because that package cannot be imported beside today's transformers::

    python benchmarks/imagereward_parity.py all parity/

makes the other one in ``parity/legacy`` (the extra ``imagereward-official``, with the torch and the
Pillow that are here) unless it is there, and then does both halves: ``official`` in it draws random
weights into the authors' classes, has them score some pairs and keeps both; ``ours`` scores the
same pairs with the same weights and prints the largest difference. The weights are small unless
``--full`` is given, which takes the released model's sizes (1.8 GB). ``tests/golden/imagereward``
was made this way and is checked by the tests.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import subprocess
import tomllib
import venv
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

TOLERANCE = 1e-5
WORDS = (
    "[PAD] [UNK] [CLS] [SEP] [MASK] a an the photo of painting ocean with clouds and birds day "
    "time low depth field effect cat dog ##s ##ing red , . - ' e 2 \u4f60 \u597d"
).split()
PROMPTS = (
    "a photo of a red cat",
    "a painting of an ocean with clouds and birds, day time, low depth field effect",
    "the dogs, " * 20,
    "",
    "\u00c9 CAFE\u0301 - it's 2 cats\u2026 \u4f60\u597d\tred\u00a0dog",
    "a [SEP] b [MASK] [DEC] [ENC] [sep] cat",
    "x" * 101,
)
PICTURES: tuple[tuple[tuple[int, int], str], ...] = (
    ((64, 64), "RGB"),
    ((97, 41), "RGB"),
    ((35, 90), "RGB"),
    ((33, 34), "L"),
    ((50, 37), "RGBA"),
    ((36, 51), "P"),
    ((301, 7), "RGB"),
)
SMALL_VISION = {"img_size": 32, "patch_size": 8, "embed_dim": 32, "depth": 2, "num_heads": 2}


def picture(size: tuple[int, int], mode: str) -> Image.Image:
    """Return a pattern with fine and coarse structure in every channel."""
    x, y = np.meshgrid(np.arange(size[0]), np.arange(size[1]))
    planes = [(x * 5 + y * 3) % 256, (x * x + 7 * y) % 256, (x * y + 40) % 256, 255 - (x + y) % 256]
    pixels = np.stack(planes, axis=-1).astype(np.uint8)
    if mode == "RGBA":
        return Image.fromarray(pixels)
    return Image.fromarray(np.ascontiguousarray(pixels[..., :3])).convert(mode)


def pairs() -> list[tuple[str, Image.Image]]:
    """Return every prompt with every picture."""
    return [(text, picture(*kind)) for text in PROMPTS for kind in PICTURES]


def med_config(full: bool) -> dict[str, Any]:
    """Return BERT's sizes, in the words of the authors' file."""
    sizes = (768, 3072, 12, 12, 512) if full else (24, 48, 2, 3, 48)
    names = (
        "hidden_size",
        "intermediate_size",
        "num_hidden_layers",
        "num_attention_heads",
        "max_position_embeddings",
    )
    return (
        dict(zip(names, sizes, strict=True))
        | {
            "vocab_size": 30524 if full else len(WORDS) + 2,
            "hidden_act": "gelu",
            "layer_norm_eps": 1e-12,
            "hidden_dropout_prob": 0.1,
            "attention_probs_dropout_prob": 0.1,
            "pad_token_id": 0,
            "type_vocab_size": 2,
            "encoder_width": 768,
            "add_cross_attention": True,
            "model_type": "bert",
        }
        | ({} if full else {"vision_num_attention_heads": SMALL_VISION["num_heads"]})
    )


def official(out: Path, *, full: bool) -> None:
    """Let the authors' code score the pairs with random weights, and keep both."""
    import torch
    from safetensors.torch import save_file

    out.mkdir(parents=True, exist_ok=True)
    (out / "vocab.txt").write_text("\n".join(WORDS) + "\n", encoding="utf-8")
    (out / "med_config.json").write_text(json.dumps(med_config(full), indent=1) + "\n")
    torch.manual_seed(0)
    model = _official_model(out, full=full).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            scale = 0.2 if parameter.ndim == 1 else 1.3 / parameter[0].numel() ** 0.5
            # Exact in half precision, in which the weights are kept.
            parameter.copy_(torch.randn_like(parameter).mul(scale).half())
    state = {
        k: v.half().contiguous() if v.is_floating_point() else v.contiguous()
        for k, v in model.state_dict().items()
    }
    save_file(state, out / "ImageReward.safetensors")
    with torch.no_grad():
        rewards = [model.score(text, image) for text, image in pairs()]
    (out / "rewards.json").write_text(json.dumps(rewards, indent=1) + "\n")
    print(f"{len(rewards)} rewards from {min(rewards):.3f} to {max(rewards):.3f} in {out}")


def _official_model(out: Path, *, full: bool) -> Any:
    import ImageReward.models.BLIP.blip_pretrain as blip
    from ImageReward.ImageReward import MLP, ImageReward, _transform
    from ImageReward.models.BLIP.vit import VisionTransformer
    from torch import nn
    from transformers import BertTokenizer

    def tokenizer() -> Any:
        made = BertTokenizer(str(out / "vocab.txt"))
        made.add_special_tokens({"bos_token": "[DEC]"})
        made.add_special_tokens({"additional_special_tokens": ["[ENC]"]})
        return made

    def small_vision(*_: Any) -> tuple[Any, int]:
        return VisionTransformer(**SMALL_VISION), SMALL_VISION["embed_dim"]

    blip.init_tokenizer = tokenizer
    if full:
        return ImageReward(str(out / "med_config.json"))
    blip.create_vit = small_vision
    MLP.__init__ = lambda self, _: nn.Module.__init__(self)
    model = ImageReward(str(out / "med_config.json"))
    sizes = (24, 16, 8, 8, 4, 1)
    linear = [nn.Linear(a, b) for a, b in pairwise(sizes)]
    drops = [nn.Dropout(p) for p in (0.2, 0.2, 0.1)]
    mixed = [layer for pair in zip(linear, drops, strict=False) for layer in pair]
    model.mlp.layers = nn.Sequential(*mixed, *linear[3:])
    model.preprocess = _transform(SMALL_VISION["img_size"])
    return model


def ours(folder: Path) -> float:
    """Score the kept pairs with our code; return the largest difference."""
    from evalkit.scorers.image_reward import ImageReward

    expected = json.loads((folder / "rewards.json").read_text())
    texts, images = zip(*pairs(), strict=True)
    verdicts = ImageReward(folder, device="cpu", batch_size=1).score(texts, images)
    found = [v.value for v in verdicts]
    if None in found:
        raise SystemExit(next(v.reason for v in verdicts if v.value is None))
    return max(abs(a - b) for a, b in zip(found, expected, strict=True) if a is not None)


def environment(folder: Path) -> Path:
    """Make the authors' environment if it is not there; return its Python."""
    python = folder / "bin" / "python"
    if not python.exists():
        venv.create(folder, with_pip=True)
        project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())
        theirs = project["project"]["optional-dependencies"]["imagereward-official"]
        # Versions of Pillow resize some pictures otherwise: both sides must have one.
        same = ("torch", "torchvision", "pillow", "numpy", "safetensors")
        here = [f"{name}=={importlib.metadata.version(name)}" for name in same]
        subprocess.run([python, "-m", "pip", "install", "-q", *theirs, *here], check=True)
    return python


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("side", choices=["official", "ours", "all"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--full", action="store_true", help="the released model's sizes")
    arguments = parser.parse_args()
    if arguments.side == "official":
        official(arguments.folder, full=arguments.full)
        return
    if arguments.side == "all":
        python = environment(arguments.folder / "legacy")
        size = ["--full"] if arguments.full else []
        line = [python, "-W", "ignore", __file__, "official", arguments.folder, *size]
        subprocess.run(line, check=True)
    difference = ours(arguments.folder)
    print(f"largest difference over {len(pairs())} pairs: {difference:.2e}")
    if difference > TOLERANCE:
        raise SystemExit(f"more than {TOLERANCE}")


if __name__ == "__main__":
    main()
