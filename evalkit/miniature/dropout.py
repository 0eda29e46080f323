"""Encoder dropout: a teacher that hears T5 too, and has learned to do without (arXiv 2509.21318).

The teacher goes on with a small T5 in its third slot, whose words are zeros for a random half of
the captions: what the pipeline puts there when T5 is not loaded.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import nn

from evalkit.miniature import sd3
from evalkit.miniature.data import WORK
from evalkit.miniature.teacher import Teacher, data_for, learn
from evalkit.miniature.training import Plan, keep
from evalkit.miniature.words import SD3_TOKENS, t5_tokenizer

T5_TOKENS = 24
"""The pipeline is to be called with this ``max_sequence_length``."""
SILENT = 0.5
"""Share of captions whose T5 is dropped in training."""
SHORT = 10
"""Steps of a rehearsal."""
_DROPPED = -1


class TwoVoices(Teacher):
    """The teacher with T5, which is dropped for a share of each batch."""

    TOKENS = SD3_TOKENS + T5_TOKENS

    def __init__(self, folder: Path) -> None:
        self.tokenizer = t5_tokenizer()
        super().__init__(*sd3.load(folder))
        self.requires_grad_(True)
        self.third = sd3.t5(layers=2, heads=6)
        nn.init.constant_(self.third.encoder.final_layer_norm.weight, 0.1)

    def ids(self, texts: Sequence[str]) -> torch.Tensor:
        """Return what CLIP reads and, behind it, what T5 reads."""
        found = self.tokenizer(
            list(texts), padding="max_length", max_length=T5_TOKENS, truncation=True
        )
        return torch.cat([super().ids(texts), torch.tensor(found["input_ids"])], dim=1)

    def left_out(self, ids: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Leave out captions by lot, and T5 by another."""
        ids = super().left_out(ids, generator)
        self.attention.stand_for(1)
        silent = torch.rand(len(ids), generator=generator) < SILENT
        ids[silent, SD3_TOKENS:] = _DROPPED
        return ids

    def velocity(
        self, latents: torch.Tensor, time: torch.Tensor, ids: torch.Tensor
    ) -> torch.Tensor:
        """Return the velocity at noisy latents for captions, T5 silent where it is dropped."""
        clip, t5 = ids[:, :SD3_TOKENS], ids[:, SD3_TOKENS:]
        heard = (t5 != _DROPPED).unsqueeze(2)
        third = self.third(t5.clamp(min=0))[0] * heard
        sequence, pooled = self.texts(clip)
        return sd3.velocity(self.transformer, latents, time, sequence, pooled, third)


def train(
    out: Path,
    minutes: float,
    seed: int = 0,
    *,
    teacher: Path,
    steps: int | None = None,
    work: Path = WORK,
    short: bool = False,
) -> None:
    """Go on from the teacher's folder with T5 in its slot, and save the pipeline to ``out``."""
    torch.manual_seed(seed)
    plan = Plan(
        f"dropout{'-short' * short}",
        minutes,
        seed,
        SHORT if short else steps,
        work,
        rate=3e-4,
        warm_up=50,
        average=0.995,
    )
    model = TwoVoices(teacher)
    curve = learn(model, plan, *data_for(work, short=short))
    sd3.save(out, model.transformer, model.texts, model.third)
    keep(out, plan, {"silent": SILENT, "tokens": T5_TOKENS}, curve)
