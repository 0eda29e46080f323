"""The Fréchet distance of sets of pictures, with an interval over prompts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import stdtrit

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Features:
    """Feature vectors [n, d] and the prompt [n] that each is of."""

    vectors: Floats
    prompts: npt.NDArray[np.str_]


@dataclass(frozen=True)
class Distance:
    """A figure with its 95 % interval."""

    value: float
    low: float
    high: float


class Reference:
    """The Gaussian of the pictures that all others are compared with."""

    def __init__(self, features: Features) -> None:
        self._mean = features.vectors.mean(axis=0)
        cov = np.cov(features.vectors, rowvar=False)
        self._trace = float(np.trace(cov))
        self._root = root(cov)

    def distance(self, mean: Floats, cov: Floats) -> float:
        """Return |m - m'|^2 + Tr(C + C' - 2 (C C')^1/2).

        Dowson and Landau, Journal of Multivariate Analysis 12(3), 1982; of pictures first in
        arXiv 1706.08500, eq. 6. The trace of the product's root is that of (R C R)^1/2, where R is
        the root of C': symmetric, so that no imaginary parts arise.
        """
        shift = float(((mean - self._mean) ** 2).sum())
        spectrum = np.linalg.eigvalsh(self._root @ cov @ self._root)
        common = float(np.sqrt(spectrum.clip(0)).sum())
        return shift + float(np.trace(cov)) + self._trace - 2 * common

    def of(self, features: Features) -> float:
        """Return the distance of a set of pictures."""
        return self.distance(features.vectors.mean(axis=0), np.cov(features.vectors, rowvar=False))

    def without_each(self, features: Features) -> Floats:
        """Return the distances without each prompt's pictures, in the prompts' order."""
        return np.array([self.distance(m, c) for m, c in _without_each(features)])


def root(cov: Floats) -> Floats:
    """Return the symmetric square root of a covariance."""
    spectrum, axes = np.linalg.eigh(cov)
    found: Floats = (axes * np.sqrt(spectrum.clip(0))) @ axes.T
    return found


def _without_each(features: Features) -> Iterator[tuple[Floats, Floats]]:
    x = features.vectors - features.vectors.mean(axis=0)  # centred, so that sums keep their digits
    count, total, square = len(x), x.sum(axis=0), x.T @ x
    for prompt in np.unique(features.prompts):
        left_out = x[features.prompts == prompt]
        n = count - len(left_out)
        mean = (total - left_out.sum(axis=0)) / n
        cov = (square - left_out.T @ left_out - n * np.outer(mean, mean)) / (n - 1)
        yield mean + features.vectors.mean(axis=0), cov


def jackknife(value: float, without_each: Sequence[float] | Floats) -> Distance:
    """Give a figure its interval from what it would be without each prompt.

    The delete-one jackknife (Efron and Stein, Annals of Statistics 9(3), 1981); it shows the
    spread and not the bias, which a small set of pictures adds to the distance itself.
    """
    left = np.asarray(without_each)
    n = len(left)
    error = np.sqrt((n - 1) / n * ((left - left.mean()) ** 2).sum())
    half = float(error * stdtrit(n - 1, 0.975))
    return Distance(value, value - half, value + half)
