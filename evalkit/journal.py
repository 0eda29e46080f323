"""Files of a run on disk: lines that are only ever added, and records written whole."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from evalkit.errors import RunError
from evalkit.records import Record

R = TypeVar("R", bound=Record)

PART = ".part"
"""How the name of a file ends that is still being written."""


@contextmanager
def disk(path: Path) -> Iterator[None]:
    """Say in words what the disk refused."""
    try:
        yield
    except OSError as error:
        raise RunError(
            f"{path} could not be written: {error.strerror or error}. Nothing recorded so far is "
            "lost; mend the cause and run the same command again."
        ) from error


def write_whole(path: Path, text: str) -> None:
    """Write a file so that nobody ever sees half of it."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=PART)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        Path(temporary).replace(path)
    except OSError:
        with suppress(OSError):
            Path(temporary).unlink()
        raise


def append(path: Path, lines: Iterable[str]) -> None:
    """Append whole lines after cutting off a torn one; a kill in between tears only the last."""
    text = "".join(f"{line}\n" for line in lines).encode()
    if not text:
        return
    with disk(path), path.open("a+b") as stream:
        _cut_torn_line(stream)
        stream.write(text)
        stream.flush()


def _cut_torn_line(stream: Any) -> None:
    size = stream.seek(0, os.SEEK_END)
    if size == 0:
        return
    stream.seek(-1, os.SEEK_END)
    if stream.read(1) == b"\n":
        return
    stream.seek(0)
    stream.truncate(stream.read().rfind(b"\n") + 1)
    stream.seek(0, os.SEEK_END)


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Yield the whole lines of a file with their numbers; a torn last line is not one."""
    if path.exists():
        *whole, _torn = path.read_bytes().split(b"\n")
        yield from enumerate(whole, 1)


def read(path: Path, record: type[R]) -> Iterator[R]:
    """Yield the records of a file of lines; none where there is no file."""
    for number, line in _lines(path):
        try:
            yield record.model_validate_json(line)
        except ValidationError as error:
            raise _damaged(path, number, line, error.errors()[0]["msg"]) from error


def read_json(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the lines of a file whose rows have no record of their own."""
    for number, line in _lines(path):
        try:
            yield json.loads(line)
        except ValueError as error:
            raise _damaged(path, number, line, str(error)) from error


def _damaged(path: Path, number: int, line: bytes, why: str) -> RunError:
    shown = line[:80].decode(errors="replace")
    return RunError(
        f"{path}, line {number} is damaged ({why}): {shown!r}. Delete the line; what it recorded "
        "is done again by the same command."
    )


def read_record(path: Path, record: type[R]) -> R:
    """Read a file that holds one record."""
    try:
        return record.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise RunError(f"{path} cannot be read: {error}") from error
