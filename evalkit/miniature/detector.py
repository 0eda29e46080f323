"""The miniature's detector: a small Mask2Former that knows the 18 classes."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from evalkit.miniature.annotated import MOST, SIDE, examples, labels
from evalkit.miniature.data import WORK, Pixels, Split
from evalkit.miniature.matching import LIKELY, Comparison, compare
from evalkit.miniature.scenes import CLASSES
from evalkit.miniature.training import Plan, fit, keep
from evalkit.scorers.detection import Detection, Found

if TYPE_CHECKING:
    import torch
    from torch import Tensor
    from transformers import Mask2FormerForUniversalSegmentation

BATCH = 32
EXAMPLES: Mapping[str, int] = MappingProxyType({"train": 20_000, "validation": 400})
_SPLITS: tuple[Split, Split] = ("train", "validation")
CELL = 4
"""Pixels of the input per cell of a mask, along each axis."""
MEAN, STD = (0.80, 0.78, 0.77), (0.22, 0.22, 0.23)
CONFIG: Mapping[str, Any] = MappingProxyType(
    {
        "feature_size": 64,
        "mask_feature_size": 64,
        "hidden_dim": 64,
        "encoder_feedforward_dim": 128,
        "encoder_layers": 1,
        "decoder_layers": 4,
        "num_attention_heads": 4,
        "dim_feedforward": 256,
        "num_queries": 12,
        "dropout": 0.0,
    }
)
BACKBONE: Mapping[str, Any] = MappingProxyType(
    {
        "embedding_size": 32,
        "hidden_sizes": [32, 64, 96, 128],
        "depths": [1, 1, 1, 1],
        "layer_type": "basic",
        "out_features": ["stage1", "stage2", "stage3", "stage4"],
    }
)


def build() -> Mask2FormerForUniversalSegmentation:
    """Make the untrained detector (0.8 M parameters)."""
    from transformers import Mask2FormerConfig, Mask2FormerForUniversalSegmentation, ResNetConfig

    config = Mask2FormerConfig(
        backbone_config=ResNetConfig(**BACKBONE),
        id2label=dict(enumerate(CLASSES)),
        label2id={name: i for i, name in enumerate(CLASSES)},
        **CONFIG,
    )
    return Mask2FormerForUniversalSegmentation(config)


def train(
    out: Path, minutes: float, seed: int = 0, *, steps: int | None = None, work: Path = WORK
) -> None:
    """Train on annotated scenes and save to ``out`` with its preprocessor."""
    import torch

    torch.manual_seed(seed)
    plan = Plan("detector", minutes, seed, steps, work, hold=0.3, weight_decay=0.02, clip=5.0)
    (data, names), (held, truth) = (_annotated(s, work) for s in _SPLITS)
    model = build()
    curve = fit(
        model,
        lambda g: loss(model, *batch(data, names, g)),
        lambda: summary(comparisons(read_out(*logits(model, held)), held[..., 3], truth)),
        plan,
    )
    factors = calibrate(model.eval(), held, truth)
    model.save_pretrained(out)
    save_preprocessor(out)
    keep(out, plan, {**CONFIG, "backbone": dict(BACKBONE), "sharpened": factors}, curve)


def _annotated(split: Split, work: Path) -> tuple[Pixels, npt.NDArray[np.int64]]:
    count = EXAMPLES[split]
    return examples(split, count, work=work), labels(split, count)


def batch(
    data: Pixels, names: npt.NDArray[np.int64], generator: torch.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """Draw a batch: inputs [B, 3, SIDE, SIDE], masks [B, MOST, h, w] and labels [B, MOST]."""
    import torch

    at = torch.randint(len(data), (BATCH,), generator=generator).numpy()
    both = torch.from_numpy(np.array(data[at])).permute(0, 3, 1, 2).float()
    flip = torch.rand(BATCH, generator=generator) < 0.5
    both = torch.where(flip[:, None, None, None], both.flip(3), both)
    masks = cells(both[:, 3])
    seen = masks.flatten(2).sum(2) > 0.5
    wanted = torch.where(seen, torch.from_numpy(names[at]), -1)
    return inputs(_varied(both[:, :3], generator)), masks, wanted


def cells(owners: Tensor) -> Tensor:
    """Return which share of each mask cell an object covers: [B, MOST, SIDE / 4, SIDE / 4]."""
    import torch

    each = torch.stack([owners == k + 1 for k in range(MOST)], dim=1).float()
    return torch.nn.functional.avg_pool2d(each, CELL)


def _varied(pixels: Tensor, generator: torch.Generator) -> Tensor:
    """Vary colour balance and brightness a little, and add faint grain to half of the pictures."""
    import torch

    count = len(pixels)
    gain = 1 + 0.06 * torch.randn(count, 3, 1, 1, generator=generator)
    lift = 5 * torch.randn(count, 1, 1, 1, generator=generator)
    sigma = 8 * torch.rand(count, 1, 1, 1, generator=generator)
    sigma = sigma * (torch.rand(count, 1, 1, 1, generator=generator) < 0.5)
    grain = torch.randn(pixels.shape, generator=generator) * sigma
    return (pixels * gain + lift + grain).clamp(0, 255)


def inputs(pixels: Tensor) -> Tensor:
    """Standardise pixels [B, 3, H, W] of 0..255 as the preprocessor does."""
    import torch

    mean, std = (torch.tensor(v)[None, :, None, None] for v in (MEAN, STD))
    return (pixels / 255 - mean) / std


def loss(
    model: Mask2FormerForUniversalSegmentation, pixels: Tensor, masks: Tensor, wanted: Tensor
) -> Tensor:
    """Return the set loss over all decoder layers."""
    from evalkit.miniature.set_loss import set_loss

    output = model(pixel_values=pixels, output_auxiliary_logits=True)
    layers = [*output.auxiliary_logits, output]
    return set_loss(
        [layer["class_queries_logits"] for layer in layers],
        [layer["masks_queries_logits"] for layer in layers],
        masks,
        wanted,
    )


def logits(model: Mask2FormerForUniversalSegmentation, held: Pixels) -> tuple[Tensor, Tensor]:
    """Return class logits [N, Q, C + 1] and mask logits [N, Q, h, w] of annotated examples."""
    import torch

    classes, masks = [], []
    for start in range(0, len(held), 50):
        pixels = torch.from_numpy(np.array(held[start : start + 50, ..., :3]))
        with torch.no_grad():
            output = model(pixel_values=inputs(pixels.permute(0, 3, 1, 2).float()))
        classes.append(output.class_queries_logits)
        masks.append(output.masks_queries_logits)
    return torch.cat(classes), torch.cat(masks)


def read_out(classes: Tensor, masks: Tensor) -> list[Found]:
    """Read objects out of logits just as the GenEval adapter does."""
    from evalkit.scorers.mask2former import Frame, instances

    frame = Frame((SIDE, SIDE), (SIDE, SIDE), (SIDE, SIDE))
    pictures: list[Found] = []
    for one, shapes in zip(classes, masks, strict=True):
        found: dict[str, list[Detection]] = {}
        for label, detection in instances(one, shapes, frame, floor=LIKELY):
            found.setdefault(CLASSES[label], []).append(detection)
        pictures.append(found)
    return pictures


def comparisons(
    pictures: Sequence[Found], owners: Pixels, truth: npt.NDArray[np.int64]
) -> list[Comparison]:
    """Compare what was found in annotated examples with what is there."""
    cases = []
    for found, owner, row in zip(pictures, owners, truth, strict=True):
        there = [k for k in range(MOST) if row[k] >= 0 and (owner == k + 1).any()]
        masks = [owner == k + 1 for k in there]
        cases.append(compare(found, [CLASSES[row[k]] for k in there], masks))
    return cases


def summary(cases: Sequence[Comparison]) -> dict[str, float]:
    """Return the shares of objects found, of exact pictures, and of those with nothing extra."""
    return {
        "recall": float(np.mean([hit for case in cases for hit in case.hits])),
        "exact": float(np.mean([case.exact for case in cases])),
        "nothing_extra": float(np.mean([case.nothing_extra for case in cases])),
    }


def sharpen(model: Mask2FormerForUniversalSegmentation, *, classes: float, masks: float) -> None:
    """Multiply class and mask logits: surer scores, the same masks and ranking per query."""
    import torch

    embedder = model.model.transformer_module.decoder.mask_predictor.mask_embedder
    last = next(embedder.layers[-1].children())
    with torch.no_grad():
        for head, factor in ((model.class_predictor, classes), (last, masks)):
            head.weight.mul_(factor)
            head.bias.mul_(factor)


def calibrate(
    model: Mask2FormerForUniversalSegmentation, held: Pixels, truth: npt.NDArray[np.int64]
) -> dict[str, float]:
    """Sharpen the scores as suits GenEval's fixed thresholds on validation scenes.

    A detection's score is class probability x mean mask probability. Cells at an object's border
    are half covered, so that the mean of a small mask stays below GenEval's 0.9 for counting.
    """
    classes, masks = logits(model, held)
    tried = {}
    for k, m in itertools.product((1.0, 1.5, 2.0, 3.0), (1.0, 2.0, 4.0, 8.0)):
        cases = comparisons(read_out(classes * k, masks * m), held[..., 3], truth)
        found = summary(cases)
        tried[k, m] = found["exact"] + found["nothing_extra"]
    best = max(tried, key=lambda pair: (round(tried[pair], 3), -sum(pair)))
    factors = {"classes": best[0], "masks": best[1]}
    sharpen(model, **factors)
    return factors


def save_preprocessor(out: Path) -> None:
    """Write preprocessor_config.json as Mask2FormerImageProcessor does."""
    facts = {
        "image_processor_type": "Mask2FormerImageProcessor",
        "do_resize": True,
        "size": {"shortest_edge": SIDE, "longest_edge": SIDE},
        "size_divisor": 32,
        "resample": 2,
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": list(MEAN),
        "image_std": list(STD),
        "do_reduce_labels": False,
        "ignore_index": 255,
        "num_labels": len(CLASSES),
    }
    (out / "preprocessor_config.json").write_text(json.dumps(facts, indent=2) + "\n")
