"""Where a run departed from the recipes of its models, as the catalogue has them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from evalkit.records import About, Manifest
from evalkit.wording import schedule

EXACTNESS = 1e-4
"""Of a schedule's first timestep: recipes give one digit after the point of a thousand."""


def departures(manifest: Manifest) -> Iterator[str]:
    """Say which models did not run as their recipe says, in a sentence each.

    The weights decide as well: a scheduler that is configured otherwise makes other timesteps.
    """
    for name, about in manifest.about.items():
        realised = manifest.realised.get(name, {})
        found = [
            *_timesteps(about, realised.get("timesteps")),
            *_evaluations(about, realised.get("evaluations")),
        ]
        if found:
            yield f"{name} did not run as its recipe says: {'; '.join(found)}."


def _timesteps(about: About, found: Sequence[float] | None) -> Iterator[str]:
    if not about.schedule or not found or _same(about.schedule, found):
        return
    yield f"timesteps {schedule(found)} instead of {schedule(about.schedule)}"


def _same(published: Sequence[float], found: Sequence[float]) -> bool:
    exact = EXACTNESS * max(published)
    return len(published) == len(found) and all(
        math.isclose(p, f, rel_tol=0, abs_tol=exact) for p, f in zip(published, found, strict=True)
    )


def _evaluations(about: About, found: float | None) -> Iterator[str]:
    if about.evaluations is None or found is None or about.evaluations == found:
        return
    yield f"{found:g} evaluations of the denoiser a picture instead of {about.evaluations}"
