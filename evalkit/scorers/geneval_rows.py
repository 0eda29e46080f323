"""GenEval's own result rows (``results.jsonl``): make ours, read anybody's."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from evalkit.errors import EvalkitError
from evalkit.prompts import metadata
from evalkit.records import Prompt

FIELDS = ("tag", "correct", "metadata")
"""What a row must hold to be summed up."""


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
    files: dict[str, int] = {}
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
        if not isinstance(row["tag"], str):
            raise EvalkitError(f"{path}, line {number}: tag is {row['tag']!r}, expected a text.")
        if not isinstance(row["metadata"], str | dict):
            raise EvalkitError(
                f"{path}, line {number}: metadata is {row['metadata']!r}, expected the prompt's "
                "line of GenEval's metadata as a text."
            )
        if "filename" in row and (first := files.setdefault(str(row["filename"]), number)) < number:
            raise EvalkitError(
                f"{path}, line {number}: {row['filename']!r} was judged in line {first} already. "
                "Keep one row of each picture."
            )
        yield row
