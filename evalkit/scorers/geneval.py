"""GenEval (Ghosh et al. 2023, arXiv 2310.11513): does the picture show what was asked?

``judge`` is the rule, ``GenEval`` the scorer: a detector, a colour classifier and the rule.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalkit.errors import ImageError, SuiteError
from evalkit.records import Prompt, Requirements, ScorerCard, WeightsInfo
from evalkit.scorers import Verdict
from evalkit.scorers.batches import judge_in_batches, needs_models, pick_device
from evalkit.scorers.detection import CONVERSION, ColourClassifier, Detection, Detector, Found
from evalkit.scorers.detections_file import DetectionsFile, Header, read_header, write
from evalkit.scorers.geneval_rules import Judgement, Options, judge, relations, survivors
from evalkit.scorers.pictures import pixel_digest, unusable, upright
from evalkit.weights import MINIATURE, Weights, expand, read_json, resolve, suffix

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["Detection", "GenEval", "Judgement", "Options", "judge", "relations"]

DETECTOR = "facebook/mask2former-swin-small-coco-instance"
"""The architecture of GenEval's detector, from another training: hence ``geneval-hf``."""
COLOURS = "timm/vit_large_patch14_clip_224.openai"
"""OpenAI's ViT-L/14, which open_clip's tag "openai" stands for."""
MMDET = "743b7d99"
"""How the sha256 of mmdet's checkpoint begins, GenEval's own detector: hence ``geneval-mmdet``."""
DETECTOR_FILES = ("*.json", "*.safetensors")
OPEN_CLIP_FILES = ("*.json", "open_clip_model.safetensors")
CLIP_FILES = ("*.json", "*.txt", "model.safetensors", "open_clip_model.safetensors")


@dataclass(frozen=True)
class _Task:
    requirements: Requirements
    image: Image.Image


class GenEval:
    """Score 1 for a picture that shows all that was asked, else 0; ``detail`` says why.

    ``weights``: a ``Mask2FormerForUniversalSegmentation`` in the hub's layout (``evalkit weights
    convert`` makes one of GenEval's own detector); ``colour_weights``:
    an open_clip file of ViT-L-14-quickgelu, or a folder or hub id of either that or a
    ``transformers.CLIPModel``. ``weights="miniature"`` means the package's small ones for both.
    With ``detections`` (see ``detections_file``) no detector runs; with ``export`` what the
    detector finds is appended to such a file. The card's name tells detectors and colour models
    apart: only numbers of one name can be compared. A run's headline is the mean of the six
    tasks' means. Prompts without requirements, and classes that the detector does not know, get a
    reason instead of a value.
    """

    version = 1

    def __init__(
        self,
        weights: str | os.PathLike[str] = DETECTOR,
        colour_weights: str | os.PathLike[str] | None = None,
        *,
        device: str | None = None,
        detections: Path | None = None,
        export: Path | None = None,
        options: Options = Options(),  # noqa: B008  frozen
        batch_size: int | None = None,
    ) -> None:
        self._weights = expand(weights, "detector")
        own = os.fspath(weights) == MINIATURE
        default = MINIATURE if own else COLOURS
        self._colour_weights = expand(colour_weights or default, "clip")
        self._device = device
        self._file = None if detections is None else Path(detections)
        self._export = None if export is None else Path(export)
        self._options = options
        self._asked_batch_size = batch_size

    @property
    def card(self) -> ScorerCard:
        """What the numbers mean and which files they come from."""
        infos = (self._detector_info, self._colour_files.info)
        return ScorerCard(
            name="-".join(["geneval", *self._variant()]),
            version=self.version,
            title="GenEval",
            unit="share of pictures that are right",
            low=0,
            high=1,
            headline="mean of category means",
            weights=infos,
            options=asdict(self._options),
        )

    def _variant(self) -> list[str]:
        """Say which detector and colour model are used, without saying the same twice."""
        colours = suffix(self._colour_files.info, COLOURS).removeprefix("-")
        parts = [self._detector_name, colours]
        return [part for part in dict.fromkeys(parts) if part]

    @cached_property
    def _detector_name(self) -> str:
        if self._file is not None:
            return read_header(self._file).detector
        if _converted_from(self._detector_files.path).startswith(MMDET):
            return "mmdet"
        return suffix(self._detector_info, DETECTOR).removeprefix("-") or "hf"

    @cached_property
    def _detector_info(self) -> WeightsInfo:
        return resolve(self._file).info if self._file else self._detector_files.info

    @cached_property
    def _detector_files(self) -> Weights:
        return resolve(self._weights, files=DETECTOR_FILES)

    @cached_property
    def _colour_files(self) -> Weights:
        files = OPEN_CLIP_FILES if self._colour_weights == COLOURS else CLIP_FILES
        return resolve(self._colour_weights, files=files)

    def load(self) -> None:
        """Bring the detector and the colour model into memory."""
        _ = self._detector, self._colours

    @cached_property
    def _batch_size(self) -> int:
        """A picture of 800 fills a processor's caches alone; a GPU is filled by several."""
        if self._asked_batch_size is not None:
            return self._asked_batch_size
        return 1 if self._file is None and pick_device(self._device).type == "cpu" else 4

    @cached_property
    def _detector(self) -> Detector:
        if self._file is not None:
            return DetectionsFile(self._file)
        with needs_models("The scorer geneval"):
            from evalkit.scorers.mask2former import COCO_FIT, Mask2Former
        official = not suffix(self._detector_files.info, DETECTOR)
        return Mask2Former(
            self._detector_files.path,
            device=pick_device(self._device),
            fit=COCO_FIT if official else None,
            floor=min(self._options.threshold, self._options.counting_threshold),
            batch_size=self._batch_size,
        )

    @cached_property
    def _colours(self) -> ColourClassifier:
        with needs_models("The scorer geneval"):
            from evalkit.scorers.clip_models import open_any
            from evalkit.scorers.pretrained import require_openais_activation
        require_openais_activation(self._colour_files)
        from evalkit.scorers.colours import ClipColours

        return ClipColours(open_any(self._colour_files.path, pick_device(self._device)))

    def score(
        self, prompts: Sequence[Prompt | str], images: Sequence[Image.Image]
    ) -> list[Verdict]:
        """Judge ``images[i]`` against ``prompts[i]``."""
        return judge_in_batches(
            prompts, images, prepare=self._prepare, judge=self._judge, size=self._batch_size
        )

    def _prepare(self, prompt: Prompt | str, image: Image.Image) -> _Task | Verdict:
        requirements = None if isinstance(prompt, str) else prompt.requirements
        if requirements is None:
            text = prompt if isinstance(prompt, str) else prompt.id
            return Verdict(None, f"The prompt {text[:60]!r} has no GenEval requirements.")
        wanted = (*requirements.include, *requirements.exclude)
        for name in sorted({clause.class_name for clause in wanted} - self._detector.classes):
            return Verdict(None, f"The detector does not know the class {name!r}.")
        if reason := unusable(image):
            return Verdict(None, reason)
        return _Task(requirements, upright(image))

    def _judge(self, tasks: list[_Task]) -> list[Verdict]:
        images = [task.image for task in tasks]
        found = self._detector.detect(images)
        if self._export is not None:
            pairs = zip(images, found, strict=True)
            seen = [(pixel_digest(image), one) for image, one in pairs if one is not None]
            write(self._export, self._header(), seen)
        return [self._verdict(t, one) for t, one in zip(tasks, found, strict=True)]

    def _header(self) -> Header:
        return Header(detector=self._detector_name, classes=tuple(sorted(self._detector.classes)))

    def _verdict(self, task: _Task, found: Found | None) -> Verdict:
        if found is None and self._file is None:
            return Verdict(None, "The detector returned NaN or infinity. Check the weights.")
        if found is None:
            return Verdict(None, f"{self._file} has no detections of this picture.")

        def colour_of(class_name: str, candidates: Sequence[Detection]) -> list[str]:
            if any(d.mask is None for d in candidates):
                raise ImageError(f"The detections of {class_name!r} have no masks to see a colour.")
            return self._colours.colours(task.image, class_name, candidates)

        try:
            judgement = judge(task.requirements, found, colour_of, options=self._options)
        except (ImageError, SuiteError) as error:
            return Verdict(None, str(error))
        tag = task.requirements.tag
        detail: Mapping[str, Any] = {
            "correct": judgement.correct,
            "reason": judgement.reason,
            "tag": tag,
            "details": details(survivors(found, tag, self._options)),
        }
        return Verdict(float(judgement.correct), detail=detail)


def _converted_from(folder: Path) -> str:
    """Return the sha256 of the file that a detector was converted from, if it was."""
    path = folder / CONVERSION
    return str(read_json(path).get("sha256", "")) if path.is_file() else ""


def details(found: Found) -> dict[str, list[list[float]]]:
    """Return class -> [x1, y1, x2, y2, score] lists, as in GenEval's result rows."""
    return {
        name: [[*(float(x) for x in d.box), float(d.score)] for d in detections]
        for name, detections in found.items()
    }
