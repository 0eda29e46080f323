"""GenEval's own result rows (``results.jsonl``): write ours, read and sum up anybody's."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from evalkit.errors import EvalkitError
from evalkit.prompts import metadata
from evalkit.records import Prompt

FIELDS = ("tag", "correct", "metadata")
"""What a row must hold to be summed up."""


@dataclass(frozen=True)
class TaskSummary:
    """One task's pictures."""

    tag: str
    correct: int
    images: int

    @property
    def share(self) -> float:
        """Share of the task's pictures that are right."""
        return self.correct / self.images


@dataclass(frozen=True)
class RowsSummary:
    """What GenEval's ``summary_scores.py`` prints."""

    images: int
    prompts: int
    correct_images: float
    """Share of pictures that are right."""
    correct_prompts: float
    """Share of prompts with at least one right picture."""
    tasks: tuple[TaskSummary, ...]

    @property
    def overall(self) -> float:
        """GenEval's score: the mean of the tasks' shares, each task counting the same."""
        return fmean(task.share for task in self.tasks)


def official_row(filename: str, prompt: Prompt, detail: Mapping[str, Any]) -> dict[str, Any]:
    """Return GenEval's result row of one picture; ``detail`` is the verdict's (or score's)."""
    return {
        "filename": filename,
        "tag": detail["tag"],
        "prompt": prompt.text,
        "correct": detail["correct"],
        "reason": detail["reason"],
        "metadata": json.dumps(metadata(prompt)),
        "details": json.dumps(detail["details"]),
    }


def write_rows(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write result rows, one JSON object a line."""
    with path.open("w", encoding="utf-8") as stream:
        stream.writelines(json.dumps(dict(row)) + "\n" for row in rows)


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Read a ``results.jsonl``, GenEval's or ours; name the line of what is wrong."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise EvalkitError(f"The results {path} cannot be read: {error}.") from error
    rows = list(_rows(path, text))
    if not rows:
        raise EvalkitError(f"The results {path} have no rows.")
    return rows


def _rows(path: Path, text: str) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise EvalkitError(f"{path}, line {number}: not JSON: {line[:60]!r}.") from error
        if not isinstance(row, dict) or any(field not in row for field in FIELDS):
            raise EvalkitError(f"{path}, line {number}: expected {', '.join(FIELDS)}.")
        if not isinstance(row["correct"], bool):
            raise EvalkitError(
                f"{path}, line {number}: correct is {row['correct']!r}, expected true or false."
            )
        yield row


def summarise(rows: Sequence[Mapping[str, Any]]) -> RowsSummary:
    """Sum result rows up as GenEval does: prompts by their metadata, tasks as they appear."""
    by_prompt: dict[str, list[bool]] = {}
    by_task: dict[str, list[bool]] = {}
    for row in rows:
        by_prompt.setdefault(str(row["metadata"]), []).append(row["correct"])
        by_task.setdefault(row["tag"], []).append(row["correct"])
    return RowsSummary(
        images=len(rows),
        prompts=len(by_prompt),
        correct_images=fmean(row["correct"] for row in rows),
        correct_prompts=fmean(any(found) for found in by_prompt.values()),
        tasks=tuple(TaskSummary(tag, sum(found), len(found)) for tag, found in by_task.items()),
    )
