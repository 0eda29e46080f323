"""Pictures as a rater gets them: one format, one size, nothing that tells where they came from."""

from __future__ import annotations

import io
import secrets
from collections import OrderedDict
from collections.abc import Iterable
from threading import Lock
from typing import TYPE_CHECKING

from evalkit.errors import ImageError

if TYPE_CHECKING:
    from PIL import Image

    from evalkit.images import ImageStore

MEDIA_TYPE = "image/jpeg"
LONGEST, SHORTEST = 1024, 512
"""Pixels of the long edge that is sent: smaller pictures are enlarged, larger ones reduced."""

_QUALITY = 95
_ROOM = 256 * 2**20
"""Bytes of encoded pictures that one process keeps."""

_STEP, _SALT = 4096, 16
_BORDER = (128, 128, 128)
"""Beside a picture of another shape than the study's; a middle grey suits light and dark."""


def frame(sizes: Iterable[tuple[int, int]]) -> tuple[int, int]:
    """Return the one size (width, height) in which pictures of these sizes are all shown."""
    known = set(sizes)
    if not known:
        raise ImageError("There are no pictures to show.")
    width, height = max(w for w, _ in known), max(h for _, h in known)
    longest = max(width, height)
    scale = min(max(longest, SHORTEST), LONGEST) / longest
    return max(1, round(width * scale)), max(1, round(height * scale))


def size(images: ImageStore, digest: str) -> tuple[int, int]:
    """Return a stored picture's width and height without decoding it."""
    from PIL import Image, UnidentifiedImageError

    path = images.here(digest)
    try:
        with Image.open(path) as image:
            return image.size
    except FileNotFoundError:
        raise ImageError(f"The picture {path} is missing. Generate it again.") from None
    except (UnidentifiedImageError, OSError) as error:
        raise ImageError(f"The picture {path} cannot be read: {error}.") from error


def encode(image: Image.Image, width: int, height: int) -> bytes:
    """Fit a picture into the study's frame and encode it anew, without metadata.

    JPEG of quality 95 with full colour resolution: a quarter of PNG's bytes, no loss to be seen.
    """
    from PIL import Image, ImageOps

    canvas = ImageOps.pad(
        image.convert("RGB"), (width, height), method=Image.Resampling.LANCZOS, color=_BORDER
    )
    stream = io.BytesIO()
    canvas.save(stream, format="JPEG", quality=_QUALITY, subsampling=0)
    return stream.getvalue()


class Shown:
    """The pictures of one study as they are sent; safe for threads.

    Both of a pair are made when either is asked for, and both weigh the same, so that neither the
    time nor the length of an answer says which is which. Chance bytes after the end of each make
    the same picture another file in every battle. Whoever compares what is drawn knows it again.
    """

    def __init__(self, images: ImageStore, width: int, height: int, *, room: int = _ROOM) -> None:
        self._images, self._size = images, (width, height)
        self._room, self._held = room, 0
        self._kept: OrderedDict[str, bytes] = OrderedDict()
        self._locks = [Lock() for _ in range(64)]
        self._keeping = Lock()

    def pair(self, left: str, right: str) -> tuple[bytes, bytes]:
        """Return two stored pictures, encoded anew and of one length."""
        made = self._encoded(left), self._encoded(right)
        longest = max(map(len, made)) + _SALT
        length = -(-longest // _STEP) * _STEP
        one, other = (data + secrets.token_bytes(length - len(data)) for data in made)
        return one, other

    def _encoded(self, digest: str) -> bytes:
        with self._locks[int(digest[:8], 16) % len(self._locks)]:  # two ask at once; one works
            with self._keeping:
                if digest in self._kept:
                    self._kept.move_to_end(digest)
                    return self._kept[digest]
            data = encode(self._images.open(digest), *self._size)
            with self._keeping:
                self._keep(digest, data)
        return data

    def _keep(self, digest: str, data: bytes) -> None:
        self._kept[digest] = data
        self._held += len(data)
        while self._held > self._room:
            _, oldest = self._kept.popitem(last=False)
            self._held -= len(oldest)
