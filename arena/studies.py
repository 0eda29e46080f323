"""Making studies: pictures of a run become entries, votes held elsewhere become battles."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from arena import pictures
from arena.records import Criterion, Entry, Outcome, Study, Vote
from arena.store import Facts, Store, VoteRow, now
from evalkit.errors import ImageError, StudyError, UnknownNameError
from evalkit.runs import Run

if TYPE_CHECKING:
    import pandas as pd

# Our words for what is asked in the studies of Imagen 3 (arXiv 2408.07009, section 3.1) and of
# Stable Diffusion 3 (arXiv 2403.03206, section 5): preference, visual quality, prompt following.
QUESTIONS: Mapping[str, tuple[str, str]] = {
    "overall": (
        "Which picture would you rather have?",
        "Suppose you had asked for a picture with this text.",
    ),
    "quality": (
        "Which picture is better made?",
        "Judge how it looks: clean, sharp, pleasing, without flaws.",
    ),
    "alignment": (
        "Which picture shows better what the text says?",
        "Judge the content alone. Overlook flaws, and the style unless the text names one.",
    ),
}


@dataclass(frozen=True)
class Loaded:
    """What a load did."""

    study: Study
    new: int
    """Entries added now."""
    entries: int
    """Entries of the study in all."""
    failed: int
    """Generations of the run that have no picture."""


def describe(
    name: str,
    criterion: Criterion = "overall",
    *,
    question: str | None = None,
    hint: str | None = None,
    show_prompt: bool = True,
    reveal: bool = False,
    quota: int | None = None,
    seed: int | None = None,
) -> Study:
    """Describe a new study, with the criterion's usual words where none are given."""
    usual = QUESTIONS.get(criterion)
    if usual is None and question is None:
        raise StudyError(
            f"No question is known for the criterion {criterion!r}. Give one with --question, or "
            f"use one of: {', '.join(QUESTIONS)}."
        )
    if not name.strip():
        raise StudyError("A study needs a name.")
    words = usual or ("", "")
    return Study(
        name=name,
        criterion=criterion,
        question=question or words[0],
        hint=hint if hint is not None else "" if question else words[1],
        show_prompt=show_prompt,
        reveal=reveal,
        quota=quota,
        # Drawn, not fixed: whoever knows the seed and the code could foretell the sides.
        seed=secrets.randbelow(2**31) if seed is None else seed,
        created_at=now(),
    )


def question_of(criterion: Criterion) -> str:
    """Return words for a question that was asked elsewhere."""
    return QUESTIONS[criterion][0] if criterion in QUESTIONS else f"Which is better: {criterion}?"


def criterion_of(store: Store, name: str) -> Criterion | None:
    """Return what a study asks for, if there is such a study."""
    with store.reading() as facts:
        return facts.study(name)[1].criterion if name in facts.studies() else None


def load(store: Store, run: Run, plan: Study) -> Loaded:
    """Make the pictures of a run entries of a study; again, or of another run, adds what is new."""
    drawn = [g for g in run.generations() if g.image is not None]
    if not drawn:
        raise StudyError(f"The run {run.path} has no pictures. Make some with: evalkit generate")
    sizes = {pictures.size(run.images, str(g.image)) for g in drawn}
    with store.writing() as facts:
        key, study = _open_or_add(facts, plan)
        known = facts.entries(key)
        facts.add_entries(key, new := _new_entries(run, known))
        _check_same_place(run, known)
        if study.width and study.height:
            sizes.add((study.width, study.height))
        facts.place_study(key, store.place(run.images), pictures.frame(sizes), run.suite.name)
        study = facts.study(plan.name)[1]
    failed = len(run.generations()) - len(drawn)
    return Loaded(study, len(new), len(known) + len(new), failed)


def import_votes(store: Store, plan: Study, frame: pd.DataFrame, digest: str) -> int:
    """Record votes held elsewhere, all or none; refuse a file that is already in the study."""
    with store.writing() as facts:
        key, study = _open_or_add(facts, plan)
        _check_criterion(frame, study)
        for earlier in facts.events(key, "import"):
            if earlier.detail.get("sha256") == digest:
                raise StudyError(
                    f"The study {study.name!r} already has these votes: imported {earlier.at}."
                )
        facts.add_event(key, "import", at=now(), detail={"sha256": digest, "votes": len(frame)})
        rows = frame.to_dict("records")
        ids = facts.add_battles(key, list(_imported_battles(facts, key, rows)))
        facts.add_votes([_imported_vote(i, row) for i, row in zip(ids, rows, strict=True)])
    return len(rows)


def only_study(store: Store, name: str | None) -> str:
    """Return the study that is meant where the database has only one."""
    with store.reading() as facts:
        names = facts.studies()
    if name is not None:
        if name not in names:
            raise UnknownNameError("study", name, names)
        return name
    if len(names) != 1:
        raise StudyError(
            f"The database has {len(names)} studies: {', '.join(names) or 'none'}. "
            "Name one with --study."
        )
    return names[0]


def standing_votes(store: Store, name: str) -> list[VoteRow]:
    """Return the votes of a study that were not undone."""
    with store.reading() as facts:
        key, _ = facts.study(name)
        return list(facts.votes(key))


def timed_votes(store: Store, name: str) -> tuple[list[VoteRow], list[str]]:
    """Return the votes that stand, and when each was cast."""
    with store.snapshot() as facts:
        key, _ = facts.study(name)
        return list(facts.votes(key)), list(facts.cast_times(key))


def _open_or_add(facts: Facts, plan: Study) -> tuple[int, Study]:
    if plan.name not in facts.studies():
        facts.add_study(plan)
    key, study = facts.study(plan.name, lock=True)
    if study.criterion != plan.criterion:
        raise StudyError(
            f"The study {plan.name!r} asks for {study.criterion}, not {plan.criterion}. "
            "Ask another question in a study of another name."
        )
    return key, study


def _new_entries(run: Run, known: Iterable[Entry]) -> list[dict[str, Any]]:
    prompts = run.suite.by_id()
    fingerprints = {m.name: m.fingerprint for m in run.manifest.models}
    have = {e.generation_id for e in known}
    texts = {e.prompt_id: e.prompt for e in known if e.image}
    makers = {e.model: e.fingerprint for e in known if e.fingerprint}
    rows = []
    for g in run.generations():
        if g.image is None or g.id in have:
            continue
        prompt, fingerprint = prompts[g.prompt_id], fingerprints[g.model]
        _check_same(f"prompt {prompt.id!r}", "text", texts.get(prompt.id), prompt.text)
        _check_same(f"model {g.model!r}", "fingerprint", makers.get(g.model), fingerprint)
        row = {"generation_id": g.id, "model": g.model, "fingerprint": fingerprint}
        row |= {"prompt_id": prompt.id, "prompt": prompt.text, "category": prompt.category}
        rows.append(row | {"seed": g.seed, "image": g.image})
    return rows


def _check_same(what: str, field: str, known: str | None, found: str) -> None:
    if known is not None and known != found:
        raise StudyError(
            f"The study already has a {what} with another {field}: {known!r}, not {found!r}. "
            "Load the run into a study of another name, or rename it."
        )


def _check_same_place(run: Run, known: Iterable[Entry]) -> None:
    """Refuse a second image store beside the one that holds the earlier entries."""
    for entry in known:
        if entry.image is not None and not run.images.path(entry.image).exists():
            raise ImageError(
                f"The study has pictures that are not in {run.images.root}, such as those of "
                f"{entry.model!r}. Keep the runs of a study side by side in one folder named runs: "
                "they share one folder of images."
            )


def _check_criterion(frame: pd.DataFrame, study: Study) -> None:
    found = set(frame["criterion"].dropna()) if "criterion" in frame else set()
    if others := sorted(found - {study.criterion}):
        raise StudyError(
            f"The study {study.name!r} asks for {study.criterion}; the votes also answer "
            f"{', '.join(others)}. Import each criterion into a study of its own."
        )


def _imported_battles(
    facts: Facts, key: int, rows: list[dict[Any, Any]]
) -> Iterable[dict[str, Any]]:
    entries = _imported_entries(facts, key, rows)
    raters = _imported_raters(facts, rows)
    ordinals = facts.next_ordinals(key)
    at = now()
    for row in rows:
        rater = raters.get(_text(row, "rater"))
        ordinal = ordinals.get(rater, 0) if rater is not None else 0
        if rater is not None:
            ordinals[rater] = ordinal + 1
        left, right = entries[_place(row, "left")], entries[_place(row, "right")]
        battle = {"left_id": left, "right_id": right, "rater_id": rater, "ordinal": ordinal}
        yield battle | {"opened_at": at, "draw_probability": None, "token": None, "redo_of": None}


def _imported_entries(
    facts: Facts, key: int, rows: list[dict[Any, Any]]
) -> dict[tuple[str, str, str], int]:
    """Return the ids of entries without pictures, made where they are new."""
    entries = (e for e in facts.entries(key) if e.image is None)
    known = {(e.model, e.prompt_id, e.category): e.id for e in entries}
    needed = {_place(row, side): None for row in rows for side in ("left", "right")}
    new = [place for place in needed if place not in known]
    blank = {"generation_id": None, "fingerprint": None, "prompt": "", "seed": None, "image": None}
    named = [dict(zip(("model", "prompt_id", "category"), place, strict=True)) for place in new]
    ids = facts.add_entries(key, [blank | names for names in named])
    return known | dict(zip(new, ids, strict=True))


def _place(row: Mapping[Any, Any], side: str) -> tuple[str, str, str]:
    return row[side], _text(row, "prompt"), _text(row, "category")


def _imported_raters(facts: Facts, rows: list[dict[Any, Any]]) -> dict[str, int]:
    labels = dict.fromkeys(_text(row, "rater") for row in rows)
    found = ((label, facts.rater_labelled(label)) for label in labels if label)
    return {label: (known or facts.add_rater(label)).id for label, known in found}


def _imported_vote(battle_id: int, row: Mapping[Any, Any]) -> Vote:
    seconds = row.get("seconds")
    return Vote(
        battle_id=battle_id,
        outcome=Outcome(row["winner"]),
        cast_at=now(),
        seconds=None if seconds is None or seconds != seconds else seconds,
        simulated=bool(row.get("simulated", False)),
    )


def _text(row: Mapping[Any, Any], column: str) -> str:
    value = row.get(column)
    return value if isinstance(value, str) else ""
