"""Detections as JSON lines: made elsewhere and read here, or made here and kept.

The first line says whose they are, each other line what is in one picture::

    {"format": "evalkit-detections", "version": 1, "detector": "mmdet", "classes": ["cat", ...]}
    {"pixels": "<sha256>", "found": {"cat": [{"box": [x1, y1, x2, y2], "score": 0.97, "mask": {}}]}}

``pixels`` is ``evalkit.scorers.pictures.pixel_digest``; instead of it a line may give ``filename``,
a picture's path from the folder of the file. ``found`` lists everything above GenEval's threshold,
in GenEval's spelling, in any order. ``mask`` is COCO's run-length code, compressed or not, over the
whole picture; it may be missing, but a colour is not judged then: GenEval looks at the object on
grey, and the bare box would be another measure. ``classes`` defaults to all of GenEval's.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from evalkit.errors import EvalkitError
from evalkit.geneval import CLASSES
from evalkit.images import decode
from evalkit.scorers.detection import Detection, Found
from evalkit.scorers.pictures import pixel_digest

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL import Image

FORMAT = "evalkit-detections"
L = TypeVar("L", bound="_Line")


class _Line(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Header(_Line):
    """Whose detections these are."""

    format: str = Field(default=FORMAT, pattern=f"^{FORMAT}$")
    version: int = Field(default=1, ge=1, le=1)
    detector: str = Field(pattern=r"^[a-z0-9][a-z0-9.-]*$")
    """What a scorer's name ends with: ``geneval-<detector>``."""
    classes: tuple[str, ...] = CLASSES


class Runs(_Line):
    """COCO's run-length code: column by column, runs of zeros and ones in turn, zeros first."""

    size: tuple[int, int]
    """Height, width."""
    counts: tuple[int, ...] | str


class Object(_Line):
    """One object of a line."""

    box: tuple[float, float, float, float]
    score: float = Field(ge=0, le=1)
    mask: Runs | None = None

    @model_validator(mode="after")
    def _box_is_in_order(self) -> Object:
        x1, y1, x2, y2 = self.box
        if x2 < x1 or y2 < y1:
            raise ValueError("expected x1, y1, x2, y2 with x1 <= x2 and y1 <= y2")
        return self


class Row(_Line):
    """One line: what is in one picture."""

    pixels: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")
    filename: str | None = None
    found: dict[str, tuple[Object, ...]]

    @model_validator(mode="after")
    def _names_a_picture(self) -> Row:
        if (self.pixels is None) == (self.filename is None):
            raise ValueError("expected either pixels or filename")
        return self


class DetectionsFile:
    """A ``Detector`` that looks pictures up in a file; the last line of a picture counts."""

    def __init__(self, path: Path) -> None:
        self.header, rows = _read(path)
        self._rows = {row.pixels or _digest(path.parent, row): row for row in rows}

    @property
    def classes(self) -> frozenset[str]:
        """The classes that were looked for."""
        return frozenset(self.header.classes)

    def detect(self, images: Sequence[Image.Image]) -> list[Found | None]:
        """Return each picture's detections; None for a picture that the file does not know."""
        return [self._found(self._rows.get(pixel_digest(image))) for image in images]

    def _found(self, row: Row | None) -> Found | None:
        if row is None:
            return None
        return {name: [_detection(o) for o in objects] for name, objects in row.found.items()}


def write(path: Path, header: Header, pictures: Iterable[tuple[str, Found]]) -> None:
    """Append (pixel digest, detections) pairs to a file, which is begun if it is not there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = not path.exists() or not path.stat().st_size
    if not fresh and (found := read_header(path)) != header:
        raise EvalkitError(
            f"{path} holds detections of {found.detector!r}, not of {header.detector!r}. "
            "Export to another file."
        )
    with path.open("a", encoding="utf-8") as stream:
        if fresh:
            stream.write(json.dumps(header.model_dump(mode="json")) + "\n")
        for digest, found_there in pictures:
            stream.write(json.dumps({"pixels": digest, "found": _plain(found_there)}) + "\n")


def _plain(found: Found) -> dict[str, list[dict[str, Any]]]:
    return {
        name: [
            {"box": [float(x) for x in d.box], "score": float(d.score)}
            | ({} if d.mask is None else {"mask": encode(d.mask)})
            for d in detections
        ]
        for name, detections in found.items()
    }


def _read(path: Path) -> tuple[Header, list[Row]]:
    first, *others = _lines(path)
    header = _checked(path, 1, Header, first)
    numbered = [(n, line) for n, line in enumerate(others, 2) if line.strip()]
    rows = []
    for number, line in numbered:
        rows.append(row := _checked(path, number, Row, line))
        if unknown := row.found.keys() - set(header.classes):
            raise EvalkitError(
                f"{path}, line {number}: {min(unknown)!r} is not among the file's classes. "
                "Use GenEval's spelling, or list the class in the first line."
            )
    return header, rows


def read_header(path: Path) -> Header:
    """Return the first line of a file of detections."""
    return _checked(path, 1, Header, _lines(path)[0])


def _lines(path: Path) -> list[str]:
    try:
        lines = path.read_text(encoding="utf-8").rstrip("\n").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise EvalkitError(f"The detections {path} cannot be read: {error}.") from error
    if not lines[0].strip():
        raise EvalkitError(f"The detections {path} are empty; the first line must be a header.")
    return lines


def _checked(path: Path, number: int, kind: type[L], line: str) -> L:
    try:
        return kind.model_validate_json(line)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or kind.__name__.lower()
        raise EvalkitError(
            f"{path}, line {number}: {where}: {first['msg']}, found {str(first['input'])[:80]!r}."
        ) from error


def _digest(folder: Path, row: Row) -> str:
    path = folder / str(row.filename)
    try:
        return pixel_digest(decode(path.read_bytes(), str(path)))
    except OSError as error:
        raise EvalkitError(f"The picture {path} of the detections is not there.") from error


def _detection(found: Object) -> Detection:
    # The detector's scores are float32, and so is the comparison with the threshold.
    score: Any = np.float32(found.score)
    return Detection(found.box, score, None if found.mask is None else mask_of(found.mask))


def mask_of(runs: Runs) -> NDArray[np.bool_]:
    """Decode COCO's run-length code to (height, width)."""
    height, width = runs.size
    counts = decompress(runs.counts) if isinstance(runs.counts, str) else list(runs.counts)
    if min(counts, default=0) < 0 or sum(counts) != height * width:
        raise EvalkitError(
            f"A mask's runs sum to {sum(counts)} pixels, but its size is {height}x{width}."
        )
    flat = np.repeat(np.arange(len(counts)) % 2 == 1, counts)
    return flat.reshape((height, width), order="F")


def encode(mask: NDArray[np.bool_]) -> dict[str, Any]:
    """Encode a mask as uncompressed COCO runs."""
    flat = mask.flatten(order="F")
    changes = np.flatnonzero(np.diff(flat, prepend=False)).tolist()
    ends = [*changes, flat.size]
    counts = [ends[0], *(b - a for a, b in pairwise(ends))]
    return {"size": list(mask.shape), "counts": counts}


def decompress(text: str) -> list[int]:
    """Return the counts in COCO's compressed string.

    Groups of five bits from character 48 on, the sixth bit set where another follows, lowest
    first, in two's complement; from the fourth count on, each is the difference to the last but
    one (pycocotools' ``rleFrString``).
    """
    if not re.fullmatch(r"(?:[P-o]*[0-O])*", text):
        raise EvalkitError(f"{text[:40]!r} is not COCO's compressed run-length code.")
    deltas = [_number([ord(c) - 48 for c in group]) for group in re.findall("[P-o]*[0-O]", text)]
    head, tail = deltas[:3], deltas[3:]
    counts = list(head)
    for delta in tail:
        counts.append(counts[-2] + delta)
    return counts


def _number(groups: Sequence[int]) -> int:
    value = sum((group & 31) << (5 * place) for place, group in enumerate(groups))
    negative = groups[-1] & 16
    return value - (1 << (5 * len(groups))) if negative else value
