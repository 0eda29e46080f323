"""Find a pipeline's folder and check that it is whole, before anything heavy is imported."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from evalkit import weights
from evalkit.errors import SpecError, WeightsError
from evalkit.generators.recipe import Recipe, check_known
from evalkit.records import ModelSpec
from evalkit.weights import Weights, resolve

INDEX = "model_index.json"
_WEIGHTS = ("*.safetensors", "*.bin")
_VOCABULARIES = ("tokenizer.json", "vocab.json", "spiece.model", "tokenizer.model")


def locate(spec: ModelSpec, recipe: Recipe) -> Weights:
    """Find the pipeline's folder, fetched if it is on the hub, and check that it is whole."""
    if spec.weights is None:
        raise SpecError(
            f"Model {spec.name!r} names no weights. Give a pipeline folder or a hub id."
        )
    prefix = f"{recipe.subfolder}/" if recipe.subfolder else ""
    index, components = _index(spec, recipe, prefix)
    found = resolve(
        spec.weights,
        revision=index.info.revision or spec.revision,
        files=[prefix + INDEX, *_patterns(prefix, components, recipe.variant)],
    )
    for name, (library, _) in components.items():
        _check_component(found.path / prefix, name, library)
    return Weights(found.path / prefix, found.info)


def to_fetch(spec: ModelSpec, recipe: Recipe) -> int:
    """Return how many bytes are not on this machine yet; only the index is fetched."""
    if spec.weights is None or weights.is_local(spec.weights):
        return 0
    prefix = f"{recipe.subfolder}/" if recipe.subfolder else ""
    index, components = _index(spec, recipe, prefix)
    patterns = _patterns(prefix, components, recipe.variant)
    return weights.to_fetch(spec.weights, index.info.revision or spec.revision, patterns)


def _index(
    spec: ModelSpec, recipe: Recipe, prefix: str
) -> tuple[Weights, dict[str, tuple[str, str]]]:
    index = resolve(str(spec.weights), revision=spec.revision, files=[prefix + INDEX])
    return index, _components(index.path / prefix, recipe)


def _patterns(prefix: str, components: Mapping[str, Any], variant: str | None) -> list[str]:
    tensors = f"*.{variant}*.safetensors" if variant else "*.safetensors"
    kinds = ("*.json", "*.txt", "*.model", tensors)
    return [f"{prefix}{name}/{kind}" for name in components for kind in kinds]


def read_index(folder: Path) -> dict[str, Any]:
    """Read model_index.json, by which a pipeline folder is known."""
    path = folder / INDEX
    if not path.is_file():
        raise WeightsError(
            f"{folder} is not a pipeline folder: it holds no {INDEX}. "
            "Give the folder that save_pretrained wrote, or the hub id of a diffusers pipeline."
        )
    try:
        index = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise WeightsError(f"{path} cannot be read: {error}. Copy the checkpoint again.") from error
    if not isinstance(index, dict) or "_class_name" not in index:
        raise WeightsError(f"{path} names no pipeline class (_class_name). Is it diffusers' file?")
    return index


def _components(folder: Path, recipe: Recipe) -> dict[str, tuple[str, str]]:
    """Return what the folder must hold: component -> (library, class)."""
    index = read_index(folder)
    listed = {k: v for k, v in index.items() if isinstance(v, list) and not k.startswith("_")}
    check_known(f"{folder / INDEX}: option drop names an unknown", "component", recipe.drop, listed)
    named = {k: (str(v[0]), str(v[1])) for k, v in listed.items() if len(v) == 2 and v[0]}
    return {k: v for k, v in named.items() if k not in recipe.drop}


def _check_component(folder: Path, name: str, library: str) -> None:
    """Refuse what the libraries would load without a word, or refuse in a riddle."""
    path = folder / name
    if not path.is_dir() or not any(path.iterdir()):
        raise WeightsError(
            f"The pipeline at {folder} lacks its component {name!r} (no folder {path}). "
            f'Copy the checkpoint again, or leave it out with drop = ["{name}"] if it may be.'
        )
    if "tokenizer" in name and not any((path / v).is_file() for v in _VOCABULARIES):
        raise WeightsError(
            f"The tokenizer at {path} has no vocabulary ({', '.join(_VOCABULARIES)}). "
            "Copy the checkpoint again."
        )
    is_model = library in ("diffusers", "transformers") and (path / "config.json").is_file()
    if is_model and not any(True for kind in _WEIGHTS for _ in path.glob(kind)):
        raise WeightsError(f"{path} holds a config.json but no weights. Copy the checkpoint again.")
    for shards in path.glob("*.index*.json"):
        for shard in sorted(set(json.loads(shards.read_text())["weight_map"].values())):
            if not (path / shard).is_file():
                raise WeightsError(f"{path} lacks {shard}, which {shards.name} names. Fetch it.")
