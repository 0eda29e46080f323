"""Where pictures made elsewhere lie: GenEval's folder layout, or a CSV."""

from __future__ import annotations

import csv
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from evalkit.errors import ImageError
from evalkit.records import Prompt

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")
_IGNORED = ("metadata.jsonl", "samples", "grid.png")

Stray = tuple[Path, str]
"""A file that cannot be a picture of a prompt, and why."""


@dataclass(frozen=True)
class Found:
    """One picture file, and what its source says of its prompt."""

    path: Path
    seed: int
    number: int | None = None
    """Index of the prompt in the suite, from the name of GenEval's folder."""
    prompt_id: str | None = None
    text: str | None = None

    @property
    def described(self) -> str:
        """Say which prompt the source names."""
        if self.prompt_id is not None:
            return f"with id {self.prompt_id!r}"
        return f"number {self.number}" if self.text is None else f"with the text {self.text!r}"

    def shows(self, prompt: Prompt, position: int | None) -> bool:
        """Say whether this is a picture of the prompt at that index of its suite."""
        if self.prompt_id is not None:
            return self.prompt_id == prompt.id
        if self.text is not None:
            return self.text == prompt.text
        return self.number is not None and self.number == position


def read(source: Path) -> tuple[tuple[Found, ...], tuple[Stray, ...]]:
    """List the pictures of a folder in GenEval's layout or of a CSV, and what lies astray."""
    if source.is_dir():
        return _read_layout(source)
    if source.is_file():
        return tuple(_read_table(source)), ()
    raise ImageError(f"There is no folder or CSV at {source}. Check the path.")


def _read_layout(root: Path) -> tuple[tuple[Found, ...], tuple[Stray, ...]]:
    found: list[Found] = []
    strays: list[Stray] = []
    for path in sorted(root.iterdir()):
        if path.is_dir() and path.name.isdecimal():
            pictures, others = _read_samples(path)
            found += pictures
            strays += others
        elif not path.name.startswith("."):
            strays.append((path, "its name is not a prompt's number"))
    if not found:
        raise ImageError(
            f"{root} holds no pictures in GenEval's layout, {root}/00000/samples/0000.png. "
            "Arrange them so, or give a CSV with the columns path, prompt_id and seed."
        )
    return tuple(found), tuple(strays)


def _read_samples(folder: Path) -> tuple[list[Found], list[Stray]]:
    text = _prompt_text(folder / "metadata.jsonl")
    strays: list[Stray] = [
        (p, "it is not in the folder's samples/")
        for p in sorted(folder.iterdir())
        if p.name not in _IGNORED and not p.name.startswith(".")
    ]
    numbered: list[tuple[int, Path]] = []
    samples = folder / "samples"
    for path in sorted(samples.iterdir()) if samples.is_dir() else ():
        # GenEval's evaluator asks only that the name begin with digits.
        digits = re.match(r"\d+", path.name)
        if digits and path.suffix.lower() in SUFFIXES:
            numbered.append((int(digits[0]), path))
        elif not path.name.startswith("."):
            strays.append((path, "its name is not a number with .png, .jpg or .webp"))
    numbered.sort()
    number = int(folder.name)
    return [Found(p, i, number=number, text=text) for i, (_, p) in enumerate(numbered)], strays


def _prompt_text(path: Path) -> str | None:
    """Return the prompt of GenEval's metadata file, one JSON object, if there is one."""
    if not path.is_file():
        return None
    try:
        text = json.loads(path.read_text(encoding="utf-8-sig"))["prompt"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ImageError(
            f"{path} is not a line of GenEval's metadata with a prompt ({error!r}). "
            "Mend it, or remove it to go by the folder's number."
        ) from error
    return str(text)


def _read_table(table: Path) -> Iterator[Found]:
    seen: Counter[tuple[str, str]] = Counter()
    lines: dict[tuple[str, str, int], int] = {}
    for line, row in _rows(table):
        where = f"{table}, line {line}"
        prompt_id, text = row.get("prompt_id", ""), row.get("prompt", "")
        if not row["path"] or not (prompt_id or text):
            raise ImageError(f"{where}: a path and a prompt_id or prompt are needed, found {row}.")
        seed = _seed(where, row.get("seed", ""), seen[prompt_id, text])
        seen[prompt_id, text] += 1
        first = lines.setdefault((prompt_id, text, seed), line)
        if first != line:
            raise ImageError(f"{where}: seed {seed} of this prompt is already in line {first}.")
        path = table.parent / row["path"]
        yield Found(path, seed, prompt_id=prompt_id or None, text=text or None)


def _rows(table: Path) -> Iterator[tuple[int, Mapping[str, str]]]:
    try:
        with table.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream, strict=True)
            columns = reader.fieldnames or []
            if "path" not in columns or not {"prompt_id", "prompt"} & set(columns):
                raise ImageError(
                    f"{table} needs the columns path and prompt_id (or prompt, the text); "
                    f"seed is optional. Found: {', '.join(columns) or 'nothing'}."
                )
            for row in reader:
                yield reader.line_num, {k: (v or "").strip() for k, v in row.items() if k}
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ImageError(f"{table} cannot be read as a CSV in UTF-8: {error}.") from error


def _seed(where: str, value: str, default: int) -> int:
    if not value:
        return default
    if not value.isdecimal():
        raise ImageError(f"{where}: seed must be a whole number from 0, found {value!r}.")
    return int(value)
