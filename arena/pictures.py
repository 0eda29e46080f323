"""Pictures as a rater gets them: one format, one size, nothing that tells where they came from."""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import TYPE_CHECKING

from evalkit.errors import ImageError

if TYPE_CHECKING:
    from PIL import Image

    from evalkit.images import ImageStore

MEDIA_TYPE = "image/jpeg"
LONGEST, SHORTEST = 1024, 512
"""Pixels of the long edge that is sent: smaller pictures are enlarged, larger ones reduced."""

_QUALITY = 95
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

    path = images.path(digest)
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
