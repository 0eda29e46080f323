"""Turn pictures into the arrays that networks read, through Pillow, as torchvision's transforms do.

Resizing decoded tensors instead of Pillow pictures moves ImageReward by up to two per cent, so
nothing here touches torch.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageOps

if TYPE_CHECKING:
    from numpy.typing import NDArray

CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)

_DEEP_MODES = ("I", "F", "I;16", "I;16B", "I;16L", "I;16N")
_LONGEST = 256
"""Aspect ratio beyond which only the part that will be kept is resized, to bound the memory."""


def unusable(image: Image.Image) -> str | None:
    """Say why a picture cannot be scored, or None; decodes it if that has not happened yet."""
    if min(image.size) < 1:
        return f"The picture has no pixels (size {image.width}x{image.height})."
    if image.mode in _DEEP_MODES:
        return (
            f"The picture's mode is {image.mode!r}; 8 bits a channel are needed, and converting "
            "would clip it to white. Save it as 8-bit RGB."
        )
    try:
        image.load()
    except (OSError, ValueError, SyntaxError) as error:
        return f"The picture cannot be decoded: {error}."
    return None


def square(image: Image.Image, size: int, *, halves_down: bool = False) -> Image.Image:
    """Resize the shortest side to ``size`` (bicubic) and keep the centre: RGB, size x size.

    Equal to torchvision's ``Resize(size, BICUBIC)``, ``CenterCrop(size)``, ``convert("RGB")`` to
    the byte, rounding and order included, for pictures of up to 1:256; a more extreme picture is
    resized only where it is kept, equal but for rounding. Where the centre falls between two
    pixels torchvision takes the even one and transformers the first: ``halves_down``.
    """
    width, height = image.size
    short, long = sorted((width, height))
    longer = int(size * long / short)
    target = (size, longer) if width <= height else (longer, size)
    left, top = ((n - size) // 2 if halves_down else round((n - size) / 2) for n in target)
    if long > _LONGEST * short:
        return _part(image, target, (left, top), size).convert("RGB")
    resized = image if target == image.size else image.resize(target, Image.Resampling.BICUBIC)
    return resized.crop((left, top, left + size, top + size)).convert("RGB")


def padded(image: Image.Image, size: int) -> Image.Image:
    """Resize the longest side to ``size`` (bicubic) and pad to a square with black: RGB.

    As open_clip's ``ResizeMaxSize`` of 2023, which HPSv2 uses; a side never falls below a pixel.
    """
    scale = size / max(image.size)
    width, height = (max(1, round(side * scale)) for side in image.size)
    resized = image if scale == 1 else image.resize((width, height), Image.Resampling.BICUBIC)
    whole = Image.new("RGB", (size, size))
    whole.paste(resized.convert("RGB"), ((size - width) // 2, (size - height) // 2))
    return whole


def _part(
    image: Image.Image, target: tuple[int, int], corner: tuple[int, int], size: int
) -> Image.Image:
    """Resize only the square at ``corner`` of the target and as much again on its long sides."""
    margins = tuple(0 if n == size else size for n in target)
    scales = tuple(side / n for side, n in zip(image.size, target, strict=True))
    low = [(c - m) * s for c, m, s in zip(corner, margins, scales, strict=True)]
    high = [(c + size + m) * s for c, m, s in zip(corner, margins, scales, strict=True)]
    # Cut first: Pillow resizes a tall picture in another order, which clips otherwise.
    x, y = (math.floor(n) for n in low)
    part = image.crop((x, y, math.ceil(high[0]), math.ceil(high[1])))
    box = (low[0] - x, low[1] - y, high[0] - x, high[1] - y)
    wide, tall = (size + 2 * m for m in margins)
    left, top = margins
    resized = part.resize((wide, tall), Image.Resampling.BICUBIC, box=box)
    return resized.crop((left, top, left + size, top + size))


def like_opencv(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """Resize an RGB picture as OpenCV's ``INTER_LINEAR`` does, which mmdet resizes with.

    It weighs the two nearest pixels a side and never smooths: from 1024 to 800 pixels Pillow's
    bilinear filter gives other pictures. In OpenCV's fixed point; one level off now and then.
    """
    pixels: NDArray[np.int32] = np.asarray(image, dtype=np.int32)
    low, high, near, far = _between(pixels.shape[1], size[0])
    rows = pixels[:, low] * near[:, None] + pixels[:, high] * far[:, None] >> 4
    low, high, near, far = (x for x in _between(pixels.shape[0], size[1]))
    near, far = near[:, None, None], far[:, None, None]
    mixed = (rows[low] * near >> 16) + (rows[high] * far >> 16) + 2 >> 2
    return Image.fromarray(mixed.astype(np.uint8))


def _between(before: int, after: int) -> tuple[NDArray[np.int32], ...]:
    """Return which two pixels each new one lies between, and their weights in 1/2048."""
    at = ((np.arange(after) + 0.5) * (before / after) - 0.5).astype(np.float32)
    low = np.floor(at).astype(np.int32)
    share = at - low.astype(np.float32)
    share[(low < 0) | (low >= before - 1)] = 0
    low = low.clip(0, before - 1)
    near, far = (np.rint(w * np.float32(2048)).astype(np.int32) for w in (1 - share, share))
    return low, (low + 1).clip(max=before - 1), near, far


def upright(image: Image.Image) -> Image.Image:
    """Return the picture in RGB, turned as its EXIF orientation says, if that can be read."""
    try:
        return ImageOps.exif_transpose(image).convert("RGB")
    except SyntaxError:  # what Pillow raises for EXIF data that is no TIFF
        return image.convert("RGB")


def pixel_digest(image: Image.Image) -> str:
    """Return the sha256 of a picture's upright pixels: "WxH", a zero byte, the rows as RGB bytes.

    Unlike the digest of a file it does not depend on how the picture was encoded.
    """
    rgb = upright(image)
    head = f"{rgb.width}x{rgb.height}\0".encode()
    return hashlib.sha256(head + rgb.tobytes()).hexdigest()


def normalised(
    image: Image.Image,
    mean: Sequence[float] = CLIP_MEAN,
    std: Sequence[float] = CLIP_STD,
) -> NDArray[np.float32]:
    """Return an RGB picture as float32 (3, height, width), scaled to [0, 1], then standardised."""
    pixels = np.asarray(image, dtype=np.float32) / np.float32(255)
    shift, scale = np.asarray(mean, np.float32), np.asarray(std, np.float32)
    return np.ascontiguousarray(((pixels - shift) / scale).transpose(2, 0, 1))
