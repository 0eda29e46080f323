"""What can be known of a diffusers model before its weights are read, so that a run fails at once.

The tensors' names and shapes stand at the head of a safetensors file: from them come the bytes
that the weights will take, and whether a file that replaces the denoiser is of the same model.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from evalkit.errors import WeightsError
from evalkit.generators import adapters, checkpoint, loading
from evalkit.generators.recipe import PRECISIONS, Adapter, Recipe
from evalkit.records import ModelSpec
from evalkit.weights import hub_room, read_json, to_fetch

BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}
BLOCK = 32
"""Weights of a row that GGUF packs together; other rows stay as they are."""
_TABLES = ("embedding", "embed_tokens", "shared")
"""In the names of matrices that are looked up in, not multiplied with, and so are never packed."""
_SHARD = re.compile(r"-\d{5}-of-\d{5}$")
Shapes = dict[str, tuple[int, ...]]


@dataclass(frozen=True)
class Room:
    """Bytes that are free: in the computer's memory, and in the accelerator's if there is one."""

    host: int
    accelerator: int | None = None


def check(spec: ModelSpec, recipe: Recipe, room: Room | None = None) -> str:
    """Say what the weights will take, or raise what would stop them; no tensor is read."""
    missing = checkpoint.to_fetch(spec, recipe)
    missing += sum(to_fetch(a.weights, a.revision, adapters.files(a)) for a in recipe.adapters)
    if missing:
        return _check_disk(spec, missing)
    folder = checkpoint.locate(spec, recipe).path
    files = [adapters.locate(a).path for a in recipe.adapters]
    loading.prepare(spec, recipe, folder)
    held = {name: shapes(_files(path, recipe.variant)) for name, path in _models(folder, recipe)}
    for adapter, file in zip(recipe.adapters, files, strict=True):
        _check_adapter(adapter, file, held)
    return _check_room(spec, recipe, held, room or _room())


def _check_disk(spec: ModelSpec, missing: int) -> str:
    """Refuse what the hub's cache has no room for; of the memory, files elsewhere tell nothing."""
    free = hub_room()
    if missing > free:
        raise WeightsError(
            f"Model {spec.name!r} has {_size(missing)} of weights to be fetched from the hub, and "
            f"{_size(free)} are free where its cache lies. Free some, or let HF_HOME name a "
            "larger disk."
        )
    return (
        f"{_size(missing)} of weights to be fetched from the hub; whether they fit into memory "
        "can be told only when they are here"
    )


def _models(folder: Path, recipe: Recipe) -> Iterator[tuple[str, Path]]:
    for path in sorted(p.parent for p in folder.glob("*/config.json")):
        if path.name not in recipe.drop:
            read_json(path / "config.json")
            yield path.name, path


def _files(folder: Path, variant: str | None) -> list[Path]:
    """Return the files of a component that diffusers will read: of the variant, or of none."""
    found: dict[str | None, list[Path]] = {}
    for path in sorted(folder.glob("*.safetensors")):
        _, _, named = _SHARD.sub("", path.stem).partition(".")
        found.setdefault(named or None, []).append(path)
    return found.get(variant) or found.get(None) or []


def shapes(files: Sequence[Path]) -> Shapes:
    """Read the names and shapes of the tensors, which also tells whether the files are whole."""
    from safetensors import SafetensorError, safe_open

    found: Shapes = {}
    for path in files:
        try:
            with safe_open(path, framework="np") as tensors:
                names = tensors.keys()
                found |= {n: tuple(tensors.get_slice(n).get_shape()) for n in names}
        except (SafetensorError, OSError) as error:
            raise WeightsError(
                f"{path} cannot be read: {error}. It may be cut short: copy it again."
            ) from error
    return found


def _check_adapter(adapter: Adapter, path: Path, held: dict[str, Shapes]) -> None:
    """Refuse a damaged file, and a denoiser of another model."""
    if path.is_dir() or path.suffix != ".safetensors":
        shapes(sorted(path.glob("*.safetensors")))
        return
    found, own = shapes([path]), held.get("unet") or held.get("transformer")
    if adapter.kind != "denoiser" or not own or found == own:
        return
    names = sorted(found.items() ^ own.items())
    raise WeightsError(
        f"{path} is no denoiser for this pipeline: {len(names)} names or shapes differ, such as "
        f"{names[0][0]} {list(names[0][1])}. Is it for another model?"
    )


def _check_room(spec: ModelSpec, recipe: Recipe, held: dict[str, Shapes], room: Room) -> str:
    dtype = spec.dtype or "float32"
    whole = {name: _bytes(found, dtype, None) for name, found in held.items()}
    _refuse(f"Model {spec.name!r}", whole, sum(whole.values()), room.host, "in memory", dtype)
    if room.accelerator is not None:
        packed = {n: _bytes(f, dtype, recipe.precision.get(n)) for n, f in held.items()}
        needed = _at_once(packed, recipe.offload)
        where = "on the accelerator"
        _refuse(f"Model {spec.name!r}", packed, needed, room.accelerator, where, dtype)
    return f"{_size(sum(whole.values()))} of weights as {dtype}"


def _at_once(parts: dict[str, int], offload: str | None) -> int:
    """Return how much of the weights is on the accelerator together; of layers, hardly any."""
    if offload is None:
        return sum(parts.values())
    return max(parts.values(), default=0) if offload == "model" else 0


def _refuse(
    model: str, parts: dict[str, int], needed: int, free: int, where: str, dtype: str
) -> None:
    if needed <= free:
        return
    largest = max(parts, key=lambda name: parts[name])
    raise WeightsError(
        f"{model} has {_size(needed)} of weights as {dtype} ({largest} alone "
        f"{_size(parts[largest])}), and {_size(free)} are free {where}. Free some, take a smaller "
        "dtype, or use the options precision, drop and offload."
    )


def _bytes(found: Shapes, dtype: str, precision: str | None) -> int:
    total = 0.0
    for name, shape in found.items():
        is_linear = len(shape) == 2 and not any(word in name for word in _TABLES)
        packed = precision if is_linear and shape[1] % BLOCK == 0 else None
        total += math.prod(shape) * (PRECISIONS[packed] / 8 if packed else BYTES[dtype])
    return round(total)


def _room() -> Room:
    import psutil
    import torch

    free = psutil.virtual_memory().available
    return Room(free, torch.cuda.mem_get_info()[0] if torch.cuda.is_available() else None)


def _size(count: float) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e8 else f"{count / 1e6:.1f} MB"
