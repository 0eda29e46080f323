"""One line of a judge's report: how often it was right, of how many, how surely."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

Z = 1.959963984540054
"""The normal distribution's 97.5 % point."""


@dataclass(frozen=True)
class Row:
    """A share of ``total`` cases on which a judge did well, under a condition in words."""

    judge: str
    condition: str
    measure: str
    hits: int
    total: int

    @property
    def share(self) -> float | None:
        """The share, or None where there was no case."""
        return self.hits / self.total if self.total else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """Wilson's 95 % interval of the share (JASA 1927, 22:209)."""
        if not self.total:
            return None
        n, p = self.total, self.hits / self.total
        centre, spread = p + Z * Z / (2 * n), Z * math.sqrt(p * (1 - p) / n + Z * Z / (4 * n * n))
        scale = 1 + Z * Z / n
        return max(0.0, (centre - spread) / scale), min(1.0, (centre + spread) / scale)


def row(judge: str, condition: str, measure: str, outcomes: Iterable[bool]) -> Row:
    """Count outcomes into a row."""
    given = list(outcomes)
    return Row(judge, condition, measure, sum(given), len(given))
