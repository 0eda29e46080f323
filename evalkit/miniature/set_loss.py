"""Mask2Former's training loss (arXiv 2112.01527 §3), over all pixels and all layers at once.

The authors sample points to save memory; masks of a few hundred cells need no sampling, and the
dense form learns sooner and faster here.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor
from torch.nn.functional import cross_entropy, softplus

CLASS_WEIGHT, MASK_WEIGHT, DICE_WEIGHT = 2.0, 10.0, 5.0
NO_OBJECT_WEIGHT = 0.3
"""Most queries find nothing; their part in the class loss is reduced."""


def set_loss(
    class_logits: Sequence[Tensor], mask_logits: Sequence[Tensor], masks: Tensor, labels: Tensor
) -> Tensor:
    """Return the loss summed over decoder layers.

    Per layer: class logits [B, Q, C + 1] and mask logits [B, Q, h, w]. Targets: ``masks``
    [B, G, h, w] in 0..1 (a cell's covered share) and ``labels`` [B, G], -1 where there is none.
    """
    classes, logits = torch.stack(list(class_logits)), torch.stack(list(mask_logits)).flatten(3)
    error, dice = _mask_costs(logits, masks.flatten(2).transpose(1, 2))
    with torch.no_grad():
        cost = MASK_WEIGHT * error + DICE_WEIGHT * dice - CLASS_WEIGHT * _likely(classes, labels)
        at = _assign(cost, labels)
    layer, image, query, thing = at
    aim = torch.full(classes.shape[:3], classes.shape[-1] - 1)
    aim[layer, image, query] = labels[image, thing]
    weight = torch.ones(classes.shape[-1])
    weight[-1] = NO_OBJECT_WEIGHT
    named = cross_entropy(classes.flatten(0, 2), aim.flatten(), weight=weight) * len(classes)
    count = max(1, int((labels >= 0).sum()))
    shaped = MASK_WEIGHT * error[at].sum() + DICE_WEIGHT * dice[at].sum()
    return CLASS_WEIGHT * named + shaped / count


def _mask_costs(logits: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Return cross-entropy and Dice of every query against every object: [L, B, Q, G] each."""
    error = (softplus(logits).sum(-1, keepdim=True) - logits @ target) / logits.shape[-1]
    shape = logits.sigmoid()
    sizes = shape.sum(-1, keepdim=True) + target.sum(1)[None, :, None]
    return error, 1 - (2 * (shape @ target) + 1) / (sizes + 1)


def _likely(classes: Tensor, labels: Tensor) -> Tensor:
    """Return the probability that each query gives to each object's class: [L, B, Q, G]."""
    layers, images, queries, _ = classes.shape
    index = labels.clamp(min=0)[None, :, None].expand(layers, images, queries, labels.shape[1])
    return classes.softmax(-1).gather(3, index)


def _assign(cost: Tensor, labels: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Match queries with objects at the least total cost: layer, image, query, object indices."""
    table, real = cost.nan_to_num(1e6).numpy(), (labels >= 0).numpy()
    found = []
    for layer in range(table.shape[0]):
        for image in range(table.shape[1]):
            things = real[image].nonzero()[0]
            queries, columns = linear_sum_assignment(table[layer, image][:, things])
            found += [(layer, image, q, things[c]) for q, c in zip(queries, columns, strict=True)]
    layers, images, queries, things = torch.tensor(found, dtype=torch.long).reshape(-1, 4).T
    return layers, images, queries, things
