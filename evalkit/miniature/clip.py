"""The miniature's CLIP: a small ``transformers.CLIPModel`` with its own words."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from evalkit.miniature import facts, views
from evalkit.miniature.data import WORK
from evalkit.miniature.samples import Samples, draw, drawn
from evalkit.miniature.tensors import normalised, tinted, varied
from evalkit.miniature.training import Plan, fit, keep
from evalkit.miniature.witness import Truth, Witness
from evalkit.miniature.words import CLIP_TOKENS, clip_tokenizer
from evalkit.scorers.pictures import CLIP_MEAN, CLIP_STD

if TYPE_CHECKING:
    from transformers import CLIPModel, PreTrainedTokenizerFast

WIDTH, VISION_DEPTH, TEXT_DEPTH, HEADS = 128, 4, 3, 4
BATCH = 80
SCENES = {"train": 20_000, "validation": 1_000}
READING_STEPS = 600
TINTED = 0.5
"""Share of the pictures with a sentence that names no colour whose colours are mixed up."""
LARGEST_SCALE = 60.0
SHARP = WIDTH**0.5
"""Unit embeddings are too small for linear questions."""
ABOUT_PICTURES, ABOUT_TEXTS, ABOUT_PATCHES, NEAR_MISSES = 0.3, 0.3, 1.0, 1.0
"""How much the questions of the witness and the near misses weigh against the contrast."""


def build(tokenizer: PreTrainedTokenizerFast) -> CLIPModel:
    """Make the untrained model (1.0 M parameters)."""
    from transformers import CLIPConfig, CLIPModel

    tower = {
        "hidden_size": WIDTH,
        "intermediate_size": 2 * WIDTH,
        "num_attention_heads": HEADS,
        "hidden_act": "gelu",
        "projection_dim": WIDTH,
    }
    text = {
        "vocab_size": len(tokenizer),
        "num_hidden_layers": TEXT_DEPTH,
        "max_position_embeddings": CLIP_TOKENS,
        "pad_token_id": tokenizer.pad_token_id,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
    }
    vision = {
        "num_hidden_layers": VISION_DEPTH,
        "image_size": views.SIDE,
        "patch_size": views.PATCH,
    }
    config = CLIPConfig(
        text_config=tower | text, vision_config=tower | vision, projection_dim=WIDTH
    )
    return CLIPModel(config)


def preprocessor() -> dict[str, Any]:
    """Return ``preprocessor_config.json``, read by ``CLIPImageProcessor``."""
    return {
        "image_processor_type": "CLIPImageProcessor",
        "do_convert_rgb": True,
        "do_resize": True,
        "size": {"shortest_edge": views.SIDE},
        "resample": 3,
        "do_center_crop": True,
        "crop_size": {"height": views.SIDE, "width": views.SIDE},
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": list(CLIP_MEAN),
        "image_std": list(CLIP_STD),
    }


class Pupil(nn.Module):
    """The CLIP with the heads that question it in training."""

    def __init__(self, clip: CLIPModel) -> None:
        super().__init__()
        self.clip = clip
        self.witness = Witness(WIDTH, WIDTH)

    def pictures(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Return unit embeddings [n, width] and the patches' tokens [n, patches, width]."""
        seen = self.clip.vision_model(pixel_values=pixels)
        embedding = self.clip.visual_projection(seen.pooler_output)
        return functional.normalize(embedding, dim=-1), seen.last_hidden_state[:, 1:]

    def texts(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Return unit embeddings [n, width]."""
        read = self.clip.get_text_features(input_ids=ids, attention_mask=mask)
        return functional.normalize(read.pooler_output, dim=-1)


def train(
    out: Path, minutes: float, seed: int = 0, *, steps: int | None = None, work: Path = WORK
) -> None:
    """Train on scenes and save to ``out`` in the hub's layout, as float16."""
    torch.manual_seed(seed)
    plan = Plan(
        "clip",
        minutes,
        seed,
        steps,
        work,
        warm_up=150,
        hold=0.3,
        weight_decay=0.05,
        save_seconds=240,
    )
    data = {k: drawn(draw, f"clip-{k}", n, work / "data" / "clip") for k, n in SCENES.items()}
    tokenizer = clip_tokenizer()
    pupil, weights = Pupil(build(tokenizer)), chances(data["train"])
    if not plan.checkpoint.exists():
        read_alone(pupil, data["train"], tokenizer, weights, seed)
    curve = fit(
        pupil,
        lambda g: loss(pupil, batch(data["train"], tokenizer, weights, g), g),
        lambda: validate(pupil, data["validation"], tokenizer),
        plan,
    )
    save(pupil.clip, tokenizer, out)
    keep(out, plan, {"width": WIDTH, "batch": BATCH, "scenes": SCENES}, curve)


def save(clip: CLIPModel, tokenizer: PreTrainedTokenizerFast, out: Path) -> None:
    """Write model, tokenizer and image processor as the hub keeps them."""
    out.mkdir(parents=True, exist_ok=True)
    clip.eval().half().save_pretrained(out)
    config = json.loads((out / "config.json").read_text())
    # Stored in half the space; loaded as float32, for CPUs are slow and coarse at less.
    (out / "config.json").write_text(json.dumps(config | {"dtype": "float32"}, indent=2) + "\n")
    tokenizer.save_pretrained(out)
    (out / "preprocessor_config.json").write_text(json.dumps(preprocessor(), indent=2) + "\n")


@dataclass(frozen=True)
class Batch:
    """Pictures with one true sentence each (the first half of ``ids``) and its near miss."""

    pixels: Tensor
    classes: Tensor
    shown: Truth
    ids: Tensor
    mask: Tensor
    said: Truth
    excused: Tensor
    """[pictures, texts]: another picture's text that is, or may be, true of this one too."""


def chances(data: Samples) -> Tensor:
    """Return how often to draw each picture: two things or several more, cut-outs less."""
    pair = data.known[:, 0, facts.RELATION].any(axis=1)
    several = data.holds[:, :, facts.COUNT].any(axis=(1, 2))
    return torch.from_numpy(0.6 + 1.4 * pair + 0.9 * several)


def batch(
    data: Samples, tokenizer: PreTrainedTokenizerFast, weights: Tensor, g: torch.Generator
) -> Batch:
    """Draw pictures by lot, and one of each one's sentences."""
    at = torch.multinomial(weights, BATCH, replacement=True, generator=g).numpy()
    which = torch.randint(data.texts.shape[1], (BATCH,), generator=g).numpy()
    plain = ~data.claims[at, which][..., facts.COLOR].any(axis=(1, 2, 3))
    tint = plain & (torch.rand(BATCH, generator=g) < TINTED).numpy()
    b = collated(data, tokenizer, at, which, colorless=tint)
    b.pixels[tint] = tinted(b.pixels[tint], g)
    return b


def collated(
    data: Samples,
    tokenizer: PreTrainedTokenizerFast,
    at: Any,
    which: Any,
    colorless: facts.Bools | None = None,
) -> Batch:
    """Put the pictures ``at`` and their sentences ``which`` together.

    Of ``colorless`` pictures the colours are treated as unknown.
    """
    texts = data.texts[at, which].T.ravel()
    claims = np.concatenate([data.claims[at, which, k] for k in (0, 1)])
    settled = np.concatenate([data.settled[at, which, k] for k in (0, 1)])
    holds, known = data.holds[at], data.known[at]
    if colorless is not None:
        known[colorless, :, facts.COLOR] = False
    ids, mask = encoded([t.decode() for t in texts], tokenizer)
    return Batch(
        pixels=torch.from_numpy(data.pixels[at]).float(),
        classes=torch.from_numpy(data.classes[at]).long(),
        shown=Truth.of(holds, known),
        ids=ids,
        mask=mask,
        said=Truth.of(claims, settled),
        excused=torch.from_numpy(_excused(claims, holds, known)),
    )


def _excused(claims: facts.Bools, holds: facts.Bools, known: facts.Bools) -> facts.Bools:
    count = len(holds)
    excused = facts.agree(claims, holds, known).T.copy()
    own = np.arange(count)
    excused[own, own] = False
    # A near miss is excused only where it is true outright: the picture shows both things.
    excused[own, own + count] = ~(claims[count:] & ~holds).any(axis=(1, 2))
    return excused


def encoded(texts: list[str], tokenizer: PreTrainedTokenizerFast) -> tuple[Tensor, Tensor]:
    """Return ids and attention mask of texts, padded to the longest."""
    read = tokenizer(texts, padding=True, truncation=True, return_tensors="pt")
    return read["input_ids"], read["attention_mask"]


def read_alone(
    pupil: Pupil,
    data: Samples,
    tokenizer: PreTrainedTokenizerFast,
    weights: Tensor,
    seed: int,
    steps: int = READING_STEPS,
) -> float:
    """Let the text tower first learn what sentences claim; return the last step's error.

    Beside the pictures it takes thousands of steps to see that the order of the words matters;
    alone it takes hundreds, and cheap ones.
    """
    text = [pupil.clip.text_model, pupil.clip.text_projection, pupil.witness.whole]
    weighed = [p for module in text for p in module.parameters()]
    optimiser = torch.optim.AdamW(weighed, lr=1e-3, betas=(0.9, 0.98), weight_decay=0.05)
    error = torch.zeros(())
    for step in range(steps):
        b = batch(data, tokenizer, weights, torch.Generator().manual_seed(seed - 1 - step))
        error = pupil.witness.about(pupil.texts(b.ids, b.mask) * SHARP, b.said)
        optimiser.param_groups[0]["lr"] = 1e-3 * min(1.0, (step + 1) / 100)
        optimiser.zero_grad(set_to_none=True)
        error.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(weighed, 1.0)
        optimiser.step()
    return float(error.detach())


def loss(pupil: Pupil, b: Batch, g: torch.Generator) -> Tensor:
    """Contrast pictures with texts and near misses, and question pictures, patches and texts."""
    count = len(b.pixels)
    pictures, tokens = pupil.pictures(normalised(varied(b.pixels, g)))
    texts = pupil.texts(b.ids, b.mask)
    scale = pupil.clip.logit_scale.exp().clamp(max=LARGEST_SCALE)
    alike = (pictures @ texts.T * scale).masked_fill(b.excused, -1e4)
    own = torch.arange(count)
    contrast = functional.cross_entropy(alike, own) + functional.cross_entropy(
        alike[:, :count].T, own
    )
    missed = functional.softplus(alike[own, own + count] - alike[own, own]).mean()
    asked = (
        ABOUT_PICTURES * pupil.witness.about(pictures * SHARP, b.shown)
        + ABOUT_TEXTS * pupil.witness.about(texts * SHARP, b.said)
        + ABOUT_PATCHES * pupil.witness.patches(tokens, b.classes, b.shown)
    )
    return 0.5 * contrast + NEAR_MISSES * missed + asked


def validate(
    pupil: Pupil, data: Samples, tokenizer: PreTrainedTokenizerFast
) -> Mapping[str, float]:
    """Return how often a true sentence beats its near miss, by kind, for the curve."""
    won: dict[str, list[float]] = {}
    for at in np.array_split(np.linspace(0, len(data) - 1, num=400, dtype=int), 4):
        b = collated(data, tokenizer, at, np.zeros_like(at))
        pictures, _ = pupil.pictures(normalised(b.pixels))
        true, wrong = pupil.texts(b.ids, b.mask).chunk(2)
        gap = (pictures * (true - wrong)).sum(1)
        for row, value in enumerate(gap.tolist()):
            won.setdefault(_kind(b.said.holds[row]), []).append(float(value > 0))
    return {kind: float(np.mean(won[kind])) for kind in sorted(won)}


def _kind(claims: Tensor) -> str:
    if claims[:, facts.RELATION].any():
        return "position"
    if claims[:, facts.COUNT].any():
        return "count"
    colors = int(claims[:, facts.COLOR].sum())
    return {0: "class", 1: "color"}.get(colors, "two colors")
