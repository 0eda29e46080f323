"""Mask2Former from the hub's layout, read out as GenEval's own detector (mmdet 2.x) is.

transformers' ``post_process_instance_segmentation`` resizes, ranks and drops otherwise and gives
other boxes and scores, so the read-out is done here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn.functional import interpolate
from transformers import Mask2FormerForUniversalSegmentation

from evalkit.scorers.detection import Detection, Found
from evalkit.scorers.pictures import like_opencv, normalised
from evalkit.scorers.pretrained import load
from evalkit.weights import read_json

MAX_PAIRS = 100
"""(query, class) pairs that are kept, before masks are looked at; a query may appear twice."""
AREA_EPSILON = 1e-6
COCO_FIT = (1333, 800)
"""Longest and shortest side that GenEval's detector resizes a picture to fit into."""

SPELLINGS: Mapping[str, str] = {
    "mouse": "computer mouse",
    "remote": "tv remote",
    "keyboard": "computer keyboard",
    "motorbike": "motorcycle",
    "aeroplane": "airplane",
    "sofa": "couch",
    "pottedplant": "potted plant",
    "diningtable": "dining table",
    "tvmonitor": "tv",
    "hair dryer": "hair drier",
}
"""Labels of COCO checkpoints that GenEval spells otherwise."""

Size = tuple[int, int]
"""Width, height."""


@dataclass(frozen=True)
class Preparation:
    """How pictures are brought into the network, from ``preprocessor_config.json``."""

    fit: Size | None
    """Longest and shortest side to fit into, keeping the ratio; None resizes to ``exact``."""
    exact: Size | None
    mean: tuple[float, ...]
    std: tuple[float, ...]
    divisor: int
    resample: int
    opencv: bool = False
    """Whether to resize as OpenCV does, not as Pillow: mmdet's own checkpoints."""

    @classmethod
    def read(cls, path: Path, fit: Size | None) -> Preparation:
        """Read the file; ``fit`` overrules the size it states."""
        config = read_json(path)
        size = config.get("size", {})
        if not config.get("do_resize", True):
            fit, size = None, {}
        elif isinstance(size, int):
            size = {"shortest_edge": size, "longest_edge": config.get("max_size", size)}
        exact = None
        if fit is None and "shortest_edge" in size:
            fit = (size.get("longest_edge", size["shortest_edge"]), size["shortest_edge"])
        elif fit is None and "height" in size:
            exact = (size["width"], size["height"])
        return cls(
            fit,
            exact,
            tuple(config.get("image_mean", (0.485, 0.456, 0.406))),
            tuple(config.get("image_std", (0.229, 0.224, 0.225))),
            config.get("size_divisor", 32),
            config.get("resample", Image.Resampling.BILINEAR),
            opencv=config.get("resize_like") == "opencv",
        )

    def size_of(self, size: Size) -> Size:
        """Return what a picture of this size is resized to."""
        if self.exact:
            return self.exact
        if self.fit is None:
            return size
        scale = min(self.fit[0] / max(size), self.fit[1] / min(size))
        width, height = (max(1, int(side * scale + 0.5)) for side in size)
        return width, height

    def pixels(self, image: Image.Image) -> NDArray[np.float32]:
        """Return the resized picture, standardised: (3, height, width)."""
        size = self.size_of(image.size)
        if self.opencv:
            resized = like_opencv(image, size)
        else:
            resized = image.resize(size, Image.Resampling(self.resample))
        return normalised(resized, self.mean, self.std)

    def padded(self, size: Size) -> Size:
        """Return the size after padding right and below to a multiple of the divisor."""
        width, height = (-(-side // self.divisor) * self.divisor for side in size)
        return width, height


class Mask2Former:
    """Find objects with a ``Mask2FormerForUniversalSegmentation`` checkpoint.

    What scores ``floor`` or less is not returned. Pictures of equal resized size share a batch,
    and each is padded as if it were alone, so that a batch changes nothing.
    """

    def __init__(
        self,
        folder: Path,
        *,
        device: torch.device,
        fit: Size | None = None,
        floor: float = 0.0,
        batch_size: int = 4,
    ) -> None:
        self._preparation = Preparation.read(folder / "preprocessor_config.json", fit)
        self._model = load(Mask2FormerForUniversalSegmentation, folder).to(device)
        self._device = device
        self._floor = floor
        self._batch_size = batch_size
        labels: Mapping[int, str] = self._model.config.id2label
        self._labels = tuple(SPELLINGS.get(labels[i], labels[i]) for i in range(len(labels)))

    @property
    def classes(self) -> frozenset[str]:
        """The checkpoint's labels, in GenEval's spelling."""
        return frozenset(self._labels)

    def detect(self, images: Sequence[Image.Image]) -> list[Found | None]:
        """Return what is in each RGB picture; None where the network returned no numbers."""
        found: list[Found | None] = [None] * len(images)
        for batch in self._batches(images):
            found_here = self._detect_alike([images[i] for i in batch])
            for index, one in zip(batch, found_here, strict=True):
                found[index] = one
        return found

    def _batches(self, images: Sequence[Image.Image]) -> Iterator[list[int]]:
        def size(index: int) -> Size:
            return self._preparation.size_of(images[index].size)

        for _, group in groupby(sorted(range(len(images)), key=size), key=size):
            alike = list(group)
            for start in range(0, len(alike), self._batch_size):
                yield alike[start : start + self._batch_size]

    def _detect_alike(self, images: Sequence[Image.Image]) -> Iterator[Found | None]:
        pixels = torch.from_numpy(np.stack([self._preparation.pixels(i) for i in images]))
        resized = (pixels.shape[3], pixels.shape[2])
        padded = self._preparation.padded(resized)
        margin = (0, padded[0] - resized[0], 0, padded[1] - resized[1])
        with torch.inference_mode():
            pixels = torch.nn.functional.pad(pixels.to(self._device), margin)
            output = self._model(pixel_values=pixels)
            outputs = zip(output.class_queries_logits, output.masks_queries_logits, strict=True)
            for image, (classes, masks) in zip(images, outputs, strict=True):
                if not (classes.isfinite().all() and masks.isfinite().all()):
                    yield None  # NaN passes no threshold: it would look like an empty picture
                    continue
                frame = Frame(padded, resized, image.size)
                yield self._by_class(instances(classes, masks, frame, floor=self._floor))

    def _by_class(self, pairs: Sequence[tuple[int, Detection]]) -> Found:
        found: dict[str, list[Detection]] = {}
        for label, detection in pairs:
            found.setdefault(self._labels[label], []).append(detection)
        return found


@dataclass(frozen=True)
class Frame:
    """The sizes (width, height) that a mask goes through on its way back to the picture."""

    padded: Size
    resized: Size
    original: Size


def instances(
    class_logits: Tensor, mask_logits: Tensor, frame: Frame, *, floor: float = 0.0
) -> list[tuple[int, Detection]]:
    """Read objects out of (queries, classes + 1) and (queries, h, w) logits: (label, detection).

    As mmdet's ``MaskFormerFusionHead``: the best 100 (query, class) pairs by class probability
    ("no object" left out); score = that probability x mean mask probability over the mask; the
    box is the mask's tight one. No overlap is resolved. An empty mask scores zero.
    """
    probabilities = class_logits.float().softmax(-1)[:, :-1]
    count = probabilities.shape[1]
    top, indices = probabilities.flatten().topk(min(MAX_PAIRS, probabilities.numel()))
    objects: list[tuple[int, Detection]] = []
    masks: dict[int, _Mask] = {}
    for probability, index in zip(top, indices.tolist(), strict=True):
        query, label = divmod(index, count)
        if probability <= floor:
            break
        if query not in masks:
            masks[query] = _mask(mask_logits[query].float(), frame)
        mask = masks[query]
        score = (probability * mask.score).cpu().numpy()[()]
        if score > floor:
            objects.append((label, Detection(mask.box, score, mask.pixels)))
    return objects


@dataclass(frozen=True)
class _Mask:
    pixels: NDArray[np.bool_]
    score: Tensor
    box: tuple[float, float, float, float]


def _mask(logits: Tensor, frame: Frame) -> _Mask:
    """Bring one query's mask to the picture's size, in mmdet's two steps."""
    full = _resize(logits[None, None], frame.padded)
    full = full[:, :, : frame.resized[1], : frame.resized[0]]
    full = _resize(full, frame.original)[0, 0]
    inside = full > 0
    score = (full.sigmoid() * inside).sum() / (inside.sum() + AREA_EPSILON)
    pixels = inside.cpu().numpy()
    return _Mask(pixels, score, tight_box(pixels))


def _resize(masks: Tensor, size: Size) -> Tensor:
    return interpolate(masks, size=(size[1], size[0]), mode="bilinear", align_corners=False)


def tight_box(mask: NDArray[np.bool_]) -> tuple[float, float, float, float]:
    """Return the tight box of a mask, ends exclusive; all zeros for an empty mask."""
    columns, rows = np.flatnonzero(mask.any(axis=0)), np.flatnonzero(mask.any(axis=1))
    if not len(columns):
        return 0.0, 0.0, 0.0, 0.0
    return float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1)
