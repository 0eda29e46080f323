"""Names to classes, imported only when one is used."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, cast

from evalkit.errors import EvalkitError, UnknownNameError
from evalkit.generators import Generator
from evalkit.records import ModelSpec
from evalkit.scorers import Scorer

GENERATORS: Mapping[str, str] = {
    "diffusers": "evalkit.generators.pipelines:Diffusers",
    "folder": "evalkit.generators.folder:Folder",
    "sketch": "evalkit.generators.sketch:Sketch",
    "stability": "evalkit.generators.stability:Stability",
}
SCORERS: Mapping[str, str] = {
    "aesthetic": "evalkit.scorers.aesthetic:Aesthetic",
    "clip-cosine": "evalkit.scorers.clip_conventions:ClipCosine",
    "clip-score": "evalkit.scorers.clip_score:ClipScore",
    "clip-score-hessel": "evalkit.scorers.clip_conventions:HesselClipScore",
    "dpg": "evalkit.scorers.dpg:Dpg",
    "geneval": "evalkit.scorers.geneval:GenEval",
    "hps-v2": "evalkit.scorers.hps:HpsV2",
    "hps-v2.1": "evalkit.scorers.hps:HpsV21",
    "image-reward": "evalkit.scorers.image_reward:ImageReward",
    "pick-score": "evalkit.scorers.pick_score:PickScore",
    "soft-tifa": "evalkit.scorers.soft_tifa:SoftTifa",
    "soft-tifa-gm": "evalkit.scorers.soft_tifa:SoftTifaGm",
    "vqa-score": "evalkit.scorers.vqa_score:VqaScore",
}

CONVERTERS: Mapping[str, str] = {
    "mmdet-mask2former": "evalkit.scorers.mmdet_mask2former:convert",
}


def names(kind: str) -> dict[str, str]:
    """Return every known name of a kind (``generator`` or ``scorer``) and where its class is."""
    built_in = {"generator": GENERATORS, "scorer": SCORERS}[kind]
    known = dict(built_in)
    for point in entry_points(group=f"evalkit.{kind}s"):
        if point.name in known:
            raise EvalkitError(
                f"Two packages offer the {kind} {point.name!r}: {known[point.name]} and "
                f"{point.value}. Uninstall one of them."
            )
        known[point.name] = point.value
    return known


def _load(kind: str, name: str) -> type[Any]:
    known = names(kind)
    if name not in known:
        raise UnknownNameError(kind, name, known)
    module, _, attribute = known[name].partition(":")
    return cast(type[Any], getattr(import_module(module), attribute))


def generator(spec: ModelSpec) -> Generator:
    """Make the generator that a specification names; its weights are not loaded yet."""
    return cast(Generator, _load("generator", spec.generator)(spec))


def scorer(name: str, weights: Any = None, **options: Any) -> Scorer:
    """Make a scorer by name; its weights are not loaded yet.

    ``weights`` is a folder, a hub id, or ``"miniature"`` for the small judges that the package
    carries; None means the weights of the metric's authors, from the hub.
    """
    given = {} if weights is None else {"weights": weights}
    return cast(Scorer, _load("scorer", name)(**given, **options))


def converter(kind: str) -> Callable[[Path, Path], Path]:
    """Return what brings a checkpoint of this kind into the layout that the scorers read."""
    if kind not in CONVERTERS:
        raise UnknownNameError("kind of checkpoint", kind, CONVERTERS)
    module, _, attribute = CONVERTERS[kind].partition(":")
    return cast(Callable[[Path, Path], Path], getattr(import_module(module), attribute))
