"""Prompts with their questions, in the layouts of GenEval 2 and DPG-Bench, from files of yours."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from evalkit.errors import SuiteError
from evalkit.records import Prompt, Question

COLUMNS = ("item_id", "text", "proposition_id", "dependency", "tuple", "question_natural_language")
"""What is read of DPG-Bench's CSV."""
NONE = "0"
"""DPG-Bench's parent of a question that hangs on none."""


def of_geneval2(line: Mapping[str, Any]) -> dict[str, Any]:
    """Turn a line of ``geneval2_data.jsonl`` into a prompt's fields (arXiv 2512.16853).

    The category is the number of atoms, by which its tables are split.
    """
    pairs, skills = line["vqa_list"], line.get("skills") or []
    if not isinstance(pairs, list) or not all(isinstance(p, list) and len(p) == 2 for p in pairs):
        raise SuiteError("vqa_list is no list of [question, answer].")
    if len(skills) != len(pairs):  # not of the questions, then
        skills = [""] * len(pairs)
    atoms = line.get("atom_count")
    return {
        "text": line.get("prompt"),
        "category": "" if atoms is None else f"{atoms} atoms",
        "questions": [
            {"id": str(i), "text": text, "answer": str(answer), "skill": str(skill)}
            for i, ((text, answer), skill) in enumerate(zip(pairs, skills, strict=True), 1)
        ],
    }


def of_dpg(path: Path) -> Iterator[tuple[int, Prompt]]:
    """Yield the prompts of DPG-Bench's CSV and the line of each (ELLA, arXiv 2403.05135).

    Every row is read, the first too, and rows of one item need not stand together.
    """
    items: dict[str, list[tuple[int, Mapping[str, str]]]] = {}
    for number, row in _rows(path):
        items.setdefault(row["item_id"].strip(), []).append((number, row))
    for name, rows in items.items():
        first, row = rows[0]
        for number, other in rows:
            if other["text"] != row["text"]:
                raise SuiteError(
                    f"{path}, line {number}: the text of {name!r} is not that of line {first}."
                )
        asked = tuple(_question(path, number, one) for number, one in rows)
        yield first, Prompt(id=name, suite=path.stem, text=row["text"].strip(), questions=asked)


def _rows(path: Path) -> Iterator[tuple[int, Mapping[str, str]]]:
    with path.open(encoding="utf-8-sig", newline="") as lines:
        table = csv.DictReader(lines, restval="")
        if missing := [c for c in COLUMNS if c not in (table.fieldnames or ())]:
            raise SuiteError(
                f"The suite {path} has no column {', '.join(missing)}. A .csv suite has "
                "DPG-Bench's columns; write other prompts as .jsonl or .txt."
            )
        for row in table:
            if not row["item_id"].strip():
                raise SuiteError(f"{path}, line {table.line_num}: there is no item_id.")
            yield table.line_num, row


def _question(path: Path, number: int, row: Mapping[str, str]) -> Question:
    try:
        name = str(int(row["proposition_id"]))
        parents = [str(int(p)) for p in row["dependency"].split(",") if p.strip()]
    except ValueError as error:
        raise SuiteError(f"{path}, line {number}: {error}. Ids are whole numbers.") from None
    if not row["question_natural_language"].strip():
        raise SuiteError(f"{path}, line {number}: question {name} has no words.")
    return Question(
        id=name,
        text=row["question_natural_language"].strip(),
        skill=row["tuple"].partition("(")[0].strip(),
        parents=tuple(p for p in parents if p != NONE),
    )


def fault(questions: Sequence[Question]) -> str | None:
    """Say why the answers to these questions cannot be put together, or None."""
    by_id = {q.id: q for q in questions}
    if len(by_id) < len(questions):
        ids = [q.id for q in questions]
        return f"Two of its questions have the id {next(i for i in ids if ids.count(i) > 1)}."
    for question in questions:
        for parent in question.parents:
            if parent not in by_id:
                return f"Question {question.id} hangs on question {parent}, which it has not."
    ordered = {q.id for q in _downwards(questions)}
    if circle := [q.id for q in questions if q.id not in ordered]:
        return f"Its questions {', '.join(circle)} hang on each other in a circle."
    return None


def _downwards(questions: Sequence[Question]) -> list[Question]:
    """Put every question after those it hangs on; those in a circle are left out."""
    ordered: dict[str, Question] = {}
    while free := [q for q in questions if q.id not in ordered and ordered.keys() >= {*q.parents}]:
        ordered |= {q.id: q for q in free}
    return list(ordered.values())


def counted(questions: Sequence[Question], yes: Mapping[str, bool]) -> dict[str, bool]:
    """Return which answers count: those that are yes, and every question above them too.

    A parent's no goes all the way down, in whatever order the questions stand; the questions must
    have no ``fault``.
    """
    found: dict[str, bool] = {}
    for question in _downwards(questions):
        found[question.id] = yes[question.id] and all(found[p] for p in question.parents)
    return {q.id: found[q.id] for q in questions}
