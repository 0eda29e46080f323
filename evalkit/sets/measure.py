"""The stage that sees whole sets: a run's models against a reference, and their seeds apart."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit import provenance
from evalkit.errors import ImageError, SpecError
from evalkit.records import Generation, SetFigure
from evalkit.runs import Run
from evalkit.sets import distances
from evalkit.sets.distances import NEIGHBOURS, Distance, Moments
from evalkit.sets.features import Network
from evalkit.sets.reference import BATCH, Reference, check, finite

VERSION = 1
"""Raise it whenever a figure could change."""
SEEN_WITH = {"fid": "inception", "kid": "inception", "precision": "inception",
             "recall": "inception", "cmmd": "clip", "diversity": "clip"}  # fmt: skip
_PACKAGES = ("torch", "torch-fidelity", "transformers", "pillow", "numpy", "scipy")

Vectors = NDArray[np.float32]
Progress = Callable[[int], None]


@dataclass(frozen=True)
class Job:
    """One model's pictures, and the figures that are not known of them yet."""

    generations: tuple[Generation, ...]
    figures: tuple[SetFigure, ...]
    """All but what is to be found."""


def plan(run: Run, reference: Reference | None, networks: Mapping[str, Network]) -> list[Job]:
    """List the run's models with what is not known of their pictures as they are now."""
    metrics = list(_wanted(reference, networks))
    known = {_key(f) for f in run.sets()}
    of_model: dict[str, list[Generation]] = defaultdict(list)
    for generation in run.generations():
        of_model[generation.model].append(generation)
    jobs = []
    for model, pictures in run.picture_sets().items():
        made = of_model[model]
        blanks = [_blank(model, pictures, len(made), m, reference, networks) for m in metrics]
        left = tuple(b for b in blanks if _key(b) not in known)
        if left:
            jobs.append(Job(tuple(made), left))
    return jobs


def _wanted(reference: Reference | None, networks: Mapping[str, Network]) -> Iterator[str]:
    if not networks:
        raise SpecError("Nothing to see with. Give --inception FILE, --clip WEIGHTS, or both.")
    if reference is None and "clip" not in networks:
        raise SpecError("Inception's figures are against a reference. Give --reference FILE.")
    if reference is not None:
        check(reference.card, networks)
    for metric, network in SEEN_WITH.items():
        if network in networks and (reference is not None or metric == "diversity"):
            yield metric


def _key(figure: SetFigure) -> tuple[Any, ...]:
    weights = tuple(w.digest or w.revision for w in figure.weights)
    kind = (figure.model, figure.metric, figure.version, weights)
    return *kind, figure.pictures, figure.reference_digest, figure.reference_kept, figure.resize


def _blank(
    model: str,
    pictures: str,
    total: int,
    metric: str,
    reference: Reference | None,
    networks: Mapping[str, Network],
) -> SetFigure:
    """State what a figure is of, before there is one."""
    network = SEEN_WITH[metric]
    card = reference.card if reference is not None and metric != "diversity" else None
    return SetFigure(
        model=model,
        metric=metric,
        version=VERSION,
        count=0,
        total=total,
        pictures=pictures,
        reference=card.name if card else "",
        reference_digest=card.digest if card else "",
        reference_count=card.count if card else None,
        reference_kept=card.kept if card else None,
        resize=(card.resize or "") if card and network == "inception" else "",
        weights=(networks[network].info,),
        packages=provenance.packages(_PACKAGES),
        measured_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def measure(
    run: Run,
    reference: Reference | None,
    networks: Mapping[str, Network],
    *,
    progress: Progress = lambda _: None,
) -> list[SetFigure]:
    """Measure what is not known yet, one model at a time; each is written as soon as it is done."""
    made: list[SetFigure] = []
    with run.lock():
        for job in plan(run, reference, networks):
            needed = {SEEN_WITH[f.metric] for f in job.figures}
            used = {name: networks[name] for name in networks if name in needed}
            prompts, vectors = _see(run, job.generations, used, progress)
            found = [_filled(blank, prompts, vectors, reference) for blank in job.figures]
            run.add_sets(found)
            made += found
    return made


def _see(
    run: Run,
    generations: Sequence[Generation],
    networks: Mapping[str, Network],
    progress: Progress,
) -> tuple[list[str], dict[str, Vectors]]:
    """Return the prompts of the pictures that can be read, and the pictures' vectors, in order."""
    prompts: list[str] = []
    seen: dict[str, list[Vectors]] = defaultdict(list)
    for start in range(0, len(generations), BATCH):
        some = generations[start : start + BATCH]
        batch = list(_readable(run, some))
        prompts += [prompt for prompt, _ in batch]
        for name, network in networks.items():
            if batch:
                seen[name].append(network.see([picture for _, picture in batch]))
        progress(len(some))
    model = generations[0].model
    return prompts, {name: finite(np.concatenate(parts), model) for name, parts in seen.items()}


def _readable(run: Run, generations: Sequence[Generation]) -> Iterator[tuple[str, Any]]:
    for generation in generations:
        try:
            if generation.image is not None:
                yield generation.prompt_id, run.images.open(generation.image)
        except ImageError:
            continue  # the figure says of how many pictures it is


def _filled(
    blank: SetFigure,
    prompts: Sequence[str],
    vectors: Mapping[str, Vectors],
    reference: Reference | None,
) -> SetFigure:
    """Fill in a figure, or the reason why there is none."""
    made = vectors.get(SEEN_WITH[blank.metric], np.empty((0, 1), np.float32))
    if reference is None or blank.metric == "diversity":
        facts = _diversity(made, prompts)
    else:
        facts = _against(blank.metric, made, reference)
    return blank.model_copy(update={"count": len(prompts), **facts})


def _against(metric: str, made: Vectors, reference: Reference) -> dict[str, Any]:
    real = reference.vectors[SEEN_WITH[metric]]
    least = NEIGHBOURS + 2 if metric in ("precision", "recall") else 2
    if min(len(made), len(real)) < least:
        few = f"{len(made)} pictures against {len(real)}: {least} on both sides are the least"
        return {"reason": few}
    found = _distance(metric, made, real, reference.moments)
    if not math.isfinite(found.value):
        return {"reason": f"the arithmetic gave {found.value}"}
    return {"value": found.value, "spread": found.spread}


def _distance(metric: str, made: Vectors, real: Vectors, moments: Moments | None) -> Distance:
    if metric == "fid":
        return distances.fid(Moments.of(made), moments or Moments.of(real))
    if metric == "kid":
        return distances.kid(made, real)
    if metric == "cmmd":
        return distances.cmmd(made, real)
    return distances.precision_recall(made, real)[metric == "recall"]


def _diversity(made: Vectors, prompts: Sequence[str]) -> dict[str, Any]:
    rows: dict[str, list[int]] = defaultdict(list)
    for i, prompt in enumerate(prompts):
        rows[prompt].append(i)
    found = distances.diversity([made[some] for some in rows.values()])
    if found is None:
        return {"reason": "no prompt has pictures of two seeds"}
    low, high = found.interval() or (None, None)
    return {"value": found.value, "low": None if low is None else max(0.0, low), "high": high}
