"""What a task costs: wall and CPU seconds and memory, in a fresh process that does nothing else."""

from __future__ import annotations

import ctypes
import gc
import multiprocessing
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Cost:
    """The best of some runs, after one on little data that imports and compiles what is needed."""

    wall: float
    busy: float
    """CPU seconds of all threads."""
    peak: float
    """Most MB that the process ever held: interpreter, packages, data and work."""
    work: float
    """Of them, what was not there before the first run."""
    answer: Any


def measure(
    task: Callable[[Any], Any], data: Callable[[int], Any], size: int, repeats: int
) -> Cost:
    """Run ``task(data(size))`` in a process of its own; both must be importable by name."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    worker = context.Process(target=_work, args=(task, data, size, repeats, there))
    worker.start()
    there.close()
    try:
        found: Cost = here.recv()
    finally:
        worker.join()
    return found


def _work(
    task: Callable[[Any], Any],
    data: Callable[[int], Any],
    size: int,
    repeats: int,
    answer: Connection,
) -> None:
    task(data(min(size, 1000)))
    given = data(size)
    gc.collect()
    # Memory that making the data has freed but kept would hide what the task needs.
    ctypes.CDLL("libc.so.6").malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")  # forget the peak so far
    before, times = _megabytes("VmRSS"), []
    for _ in range(repeats):
        start, busy = time.perf_counter(), time.process_time()
        found = task(given)
        times.append((time.perf_counter() - start, time.process_time() - busy))
    peak = _megabytes("VmHWM")
    walls, busies = zip(*times, strict=True)
    answer.send(Cost(min(walls), min(busies), peak, peak - before, found))


def _megabytes(name: str) -> float:
    """Read one of the kernel's figures on this process: memory now, or at its peak."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:")) / 1024
