"""Names to classes, imported only when one is used."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from importlib.metadata import entry_points
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
    "geneval": "evalkit.scorers.geneval:GenEval",
    "hps-v2": "evalkit.scorers.hps:HpsV2",
    "hps-v2.1": "evalkit.scorers.hps:HpsV21",
    "image-reward": "evalkit.scorers.image_reward:ImageReward",
    "pick-score": "evalkit.scorers.pick_score:PickScore",
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
