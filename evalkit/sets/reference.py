"""A reference set as statistics in one file, so that its pictures need not be kept or shared."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from evalkit.errors import EvalkitError, ImageError, SpecError
from evalkit.images import decode
from evalkit.records import Record, WeightsInfo, digest
from evalkit.sets.distances import Moments
from evalkit.sets.features import Network

if TYPE_CHECKING:
    from PIL import Image

SCHEMA_VERSION = 1
KEEP = 10_000
"""Pictures whose vectors are kept for what needs more than moments: 80 MB of Inception's."""
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp")
BATCH = 16


class ReferenceCard(Record):
    """What a reference is made of."""

    schema_version: int = SCHEMA_VERSION
    name: str
    digest: str
    """sha256 over the sha256s of its pictures' files, sorted."""
    count: int
    kept: int
    resize: str | None
    """Inception's; None where the reference has no vectors of it."""
    networks: dict[str, WeightsInfo]
    made_at: str
    """UTC, ISO 8601."""


@dataclass(frozen=True)
class Reference:
    """A card with its vectors, by network, and Inception's moments over all pictures."""

    card: ReferenceCard
    vectors: Mapping[str, NDArray[np.float32]]
    moments: Moments | None = field(default=None)


def make(
    folder: Path,
    networks: Mapping[str, Network],
    *,
    keep: int = KEEP,
    progress: Callable[[int], None] = lambda _: None,
) -> Reference:
    """See a folder's pictures; one that cannot be read is refused, since a set is whole."""
    if not networks:
        raise SpecError("Nothing to see with. Give --inception FILE, --clip WEIGHTS, or both.")
    files = pictures(folder)
    named = sorted((hashlib.sha256(p.read_bytes()).hexdigest(), str(p)) for p in files)
    seen: dict[str, list[NDArray[np.float32]]] = {name: [] for name in networks}
    for start in range(0, len(named), BATCH):
        some = [_open(Path(path)) for _, path in named[start : start + BATCH]]
        for name, network in networks.items():
            seen[name].append(network.see(some))
        progress(len(some))
    whole = {name: finite(np.concatenate(parts), folder.name) for name, parts in seen.items()}
    chosen = np.sort(np.random.default_rng(0).permutation(len(named))[:keep])
    card = ReferenceCard(
        name=folder.resolve().name,
        digest=digest([name for name, _ in named]),
        count=len(named),
        kept=len(chosen),
        resize=getattr(networks.get("inception"), "resize", None),
        networks={name: network.info for name, network in networks.items()},
        made_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    moments = Moments.of(whole["inception"]) if "inception" in whole else None
    return Reference(card, {name: v[chosen] for name, v in whole.items()}, moments)


def pictures(folder: Path) -> list[Path]:
    """List a folder's pictures, those of its folders too."""
    if not folder.is_dir():
        raise SpecError(f"There is no folder {folder}. Give the folder of the reference pictures.")
    found = sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())
    if len(found) < 2:
        raise SpecError(
            f"{folder} holds {len(found)} pictures ({', '.join(SUFFIXES)}); two are the least."
        )
    return found


def _open(path: Path) -> Image.Image:
    try:
        return decode(path.read_bytes(), str(path))
    except OSError as error:
        raise ImageError(f"{path} cannot be read: {error}.") from error


def finite(vectors: NDArray[np.float32], what: str) -> NDArray[np.float32]:
    """Return the vectors, or raise if a network has returned NaN or infinity."""
    if not np.isfinite(vectors).all():
        bad = int((~np.isfinite(vectors)).any(axis=1).sum())
        raise EvalkitError(
            f"The network returned no numbers for {bad} of {len(vectors)} pictures of {what}. "
            "Check the weights."
        )
    return vectors


def check_place(path: Path) -> None:
    """Refuse a file that could not be written, before hours are spent on what it is to hold."""
    if not path.parent.is_dir():
        raise EvalkitError(f"There is no folder {path.parent} to write {path.name} in. Make it.")
    if path.is_dir():
        raise EvalkitError(f"{path} is a folder. Name a file, .npz.")


def write(reference: Reference, path: Path) -> None:
    """Write a reference as one ``.npz`` that numpy opens without pickles."""
    arrays: dict[str, Any] = {f"{name}_vectors": v for name, v in reference.vectors.items()}
    if reference.moments:
        arrays |= {"inception_mu": reference.moments.mu, "inception_sigma": reference.moments.sigma}
    temporary = path.with_name(path.name + ".part")
    try:
        with temporary.open("wb") as stream:
            np.savez(stream, card=np.array(reference.card.model_dump_json()), **arrays)
        temporary.replace(path)
    except OSError as error:
        raise EvalkitError(f"The reference could not be written to {path}: {error}.") from error


def read(path: Path) -> Reference:
    """Read a reference; refuse a damaged or newer one in words."""
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        facts = json.loads(str(arrays["card"]))
        if facts.get("schema_version") != SCHEMA_VERSION:
            raise EvalkitError(
                f"{path} has schema version {facts.get('schema_version')!r}; this program reads "
                f"{SCHEMA_VERSION}. Make it again with: evalkit reference make."
            )
        card = ReferenceCard.model_validate(facts)
        vectors = {name: arrays[f"{name}_vectors"] for name in card.networks}
        moments = None
        if "inception" in card.networks:
            moments = Moments(arrays["inception_mu"], arrays["inception_sigma"])
    except (OSError, ValueError, KeyError, EOFError, AttributeError, BadZipFile) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise EvalkitError(
            f"{path} is no reference that can be read ({reason}). "
            f"Make one with: evalkit reference make DIR --out {path}"
        ) from error
    return Reference(card, vectors, moments)


def check(card: ReferenceCard, networks: Mapping[str, Network]) -> None:
    """Raise unless the reference was seen with these networks."""
    for name, network in networks.items():
        known = card.networks.get(name)
        if known is None:
            raise SpecError(
                f"The reference {card.name} has no vectors of {name}; it has "
                f"{', '.join(card.networks)}. Make it again with --{name}."
            )
        if known.digest != network.info.digest:
            raise SpecError(
                f"The reference {card.name} was seen with {known.id} ({_short(known)}), but "
                f"--{name} is {network.info.id} ({_short(network.info)}). Give the same weights."
            )


def _short(info: WeightsInfo) -> str:
    return (info.digest or "no digest")[:15]
