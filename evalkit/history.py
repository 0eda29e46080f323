"""A static history of leaderboards: each one kept under its date, and an index of them all.

::

    <folder>/<date>[-n].html, .md, .csv, .json    as they were written
             index.html, index.json               made anew from the .json files
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from itertools import count
from pathlib import Path
from typing import Any

from evalkit import changes
from evalkit.errors import EvalkitError
from evalkit.names import visible
from evalkit.records import Record

SCHEMA_VERSION = 1
"""Of index.json."""
_NAME = re.compile(r"(\d{4}-\d{2}-\d{2})(?:-(\d+))?")


class Entry(Record):
    """One leaderboard of the history."""

    name: str
    made_at: str
    title: str
    suite: str | None = None
    """None where there were votes and no run."""
    study: str | None = None
    votes: int | None = None
    simulated_votes: int = 0
    raters: int | None = None
    models: tuple[str, ...]
    """In the order of the table."""
    top: tuple[str, ...]
    """The first, and all that were not told apart from it."""
    changes: tuple[str, ...] = ()
    """Since the one before on the same suite and study."""


class Unreadable(Record):
    """A file of the history that this program cannot read, and why."""

    name: str
    reason: str


class Index(Record):
    """All leaderboards of a folder, the newest first."""

    schema_version: int = SCHEMA_VERSION
    boards: tuple[Entry, ...]
    unreadable: tuple[Unreadable, ...] = ()


def keep(paths: Mapping[str, Path], folder: Path) -> Path:
    """Keep the files of a new report under their date and make the index anew.

    ``paths`` are those that ``pages.write`` returned. A report that says what the last one of the
    folder said is not kept twice. Returns the index page.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        texts = {form: path.read_bytes() for form, path in paths.items()}
        document = json.loads(texts["json"])
        known = sorted(_files(folder), key=_order)
        if not known or _said(json.loads(known[-1].read_bytes())) != _said(document):
            _copy(texts, folder, document["made_at"][:10])
        return write_index(folder)
    except (OSError, ValueError) as error:
        raise EvalkitError(f"The history in {folder} could not be written: {error}.") from error


def write_index(folder: Path) -> Path:
    """Make index.html and index.json from what the folder holds."""
    index = read(folder)
    for name, text in (
        ("index.json", index.model_dump_json(indent=2) + "\n"),
        ("index.html", _page(index)),
    ):
        part = folder / f"{name}.part"
        part.write_text(text, encoding="utf-8")
        part.replace(folder / name)
    return folder / "index.html"


def read(folder: Path) -> Index:
    """Read every leaderboard of a folder; one that cannot be read is listed with the reason."""
    documents: list[tuple[str, changes.Document]] = []
    unreadable: list[Unreadable] = []
    for file in sorted(_files(folder), key=_order):
        try:
            documents.append((file.stem, changes.read(file)))
        except ValueError as error:
            unreadable.append(Unreadable(name=file.stem, reason=str(error)))
    documents.sort(key=lambda d: d[1].made_at)  # stable, so that equal times keep their order
    last: dict[tuple[str | None, str | None], changes.Document] = {}
    entries: list[Entry] = []
    for name, found in documents:
        what = (found.suite, found.human.study if found.human else None)
        before = last.get(what)
        last[what] = found
        entries.append(_entry(name, found, tuple(changes.changes(before, found)) if before else ()))
    return Index(boards=tuple(reversed(entries)), unreadable=tuple(unreadable))


def _files(folder: Path) -> list[Path]:
    return [p for p in folder.glob("*.json") if _NAME.fullmatch(p.stem)]


def _order(file: Path) -> tuple[str, int]:
    match = _NAME.fullmatch(file.stem)
    return (match[1], int(match[2] or 1)) if match else (file.stem, 0)


def _said(document: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in document.items() if key != "made_at"}


def _copy(texts: Mapping[str, bytes], folder: Path, date: str) -> None:
    """Put files under the first free name of a date; the document first, which takes the name."""
    for number in count(1):
        name = date if number == 1 else f"{date}-{number}"
        try:
            with (folder / f"{name}.json").open("xb") as stream:
                stream.write(texts["json"])
        except FileExistsError:
            continue
        for form in texts.keys() - {"json"}:
            (folder / f"{name}.{form}").write_bytes(texts[form])
        return


def _entry(name: str, found: changes.Document, changed: tuple[str, ...]) -> Entry:
    human = found.human
    return Entry(
        name=name,
        made_at=found.made_at,
        title=found.title,
        suite=found.suite,
        study=human.study if human else None,
        votes=human.votes if human else None,
        simulated_votes=human.simulated_votes if human else 0,
        raters=human.raters if human else None,
        models=tuple(row.model for row in found.rows),
        top=tuple(changes.top(found)),
        changes=changed,
    )


def _page(index: Index) -> str:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("evalkit"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=lambda value: visible(value) if type(value) is str else value,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("history.html.j2").render(index=index)
