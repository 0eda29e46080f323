"""Pictures on disk under the sha256 of their bytes: never rewritten, checked on every read."""

from __future__ import annotations

import hashlib
import io
import os
import re
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from evalkit.errors import ImageError

if TYPE_CHECKING:
    from PIL import Image

_DIGEST = re.compile(r"[0-9a-f]{64}")


class ImageStore:
    """A folder of PNG files named by their content; several runs may share one."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, digest: str) -> Path:
        """Return where the picture of this digest lies, whether it is there or not."""
        if not _DIGEST.fullmatch(digest):
            raise ImageError(f"{digest!r} is no picture's name: expected a sha256 in lower case.")
        return self.root / digest[:2] / f"{digest}.png"

    def here(self, digest: str) -> Path:
        """Return where the picture of this digest can be read."""
        return self.path(digest)

    def has(self, digest: str) -> bool:
        """Say whether the picture of this digest is there."""
        return self.path(digest).is_file()

    def put(self, image: Image.Image) -> str:
        """Store a picture as RGB PNG without metadata and return its digest."""
        return self.put_encoded(encode(image))

    def put_encoded(self, data: bytes) -> str:
        """Store a picture's bytes, as ``encode`` makes them, and return their digest."""
        digest = hashlib.sha256(data).hexdigest()
        path = self.path(digest)
        if not path.exists():
            _write(path, data)
        return digest

    def read(self, digest: str) -> bytes:
        """Return a picture's PNG bytes; raise ImageError if it is missing or has changed."""
        path = self.here(digest)
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            raise ImageError(
                f"The picture {path} is missing. Run the same generate command again to restore it."
            ) from None
        except OSError as error:
            raise ImageError(f"The picture {path} cannot be read: {error}.") from error
        found = hashlib.sha256(data).hexdigest()
        if found != digest:
            raise ImageError(
                f"The picture {path} is corrupt: its content has sha256 {found[:12]}... . "
                "Delete it, then run the same generate command again to restore it."
            )
        return data

    def open(self, digest: str) -> Image.Image:
        """Return a picture in RGB, fully decoded and checked against its digest."""
        return decode(self.read(digest), str(self.path(digest)))


def encode(image: Image.Image) -> bytes:
    """Make a picture's bytes: RGB PNG without metadata."""
    stream = io.BytesIO()
    clean = image.convert("RGB")
    clean.info.clear()
    clean.save(stream, format="PNG", compress_level=1)
    return stream.getvalue()


def decode(data: bytes, name: str) -> Image.Image:
    """Decode a picture's bytes to RGB; ``name`` is used in the error."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(data)) as image:
            return image.convert("RGB")
    except UnidentifiedImageError:
        raise ImageError(
            f"{name} is not a picture that can be read: its format is unknown."
        ) from None
    except (OSError, SyntaxError, ValueError) as error:
        raise ImageError(f"{name} is not a picture that can be read: {error}.") from error
    except Image.DecompressionBombError as error:
        raise ImageError(f"{name} is too large to be opened safely: {error}") from error


def _write(path: Path, data: bytes) -> None:
    """Put the file in place in one step: readers see all of it or nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=".part")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
        Path(temporary).replace(path)
    except OSError as error:
        with suppress(OSError):
            Path(temporary).unlink()
        raise ImageError(
            f"The picture {path} could not be written: {error}. "
            "Free some space and run the same command again."
        ) from error
