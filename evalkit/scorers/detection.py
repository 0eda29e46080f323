"""Objects found in pictures: what a detector returns, and the protocols around it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image

CONVERSION = "conversion.json"
"""In a converted checkpoint's folder: the name and sha256 of the file that it was made from."""

Box = tuple[float, float, float, float]
"""x1, y1, x2, y2 in pixels of the upright picture; x2 and y2 are exclusive."""


@dataclass(frozen=True)
class Detection:
    """One object: where it is, how sure the detector is (0-1), and which pixels it covers."""

    box: Box
    score: float
    mask: NDArray[np.bool_] | None = field(default=None, compare=False, repr=False)
    """(height, width) of the whole picture; None where the detector gives boxes only."""


Found = Mapping[str, Sequence[Detection]]
"""What was found in one picture, per class in GenEval's spelling, in any order."""


class Detector(Protocol):
    """Find objects in pictures, each picture on its own."""

    @property
    def classes(self) -> frozenset[str]:
        """The classes that the detector knows, in GenEval's spelling."""
        ...

    def detect(self, images: Sequence[Image.Image]) -> list[Found | None]:
        """Return what is in each upright RGB picture; None where nobody looked or saw."""
        ...


class ColourClassifier(Protocol):
    """Name the colour of objects in a picture."""

    def colours(
        self, image: Image.Image, class_name: str, detections: Sequence[Detection]
    ) -> list[str]:
        """Return one of GenEval's ten colours per detection; the picture is upright RGB."""
        ...
