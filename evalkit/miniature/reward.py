"""The miniature's ImageReward: official layout, small, learnt from faithful and faulty pictures.

It shares no weights, pictures or seeds with the miniature's CLIP. Its head is affine as the
official one, and its rewards are brought to about N(0, 1) on a mix of faithful and faulty pictures
at the end, where the official ones are on the authors' pictures.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from evalkit.miniature import views
from evalkit.miniature.data import WORK
from evalkit.miniature.facts import PER_CLASS
from evalkit.miniature.pairs import CONTENT, KINDS, Contests, draw
from evalkit.miniature.samples import drawn
from evalkit.miniature.tensors import normalised, varied
from evalkit.miniature.training import Plan, fit, keep
from evalkit.miniature.witness import Truth, Witness
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
BATCH = 24
PAIRS = {"train": 15_000, "validation": 1_000}
ABOUT_PATCHES, ABOUT_NOUNS, ABSOLUTE = 1.0, 0.2, 0.5
"""How much the questions and the judgement of single pictures weigh against the comparisons."""


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


class Pupil(nn.Module):
    """The reward network with the heads that question it in training."""

    def __init__(self, net: RewardNet) -> None:
        super().__init__()
        self.net = net
        self.witness = Witness(WIDTH, WIDTH)
        self.noun = nn.Linear(WIDTH, PER_CLASS)
        # BLIP draws these from N(0, 1), far too loud for a tower this narrow.
        with torch.no_grad():
            net.vision.embeddings.class_embedding.normal_(0, 0.02)
            net.vision.embeddings.position_embedding.normal_(0, 0.02)

    def read(self, features: Tensor, ids: Tensor, mask: Tensor) -> Tensor:
        """Return the text's states [n, tokens, width] with the pictures' features in sight."""
        seen = torch.ones(features.shape[:2], dtype=torch.long)
        output = self.net.text(
            input_ids=ids,
            attention_mask=mask,
            encoder_hidden_states=features,
            encoder_attention_mask=seen,
            is_decoder=False,
        )
        states: Tensor = output.last_hidden_state
        return states

    def reward(self, states: Tensor) -> Tensor:
        """Return the reward of the first token's state; without dropout, for the net is small."""
        value = states[:, 0]
        for layer in linears(self.net):
            value = layer(value)
        return (value[:, 0] - REWARD_MEAN) / REWARD_STD


def linears(net: RewardNet) -> list[nn.Linear]:
    """Return the head's linear layers."""
    return [layer for layer in net.head.layers if isinstance(layer, nn.Linear)]


def train(
    out: Path, minutes: float, seed: int = 0, *, steps: int | None = None, work: Path = WORK
) -> None:
    """Train on pairs and save to ``out`` under the official names, as float16."""
    torch.manual_seed(1_000 + seed)
    plan = Plan(
        "reward",
        minutes,
        seed,
        steps,
        work,
        warm_up=150,
        hold=0.3,
        weight_decay=0.03,
        save_seconds=240,
    )
    data = {k: drawn(draw, f"reward-{k}", n, work / "data" / "reward") for k, n in PAIRS.items()}
    out.mkdir(parents=True, exist_ok=True)
    config = med_config(write_bert_vocabulary(out / VOCABULARY))
    reader = Reader(Tokens(out / VOCABULARY, config["vocab_size"], MAX_TOKENS))
    pupil = Pupil(RewardNet(geometry(), config))
    curve = fit(
        pupil,
        lambda g: loss(pupil, batch(data["train"], reader, g), g),
        lambda: validate(pupil, data["validation"], reader),
        plan,
    )
    standardise(pupil, rewards(pupil.eval(), data["validation"], reader))
    save(pupil.net, config, out)
    keep(out, plan, {"width": WIDTH, "batch": BATCH, "pairs": PAIRS}, curve)


def save(net: RewardNet, config: Mapping[str, Any], out: Path) -> None:
    """Write the checkpoint and ``med_config.json``; the vocabulary is there already."""
    from safetensors.torch import save_file

    state = {k: v.half().contiguous().clone() for k, v in to_official(net).items()}
    save_file(state, out / "ImageReward.safetensors", metadata={"format": "pt"})
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


class Reader:
    """Texts to tokens, each text once."""

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens
        self._known: dict[bytes, list[int]] = {}

    def read(self, texts: Any) -> tuple[Tensor, Tensor]:
        """Return ids and mask [n, longest] of byte strings."""
        ids = [self._ids(t) for t in texts]
        longest = max(map(len, ids))
        padded = torch.tensor([row + [0] * (longest - len(row)) for row in ids])
        return padded, (torch.arange(longest) < torch.tensor([[len(r)] for r in ids])).long()

    def _ids(self, text: bytes) -> list[int]:
        if text not in self._known:
            self._known[text] = self._tokens.encode(text.decode())[0]
        return self._known[text]


@dataclass(frozen=True)
class Batch:
    """Contests as tensors: pictures [n, 2, ...]; texts flat, all first ones and then all second."""

    pixels: Tensor
    classes: Tensor
    holds: Tensor
    known: Tensor
    ids: Tensor
    mask: Tensor
    nouns: Tensor
    spots: Tensor
    turned: Tensor
    content: Tensor


def batch(data: Contests, reader: Reader, g: torch.Generator) -> Batch:
    """Draw contests by lot."""
    return collated(data, reader, torch.randint(len(data), (BATCH,), generator=g).numpy())


def collated(data: Contests, reader: Reader, at: Any) -> Batch:
    """Put the contests ``at`` together."""
    ids, mask = reader.read(data.texts[at].T.ravel())
    return Batch(
        pixels=torch.from_numpy(data.pixels[at]),
        classes=torch.from_numpy(data.classes[at]).long(),
        holds=torch.from_numpy(data.holds[at]).float(),
        known=torch.from_numpy(data.known[at]).float(),
        ids=ids,
        mask=mask,
        nouns=torch.from_numpy(data.nouns[at]).long(),
        spots=torch.from_numpy(data.spots[at]).long(),
        turned=torch.from_numpy(data.turned[at]),
        content=torch.from_numpy(data.kinds[at] < len(CONTENT)),
    )


def loss(pupil: Pupil, b: Batch, g: torch.Generator) -> Tensor:
    """Compare both pictures and both texts of each contest, and question patches and nouns."""
    n = len(b.pixels)
    pixels = varied(b.pixels.transpose(0, 1).flatten(0, 1), g)
    features = pupil.net.see(normalised(pixels))
    truth = Truth(b.holds.transpose(0, 1).flatten(0, 1), b.known.transpose(0, 1).flatten(0, 1))
    classes = b.classes.transpose(0, 1).flatten(0, 1)
    asked = ABOUT_PATCHES * pupil.witness.patches(features[:, 1:], classes, truth)
    picture = torch.arange(2 * n).repeat(2)  # the first texts see all pictures, then the second
    text = torch.arange(2 * n).view(2, 1, n).expand(2, 2, n).flatten()
    states = pupil.read(features[picture], b.ids[text], b.mask[text])
    asked = asked + ABOUT_NOUNS * _nouns(pupil, states, b, picture, truth)
    rewards_ = pupil.reward(states).view(2, 2, n)
    return _compared(rewards_, b) + ABSOLUTE * _judged(rewards_, b) + asked


def _compared(rewards_: Tensor, b: Batch) -> Tensor:
    """Bradley-Terry: the faithful picture wins, and so does the text that is true."""
    (good, bad), (good_other, bad_other) = rewards_
    turned, damaged = b.turned, ~b.content
    losses = [
        functional.softplus(bad - good).mean(),
        functional.softplus(good_other - good).mean(),
        (functional.softplus(good_other - bad_other) * turned).mean(),
        (functional.softplus(bad - bad_other) * turned).mean(),
        (functional.softplus(bad_other - bad) * damaged).mean(),
    ]
    return torch.stack(losses).sum()


def _judged(rewards_: Tensor, b: Batch) -> Tensor:
    """Judge each picture on its own, so that rewards of different prompts can be compared."""
    (good, bad), (good_other, bad_other) = rewards_
    losses = [
        functional.softplus(-good).mean(),
        functional.softplus(good_other).mean(),
        (functional.softplus(bad) * b.content).mean(),
        (functional.softplus(-bad_other) * b.turned).mean(),
    ]
    return torch.stack(losses).sum()


def _nouns(pupil: Pupil, states: Tensor, b: Batch, picture: Tensor, truth: Truth) -> Tensor:
    """Ask the state of each noun what the picture shows of that thing."""
    n = len(b.pixels)
    nouns, spots = (
        v.transpose(0, 1).unsqueeze(1).expand(2, 2, n, -1).flatten(0, 2) for v in (b.nouns, b.spots)
    )
    row, which = (nouns >= 0).nonzero(as_tuple=True)
    answers = pupil.noun(states[row, spots[row, which]])
    at = picture[row], nouns[row, which]
    holds, known = truth.holds[at], truth.known[at]
    weight = known * (1 + 2 * holds)
    error = functional.binary_cross_entropy_with_logits(
        answers, holds, weight=weight, reduction="sum"
    )
    return error / max(1, len(row))


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
