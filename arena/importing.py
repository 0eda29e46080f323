"""Votes held elsewhere become battles of a study, which show no pictures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from arena.clock import now
from arena.facts import Facts
from arena.records import Outcome, Study, Vote
from arena.store import Store
from arena.studies import open_or_add
from evalkit.errors import StudyError

if TYPE_CHECKING:
    import pandas as pd

_KEPT = (
    *("left", "right", "winner", "rater", "prompt", "criterion", "seconds", "simulated"),
    *("category", "purpose", "gold", "language"),
)
"""The columns of a votes.csv that a study keeps."""


def import_votes(store: Store, plan: Study, frame: pd.DataFrame, digest: str) -> int:
    """Record votes held elsewhere, all or none; refuse a file that is already in the study."""
    with store.writing() as facts:
        key, study = open_or_add(facts, plan)
        _check_criterion(frame, study)
        for earlier in facts.events(key, "import"):
            if earlier.detail.get("sha256") == digest:
                raise StudyError(
                    f"The study {study.name!r} already has these votes: imported {earlier.at}."
                )
        facts.add_event(key, "import", at=now(), detail={"sha256": digest, "votes": len(frame)})
        rows = frame.to_dict("records")
        ids = facts.add_battles(key, list(_imported_battles(facts, key, study, rows)))
        facts.add_votes([_imported_vote(i, row) for i, row in zip(ids, rows, strict=True)])
    return len(rows)


def left_behind(frame: pd.DataFrame) -> list[str]:
    """Name the columns of a votes.csv that say something which a study does not keep."""
    return [str(name) for name in frame.columns if name not in _KEPT and frame[name].notna().any()]


def _check_criterion(frame: pd.DataFrame, study: Study) -> None:
    found = set(frame["criterion"].dropna()) if "criterion" in frame else set()
    asked = ", ".join(study.criteria)
    if others := sorted(found - set(study.criteria)):
        raise StudyError(
            f"The study {study.name!r} asks for {asked}; the votes also answer "
            f"{', '.join(others)}. Import each criterion into a study of its own."
        )
    if len(study.criteria) > 1 and ("criterion" not in frame or frame["criterion"].isna().any()):
        raise StudyError(
            f"The study {study.name!r} asks for {asked}, and votes of the file do not say which "
            "they answer. Name it in the column criterion."
        )


def _imported_battles(
    facts: Facts, key: int, study: Study, rows: list[dict[Any, Any]]
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
        battle: dict[str, Any] = {"left_id": left, "right_id": right, "rater_id": rater}
        battle |= {"ordinal": ordinal, "opened_at": at, "draw_probability": None, "token": None}
        battle |= {"redo_of": None, "criterion": _text(row, "criterion") or study.criteria[0]}
        battle |= {"purpose": _text(row, "purpose") or "rating"}
        yield battle | {"expected": _text(row, "gold") or None}


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
        language=_text(row, "language") or None,
    )


def _text(row: Mapping[Any, Any], column: str) -> str:
    value = row.get(column)
    return value if isinstance(value, str) else ""
