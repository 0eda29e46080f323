"""What others have published, each figure with its source and who measured it.

``results/published.csv`` holds them; they are facts about papers, not about models, and are never
ranked with what is measured here.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from pydantic import ValidationError, field_validator

from evalkit.errors import EvalkitError
from evalkit.records import Record


class Figure(Record):
    """One published figure."""

    model: str
    """As the field calls it."""
    steps: int | None = None
    resolution: int | None = None
    metric: str
    part: str = ""
    """A GenEval task; empty for the headline."""
    value: float
    unit: str
    catalogue: str = ""
    """The catalogue's model that this is about, where there is one of as many steps."""
    scorer: str = ""
    """The scorer whose figures this may stand beside; empty where nothing here measures it."""
    factor: float | None = None
    """What turns the value into the scorer's unit."""
    suite: str = ""
    """The prompts; empty where the source does not say."""
    protocol: str = ""
    source: str
    read: Literal["primary", "secondary"]
    """Whether the source itself was read, or somebody's account of it."""
    measured_by: str
    copied_from: str = ""
    """Where the row is known to be from, if it was not measured for this source."""
    disputed: str = ""
    """Another source's figure for the same, where the two cannot both be right."""

    @field_validator("steps", "resolution", "factor", mode="before")
    @classmethod
    def _blank_is_unknown(cls, value: object) -> object:
        return None if value == "" else value


def path() -> Path:
    """Return where the figures lie: in the installed package, or beside it in a checkout."""
    installed = Path(__file__).parent / "_published.csv"
    return installed if installed.is_file() else Path(__file__).parents[1] / "results/published.csv"


def load(file: Path | None = None) -> list[Figure]:
    """Read the figures; raise EvalkitError naming the line of what is wrong."""
    file = file or path()
    try:
        with file.open(encoding="utf-8", newline="") as stream:
            return list(_figures(file, stream.read()))
    except (OSError, UnicodeDecodeError) as error:
        raise EvalkitError(f"The published figures {file} cannot be read: {error}.") from error


def _figures(file: Path, text: str) -> Iterator[Figure]:
    reader = csv.DictReader(text.splitlines())
    for row in reader:
        try:
            yield Figure.model_validate(row)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"]))
            raise EvalkitError(
                f"{file}, line {reader.line_num}: {where}: {first['msg']}."
            ) from error
