"""The stage that draws: every (model, prompt, seed) that has no generation yet."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from evalkit import prices, provenance, registry, weights
from evalkit.engine import Engine, Lost
from evalkit.errors import RunError, SpecError
from evalkit.generators import Generator, Knowing, Picture
from evalkit.images import encode
from evalkit.prompts import Suite
from evalkit.records import About, Generation, Manifest, ModelSpec, Prompt
from evalkit.runs import Run

PACKAGES = ("evalkit", "torch", "diffusers", "transformers", "open-clip-torch", "numpy", "pillow")
BATCH = 1
"""Pictures drawn together: one repeats to the byte, more is faster on a GPU."""

Progress = Callable[[int], None]
"""Told how many more pieces are done."""


@dataclass(frozen=True)
class Item:
    """One picture to draw."""

    id: str
    prompt: Prompt
    seed: int


@dataclass(frozen=True)
class Plan:
    """What is left to do, by model."""

    items: dict[str, list[Item]]
    done: int

    @property
    def left(self) -> int:
        """How many pictures are still to be drawn."""
        return sum(len(items) for items in self.items.values())


def resolved(spec: ModelSpec) -> ModelSpec:
    """Name a local checkpoint by its content, so that a moved or retrained one is recognised.

    So are the files laid over it, of which a retrained one must not pass for the old one.
    """
    changes: dict[str, Any] = {"revision": _content(spec.weights, spec.revision)}
    if isinstance(adapters := spec.options.get("adapters"), list | tuple):
        changes["options"] = {**spec.options, "adapters": [_resolved(a) for a in adapters]}
    return spec.model_copy(update=changes)


def _resolved(adapter: Any) -> Any:
    if not isinstance(adapter, Mapping) or not isinstance(adapter.get("weights"), str):
        return adapter  # the generator says what is wrong with it
    found = _content(adapter["weights"], adapter.get("revision"))
    return {**adapter, "revision": found} if found else adapter


def _content(where: str | None, revision: str | None) -> str | None:
    """Return the digest of what is on this machine; of the hub, the revision that was asked for."""
    if where is None or not weights.is_local(where):
        return revision
    return weights.resolve(where, revision=revision).info.digest


def open_or_create(
    path: Path,
    suite: Suite,
    specs: Sequence[ModelSpec],
    seeds: Sequence[int],
    about: Mapping[str, About] | None = None,
) -> Run:
    """Make the run, or open it and add to its plan; the suite must be the same.

    ``about`` is what the catalogue says of the models, kept so that the run explains itself.
    """
    _check(specs, seeds)
    if not Run.exists(path):
        manifest = _manifest(path, suite, specs, seeds)
        return Run.create(path, manifest.model_copy(update={"about": dict(about or {})}), suite)
    run = Run.open(path)
    if run.suite.digest != suite.digest:
        raise RunError(
            f"The run {path} draws suite {run.suite.name!r} ({len(run.suite)} prompts), not this "
            f"{suite.name!r} ({len(suite)} prompts). Name another run folder."
        )
    with run.lock():
        run.extend(specs, seeds, about)
    return run


def _check(specs: Sequence[ModelSpec], seeds: Sequence[int]) -> None:
    if not specs:
        raise SpecError("No model was named. Give at least one: --model NAME.")
    if not seeds:
        raise SpecError("No seed was named. Give at least one: --seeds 1.")
    names: dict[str, str] = {}
    for spec in specs:
        if (other := names.setdefault(spec.fingerprint, spec.name)) != spec.name:
            raise SpecError(
                f"{other!r} and {spec.name!r} are the same model under two names. Drop one."
            )


def plan(
    run: Run,
    models: Sequence[str] | None = None,
    seeds: Sequence[int] | None = None,
    *,
    limit: int | None = None,
    retry_failures: bool = False,
) -> Plan:
    """List what has no generation yet, or whose picture is gone, in a fixed order."""
    made = {g.id: g for g in run.generations()}
    specs = [m for m in run.manifest.models if models is None or m.name in models]
    prompts = run.suite.prompts[:limit]
    items: dict[str, list[Item]] = {}
    done = 0
    for spec in specs:
        every = _items(spec, prompts, run.manifest.seeds if seeds is None else seeds)
        left = [i for i in every if not _is_done(run, made.get(i.id), retry_failures)]
        done += len(every) - len(left)
        items[spec.name] = left
    return Plan(items, done)


def preview(
    path: Path,
    suite: Suite,
    specs: Sequence[ModelSpec],
    seeds: Sequence[int],
    *,
    limit: int | None = None,
) -> dict[str, tuple[int, int]]:
    """Count what a command would draw and what is done already, by model; touch nothing."""
    _check(specs, seeds)
    made = {g.id for g in Run.open(path).generations()} if Run.exists(path) else set()
    counts = {}
    for spec in specs:
        items = _items(spec, suite.prompts[:limit], seeds)
        done = sum(i.id in made for i in items)
        counts[spec.name] = (len(items) - done, done)
    return counts


def _items(spec: ModelSpec, prompts: Sequence[Prompt], seeds: Sequence[int]) -> list[Item]:
    model = spec.fingerprint
    return [Item(Generation.id_of(model, p, s), p, s) for p in prompts for s in seeds]


def _is_done(run: Run, made: Generation | None, retry_failures: bool) -> bool:
    if made is None:
        return False
    if made.image is None:
        return not retry_failures
    return run.images.path(made.image).is_file()


def generate(
    run: Run,
    engine: Engine,
    models: Sequence[str] | None = None,
    seeds: Sequence[int] | None = None,
    *,
    limit: int | None = None,
    batch: int = BATCH,
    retry_failures: bool = False,
    max_cost: float | None = None,
    progress: Progress = lambda _: None,
) -> list[Generation]:
    """Draw what these models and seeds lack; a kill at any moment loses a batch at most.

    None means all of the run's. The run is sealed when nothing of its whole plan is left. What a
    service would be paid for all of it, in US dollars, must stay under ``max_cost``.
    """
    made: list[Generation] = []
    with run.lock():
        todo = plan(run, models, seeds, limit=limit, retry_failures=retry_failures)
        prices.check(_costs(run, todo), max_cost)
        if todo.left:
            run.reopen()
        for spec in run.manifest.models:
            for generations in _draw_model(run, engine, spec, todo.items.get(spec.name, []), batch):
                made += generations
                progress(len(generations))
        if not plan(run).left:
            run.seal()
    return made


def _costs(run: Run, todo: Plan) -> dict[str, float]:
    """Estimate what is left to be paid for; nothing is asked of a model that is done."""
    left = {name: len(items) for name, items in todo.items.items() if items}
    specs = [spec for spec in run.manifest.models if spec.name in left]
    return prices.costs(specs, run.manifest.about, left)


def _draw_model(
    run: Run, engine: Engine, spec: ModelSpec, items: Sequence[Item], batch: int
) -> Iterator[list[Generation]]:
    pieces = [items[at : at + batch] for at in range(0, len(items), batch)]
    for piece, drawn in engine.map(partial(_worker, spec), pieces):
        if isinstance(drawn, Lost):
            generations = [_record(run, spec, i, Drawn(error=drawn.reason)) for i in piece]
        else:
            generations = [
                _record(run, spec, i, d) for i, d in zip(piece, drawn.pictures, strict=True)
            ]
            run.note_realised(spec.name, drawn.realised)
            run.add_truths(drawn.truths)
        run.add(generations)
        yield generations


@dataclass(frozen=True)
class Drawn:
    """One picture, encoded where it was drawn: that is the larger part of keeping it."""

    png: bytes | None = None
    seconds: float | None = None
    peak_memory_mb: float | None = None
    error: str | None = None


@dataclass(frozen=True)
class Batch:
    """What a worker sends back for one piece."""

    pictures: tuple[Drawn, ...]
    realised: dict[str, Any]
    truths: dict[str, tuple[str, ...]]


def _worker(spec: ModelSpec) -> Callable[[Sequence[Item]], Batch]:
    generator = registry.generator(spec)
    generator.load()
    return partial(_draw, generator)


def _draw(generator: Generator, items: Sequence[Item]) -> Batch:
    pictures = generator.draw([i.prompt for i in items], [i.seed for i in items])
    truths = {}
    if isinstance(generator, Knowing):
        truths = {i.id: generator.truth(i.prompt, i.seed) for i in items}
    return Batch(tuple(map(_encoded, pictures)), generator.realised(), truths)


def _encoded(picture: Picture) -> Drawn:
    png = None if picture.image is None else encode(picture.image)
    return Drawn(png, picture.seconds, picture.peak_memory_mb, picture.error)


def _record(run: Run, spec: ModelSpec, item: Item, drawn: Drawn) -> Generation:
    return Generation(
        id=item.id,
        prompt_id=item.prompt.id,
        model=spec.name,
        seed=item.seed,
        image=None if drawn.png is None else run.images.put_encoded(drawn.png),
        seconds=drawn.seconds,
        peak_memory_mb=drawn.peak_memory_mb,
        error=drawn.error,
    )


def _manifest(
    path: Path, suite: Suite, specs: Sequence[ModelSpec], seeds: Sequence[int]
) -> Manifest:
    return Manifest(
        run_id=path.resolve().name,
        status="started",
        suite=suite.name,
        suite_digest=suite.digest,
        models=tuple(specs),
        seeds=tuple(seeds),
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        code_revision=provenance.code_revision(),
        packages=provenance.packages(PACKAGES),
        device=device(),
    )


def device() -> dict[str, Any]:
    """Name the machine without importing torch unless it is there."""
    found: dict[str, Any] = {"machine": platform.machine(), "system": platform.system()}
    try:
        import torch
    except ImportError:
        return found
    found["threads"] = torch.get_num_threads()
    found["accelerator"] = torch.cuda.get_device_name() if torch.cuda.is_available() else "none"
    return found
