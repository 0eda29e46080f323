"""Pictures made elsewhere, read as if they were drawn here.

Four sources are understood. GenEval's layout, ``<root>/<NNNNN>/samples/<digits>.png``, where NNNNN
is the index of the prompt in the suite and an optional ``metadata.jsonl`` beside ``samples`` holds
the prompt; the samples' numbers in order are the seeds 0, 1, ... HPSv2's, ``<style>/<NNNNN>.jpg``,
where the style is the prompt's category and NNNNN its index in it. ImageReward's,
``<prompt's id>_<seed>.png``. And a CSV file with the columns ``path`` (relative to the CSV, or a
URL), ``prompt_id`` or ``prompt`` (the text), and optionally ``seed``.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from urllib.request import urlopen

from evalkit.errors import ImageError, SpecError
from evalkit.generators import Picture
from evalkit.generators.sources import Found, Place, places, read
from evalkit.images import decode
from evalkit.records import ModelSpec, Prompt
from evalkit.weights import resolve

OPTIONS = ("layout", "order", "pictures")
LARGEST = 256 * 2**20
"""Bytes of a picture behind a URL, at most."""
TIMEOUT = 60
"""Seconds in which a server must answer."""


@dataclass(frozen=True)
class Item:
    """One picture of one prompt."""

    prompt_id: str
    seed: int
    path: Path


@dataclass(frozen=True)
class Matching:
    """Which picture shows which prompt, and what could not be placed."""

    items: tuple[Item, ...]
    missing: tuple[str, ...]
    """Ids of prompts of which there is no picture."""
    unmatched: tuple[tuple[Path, str], ...]
    """Files that belong to no prompt, with the reason."""
    unreadable: tuple[tuple[Path, str], ...]
    """Files that are no pictures, with the reason; each is a failed generation after the import."""
    order: Mapping[str, tuple[str, ...]]
    """Ids of the suite's prompts by category; "" holds all of them. A number is an index there."""
    layout: str

    def seeds(self) -> tuple[int, ...]:
        """Return the seeds that at least one prompt has a picture of, in order."""
        return tuple(sorted({item.seed for item in self.items}))

    def complaints(self) -> list[str]:
        """Say what is wrong, one line per file and one for all the missing prompts."""
        lines = [f"unmatched: {path}: {reason}" for path, reason in self.unmatched]
        lines += [f"unreadable: {path}: {reason}" for path, reason in self.unreadable]
        if self.missing:
            shown = ", ".join(self.missing[:10]) + (", ..." if len(self.missing) > 10 else "")
            lines.append(f"missing: no picture of {len(self.missing)} prompts: {shown}")
        return lines


def match(source: str | Path, prompts: Sequence[Prompt], layout: str = "geneval") -> Matching:
    """Place every picture of a folder or CSV with its prompt; guess nothing.

    Raises ImageError when the source cannot be understood, or names two prompts for one picture.
    """
    found, strays = read(Path(source), layout)
    at = places(prompts)
    for picture in found:
        _check_consistent(picture, prompts, at)
    chosen = {p.id: _pictures_of(p, at[p.id], found) for p in prompts}
    items = [Item(id_, s, f.path) for id_, by_seed in chosen.items() for s, f in by_seed.items()]
    if not items:
        raise ImageError(
            f"None of the {len(found)} pictures of {source} belongs to a prompt of the suite. "
            "Is it of another suite?"
        )
    placed = {picture for by_seed in chosen.values() for picture in by_seed.values()}
    homeless = [(f.path, f"no prompt {f.described} is free") for f in found if f not in placed]
    return Matching(
        items=tuple(items),
        missing=tuple(id_ for id_, by_seed in chosen.items() if not by_seed),
        unmatched=(*strays, *homeless),
        unreadable=tuple(_unreadable(f.path for f in found if f in placed and not f.url)),
        order=_order(prompts),
        layout=layout,
    )


def _order(prompts: Sequence[Prompt]) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {"": tuple(p.id for p in prompts)}
    for category in dict.fromkeys(p.category for p in prompts if p.category):
        found[category] = tuple(p.id for p in prompts if p.category == category)
    return found


def spec(name: str, source: str | Path, matched: Matching | None = None) -> ModelSpec:
    """Describe an import: ``generate`` with this model reads the pictures instead of drawing.

    ``matched`` is needed for suites whose prompts have ids other than their index in five digits.
    """
    path = Path(source)
    options: dict[str, Any] = {}
    if path.is_file():
        options["pictures"] = _pictures_digest(path)
    if matched and matched.layout != "geneval":
        options["layout"] = matched.layout
    if matched and matched.layout == "hpsv2":
        options["order"] = {c: list(ids) for c, ids in matched.order.items() if c}
    elif matched and matched.order[""] != tuple(f"{i:05d}" for i in range(len(matched.order[""]))):
        options["order"] = list(matched.order[""])
    return ModelSpec(name=name, generator="folder", weights=str(path.resolve()), options=options)


def _pictures_digest(table: Path) -> str:
    """Digest the pictures that a CSV lists: its own bytes do not say what they show."""
    total = hashlib.sha256()
    for picture in read(table)[0]:
        if picture.url:
            total.update(picture.url.encode())  # what it shows is known when it is fetched
        elif picture.path.is_file():
            with picture.path.open("rb") as stream:
                total.update(hashlib.file_digest(stream, "sha256").digest())
    return f"sha256:{total.hexdigest()}"


def _check_consistent(found: Found, prompts: Sequence[Prompt], known: Mapping[str, Place]) -> None:
    at = found.number
    if found.prompt_id is not None:
        at = known.get(found.prompt_id, Place(None)).index
    if found.text is None or at is None or at >= len(prompts) or prompts[at].text == found.text:
        return
    raise ImageError(
        f"{found.path} says its prompt is {found.text!r}, but prompt {prompts[at].id!r} of the "
        f"suite, where it lies, is {prompts[at].text!r}. Is it of another suite?"
    )


def _pictures_of(prompt: Prompt, place: Place, found: Sequence[Found]) -> dict[int, Found]:
    """Return the prompt's pictures by seed; among equal texts, the one at its place goes first."""
    mine = [f for f in found if f.shows(prompt, place)]
    mine.sort(key=lambda f: f.is_at(place, prompt.category))
    by_seed = {f.seed: f for f in mine}
    return dict(sorted(by_seed.items()))


def _unreadable(paths: Iterator[Path]) -> Iterator[tuple[Path, str]]:
    for path in paths:
        try:
            _check(path)
        except ImageError as error:
            yield path, str(error)


def _check(path: Path) -> None:
    """Check a picture's format and checksums, without decoding its pixels."""
    try:
        with path.open("rb") as stream:
            _check_stream(stream, str(path))
    except FileNotFoundError:
        raise ImageError(f"There is no file {path}.") from None
    except OSError as error:
        raise ImageError(f"{path} cannot be read: {error}.") from error


def _check_stream(stream: IO[bytes], name: str) -> None:
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(stream) as image:
            if image.mode in ("I", "F") or image.mode.startswith("I;"):
                raise ImageError(
                    f"{name} has more than 8 bits a channel ({image.mode}). Save it as 8-bit RGB."
                )
            image.verify()
    except UnidentifiedImageError:
        raise ImageError(
            f"{name} is not a picture that can be read: its format is unknown."
        ) from None
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise ImageError(f"{name} is not a picture that can be read: {error}.") from error


def _bytes(picture: Found) -> bytes:
    if picture.url is None:
        _check(picture.path)
        return picture.path.read_bytes()
    with _opened(picture.url) as stream:
        data: bytes = stream.read(LARGEST + 1)
    if len(data) > LARGEST:
        raise ImageError(f"{picture.url} is larger than {LARGEST // 2**20} MB.")
    _check_stream(io.BytesIO(data), picture.url)
    return data


def _opened(url: str) -> Any:
    """Open http by the standard library, and any other scheme by fsspec (s3://, gs://, ...)."""
    if url.startswith(("http://", "https://")):
        return urlopen(url, timeout=TIMEOUT)  # noqa: S310 - the scheme is known
    import fsspec

    try:
        return fsspec.open(url, "rb").open()
    except (ImportError, ValueError) as error:
        raise ImageError(f"{url} cannot be opened: {error}.") from error


def _places(order: Any) -> dict[str, Place]:
    """Return the places that a specification keeps: a list of ids, or one for each category."""
    if isinstance(order, Mapping):
        return {id_: Place(None, i) for ids in order.values() for i, id_ in enumerate(ids)}
    return {id_: Place(i) for i, id_ in enumerate(order)}


class Folder:
    """Draw by reading: the picture of (prompt, seed) is the file that ``match`` placed there."""

    def __init__(self, spec: ModelSpec) -> None:
        unknown = [name for name in spec.options if name not in OPTIONS]
        if unknown:
            raise SpecError(
                f"Model {spec.name!r}: unknown option {unknown[0]!r}. Known: {', '.join(OPTIONS)}."
            )
        if spec.weights is None:
            raise SpecError(f"Model {spec.name!r} names no folder or CSV of pictures in weights.")
        self.spec = spec
        self._layout = str(spec.options.get("layout", "geneval"))
        self._places = _places(spec.options.get("order", ()))
        self._found: tuple[Found, ...] | None = None
        self._read = 0

    def load(self) -> None:
        """List the pictures; raise ImageError when the source cannot be understood."""
        if self._found is None:
            self._found = read(Path(str(self.spec.weights)), self._layout)[0]

    def draw(self, prompts: Sequence[Prompt], seeds: Sequence[int]) -> list[Picture]:
        """Read the pictures; nobody measured how long they took, so ``seconds`` is None."""
        self.load()
        return [self._one(p, s) for p, s in zip(prompts, seeds, strict=True)]

    def _one(self, prompt: Prompt, seed: int) -> Picture:
        default = Place(int(prompt.id) if prompt.id.isdecimal() else None)
        place = self._places.get(prompt.id, default)
        picture = _pictures_of(prompt, place, self._found or ()).get(seed)
        if picture is None:
            return Picture(None, error=f"no picture of prompt {prompt.id!r} with seed {seed}")
        try:
            image = decode(_bytes(picture), picture.url or str(picture.path))
        except (ImageError, OSError) as error:
            return Picture(None, error=str(error))
        self._read += 1
        return Picture(image)

    def realised(self) -> dict[str, Any]:
        """Say where the pictures came from, and how many this process read."""
        info = resolve(str(self.spec.weights)).info
        return {"made_elsewhere": True, "weights": info.model_dump(), "pictures": self._read}
