"""A renderer of the miniature's scenes with faults at stated rates: its truth is known."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import ConfigDict, Field, ValidationError

from evalkit.errors import EvalkitError, SpecError
from evalkit.generators import Picture
from evalkit.miniature.faults import FAULTS, blur, noise
from evalkit.miniature.scenes import VERSION, Scene, render, sample, undrawable
from evalkit.records import ModelSpec, Prompt, Record, digest

if TYPE_CHECKING:
    from PIL import Image

SIDE = 256
SMALLEST, LARGEST = 32, 2048
UNDRAWABLE = "undrawable"


class Options(Record):
    """What a specification may ask of the renderer."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    faults: float = Field(default=0.0, ge=0, le=1)
    """Share of pictures that break their prompt: wrong colour, count, position or class."""
    blur: float = Field(default=0.0, ge=0, le=1)
    """Strength of the blur of damaged pictures; 1 is hard to recognise."""
    noise: float = Field(default=0.0, ge=0, le=1)
    """Strength of the grain of damaged pictures."""
    damaged: float = Field(default=1.0, ge=0, le=1)
    """Share of pictures that are damaged, where ``blur`` or ``noise`` is above zero."""


@dataclass(frozen=True)
class _Sketched:
    """What will be drawn, and everything that is wrong with it."""

    scene: Scene
    faults: tuple[str, ...]
    grain: int


class Sketch:
    """Draw prompts that carry requirements, without a model.

    The specification's options are ``faults``, ``blur``, ``noise`` and ``damaged``, each 0..1;
    width and height are equal (256 unless given). A picture depends on the prompt's text and
    requirements, the seed and the options alone. Raises SpecError for anything else.
    """

    def __init__(self, spec: ModelSpec) -> None:
        self.spec = spec
        self._options = options_of(spec)
        self._side = _side(spec)

    def load(self) -> None:
        """Do nothing: there are no weights."""

    def draw(self, prompts: Sequence[Prompt], seeds: Sequence[int]) -> list[Picture]:
        """Draw each prompt from its seed; one that cannot be drawn comes back as an error."""
        return [self._draw(p, s) for p, s in zip(prompts, seeds, strict=True)]

    def _draw(self, prompt: Prompt, seed: int) -> Picture:
        reason = _obstacle(prompt)
        if reason:
            return Picture(None, error=reason)
        started = time.perf_counter()
        try:
            sketched = _sketch(self._options, prompt, seed)
        except EvalkitError as error:
            return Picture(None, error=str(error))
        image = _damage(render(sketched.scene, self._side).image, sketched, self._options)
        return Picture(image, seconds=time.perf_counter() - started)

    def truth(self, prompt: Prompt, seed: int) -> tuple[str, ...]:
        """Name what is wrong with a picture of this model."""
        return truth(self.spec, prompt, seed)

    def realised(self) -> dict[str, Any]:
        """Say that these are drawings by rule, of which version and with which faults."""
        return {
            "renderer": "procedural scenes, no model",
            "scenes_version": VERSION,
            "side": self._side,
            **self._options.model_dump(),
        }


def truth(spec: ModelSpec, prompt: Prompt, seed: int) -> tuple[str, ...]:
    """Return what is wrong with the picture that ``Sketch(spec)`` draws, without drawing it.

    Names: wrong_color, wrong_count, wrong_position, wrong_class, blur, noise; or ``undrawable``
    where there is no picture. An empty tuple is a faithful, undamaged picture.
    """
    if _obstacle(prompt):
        return (UNDRAWABLE,)
    options = options_of(spec)
    try:
        return _sketch(options, prompt, seed).faults
    except EvalkitError:  # no layout was found
        return (UNDRAWABLE,)


def options_of(spec: ModelSpec) -> Options:
    """Read a specification's options; raise SpecError for one that makes no sense."""
    foreign = [n for n in ("weights", "steps", "guidance", "dtype") if getattr(spec, n) is not None]
    if foreign:
        raise SpecError(
            f"The model {spec.name!r} sets {foreign[0]} to {getattr(spec, foreign[0])!r}, but the "
            f"sketch renderer has none. Remove it."
        )
    try:
        return Options.model_validate(spec.options)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        raise SpecError(
            f"The model {spec.name!r} sets {name!r} to {first['input']!r}: {first['msg']}. "
            f"The sketch renderer takes {', '.join(Options.model_fields)}, each from 0 to 1."
        ) from error


def _side(spec: ModelSpec) -> int:
    width, height = spec.width or spec.height or SIDE, spec.height or spec.width or SIDE
    if width != height or not SMALLEST <= width <= LARGEST:
        raise SpecError(
            f"The model {spec.name!r} asks for {width} x {height} pixels, but the sketch renderer "
            f"draws squares of {SMALLEST} to {LARGEST}. Give width and height the same value."
        )
    return width


def _obstacle(prompt: Prompt) -> str | None:
    if prompt.requirements is None:
        return "the sketch renderer draws requirements, and this prompt carries none"
    return undrawable(prompt.requirements)


def _sketch(options: Options, prompt: Prompt, seed: int) -> _Sketched:
    """Decide all of a picture from its prompt, seed and options."""
    requirements = prompt.requirements
    assert requirements is not None, "the caller asks _obstacle first"  # noqa: S101
    facts = [prompt.text, requirements.model_dump(mode="json"), seed, options.model_dump()]
    rng = random.Random(digest(facts))
    chance, grain = rng.random(), rng.randrange(2**31)
    damage = _damages(options, rng)
    scene = sample(requirements, rng)
    if chance < options.faults:
        name, broken = _broken(scene, prompt, rng)
        return _Sketched(broken, (name, *damage), grain)
    return _Sketched(scene, damage, grain)


def _damages(options: Options, rng: random.Random) -> tuple[str, ...]:
    """Choose by lot whether a picture is damaged, and how where there is a choice."""
    known = [name for name in ("blur", "noise") if getattr(options, name) > 0]
    hit, choice = rng.random() < options.damaged, rng.random()
    return (known[int(choice * len(known))],) if known and hit else ()


def _broken(scene: Scene, prompt: Prompt, rng: random.Random) -> tuple[str, Scene]:
    """Break a scene in one of the ways that its prompt allows; a wrong class is always one."""
    found = {n: f(scene, prompt.requirements, rng) for n, f in FAULTS.items()}
    possible = [(n, s) for n, s in found.items() if s is not None]
    own = [p for p in possible if p[0] != "wrong_class"]
    return rng.choice(own) if own and rng.random() < 0.75 else possible[-1]


def _damage(image: Image.Image, sketched: _Sketched, options: Options) -> Image.Image:
    if "blur" in sketched.faults:
        return blur(image, options.blur)
    if "noise" in sketched.faults:
        return noise(image, options.noise, sketched.grain)
    return image
