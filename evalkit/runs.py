"""The folder of one run: the only module that knows its layout.

::

    <run>/manifest.json             written whole; "started", then "complete"
          suite.jsonl               the prompts, so that a run explains itself
          generations.jsonl         append-only; a torn last line is dropped on resume
          truths.jsonl              what a drawing world knows of its pictures' faults, if it does
          costs.jsonl               what drawing took, as `evalkit bench` measured it
          sets.jsonl                figures of each model's pictures as a whole: FID and the like
          scores/<scorer>@<version>.jsonl, .card.json

Pictures lie in ``images/`` beside ``runs/`` when the run's parent folder is called ``runs``, so
that runs share them; else inside the run.
"""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from evalkit import journal
from evalkit.errors import ImageError, RunError
from evalkit.images import ImageStore
from evalkit.prompts import Suite, load, to_jsonl
from evalkit.records import (
    SCHEMA_VERSION,
    About,
    Cost,
    Generation,
    Manifest,
    ModelSpec,
    Record,
    Score,
    ScorerCard,
    SetFigure,
    digest,
)


class Run:
    """One run on disk. Reading needs nothing; every change needs the lock (``with run.lock()``)."""

    def __init__(self, path: Path, manifest: Manifest, suite: Suite) -> None:
        self.path = path
        self.manifest = manifest
        self.suite = suite
        shared = path.resolve().parent
        self.images = ImageStore(
            shared.parent / "images" if shared.name == "runs" else path / "images"
        )

    @classmethod
    def create(cls, path: Path, manifest: Manifest, suite: Suite) -> Run:
        """Make a new run folder; refuse one that holds more than a killed attempt to make it."""
        text = "\n".join(to_jsonl(suite)) + "\n"
        if cls.exists(path):  # the caller looked, and another process was quicker
            raise RunError(f"There is a run at {path} already. Give the same command again.")
        if path.exists() and not _unfinished(path, text):
            raise RunError(f"{path} already holds something that is not a run. Name a new folder.")
        with journal.disk(path):
            path.mkdir(parents=True, exist_ok=True)
            # The manifest comes last: a folder without one was never a run.
            journal.write_whole(path / "suite.jsonl", text)
        run = cls(path, manifest, suite)
        run._save(manifest)
        return run

    @classmethod
    def exists(cls, path: Path) -> bool:
        """Say whether there is a run at this path."""
        return (path / "manifest.json").is_file()

    @classmethod
    def open(cls, path: Path) -> Run:
        """Open a run; refuse a missing, newer or damaged one in words."""
        if not cls.exists(path):
            raise RunError(
                f"There is no run at {path}. Make one with: evalkit generate --run {path}"
            )
        manifest = _read_manifest(path / "manifest.json")
        suite = Suite(manifest.suite, load(path / "suite.jsonl").prompts)
        suite = Suite(
            manifest.suite,
            tuple(p.model_copy(update={"suite": manifest.suite}) for p in suite.prompts),
        )
        if suite.digest != manifest.suite_digest:
            raise RunError(
                f"{path / 'suite.jsonl'} does not match the manifest's digest: it was changed "
                "after the run began. Restore it, or start a new run."
            )
        return cls(path, manifest, suite)

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the run against other writers; a second process is refused, not queued."""
        with (self.path / ".lock").open("a") as stream:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise RunError(
                    f"Another process is writing to {self.path}. Wait for it, or end it first."
                ) from None
            yield

    def generations(self) -> list[Generation]:
        """Return every generation; where one was made again, the last row counts."""
        rows = journal.read(self.path / "generations.jsonl", Generation)
        return list({g.id: g for g in rows}.values())

    def add(self, generations: Sequence[Generation]) -> None:
        """Append generations whose pictures are already in the store."""
        if self.manifest.status == "complete":
            raise RunError(f"The run {self.path} is complete. Extend it before adding to it.")
        self._append("generations.jsonl", generations)

    def truths(self) -> dict[str, tuple[str, ...]]:
        """Map generation ids to the faults that their generator put in on purpose."""
        rows = journal.read_json(self.path / "truths.jsonl")
        return {row["generation_id"]: tuple(row["faults"]) for row in rows}

    def add_truths(self, truths: dict[str, tuple[str, ...]]) -> None:
        """Record what a generator knows of its own pictures."""
        lines = (json.dumps({"generation_id": k, "faults": v}) for k, v in truths.items())
        journal.append(self.path / "truths.jsonl", lines)

    def cards(self) -> list[ScorerCard]:
        """Return the cards of the scorers that have scored this run, by name."""
        paths = sorted((self.path / "scores").glob("*.card.json"))
        return [journal.read_record(p, ScorerCard) for p in paths]

    def scores(self, card: ScorerCard) -> list[Score]:
        """Return one scorer's scores; where one was made again, the last row counts."""
        rows = journal.read(self.path / "scores" / f"{card.key}.jsonl", Score)
        return list({s.generation_id: s for s in rows}.values())

    def add_scores(self, card: ScorerCard, scores: Sequence[Score]) -> None:
        """Append scores; refuse those of other weights than the card in the folder names."""
        path = self.path / "scores" / f"{card.key}.card.json"
        with journal.disk(path):
            if not path.exists():
                path.parent.mkdir(exist_ok=True)
                journal.write_whole(path, card.model_dump_json(indent=2) + "\n")
        if (kept := journal.read_record(path, ScorerCard)) != card:
            raise RunError(
                f"{card.key} has already scored {self.path} with {_maker(kept)}; now it would use "
                f"{_maker(card)}. Use the same weights, or move {path.stem} and its scores away."
            )
        self._append(f"scores/{card.key}.jsonl", scores)

    def costs(self) -> list[Cost]:
        """Return what the run's models cost: of each and each batch size, the last measurement."""
        known = {m.fingerprint for m in self.manifest.models}
        rows = journal.read(self.path / "costs.jsonl", Cost)
        newest = {(c.model, c.batch): c for c in rows if c.fingerprint in known}
        order = {m.name: i for i, m in enumerate(self.manifest.models)}
        return sorted(newest.values(), key=lambda c: (order.get(c.model, len(order)), c.batch))

    def add_cost(self, cost: Cost) -> None:
        """Append one measurement."""
        self._append("costs.jsonl", [cost])

    def picture_sets(self) -> dict[str, str]:
        """Name each model's pictures as a whole: a digest of all that it has drawn so far."""
        images: dict[str, list[str]] = {}
        for generation in self.generations():
            images.setdefault(generation.model, []).extend(filter(None, [generation.image]))
        return {model: digest(sorted(found)) for model, found in images.items()}

    def sets(self) -> list[SetFigure]:
        """Return the figures of whole sets: the last of each kind, of the pictures as they are."""
        now = self.picture_sets()
        rows = journal.read(self.path / "sets.jsonl", SetFigure)
        kept = (f for f in rows if now.get(f.model) == f.pictures)
        last = {(f.model, f.metric, f.reference_digest, f.resize): f for f in kept}
        order = {m.name: i for i, m in enumerate(self.manifest.models)}
        return sorted(last.values(), key=lambda f: order.get(f.model, len(order)))

    def add_sets(self, figures: Sequence[SetFigure]) -> None:
        """Append figures of whole sets."""
        self._append("sets.jsonl", figures)

    def texts(self) -> Iterator[tuple[str, str]]:
        """Yield the run's files by their names in its folder: every fact once, in a fixed form."""
        yield "manifest.json", self.manifest.model_dump_json(indent=2) + "\n"
        yield "suite.jsonl", "\n".join(to_jsonl(self.suite)) + "\n"
        yield "generations.jsonl", _lines_of(self.generations())
        if truths := self.truths():
            rows = (json.dumps({"generation_id": k, "faults": v}) for k, v in truths.items())
            yield "truths.jsonl", "".join(f"{row}\n" for row in rows)
        if costs := self.costs():
            yield "costs.jsonl", _lines_of(costs)
        if sets := self.sets():
            yield "sets.jsonl", _lines_of(sets)
        for card in self.cards():
            yield f"scores/{card.key}.card.json", card.model_dump_json(indent=2) + "\n"
            yield f"scores/{card.key}.jsonl", _lines_of(self.scores(card))

    def damaged(self) -> Iterator[str]:
        """Read every picture and say what is wrong with those that are missing or changed."""
        for generation in self.generations():
            try:
                if generation.image is not None:
                    self.images.open(generation.image)
            except ImageError as error:
                yield f"{generation.model}, prompt {generation.prompt_id}: {error}"

    def extend(
        self,
        models: Sequence[ModelSpec],
        seeds: Sequence[int],
        about: Mapping[str, About] | None = None,
    ) -> None:
        """Add models and seeds to the plan; a complete run that grows is open again."""
        known = {m.name: m for m in self.manifest.models}
        for model in models:
            other = known.setdefault(model.name, model)
            if other.fingerprint != model.fingerprint:
                raise RunError(
                    f"The run {self.path} already has a model {model.name!r} with other settings. "
                    "Give the new one another name, or start a new run."
                )
        every_seed = tuple(sorted({*self.manifest.seeds, *seeds}))
        if (models_now := tuple(known.values())) != self.manifest.models:
            self._update(models=models_now, status="started")
        self._update(about={**self.manifest.about, **(about or {})})
        if every_seed != self.manifest.seeds:
            self._update(seeds=every_seed, status="started")

    def reopen(self) -> None:
        """Allow generations again, because some of the plan are missing."""
        self._update(status="started")

    def note_realised(self, model: str, realised: dict[str, Any]) -> None:
        """Record what a generator found when it ran."""
        self._update(realised={**self.manifest.realised, model: realised})

    def seal(self) -> None:
        """Mark every planned generation as done."""
        self._update(status="complete")

    def _update(self, **changes: Any) -> None:
        manifest = self.manifest.model_copy(update=changes)
        if manifest != self.manifest:
            self._save(manifest)

    def _save(self, manifest: Manifest) -> None:
        with journal.disk(self.path):
            text = manifest.model_dump_json(indent=2) + "\n"
            journal.write_whole(self.path / "manifest.json", text)
        self.manifest = manifest

    def _append(self, name: str, records: Iterable[Record]) -> None:
        journal.append(self.path / name, (r.model_dump_json() for r in records))


def _lines_of(records: Iterable[Record]) -> str:
    return "".join(f"{r.model_dump_json()}\n" for r in records)


def _maker(card: ScorerCard) -> str:
    return " and ".join(f"{w.id} ({w.revision or w.digest})" for w in card.weights) or "no weights"


def _unfinished(path: Path, suite: str) -> bool:
    """Say whether a folder holds no more than the beginning of this suite's run."""
    return path.is_dir() and all(
        file.name == ".lock"
        or file.suffix == journal.PART
        or (file.name == "suite.jsonl" and file.read_bytes() == suite.encode())
        for file in path.iterdir()
    )


def _read_manifest(path: Path) -> Manifest:
    try:
        data = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise RunError(f"{path} cannot be read: {error}. Restore it from a copy.") from error
    found = data.get("schema_version") if isinstance(data, dict) else None
    if found != SCHEMA_VERSION:
        raise RunError(
            f"{path} has schema version {found!r}; this program reads {SCHEMA_VERSION}. "
            "Use the evalkit that made it: pip install 'evalkit==...' as named in its packages."
        )
    return journal.read_record(path, Manifest)
