"""Where pictures made elsewhere lie: three benchmarks' layouts, or a CSV of paths or URLs."""

from __future__ import annotations

import csv
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from evalkit.errors import ImageError, UnknownNameError
from evalkit.records import Prompt

LAYOUTS = ("geneval", "hpsv2", "imagereward")
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")
_IGNORED = ("metadata.jsonl", "samples", "grid.png")

Stray = tuple[Path, str]
"""A file that cannot be a picture of a prompt, and why."""


@dataclass(frozen=True)
class Place:
    """Where a prompt stands in its suite."""

    index: int | None
    within: int | None = None
    """Index among the prompts of its category."""


def places(prompts: Sequence[Prompt]) -> dict[str, Place]:
    """Return each prompt's place by its id."""
    seen: Counter[str] = Counter()
    found = {}
    for index, prompt in enumerate(prompts):
        found[prompt.id] = Place(index, seen[prompt.category])
        seen[prompt.category] += 1
    return found


@dataclass(frozen=True)
class Found:
    """One picture, and what its source says of its prompt."""

    path: Path
    seed: int
    number: int | None = None
    """Index of the prompt in the suite, or in its category if one is named."""
    category: str | None = None
    prompt_id: str | None = None
    text: str | None = None
    url: str | None = None
    """Where the picture is, if it is not on this machine; ``path`` is then its name in the CSV."""

    @property
    def described(self) -> str:
        """Say which prompt the source names."""
        if self.prompt_id is not None:
            return f"with id {self.prompt_id!r}"
        if self.text is not None:
            return f"with the text {self.text!r}"
        return f"number {self.number}" + (f" of {self.category!r}" if self.category else "")

    def is_at(self, place: Place, category: str) -> bool:
        """Say whether its number is that of the prompt at this place."""
        if self.category is not None:
            return self.category == category and self.number == place.within
        return self.number is not None and self.number == place.index

    def shows(self, prompt: Prompt, place: Place) -> bool:
        """Say whether this is a picture of the prompt at that place of its suite."""
        if self.prompt_id is not None:
            return self.prompt_id == prompt.id
        if self.text is not None:
            return self.text == prompt.text
        return self.is_at(place, prompt.category)


def read(source: Path, layout: str = "geneval") -> tuple[tuple[Found, ...], tuple[Stray, ...]]:
    """List the pictures of a CSV, or of a folder in a layout, and what lies astray."""
    if layout not in LAYOUTS:
        raise UnknownNameError("layout", layout, LAYOUTS)
    if source.is_dir():
        readers = {"geneval": _read_layout, "hpsv2": _read_styles, "imagereward": _read_numbered}
        return readers[layout](source)
    if source.is_file():
        return tuple(_read_table(source)), ()
    raise ImageError(f"There is no folder or CSV at {source}. Check the path.")


def _read_styles(root: Path) -> tuple[tuple[Found, ...], tuple[Stray, ...]]:
    """HPSv2's benchmark: ``<style>/<NNNNN>.jpg``, the index among the style's prompts.

    https://github.com/tgxs002/HPSv2, hpsv2/evaluation.py. The style is the prompt's category.
    """
    found: list[Found] = []
    strays: list[Stray] = []
    for path in _visible(root):
        if not path.is_dir():
            strays.append((path, "it is not in the folder of a style"))
            continue
        for picture in _visible(path):
            if picture.stem.isdecimal() and picture.suffix.lower() in SUFFIXES:
                found.append(Found(picture, 0, number=int(picture.stem), category=path.name))
            else:
                strays.append((picture, "its name is not a number with .png, .jpg or .webp"))
    if not found:
        raise ImageError(f"{root} holds no pictures in HPSv2's layout, {root}/anime/00000.jpg.")
    return tuple(found), tuple(strays)


def _read_numbered(root: Path) -> tuple[tuple[Found, ...], tuple[Stray, ...]]:
    """ImageReward's benchmark: ``<prompt's id>_<n>.png``, n the seed.

    https://github.com/THUDM/ImageReward, test-benchmark.py.
    """
    found: list[Found] = []
    strays: list[Stray] = []
    for path in _visible(root):
        prompt_id, _, number = path.stem.rpartition("_")
        if prompt_id and number.isdecimal() and path.suffix.lower() in SUFFIXES:
            found.append(Found(path, int(number), prompt_id=prompt_id))
        else:
            strays.append((path, "its name is not a prompt's id, an underscore and a number"))
    if not found:
        raise ImageError(
            f"{root} holds no pictures in ImageReward's layout, {root}/<prompt's id>_0.png."
        )
    return tuple(found), tuple(strays)


def _visible(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.iterdir()) if not path.name.startswith(".")]


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
            "Name another --layout, or give a CSV with the columns path, prompt_id and seed."
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
        url = row["path"] if "://" in row["path"] else None
        path = Path(row["path"]) if url else table.parent / row["path"]
        yield Found(path, seed, prompt_id=prompt_id or None, text=text or None, url=url)


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
