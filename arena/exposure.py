"""What a picture's file says beside what is drawn: its format, its metadata, what it weighs."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass

from evalkit.errors import ImageError

_PLAIN = frozenset({"jfif", "jfif_version", "jfif_unit", "jfif_density", "dpi", "progressive"})
"""What every JPEG or PNG of one encoder says alike."""


@dataclass(frozen=True)
class Exposed:
    """Everything of a file but its pixels."""

    form: str
    """Format, size, mode and how it was compressed: one for all pictures of a study."""
    metadata: tuple[str, ...]
    """Names of what else is written in it: EXIF, a colour profile, text."""
    length: int
    digest: str
    """The sha256 of the bytes, by which equal files know each other."""
    visible_head: str
    """What stands before the pixels, as text in which names can be looked for."""


def expose(data: bytes) -> Exposed:
    """Look at a picture's file as a curious rater can."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(data)) as image:
            image.load()
            tables = getattr(image, "quantization", None)
            width, height = image.size
            form = f"{image.format} {width}x{height} {image.mode}"
            told = {str(k) for k, v in image.info.items() if v} - _PLAIN
            told |= {"exif"} if len(image.getexif()) else set()
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:
        raise ImageError(f"What was sent as a picture is none: {error}.") from error
    if tables:
        form += f" tables {hashlib.sha256(repr(tables).encode()).hexdigest()[:8]}"
    return Exposed(
        form=form,
        metadata=tuple(sorted(told)),
        length=len(data),
        digest=hashlib.sha256(data).hexdigest(),
        visible_head=_head(data).decode("latin-1"),
    )


def _head(data: bytes) -> bytes:
    """Return what stands before the compressed pixels: names in there are no chance."""
    for mark in (b"\xff\xda", b"IDAT"):
        before, found, _ = data.partition(mark)
        if found:
            return before
    return data[:4096]
