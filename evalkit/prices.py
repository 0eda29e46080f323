"""What pictures of a paid service cost, and that nothing is spent unless a cap allows it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from evalkit import registry
from evalkit.errors import SpecError
from evalkit.generators import Paid
from evalkit.records import About, ModelSpec

EXACT = 1e-6
"""Dollars by which sums of many prices may be off."""


def costs(
    specs: Sequence[ModelSpec], about: Mapping[str, About], pictures: Mapping[str, int]
) -> dict[str, float]:
    """Estimate in US dollars what each paid model's pictures cost; models that run here are free.

    Raises SpecError for a service whose price nobody stated.
    """
    return {s.name: _price(s, about) * pictures.get(s.name, 0) for s in specs if _paid(s)}


def check(found: Mapping[str, float], most: float | None) -> None:
    """Raise SpecError unless a cap was given that all of it stays under."""
    total = sum(found.values())
    if not total <= (most or 0.0) + EXACT:  # so put, what is no number allows nothing
        allowed = "no --max-cost allows it" if most is None else f"--max-cost is {most:.2f}"
        raise SpecError(
            f"{' and '.join(found)} would cost about {total:.2f} dollars, and {allowed}. "
            f"Give --max-cost {_up(total):.2f}, or draw fewer: --limit, --seeds."
        )


def told(price: float) -> str:
    """Write a cost for a plan."""
    return f"about {price:.2f} dollars"


def _paid(spec: ModelSpec) -> bool:
    return isinstance(registry.generator(spec), Paid)


def _price(spec: ModelSpec, about: Mapping[str, About]) -> float:
    known = about.get(spec.name)
    if known is None or known.price is None:
        raise SpecError(
            f"Model {spec.name!r} is drawn by a service, and its entry states no price. "
            "Add price = dollars a picture to its table in a catalogue of yours."
        )
    return known.price


def _up(dollars: float) -> float:
    """Round up to a cent, so that the cap that an error offers is enough."""
    return -(-round(dollars * 100, 6) // 1) / 100
