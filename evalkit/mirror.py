"""A run copied to and from a shared folder or a bucket, by fsspec.

::

    <url>/manifest.json, suite.jsonl, ...     as in a run's folder; the manifest is written last
          images/ab/ab34....png               under their digests, so that each is copied once

Work goes on in a folder of this machine, whose appends and locks a bucket does not have.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from evalkit.errors import ImageError, MissingPackageError, RunError
from evalkit.images import ImageStore
from evalkit.runs import Run

Progress = Callable[[int], None]
_LAST = "manifest.json"
_AT_ONCE = 16
"""Pictures on their way: a bucket answers late, and many at once."""


class Distant(ImageStore):
    """The pictures of a run that was pushed; each is copied to this machine when first read."""

    def __init__(self, url: str, root: Path | None = None) -> None:
        self.url = url.rstrip("/")
        super().__init__(root or _cache() / hashlib.sha256(self.url.encode()).hexdigest()[:16])

    def here(self, digest: str) -> Path:
        """Return where the picture can be read, and copy it there if it is not yet."""
        path = self.path(digest)
        if not path.is_file():
            try:
                with _place(self.url) as (fs, root):
                    found = fs.cat_file(_picture(root, digest))
            except RunError as error:
                raise ImageError(f"The picture {digest} cannot be had: {error}") from error
            if super().put_encoded(found) != digest:
                raise ImageError(f"The picture {digest} at {self.url} has changed. Push it again.")
        return path

    def has(self, digest: str) -> bool:
        """Say whether the picture of this digest is there."""
        if super().has(digest):
            return True
        with _place(self.url) as (fs, root):
            return bool(fs.exists(_picture(root, digest)))

    def put_encoded(self, data: bytes) -> str:
        """Store a picture's bytes here and there, and return their digest."""
        digest = super().put_encoded(data)
        with _place(self.url) as (fs, root):
            if not fs.exists(there := _picture(root, digest)):
                _write(fs, there, data)
        return digest


def is_url(place: str) -> bool:
    """Say whether a place is one that fsspec opens, and no folder of this machine."""
    return "://" in place


@contextmanager
def opened(url: str) -> Iterator[Run]:
    """Open a run that was pushed: its records as they are now, its pictures all copied here."""
    with tempfile.TemporaryDirectory(prefix="evalkit-") as folder:
        path = Path(folder) / (url.rstrip("/").rpartition("/")[2] or "run")
        fetch(url, path)
        run = Run.open(path)
        run.images = Distant(url)
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            list(pool.map(run.images.here, pictures(run)))
        yield run


def pictures(run: Run) -> list[str]:
    """Return the digests of a run's pictures, each once."""
    return list(dict.fromkeys(g.image for g in run.generations() if g.image))


def push(run: Run, url: str, progress: Progress = lambda _: None) -> int:
    """Copy what is not there yet, and every record; return how many pictures were new.

    Raises RunError when the place cannot be written, or holds another run.
    """
    with _place(url) as (fs, root):
        _check_same(run, fs, root, url)
        copied = 0
        for digest in pictures(run):
            there = _picture(root, digest)
            if not fs.exists(there):
                _write(fs, there, run.images.read(digest))
                copied += 1
            progress(1)
        texts = dict(run.texts())
        for name in sorted(texts, key=_LAST.__eq__):
            _write(fs, f"{root}/{name}", texts[name].encode())
    return copied


def fetch(url: str, path: Path) -> None:
    """Copy a run's records into a new folder; leave one that is there alone."""
    if Run.exists(path):
        return
    with _place(url) as (fs, root):
        if not fs.exists(f"{root}/{_LAST}"):
            raise RunError(
                f"There is no run at {url}. Copy one there with: evalkit push --to {url}"
            )
        names = [n.removeprefix(f"{root}/") for n in fs.find(root)]
        records = [n for n in names if n.endswith((".json", ".jsonl"))]
        for name in sorted(records, key=_LAST.__eq__):
            target = path / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(fs.cat_file(f"{root}/{name}"))


def pull(run: Run, url: str, progress: Progress = lambda _: None) -> int:
    """Copy the pictures that a run lacks; return how many."""
    copied = 0
    with _place(url) as (fs, root):
        _check_same(run, fs, root, url)
        for digest in pictures(run):
            if not run.images.path(digest).is_file():
                found = fs.cat_file(_picture(root, digest))
                if run.images.put_encoded(found) != digest:
                    raise RunError(f"The picture {digest} at {url} has changed. Push it again.")
                copied += 1
            progress(1)
    return copied


def _check_same(run: Run, fs: Any, root: str, url: str) -> None:
    from pydantic import ValidationError

    from evalkit.records import Manifest

    if not fs.exists(f"{root}/{_LAST}"):
        return
    try:
        there = Manifest.model_validate_json(fs.cat_file(f"{root}/{_LAST}"))
    except ValidationError as error:
        raise RunError(f"{url}/{_LAST} is not a run's: {error}. Name another place.") from error
    mine = run.manifest
    if (there.run_id, there.created_at) != (mine.run_id, mine.created_at):
        raise RunError(
            f"{url} holds the run {there.run_id!r} of {there.created_at}, not {mine.run_id!r} of "
            f"{mine.created_at}. Name another place."
        )


def _picture(root: str, digest: str) -> str:
    return f"{root}/images/{digest[:2]}/{digest}.png"


def _cache() -> Path:
    """Name the folder of this machine for what can be had again."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "evalkit" / "pictures"


def _write(fs: Any, path: str, data: bytes) -> None:
    fs.makedirs(path.rpartition("/")[0], exist_ok=True)
    fs.pipe_file(path, data)


@contextmanager
def _place(url: str) -> Iterator[tuple[Any, str]]:
    if importlib.util.find_spec("fsspec") is None:
        raise MissingPackageError("fsspec", "cloud", f"Copying to or from {url}")
    from fsspec.core import url_to_fs

    try:
        fs, root = url_to_fs(url)
        yield fs, root.rstrip("/")
    except (OSError, ValueError, ImportError) as error:
        raise RunError(f"{url} cannot be read or written: {error}.") from error
