"""What a picture costs: time, memory and bytes, by one protocol and in a process of its own.

Of each model and batch size a new process loads the weights, draws ``warmup`` batches that do not
count, then ``repeats`` batches timed as a whole, then as many with the parts timed. Every batch
takes the suite's next prompts, text encoding and decoding to pixels included. A batch that does
not fit, or that the pipeline draws in pieces, is a row with a reason.
"""

from __future__ import annotations

import math
import resource
import statistics
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count, cycle, islice
from multiprocessing import get_context
from typing import Any

from evalkit import provenance, registry
from evalkit.errors import SpecError, UnknownNameError
from evalkit.generate import PACKAGES, device
from evalkit.generators import Generator, Paid, Picture, Timed
from evalkit.records import Cost, ModelSpec, Prompt
from evalkit.runs import Run

WARMUP, REPEATS = 2, 10


@dataclass(frozen=True)
class Protocol:
    """How often each thing is drawn."""

    warmup: int = WARMUP
    """Batches drawn first, which do not count."""
    repeats: int = REPEATS
    """Batches of which the median and the 95th percentile are told."""


class Undrawn(Exception):  # noqa: N818 - it names an outcome of measuring, not a fault of the program
    """A batch could not be measured; the message says why."""


def measure(
    run: Run, names: Sequence[str], batches: Sequence[int], protocol: Protocol
) -> Iterator[Cost]:
    """Measure models of a run at each batch size, and keep each row as it is made."""
    specs = {spec.name: spec for spec in run.manifest.models}
    for name in names:
        if name not in specs:
            raise UnknownNameError("model of this run", name, specs)
    if protocol.repeats < 1 or any(size < 1 for size in batches):
        raise SpecError("A batch has at least one picture, and at least one must be repeated.")
    with run.lock():
        for name in names or list(specs):
            for size in batches:
                cost = _apart(specs[name], run.suite.prompts, size, protocol)
                run.add_cost(cost)
                yield cost


def _apart(spec: ModelSpec, prompts: Sequence[Prompt], size: int, protocol: Protocol) -> Cost:
    """Measure in a new process, whose peak of memory is that of this work alone."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        try:
            return pool.submit(here, spec, prompts, size, protocol).result()
        except BrokenProcessPool:
            return _row(spec, size, protocol, error="the process was killed: out of memory?")


def here(spec: ModelSpec, prompts: Sequence[Prompt], size: int, protocol: Protocol) -> Cost:
    """Measure in this process."""
    generator = registry.generator(spec)
    if isinstance(generator, Paid):
        return _row(spec, size, protocol, error="a service draws it, for money and elsewhere")
    started = time.perf_counter()
    generator.load()
    loaded = time.perf_counter() - started
    turns = _turns(generator, prompts, size)
    try:
        whole = list(islice(turns, protocol.warmup + protocol.repeats))[protocol.warmup :]
        parts = _parts(generator, turns, protocol.repeats)
    except Undrawn as error:
        return _row(spec, size, protocol, error=str(error), load_seconds=loaded)
    seconds = sorted(turn.seconds / size for turn in whole)
    peaks = [p.peak_memory_mb for t in whole for p in t.pictures if p.peak_memory_mb is not None]
    return _row(
        spec,
        size,
        protocol,
        load_seconds=loaded,
        seconds=statistics.median(seconds),
        seconds_p95=_quantile(seconds, 0.95),
        parts={part: value / size for part, value in parts.items()},
        peak_memory_mb=max(peaks, default=None) or _resident_mb(),
        memory_of="accelerator" if peaks else "process",
        **_sizes(generator.realised()),
    )


@dataclass(frozen=True)
class _Turn:
    seconds: float
    pictures: Sequence[Picture]


def _turns(generator: Generator, prompts: Sequence[Prompt], size: int) -> Iterator[_Turn]:
    """Draw batch after batch of the suite's prompts, each picture from a seed of its own."""
    endless, seeds = cycle(prompts), count()
    while True:
        batch, numbers = list(islice(endless, size)), list(islice(seeds, size))
        started = time.perf_counter()
        pictures = generator.draw(batch, numbers)
        seconds = time.perf_counter() - started
        if reasons := [p.error for p in pictures if p.error]:
            raise Undrawn(reasons[0])
        if isinstance(generator, Timed) and generator.together != size:
            raise Undrawn(f"the pipeline draws {generator.together} together, not {size}")
        yield _Turn(seconds, pictures)


def _parts(generator: Generator, turns: Iterator[_Turn], repeats: int) -> dict[str, float]:
    """Return the median seconds of each part of a batch, drawn once more for it."""
    if not isinstance(generator, Timed):
        return {}
    found: dict[str, list[float]] = {}
    for _ in range(repeats):
        with generator.stopwatch() as laps:
            next(turns)
        for part, seconds in laps.items():
            found.setdefault(part, []).append(seconds)
    return {part: statistics.median(seconds) for part, seconds in found.items()}


def _quantile(ordered: Sequence[float], share: float) -> float:
    """Return the smallest value that at least this share does not exceed."""
    return ordered[math.ceil(share * len(ordered)) - 1]


def _resident_mb() -> float:
    """Return the most memory that this process ever had, in MB of 10^6 bytes."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def _sizes(realised: Mapping[str, Any]) -> dict[str, Any]:
    weights = realised.get("weight_bytes")
    files = [realised["weights"], *realised.get("adapters", ())] if "weights" in realised else []
    return {
        "weights_mb": sum(weights.values()) / 1e6 if weights else None,
        "disk_mb": sum(f.get("bytes", 0) for f in files) / 1e6 if files else None,
        "evaluations": realised.get("evaluations"),
    }


def _row(spec: ModelSpec, size: int, protocol: Protocol, **found: Any) -> Cost:
    return Cost(
        model=spec.name,
        fingerprint=spec.fingerprint,
        batch=size,
        warmup=protocol.warmup,
        repeats=protocol.repeats,
        device=device(),
        packages=provenance.packages(PACKAGES),
        measured_at=datetime.now(UTC).isoformat(timespec="seconds"),
        **found,
    )
