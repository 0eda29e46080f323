"""The miniature's ImageReward: official layout, small, learnt from faithful and faulty pictures.

It shares no weights, pictures or seeds with the miniature's CLIP. Its head is affine as the
official one, and its rewards are brought to about N(0, 1) on a mix of faithful and faulty pictures
at the end, where the official ones are on the authors' pictures.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from evalkit.miniature import views
from evalkit.miniature.data import WORK
from evalkit.miniature.pairs import KINDS, Contests, draw
from evalkit.miniature.reward_learning import (
    BATCH,
    LESSONS,
    Lesson,
    Pupil,
    Reader,
    batch,
    chances,
    collated,
    linears,
    loss,
    state,
)
from evalkit.miniature.samples import drawn
from evalkit.miniature.tensors import normalised
from evalkit.miniature.training import Plan, Row, fit, keep
from evalkit.miniature.words import write_bert_vocabulary
from evalkit.scorers.image_reward import MAX_TOKENS, MED_CONFIG, VOCABULARY, Tokens
from evalkit.scorers.reward_net import (
    REWARD_MEAN,
    REWARD_STD,
    VISION_HEADS_KEY,
    Geometry,
    RewardNet,
    to_official,
)

WIDTH, HEADS, VISION_DEPTH, TEXT_DEPTH = 128, 4, 4, 3
PAIRS = {"train": 15_000, "validation": 1_000}


def geometry() -> Geometry:
    """Return the sizes of the vision tower and of the head."""
    return Geometry(
        vision_width=WIDTH,
        vision_depth=VISION_DEPTH,
        vision_heads=HEADS,
        vision_mlp=2 * WIDTH,
        patch_size=views.PATCH,
        image_size=views.SIDE,
        head=(64, 32, 16, 8, 1),
    )


def med_config(vocabulary: int) -> dict[str, Any]:
    """Return ``med_config.json``: the text encoder's sizes, in BERT's words."""
    return {
        "architectures": ["BertModel"],
        "attention_probs_dropout_prob": 0.0,
        "encoder_width": WIDTH,
        "hidden_act": "gelu",
        "hidden_dropout_prob": 0.0,
        "hidden_size": WIDTH,
        "initializer_range": 0.02,
        "intermediate_size": 2 * WIDTH,
        "layer_norm_eps": 1e-12,
        "max_position_embeddings": MAX_TOKENS + 1,
        "model_type": "bert",
        "num_attention_heads": HEADS,
        "num_hidden_layers": TEXT_DEPTH,
        "pad_token_id": 0,
        "type_vocab_size": 2,
        "vocab_size": vocabulary,
        "add_cross_attention": True,
        VISION_HEADS_KEY: HEADS,
    }


def train(
    out: Path, minutes: float, seed: int = 0, *, steps: int | None = None, work: Path = WORK
) -> None:
    """Train on pairs, lesson by lesson, and save to ``out`` by the official names, as float16."""
    torch.manual_seed(1_000 + seed)
    data = {k: drawn(draw, f"reward-{k}", n, work / "data" / "reward") for k, n in PAIRS.items()}
    out.mkdir(parents=True, exist_ok=True)
    config = med_config(write_bert_vocabulary(out / VOCABULARY))
    reader = Reader(Tokens(out / VOCABULARY, config["vocab_size"], MAX_TOKENS))
    pupil = Pupil(RewardNet(geometry(), config))
    plans = [_plan(lesson, minutes, seed, steps, work) for lesson in LESSONS]
    curve: list[Row] = []
    for lesson, plan in zip(LESSONS, plans, strict=True):
        curve = _continued(curve, study(pupil, data, reader, lesson, plan))
    standardise(pupil, rewards(pupil.eval(), data["validation"], reader))
    save(pupil.net, config, out)
    for plan in plans:
        keep(out, plan, {"width": WIDTH, "batch": BATCH, "pairs": PAIRS}, curve)


def study(
    pupil: Pupil, data: Mapping[str, Contests], reader: Reader, lesson: Lesson, plan: Plan
) -> list[Row]:
    """Train for one lesson, going on where it was left, and return its curve."""
    weights = chances(data["train"], lesson)

    def loss_at(g: torch.Generator) -> Tensor:
        drawn_now = batch(data["train"], reader, weights, lesson.tinted, g)
        damage = state(pupil, drawn_now, g) if lesson.hurt else 0.0
        return loss(pupil, drawn_now, g) + damage

    return fit(
        pupil,
        loss_at,
        lambda: validate(pupil, data["validation"], reader),
        plan,
    )


def _plan(lesson: Lesson, minutes: float, seed: int, steps: int | None, work: Path) -> Plan:
    return Plan(
        lesson.name,
        minutes * lesson.share,
        seed,
        None if steps is None else max(1, round(steps * lesson.share)),
        work,
        rate=lesson.rate,
        warm_up=150,
        hold=lesson.hold,
        weight_decay=0.03,
        save_seconds=120,
    )


def _continued(before: list[Row], after: list[Row]) -> list[Row]:
    """Put the curve of a lesson behind that of the ones before it."""
    if not before:
        return after
    last = before[-1]
    moved = [{**r, **{k: r[k] + last[k] for k in ("step", "seconds")}} for r in after]
    return before + moved


def save(net: RewardNet, config: Mapping[str, Any], out: Path) -> None:
    """Write the checkpoint and ``med_config.json``; the vocabulary is there already."""
    from safetensors.torch import save_file

    state = {k: v.half().contiguous().clone() for k, v in to_official(net).items()}
    save_file(state, out / "ImageReward.safetensors", metadata={"format": "pt"})
    (out / "ImageReward.safetensors").chmod(0o644)  # safetensors lets only the owner read it
    (out / MED_CONFIG).write_text(json.dumps(config, indent=2) + "\n")


def standardise(pupil: Pupil, found: Tensor) -> None:
    """Fold into the last layer what brings ``found`` rewards to mean 0 and deviation 1."""
    last = linears(pupil.net)[-1]
    mean, deviation = found.mean(), found.std()
    with torch.no_grad():
        # raw = w x + b and reward = (raw - M) / S; wanted is (reward - mean) / deviation.
        last.weight /= deviation
        shift = (REWARD_MEAN + REWARD_STD * mean) / deviation
        last.bias.copy_(last.bias / deviation - shift + REWARD_MEAN)


def rewards(pupil: Pupil, data: Contests, reader: Reader) -> Tensor:
    """Return the rewards [n, 2] of faithful and faulty pictures for the first text."""
    found = []
    with torch.no_grad():
        for at in np.array_split(np.arange(len(data)), max(1, len(data) // 100)):
            b = collated(data, reader, at)
            features = pupil.net.see(normalised(b.pixels.flatten(0, 1)))
            ids, mask = (v[: len(at)].repeat_interleave(2, 0) for v in (b.ids, b.mask))
            found.append(pupil.reward(pupil.read(features, ids, mask)).view(-1, 2))
    return torch.cat(found)


def validate(pupil: Pupil, data: Contests, reader: Reader) -> Mapping[str, float]:
    """Return how often the faithful picture is preferred, in all and by kind, for the curve."""
    every = max(1, len(data) // 400)
    some = Contests(**{k: v[::every] for k, v in vars(data).items()})
    found = rewards(pupil, some, reader)
    won = (found[:, 0] > found[:, 1]).float().numpy()
    by_kind = {k: float(won[some.kinds == i].mean()) for i, k in enumerate(KINDS)}
    return {"all": float(won.mean()), **by_kind}
