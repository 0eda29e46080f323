"""Distances between two sets of vectors, through torch-fidelity where it has them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit import clusters
from evalkit.scorers.batches import needs_models

Vectors = NDArray[np.float32]

NEIGHBOURS = 3
SUBSETS, SUBSET = 100, 1000
SIGMA, SCALE = 10.0, 1000.0
_ROWS = 2000


@dataclass(frozen=True)
class Moments:
    """Mean and covariance of a set's vectors."""

    mu: NDArray[np.float32]
    sigma: NDArray[np.float64]

    @classmethod
    def of(cls, vectors: Vectors) -> Moments:
        """Take them of at least two vectors."""
        with needs_models("FID"):
            from torch_fidelity.metric_fid import fid_features_to_statistics
        found = fid_features_to_statistics(_tensor(vectors))
        return cls(found["mu"], found["sigma"])


@dataclass(frozen=True)
class Distance:
    """A value; of an average over subsets also how they spread."""

    value: float
    spread: float | None = None


def fid(made: Moments, real: Moments) -> Distance:
    """Frechet inception distance (Heusel et al. 2017, arXiv 1706.08500, equation 6)."""
    with needs_models("FID"):
        from torch_fidelity.metric_fid import fid_statistics_to_metric
    pair = ({"mu": m.mu, "sigma": m.sigma} for m in (made, real))
    return Distance(fid_statistics_to_metric(*pair, verbose=False)["frechet_inception_distance"])


def kid(made: Vectors, real: Vectors) -> Distance:
    """Kernel inception distance (Binkowski et al. 2018, arXiv 1801.01401, section 4).

    The mean of a hundred draws of a thousand pictures, or of all where one set has fewer; drawn
    with a fixed seed. Unbiased, so it may fall below zero.
    """
    with needs_models("KID"):
        from torch_fidelity.metric_kid import kid_features_to_metric
    size = min(SUBSET, len(made), len(real))
    found = kid_features_to_metric(
        _tensor(made), _tensor(real), kid_subsets=SUBSETS, kid_subset_size=size, verbose=False
    )
    whole = size == max(len(made), len(real))  # every draw is the same
    spread = None if whole else found["kernel_inception_distance_std"]
    return Distance(found["kernel_inception_distance_mean"], spread)


def precision_recall(made: Vectors, real: Vectors) -> tuple[Distance, Distance]:
    """Improved precision and recall (Kynkaanniemi et al. 2019, arXiv 1904.06991), 3 neighbours."""
    with needs_models("Precision and recall"):
        from torch_fidelity.metric_prc import prc_features_to_metric
    found = prc_features_to_metric(
        _tensor(made),
        _tensor(real),
        prc_neighborhood=NEIGHBOURS,
        prc_batch_size=_ROWS,
        save_cpu_ram=True,
        verbose=False,
    )
    return Distance(found["precision"]), Distance(found["recall"])


def cmmd(made: Vectors, real: Vectors) -> Distance:
    """CLIP maximum mean discrepancy (Jayasumana et al. 2024, arXiv 2401.09603, section 4).

    1000 x the biased squared discrepancy under a Gaussian kernel of sigma 10.
    """
    own = _kernel(made, made) + _kernel(real, real)
    return Distance(SCALE * (own - 2 * _kernel(made, real)))


def _kernel(a: Vectors, b: Vectors) -> float:
    """Average the kernel over all pairs, some rows at a time."""
    x, y = a.astype(np.float64), b.astype(np.float64)
    lengths = (y * y).sum(axis=1)
    sums = []
    for start in range(0, len(x), _ROWS):
        rows = x[start : start + _ROWS]
        squares = (rows * rows).sum(axis=1)[:, None] + lengths - 2 * rows @ y.T
        sums.append(float(np.exp(-squares / (2 * SIGMA**2)).sum()))
    return math.fsum(sums) / (len(x) * len(y))


def diversity(of_prompt: Sequence[Vectors]) -> clusters.Mean | None:
    """Average over prompts how far apart the pictures of their seeds are: 1 - cosine, all pairs.

    Zero where every seed gives the same picture; None where no prompt has two pictures.
    """
    apart = [_apart(vectors) for vectors in of_prompt if len(vectors) > 1]
    return clusters.mean(clusters.Stratum.of([[a] for a in apart])) if apart else None


def _apart(vectors: Vectors) -> float:
    x = vectors.astype(np.float64)
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    above = np.triu_indices(len(x), k=1)
    return max(0.0, float((1 - x @ x.T)[above].mean()))


def _tensor(vectors: Vectors) -> Any:
    import torch

    return torch.from_numpy(vectors)
