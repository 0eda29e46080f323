"""Heads that ask a network for facts while it learns, and are thrown away afterwards.

Contrast alone leaves relations at chance: "a left of b" and "b left of a" share every word and
every object, so nothing easier leads there. What leads there is asking each patch first whose it
is and how that object stands to the other, then the whole picture, then the text.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from evalkit.miniature.facts import COLOR, RELATION, SHAPE
from evalkit.miniature.scenes import CLASSES

RARE = 4.0
"""Weight of a fact that holds against one that does not: most do not."""


@dataclass(frozen=True)
class Truth:
    """Facts of a batch as tensors: [batch, classes + 1, facts]."""

    holds: Tensor
    known: Tensor

    @classmethod
    def of(cls, holds: np.ndarray, known: np.ndarray) -> Truth:
        """Take facts from arrays of booleans."""
        return cls(torch.from_numpy(holds).float(), torch.from_numpy(known).float())


class Witness(nn.Module):
    """Linear questions about an embedding (picture or text) and about patches."""

    def __init__(self, embedding: int, patch: int) -> None:
        super().__init__()
        self.whole = nn.Linear(embedding, prod(SHAPE))
        self.whose = nn.Linear(patch, len(CLASSES) + 1)
        self.own = nn.Linear(patch, len(CLASSES) * _OWN)

    def about(self, embedding: Tensor, truth: Truth) -> Tensor:
        """Return the error about the facts of whole pictures or texts, per example."""
        return _error(self.whole(embedding).view(-1, *SHAPE), truth.holds, truth.known) / len(
            embedding
        )

    def patches(self, tokens: Tensor, classes: Tensor, truth: Truth) -> Tensor:
        """Return the error of [batch, patches, width] tokens about whose each is, and its facts.

        ``classes`` [batch, patches] are indices of classes, -1 where there is no object.
        """
        nobody = len(CLASSES)
        owner = torch.where(classes < 0, nobody, classes)
        whose = functional.cross_entropy(self.whose(tokens).flatten(0, 1), owner.flatten())
        picture, patch = (classes >= 0).nonzero(as_tuple=True)
        mine = classes[picture, patch]
        asked = self.own(tokens[picture, patch]).view(len(mine), len(CLASSES), _OWN)
        facts = asked[torch.arange(len(mine)), mine]
        rows = slice(RELATION.start, COLOR.stop)
        holds, known = truth.holds[picture, mine, rows], truth.known[picture, mine, rows]
        return whose + _error(facts, holds, known) / max(1, len(mine))


_OWN = COLOR.stop - RELATION.start


def _error(answers: Tensor, holds: Tensor, known: Tensor) -> Tensor:
    weight = known * (1 + (RARE - 1) * holds)
    return functional.binary_cross_entropy_with_logits(
        answers, holds, weight=weight, reduction="sum"
    )
