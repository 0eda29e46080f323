"""What the models of a leaderboard cost, as `evalkit bench` measured it, in a table."""

from __future__ import annotations

from collections.abc import Iterator

from evalkit.board import Leaderboard
from evalkit.records import Cost
from evalkit.wording import NONE, figure

HEAD = (
    "model", "batch", "s/picture", "95th percentile", "denoiser", "without text", "decoder",
    "evaluations", "memory", "weights", "on disk", "load",
)  # fmt: skip


def note(board: Leaderboard) -> str:
    """Say by what protocol and on which machine the figures were measured."""
    first = board.costs[0]
    devices = {_device(c) for c in board.costs}
    told = " and ".join(sorted(devices))
    memory = {c.memory_of for c in board.costs}
    peak = {
        "accelerator": "what the accelerator's allocator held at most",
        "process": "all that the process had in memory at most (there was no accelerator)",
    }
    return (
        f"Each model and batch size in a process of its own on {told}: {first.warmup} batches "
        f"unmeasured, then the median of {first.repeats}, from text to pixels. Parts are timed "
        "apart; “without text” leaves the text encoders out. Memory is "
        f"{' or '.join(peak[m] for m in sorted(filter(None, memory)))}."
        + (" These are several machines: do not compare across them." if len(devices) > 1 else "")
    )


def _device(cost: Cost) -> str:
    accelerator = cost.device.get("accelerator", "none")
    if accelerator != "none":
        return str(accelerator)
    threads = cost.device.get("threads", 1)
    return f"a CPU ({cost.device.get('machine', '')}, {threads} thread{'s' * (threads != 1)})"


def words(board: Leaderboard) -> Iterator[tuple[str, ...]]:
    """Yield the table's rows under ``HEAD``."""
    yield from map(line, board.costs)


def line(cost: Cost) -> tuple[str, ...]:
    """Write one measurement; where there is none, the reason stands in the place of the seconds."""
    if cost.seconds is None:
        return (cost.model, str(cost.batch), f"{NONE} ({cost.error})", *[NONE] * (len(HEAD) - 3))
    textless = cost.seconds - cost.parts["text"] if "text" in cost.parts else None
    return (
        cost.model,
        str(cost.batch),
        figure(cost.seconds),
        figure(cost.seconds_p95),
        figure(cost.parts.get("denoiser")),
        figure(textless),
        figure(cost.parts.get("decoder")),
        NONE if cost.evaluations is None else f"{cost.evaluations:g}",
        *(_size(mb) for mb in (cost.peak_memory_mb, cost.weights_mb, cost.disk_mb)),
        f"{figure(cost.load_seconds, 1)} s",
    )


def _size(megabytes: float | None) -> str:
    if megabytes is None:
        return NONE
    return (
        f"{figure(megabytes / 1000, 1)} GB" if megabytes >= 1000 else f"{figure(megabytes, 0)} MB"
    )


def markdown(board: Leaderboard) -> list[str]:
    """Return the section's lines, none where nothing was measured."""
    if not board.costs:
        return []
    lines = ["## What a picture costs", "", note(board), ""]
    lines += ["| " + " | ".join(HEAD) + " |", "|" + " --- |" * len(HEAD)]
    rows = ("| " + " | ".join(w.replace("|", "\\|") for w in row) + " |" for row in words(board))
    return [*lines, *rows, ""]
