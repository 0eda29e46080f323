"""Archives that repeat to the byte: fixed order, fixed times, the sha256 of every member.

Members are read by their names and nothing is ever extracted, so no archive can write a file.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import tempfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from evalkit.errors import BundleError

SUMS = "SHA256SUMS"
"""In the form of ``sha256sum -c``."""
_TIME = (1980, 1, 1, 0, 0, 0)
"""The earliest that a zip can name."""
_STORED = (".png",)
_SAFE = re.compile(r"(?!\.)[^/\\\0]+(?:/(?!\.)[^/\\\0]+)*")
"""A path of plain names, so that no program that extracts it leaves its folder."""
_DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError)


def is_one(path: Path) -> bool:
    """Say whether a file begins as a zip does; what is not there is not one."""
    try:
        with path.open("rb") as stream:
            return stream.read(4) in (b"PK\x03\x04", b"PK\x05\x06")
    except OSError:
        return False


def write(path: Path, members: Iterable[tuple[str, Iterable[bytes]]]) -> str:
    """Write an archive, whole or not at all, and return the sha256 of its list of members.

    That digest depends on the contents alone; the file's own also on the version of zlib.
    """
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=".part")
    except OSError as error:
        raise BundleError(f"{path} cannot be written: {error.strerror}.") from error
    try:
        with os.fdopen(handle, "wb") as stream, zipfile.ZipFile(stream, "w") as archive:
            sums = [f"{_put(archive, name, chunks)}  {name}\n" for name, chunks in members]
            digest = _put(archive, SUMS, ["".join(sums).encode()])
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except OSError as error:
        raise BundleError(f"{path} cannot be written: {error.strerror or error}.") from error
    finally:
        with suppress(OSError):
            Path(temporary).unlink()
    return digest


def _put(archive: zipfile.ZipFile, name: str, chunks: Iterable[bytes]) -> str:
    if not _SAFE.fullmatch(name):
        raise BundleError(f"An archive cannot hold {name!r}: other programs might mistake it.")
    info = zipfile.ZipInfo(name, _TIME)
    info.create_system = 3  # else it is the system that this runs on
    info.external_attr = 0o644 << 16
    stored = name.endswith(_STORED)
    info.compress_type = zipfile.ZIP_STORED if stored else zipfile.ZIP_DEFLATED
    found = hashlib.sha256()
    with archive.open(info, "w", force_zip64=True) as stream:
        for chunk in chunks:
            stream.write(chunk)
            found.update(chunk)
    return found.hexdigest()


class Archive:
    """An archive that is open for reading."""

    def __init__(self, path: Path, file: zipfile.ZipFile) -> None:
        self.path = path
        self._file = file
        self._names = file.namelist()

    @classmethod
    @contextmanager
    def open(cls, path: Path) -> Iterator[Archive]:
        """Open an archive; raise BundleError if it is missing or no zip."""
        try:
            file = zipfile.ZipFile(path)
        except FileNotFoundError:
            raise BundleError(f"There is no file {path}. Check the path.") from None
        except zipfile.BadZipFile:
            raise BundleError(f"{path} is no bundle: it is not a zip archive.") from None
        except OSError as error:
            raise BundleError(f"{path} cannot be read: {error.strerror}.") from error
        with file:
            yield cls(path, file)

    def __contains__(self, name: str) -> bool:
        return name in self._names

    def under(self, folder: str) -> list[str]:
        """Return the names of the members in a folder, in their order."""
        return [name for name in self._names if name.startswith(f"{folder}/")]

    def chunks(self, name: str) -> Iterator[bytes]:
        """Yield the content of a member, by pieces."""
        with self._in_words(name), self._file.open(name) as stream:
            while chunk := stream.read(1 << 20):
                yield chunk

    def read(self, name: str) -> bytes:
        """Return the content of a member."""
        return b"".join(self.chunks(name))

    def json(self, name: str) -> Any:
        """Return the JSON document of a member."""
        try:
            return json.loads(self.read(name))
        except ValueError as error:
            raise BundleError(f"{self.path}: {name} is damaged: {error}.") from error

    def rows(self, name: str) -> Iterator[dict[str, Any]]:
        """Yield the JSON objects of a member, one a line."""
        with self._in_words(name), self._file.open(name) as stream:
            for number, line in enumerate(stream, 1):
                try:
                    row = json.loads(line)
                except ValueError:
                    row = None
                if not isinstance(row, dict):
                    raise BundleError(f"{self.path}: {name}, line {number} is damaged.")
                yield row

    def digest(self) -> str:
        """Return what ``write`` returned: the sha256 of the list of members."""
        return hashlib.sha256(self.read(SUMS)).hexdigest()

    def faults(self) -> Iterator[str]:
        """Yield what is wrong with the members, in words: changed, missing, or not listed."""
        sums = self._sums()
        for name in sorted({n for n in self._names if self._names.count(n) > 1}):
            yield f"{name} is in it more than once"
        for name in sorted(set(self._names) - set(sums) - {SUMS}):
            yield f"{name} is not in its list of members"
        for name, wanted in sums.items():
            if name not in self._names:
                yield f"{name} is missing"
            elif (found := self._digest_of(name)) != wanted:
                yield f"{name} was changed: its sha256 is {found[:12]}..., not {wanted[:12]}..."

    def _digest_of(self, name: str) -> str:
        found = hashlib.sha256()
        try:
            for chunk in self.chunks(name):
                found.update(chunk)
        except BundleError:
            return "unreadable"
        return found.hexdigest()

    def _sums(self) -> dict[str, str]:
        if SUMS not in self:
            raise BundleError(f"{self.path} is no bundle: it has no {SUMS}.")
        lines = self.read(SUMS).decode(errors="replace").splitlines()
        return {name: digest for digest, _, name in (line.partition("  ") for line in lines)}

    @contextmanager
    def _in_words(self, name: str) -> Iterator[None]:
        try:
            yield
        except KeyError:
            raise BundleError(f"{self.path} is damaged: it has no {name}.") from None
        except _DAMAGE as error:
            raise BundleError(
                f"{self.path} is damaged: {name} cannot be read ({error}). Copy it anew."
            ) from error
