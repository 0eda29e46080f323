"""How the small ImageReward learns: what is compared, and what the network is asked besides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from evalkit.geneval import COLORS
from evalkit.miniature.facts import COLOR, PER_CLASS
from evalkit.miniature.pairs import CONTENT, DAMAGE, KINDS, Contests
from evalkit.miniature.tensors import hurt, normalised, tinted, varied
from evalkit.miniature.witness import Truth, Witness
from evalkit.scorers.image_reward import Tokens
from evalkit.scorers.reward_net import REWARD_MEAN, REWARD_STD, RewardNet

BATCH = 24
ABOUT_PATCHES, ABOUT_NOUNS, ABOUT_DAMAGE, ABSOLUTE = 1.0, 0.2, 1.0, 0.5
"""How much the questions and the judgement of single pictures weigh against the comparisons."""
COLOR_WORDS = {f.encode() for c in COLORS for f in (c, f"{c}-colored")}


@dataclass(frozen=True)
class Lesson:
    """A part of the training: how long, how fast, and which contests are drawn how often."""

    name: str
    share: float
    """Of all steps or minutes."""
    rate: float
    hold: float
    emphasis: Mapping[str, float]
    """How often a contest is drawn for its kind, beside how often there are any; 1 unless given."""
    tinted: float = 0.0
    """Share of the contests without a colour in their texts that have their colours mixed up."""
    hurt: bool = False
    """Whether every faithful picture is also set beside itself, blurred or grainy."""


LESSONS = (
    Lesson("reward", 0.68, 1e-3, 0.3, {}),
    Lesson(
        "reward-damage",
        0.32,
        6e-4,
        0.2,
        {"wrong_class": 1.5, "blur": 6.0, "noise": 6.0, "vae": 6.0},
        tinted=0.15,
        hurt=True,
    ),
)
"""First what pictures show, which is hard; then, mostly, in what state they are."""


class Pupil(nn.Module):
    """The reward network with the heads that question it in training."""

    def __init__(self, net: RewardNet) -> None:
        super().__init__()
        self.net = net
        width = net.geometry.vision_width
        self.witness = Witness(width, width)
        self.noun = nn.Linear(width, PER_CLASS)
        self.damage = nn.Linear(width, len(DAMAGE))
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
    kinds: Tensor

    @property
    def content(self) -> Tensor:
        """Where the scene is at fault, and not the picture damaged."""
        return self.kinds < len(CONTENT)


def chances(data: Contests, lesson: Lesson) -> Tensor:
    """Return how often to draw each contest."""
    by_kind = np.array([lesson.emphasis.get(k, 1.0) for k in KINDS])
    return torch.from_numpy(by_kind[data.kinds])


def batch(
    data: Contests, reader: Reader, weights: Tensor, tint: float, g: torch.Generator
) -> Batch:
    """Draw contests by lot, and mix up the colours of a share ``tint`` of those without any."""
    at = torch.multinomial(weights, BATCH, replacement=True, generator=g).numpy()
    b = collated(data, reader, at)
    plain = torch.tensor([not COLOR_WORDS & set(b" ".join(t).split()) for t in data.texts[at]])
    mixed = plain & (torch.rand(BATCH, generator=g) < tint)
    b.pixels[mixed] = tinted(b.pixels[mixed], g)
    b.known[mixed, :, :, COLOR] = 0
    return b


def collated(data: Contests, reader: Reader, at: Any) -> Batch:
    """Put the contests ``at`` together."""
    ids, mask = reader.read(data.texts[at].T.ravel())
    return Batch(
        pixels=torch.from_numpy(data.pixels[at]).float(),
        classes=torch.from_numpy(data.classes[at]).long(),
        holds=torch.from_numpy(data.holds[at]).float(),
        known=torch.from_numpy(data.known[at]).float(),
        ids=ids,
        mask=mask,
        nouns=torch.from_numpy(data.nouns[at]).long(),
        spots=torch.from_numpy(data.spots[at]).long(),
        turned=torch.from_numpy(data.turned[at]),
        kinds=torch.from_numpy(data.kinds[at]).long(),
    )


def loss(pupil: Pupil, b: Batch, g: torch.Generator) -> Tensor:
    """Compare both pictures and both texts of each contest, and question patches and nouns."""
    n = len(b.pixels)
    pixels = varied(b.pixels.transpose(0, 1).flatten(0, 1), g)
    features = pupil.net.see(normalised(pixels))
    truth = Truth(b.holds.transpose(0, 1).flatten(0, 1), b.known.transpose(0, 1).flatten(0, 1))
    classes = b.classes.transpose(0, 1).flatten(0, 1)
    asked = ABOUT_PATCHES * pupil.witness.patches(features[:, 1:], classes, truth)
    asked = asked + ABOUT_DAMAGE * _damage(pupil, features[:, 1:].mean(1), b)
    picture = torch.arange(2 * n).repeat(2)  # the first texts see all pictures, then the second
    text = torch.arange(2 * n).view(2, 1, n).expand(2, 2, n).flatten()
    states = pupil.read(features[picture], b.ids[text], b.mask[text])
    asked = asked + ABOUT_NOUNS * _nouns(pupil, states, b, picture, truth)
    rewards_ = pupil.reward(states).view(2, 2, n)
    return _compared(rewards_, b) + ABSOLUTE * _judged(rewards_, b) + asked


def state(pupil: Pupil, b: Batch, g: torch.Generator) -> Tensor:
    """Set each faithful picture beside itself, damaged anew: unseen damage, as much as wanted."""
    n = len(b.pixels)
    damaged, strength = hurt(b.pixels[:, 0], g)
    features = pupil.net.see(normalised(varied(torch.cat([b.pixels[:, 0], damaged]), g)))
    ids, mask = (v[:n].repeat(2, 1) for v in (b.ids, b.mask))
    good, bad = pupil.reward(pupil.read(features, ids, mask)).view(2, n)
    # The worse the damage, the less may the picture be called good on its own.
    return functional.softplus(bad - good).mean() + (strength * functional.softplus(bad)).mean()


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


def _damage(pupil: Pupil, features: Tensor, b: Batch) -> Tensor:
    """Ask every picture how it was damaged, if it was."""
    kinds = functional.one_hot(b.kinds, len(KINDS))[:, len(CONTENT) :].float()
    truth = torch.cat([torch.zeros_like(kinds), kinds])
    return functional.binary_cross_entropy_with_logits(pupil.damage(features), truth) * len(DAMAGE)


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
