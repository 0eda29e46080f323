"""Find a checkpoint: a folder or file on disk, what the package carries, or the hub."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from evalkit.errors import MissingPackageError, UnknownNameError, WeightsError
from evalkit.records import WeightsInfo, digest

MINIATURE = "miniature"
MINIATURE_ROOT = Path(__file__).parent / "miniature" / "weights"
_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
_IGNORED = (".git", ".cache", "README.md", "training.json", "curve.png")


@dataclass(frozen=True)
class Weights:
    """A checkpoint that is on disk, and how to name it."""

    path: Path
    info: WeightsInfo


def resolve(
    weights: str | os.PathLike[str],
    *,
    revision: str | None = None,
    files: Sequence[str] | None = None,
) -> Weights:
    """Return the local copy of ``weights``, fetched from the hub if it is a hub id.

    ``files`` limits what is fetched from the hub (glob patterns). A revision ``sha256:...`` is a
    demand on a local folder's content, as recorded by an earlier run.
    """
    text = os.fspath(weights)
    path = _local(text)
    if path is None:
        path, revision = _fetch(text, revision, files)
        return Weights(path, WeightsInfo(id=text, revision=revision, digest=content_digest(path)))
    found = content_digest(path)
    if revision and revision.startswith("sha256:") and revision != found:
        raise WeightsError(
            f"The weights at {path} have digest {found}, but {revision} was asked for. "
            "Restore the old files, or drop the revision and start a new run."
        )
    name = text if text.startswith(f"{MINIATURE}/") else path.name
    return Weights(path, WeightsInfo(id=name, digest=found))


def is_local(weights: str) -> bool:
    """Say whether this names something on this machine rather than on the hub."""
    return _local(weights) is not None


def expand(weights: str | os.PathLike[str], miniature: str) -> str:
    """Return ``weights`` as text; ``"miniature"`` alone means that folder of the package's."""
    text = os.fspath(weights)
    return f"{MINIATURE}/{miniature}" if text == MINIATURE else text


def suffix(info: WeightsInfo, official: str) -> str:
    """Return what a scorer's name must end with, so that different weights never share a name.

    Nothing for the official weights: by hub id, or a local copy in a folder (or file) of the same
    name; ``-miniature`` for the package's own; else a dash and eight digits of the content's
    digest, or of the hub id's where the content is not on this machine.
    """
    local = () if "/" in info.id else (info.id, Path(info.id).stem)
    if info.id == official or official.rpartition("/")[2] in local:
        return ""
    if info.id.startswith(f"{MINIATURE}/"):
        return f"-{MINIATURE}"
    return "-" + (info.digest or digest(info.id)).removeprefix("sha256:")[:8]


def _local(text: str) -> Path | None:
    if text.startswith(f"{MINIATURE}/"):
        path = MINIATURE_ROOT / text.removeprefix(f"{MINIATURE}/")
        if not path.is_dir():
            known = [f"{MINIATURE}/{p.name}" for p in MINIATURE_ROOT.glob("*") if p.is_dir()]
            raise UnknownNameError("miniature checkpoint", text, known)
        return path
    path = Path(text).expanduser()
    if text and path.exists():
        return path.resolve()
    if path.is_absolute() or text.startswith((".", "~")) or not _HUB_ID.fullmatch(text):
        raise WeightsError(
            f"No file or folder at {text!r}, and it is not a hub id (owner/name). "
            "Check the path, or give the hub's name of the checkpoint."
        )
    return None


def to_fetch(weights: str, revision: str | None, files: Sequence[str] | None) -> int:
    """Return how many bytes ``resolve`` would fetch: none of what is here, or without a network.

    Raises WeightsError where the hub would not give them.
    """
    if is_local(weights):
        return 0
    snapshot_download = _downloader(weights)
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        return 0
    with _asking(weights):
        found = snapshot_download(weights, revision=revision, allow_patterns=files, dry_run=True)
    if not found:
        raise WeightsError(f"{weights} has no file {' or '.join(files or ['at all'])} on the hub.")
    return sum(one.file_size or 0 for one in found if one.will_download)


def hub_room() -> int:
    """Return how many bytes are free on the disk where the hub's cache lies, or will."""
    from huggingface_hub import constants

    cache = Path(constants.HF_HUB_CACHE).expanduser().absolute()
    there = next(folder for folder in (cache, *cache.parents) if folder.exists())
    return shutil.disk_usage(there).free


def _fetch(
    hub_id: str, revision: str | None, files: Sequence[str] | None
) -> tuple[Path, str | None]:
    snapshot_download = _downloader(hub_id)
    with _asking(hub_id):
        path = Path(snapshot_download(hub_id, revision=revision, allow_patterns=files))
    return path, path.name


def _downloader(hub_id: str) -> Any:
    try:
        from huggingface_hub import snapshot_download
    except ImportError:
        raise MissingPackageError("huggingface-hub", "models", f"Fetching {hub_id}") from None
    return snapshot_download


@contextmanager
def _asking(hub_id: str) -> Iterator[None]:
    """Put what the hub refuses into words."""
    from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, LocalEntryNotFoundError

    try:
        yield
    except GatedRepoError as error:
        raise WeightsError(
            f"{hub_id} is gated. Accept its terms on its hub page, then set HF_TOKEN, "
            "or give the path of a local copy."
        ) from error
    except (LocalEntryNotFoundError, HfHubHTTPError, OSError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise WeightsError(
            f"{hub_id} is not on this machine and could not be fetched ({reason}). "
            "Give the path of a local copy, or check the network and HF_HUB_OFFLINE."
        ) from error


def content_digest(path: Path) -> str:
    """Return ``sha256:...`` over the names and contents of a checkpoint's files."""
    files = [(path.name, path)]
    if path.is_dir():
        files = [(p.relative_to(path).as_posix(), p) for p in _files(path)]
    if not files:
        raise WeightsError(f"The folder {path} is empty. Put the checkpoint's files into it.")
    return _digest(tuple(files), _stamp([p for _, p in files]))


def _files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        hidden = any(p.startswith(".") for p in path.relative_to(folder).parts)
        if path.is_file() and not hidden and path.name not in _IGNORED:
            yield path


def _stamp(files: Sequence[Path]) -> tuple[tuple[int, int], ...]:
    return tuple((s.st_size, s.st_mtime_ns) for s in (p.stat() for p in files))


@lru_cache(maxsize=64)
def _digest(files: tuple[tuple[str, Path], ...], _stamp: tuple[tuple[int, int], ...]) -> str:
    """Hash the files; their sizes and times keep the cache from answering for changed files."""
    total = hashlib.sha256()
    for name, path in files:
        with path.open("rb") as stream:
            total.update(f"{name}\0{hashlib.file_digest(stream, 'sha256').hexdigest()}\n".encode())
    return f"sha256:{total.hexdigest()}"


def read_json(path: Path) -> dict[str, Any]:
    """Read a checkpoint's JSON file; raise WeightsError if it is missing or no object."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise WeightsError(f"{path} cannot be read as JSON: {error}.") from error
    if not isinstance(value, dict):
        raise WeightsError(f"{path} holds {type(value).__name__}, not a JSON object.")
    return value
