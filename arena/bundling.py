"""What is done with bundles: a study is written, checked, and taken into a database."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from arena import archive
from arena.bundle import About, Bundle, derive, describe, scratch
from arena.clock import now
from arena.facts import Facts
from arena.records import Entry
from arena.store import Store
from evalkit import provenance
from evalkit.errors import StudyError
from evalkit.images import ImageStore
from evalkit.runs import Run

NEAR = 1e-9
"""Figures this near, absolutely or relatively, differ in their last digits alone."""

_FOLDERS = re.compile(r"(?<![\w.:/~])~?/(?:[^\s/'\":,;]+/)+")
"""The folders of an absolute path in a text."""


@dataclass(frozen=True)
class Written:
    """What was written."""

    path: Path
    digest: str
    """Of the contents: the same facts, code and packages give the same on any machine."""
    votes: int
    """Votes in all, undone ones among them."""
    pictures: int


@dataclass(frozen=True)
class Verdict:
    """What a check found; the bundle holds if there are no faults."""

    study: str
    digest: str
    votes: int
    faults: tuple[str, ...]
    notes: tuple[str, ...] = ()
    """What differs in words, or, made by other code, in the last digits."""


def write(
    store: Store,
    study: str,
    out: Path,
    *,
    runs: Sequence[Run] = (),
    pictures: bool = False,
    model: str = "davidson",
    exclude: Sequence[str] = (),
    given: Mapping[str, str] | None = None,
) -> Written:
    """Write a study, whole or not at all; the same facts give the same bytes.

    ``runs`` add what made and scored the pictures, ``pictures`` the files; ``exclude`` names rules
    by which the ratings leave raters out, and ``given`` tells what no database knows (payment,
    recruitment).
    """
    with store.snapshot() as facts:
        key, plan = facts.study(study)
        texts = {name: _jsonl(rows) for name, rows in facts.dump(key).items()}
        entries = facts.entries(key)
    digests = sorted({e.image for e in entries if e.image}) if pictures else []
    images = store.images(plan) if digests else None
    folders = _folders(runs, study, entries)
    about = describe(
        study,
        model=model,
        exclude=tuple(exclude),
        runs=tuple(folders),
        pictures=len(digests),
        given=dict(given or {}),
    )
    with scratch(about, {name: _rows(text) for name, text in texts.items()}) as copy:
        made = derive(copy, about)
    made["bundle.json"] = about.model_dump_json(indent=2) + "\n"
    made |= {f"facts/{name}.jsonl": text for name, text in texts.items()}
    members = [_texts(made), *(_run(f, run) for f, run in folders.items())]
    digest = archive.write(out, _all(members, images, digests))
    return Written(out, digest, texts["vote"].count("\n"), len(digests))


def check(path: Path) -> Verdict:
    """Check every digest, and that the facts still give the stored votes and ratings."""
    with Bundle.open(path) as bundle:
        digest, about = bundle.archive.digest(), bundle.about
        if faults := tuple(bundle.archive.faults()):
            return Verdict(about.study, digest, 0, faults)
        with bundle.unpacked() as store:
            made = derive(store, about)
        votes = sum(1 for _ in bundle.archive.rows("facts/vote.jsonl"))
        faults, notes = _differences(bundle, made)
    return Verdict(about.study, digest, votes, faults, notes)


def restore(store: Store, path: Path, name: str | None = None) -> tuple[str, int]:
    """Make a study of a bundle's facts; return its name and its number of votes.

    Raters keep their public names, battles their order, sides and chances, votes what undid them.
    """
    with Bundle.open(path) as bundle, bundle.unpacked() as copy:
        study, digest = name or bundle.about.study, bundle.archive.digest()
        with copy.reading() as others, store.writing() as facts:
            _refuse_known(facts, study, digest)
            key, _ = others.study(bundle.about.study)
            made = facts.restore(study, others.dump(key))
            detail = {"bundle": digest, "study": bundle.about.study}
            facts.add_event(made, "import", at=now(), detail=detail)
            return study, sum(1 for _ in facts.votes(made))


def _refuse_known(facts: Facts, name: str, digest: str) -> None:
    for known in facts.studies():
        for event in facts.events(facts.study(known)[0], "import"):
            if event.detail.get("bundle") == digest:
                raise StudyError(f"This bundle is the study {known!r} already: {event.at}.")
    if name in facts.studies():
        raise StudyError(
            f"The database already has a study {name!r}. Give the bundle's another name: --study"
        )


def _jsonl(rows: Iterable[Mapping[str, Any]]) -> str:
    lines = (json.dumps(row, ensure_ascii=False, allow_nan=False) for row in rows)
    return "".join(f"{line}\n" for line in lines)


def _rows(text: str) -> Iterator[dict[str, Any]]:
    return (json.loads(line) for line in text.split("\n")[:-1])


def _folders(runs: Sequence[Run], study: str, entries: Sequence[Entry]) -> dict[str, Run]:
    """Name a folder for each run; refuse one that drew nothing of the study."""
    wanted = {e.generation_id for e in entries if e.generation_id}
    folders: dict[str, Run] = {}
    for run in sorted(runs, key=lambda r: r.manifest.run_id):
        if not wanted & {g.id for g in run.generations()}:
            raise StudyError(f"The study {study!r} has no picture of the run {run.path}.")
        name = re.sub(r"[^\w.-]|^\.", "_", run.manifest.run_id)
        if name in folders:
            raise StudyError(f"Two runs are called {name!r}: {folders[name].path} and {run.path}.")
        folders[name] = run
    return folders


def _texts(made: Mapping[str, str]) -> Iterator[tuple[str, bytes]]:
    return ((name, made[name].encode()) for name in sorted(made))


def _run(folder: str, run: Run) -> Iterator[tuple[str, bytes]]:
    """Yield a run's files; the suite is as it was, what else is told names no folder of here."""
    for name, text in run.texts():
        yield f"runs/{folder}/{name}", _without_folders(name, text).encode()


def _without_folders(name: str, text: str) -> str:
    if name == "suite.jsonl":
        return text
    if name.endswith(".jsonl"):
        return _jsonl(_portable(row) for row in _rows(text))
    return json.dumps(_portable(json.loads(text)), indent=2, ensure_ascii=False) + "\n"


def _portable(value: Any) -> Any:
    """Shorten absolute paths to their last name, anywhere in a JSON value."""
    if isinstance(value, dict):
        return {key: _portable(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_portable(inner) for inner in value]
    if not isinstance(value, str):
        return value
    whole = value.startswith(("/", "~/")) and "\n" not in value
    return f".../{Path(value).name}" if whole else _FOLDERS.sub(".../", value)


def _all(
    members: Iterable[Iterator[tuple[str, bytes]]],
    images: ImageStore | None,
    digests: Iterable[str],
) -> Iterator[tuple[str, Iterable[bytes]]]:
    for part in members:
        for name, data in part:
            yield name, [data]
    for digest in digests:
        if images is not None:
            yield f"images/{digest[:2]}/{digest}.png", [images.read(digest)]


def _differences(
    bundle: Bundle, made: Mapping[str, str]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Compare all but the README, whose words may change with a release.

    The same code gives the same digits. Other code, or other packages, may add in another order:
    figures that then differ in their last digits alone are told as notes.
    """
    faults: list[str] = []
    notes: list[str] = []
    elsewhere = list(_other_makers(bundle.about))
    if not _same_votes(bundle.archive.read("votes.csv").decode(), made["votes.csv"]):
        faults.append("votes.csv is not what the facts say")
    names = (n for n in {*bundle.archive.under("ratings"), *made} if n.startswith("ratings/"))
    for name in sorted(names):
        stored = bundle.archive.json(name) if name in bundle.archive else {}
        for where, old, new in _unlike(stored, json.loads(made.get(name, "{}"))):
            figures = isinstance(old, float | int) or isinstance(new, float | int)
            said = f"{name}, {where}: {old!r} is stored, the votes now give {new!r}"
            told = not figures or (elsewhere and _near(old, new))
            (notes if told else faults).append(said)
    if faults:
        faults += elsewhere
    return tuple(faults), tuple(notes)


def _same_votes(stored: str, made: str) -> bool:
    """Compare tables of votes; of an older release's, the columns that it had."""
    names = stored.partition("\n")[0].split(",")
    if names == made.partition("\n")[0].split(","):
        return stored == made
    old, new = (list(csv.DictReader(io.StringIO(text))) for text in (stored, made))
    return [[r[n] for n in names] for r in old] == [[r.get(n) for n in names] for r in new]


def _unlike(old: Any, new: Any, where: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Yield the leaves of two JSON documents that differ, each with its place."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in dict.fromkeys([*old, *new]):
            yield from _unlike(old.get(key), new.get(key), f"{where}.{key}".strip("."))
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for place, (one, other) in enumerate(zip(old, new, strict=True)):
            yield from _unlike(one, other, f"{where}[{place}]")
    elif old != new:
        yield where, old, new


def _near(old: Any, new: Any) -> bool:
    both = isinstance(old, float) and isinstance(new, float)
    return both and math.isclose(old, new, rel_tol=NEAR, abs_tol=NEAR)


def _other_makers(about: About) -> Iterator[str]:
    """Say by what other code and packages a bundle was made."""
    here = provenance.packages(n for n in about.packages if n != "python")
    made = {"code": about.code, **about.packages}
    for name, version in made.items():
        found = {"code": provenance.code_revision(), **here}.get(name, "none")
        if found != version:
            yield f"made with {name} {version}, checked with {found}"
