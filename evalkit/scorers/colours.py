"""The colour of an object, as GenEval asks CLIP for it (clip_benchmark's zero-shot classifier)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from evalkit.errors import ImageError
from evalkit.geneval import COLORS
from evalkit.scorers.detection import Detection
from evalkit.scorers.pictures import normalised, square

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from evalkit.scorers.clip_models import Clip

GREY = "#999999"
"""What everything but the object is painted with."""
TEMPLATES = ("a photo of a {} {}", "a photo of a {}-colored {}", "a photo of a {} object")
"""The article is "a" whatever follows."""


class ClipColours:
    """Name colours by the nearest of ten averaged texts; the texts are read once per class."""

    def __init__(self, clip: Clip) -> None:
        self._clip = clip
        self._directions: dict[str, NDArray[np.float32]] = {}

    def colours(
        self, image: Image.Image, class_name: str, detections: Sequence[Detection]
    ) -> list[str]:
        """Return one of GenEval's ten colours per detection."""
        if class_name not in self._directions:
            self._directions[class_name] = directions(self._clip, class_name)
        pixels = np.stack([self._pixels(crop(image, d)) for d in detections])
        likeness = self._clip.see(pixels) @ self._directions[class_name]
        if not np.isfinite(likeness).all():
            raise ImageError("The colour model returned NaN or infinity. Check the weights.")
        return [COLORS[i] for i in likeness.argmax(axis=1)]

    def _pixels(self, image: Image.Image) -> NDArray[np.float32]:
        return normalised(square(image, self._clip.size), self._clip.mean, self._clip.std)


def directions(clip: Clip, class_name: str) -> NDArray[np.float32]:
    """Return a unit vector per colour, the mean of its three texts: (width, 10)."""
    means = []
    for colour in COLORS:
        texts = [template.format(colour, class_name) for template in TEMPLATES]
        mean = clip.read(texts).mean(axis=0)
        means.append(mean / np.linalg.norm(mean))
    return np.stack(means, axis=1)


def crop(image: Image.Image, detection: Detection) -> Image.Image:
    """Cut an object out of an RGB picture, on grey where there is a mask."""
    x1, y1, x2, y2 = (round(float(x)) for x in detection.box)
    if x2 <= x1 or y2 <= y1:
        raise ImageError(f"The box {detection.box} is empty: no colour can be seen in it.")
    if detection.mask is not None:
        size = (detection.mask.shape[1], detection.mask.shape[0])
        if size != image.size:
            raise ImageError(f"A mask of {size} was given for a picture of {image.size}.")
        grey = Image.new("RGB", image.size, GREY)
        image = Image.composite(image, grey, Image.fromarray(detection.mask))
    return image.crop((x1, y1, x2, y2))
