"""Suites of prompts: read, check and export."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from evalkit import questions
from evalkit.errors import SuiteError, UnknownNameError
from evalkit.geneval import CLASSES, COLORS, POSITIONS
from evalkit.records import Clause, Prompt, Requirements, digest


@dataclass(frozen=True)
class Suite:
    """A checked list of prompts with unique ids."""

    name: str
    prompts: tuple[Prompt, ...]

    @property
    def digest(self) -> str:
        """Digest of the prompts' content, whatever file they came from."""
        return digest([_content(p) for p in self.prompts])

    def __len__(self) -> int:
        return len(self.prompts)

    def by_id(self) -> dict[str, Prompt]:
        """Map each prompt's id to the prompt."""
        return {p.id: p for p in self.prompts}


def _content(prompt: Prompt) -> dict[str, Any]:
    """Return all of a prompt; one without questions says nothing of them, as it always did."""
    unasked = {"questions"} if prompt.questions is None else None
    return prompt.model_dump(mode="json", by_alias=True, exclude=unasked)


def folder() -> Path:
    """Return where the suites lie: in the installed package, or beside it in a checkout."""
    installed = Path(__file__).parent / "_prompts"
    return installed if installed.is_dir() else Path(__file__).parent.parent / "prompts"


def names() -> list[str]:
    """Return the names of the suites that the package carries."""
    return sorted(p.stem for p in folder().glob("*.jsonl"))


def load(suite: str | Path) -> Suite:
    """Read and check a suite: one of the package's by name, or a .jsonl, .txt or .csv of yours.

    A JSONL line is our own prompt (``id``, ``text``, optional ``category``, ``requirements`` and
    ``questions``), or a line of GenEval's ``evaluation_metadata.jsonl`` or of GenEval 2's data; a
    .txt file has one prompt a line, and a .csv file is DPG-Bench's. Ids default to the line's index
    in five digits, as in GenEval's folders.
    """
    path = Path(suite)
    if path.suffix not in (".jsonl", ".txt", ".csv"):
        path = folder() / f"{suite}.jsonl"
        if not path.is_file():
            raise UnknownNameError("suite", str(suite), names())
    return Suite(path.stem, tuple(_checked(path, list(_read(path)))))


def _read(path: Path) -> Iterator[tuple[int, Prompt]]:
    try:
        if path.suffix == ".csv":
            yield from questions.of_dpg(path)
            return
        lines = path.read_text(encoding="utf-8-sig").split("\n")  # a text may hold U+2028
    except FileNotFoundError:
        raise SuiteError(f"There is no suite at {path}. Check the path.") from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SuiteError(f"The suite {path} cannot be read: {error}. Save it as UTF-8.") from error
    index = 0
    for number, line in enumerate(lines, 1):
        if line.strip():
            yield number, _parse(path, number, line, f"{index:05d}")
            index += 1


def _parse(path: Path, number: int, line: str, default_id: str) -> Prompt:
    where = f"{path}, line {number}"
    if path.suffix == ".txt":
        return Prompt(id=default_id, suite=path.stem, text=line.strip())
    try:
        data = json.loads(line)
        if not isinstance(data, dict):
            raise SuiteError(f"{where}: expected a JSON object, found {line[:80]!r}.")
        if "include" in data:
            data = {"text": data.get("prompt"), "category": data.get("tag"), "requirements": data}
            data["requirements"] = Requirements.parse(data["requirements"])
        if "vqa_list" in data:
            data = _of_geneval2(where, data)
        return Prompt.model_validate({"id": default_id, **data, "suite": path.stem})
    except json.JSONDecodeError as error:
        raise SuiteError(f"{where}: not JSON ({error.msg}): {line[:80]!r}.") from error
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(p) for p in first["loc"]) or "line"
        raise SuiteError(
            f"{where}: {field}: {first['msg']}, found {first['input']!r}. Mend the line."
        ) from error


def _of_geneval2(where: str, line: dict[str, Any]) -> dict[str, Any]:
    try:
        return questions.of_geneval2(line)
    except SuiteError as error:
        raise SuiteError(f"{where}: {error}") from None


def _checked(path: Path, numbered: Sequence[tuple[int, Prompt]]) -> Iterator[Prompt]:
    if not numbered:
        raise SuiteError(f"The suite {path} has no prompts. Add a line per prompt.")
    seen: dict[str, int] = {}
    for number, prompt in numbered:
        where = f"{path}, line {number}"
        if not prompt.text.strip():
            raise SuiteError(f"{where}: the text of prompt {prompt.id!r} is empty.")
        if prompt.id in seen:
            raise SuiteError(
                f"{where}: id {prompt.id!r} is already used in line {seen[prompt.id]}. "
                "Give every prompt an id of its own."
            )
        seen[prompt.id] = number
        if prompt.requirements:
            _check_requirements(where, prompt.requirements)
        yield prompt


def _check_requirements(where: str, requirements: Requirements) -> None:
    if not requirements.include:
        raise SuiteError(f"{where}: the requirements include nothing. Add an include clause.")
    for index, clause in enumerate((*requirements.include, *requirements.exclude)):
        try:
            _check_clause(clause, index)
        except UnknownNameError as error:
            raise SuiteError(f"{where}: {error}") from None


def _check_clause(clause: Clause, index: int) -> None:
    if clause.class_name not in CLASSES:
        raise UnknownNameError("class", clause.class_name, CLASSES)
    if clause.color is not None and clause.color not in COLORS:
        raise UnknownNameError("colour", clause.color, COLORS)
    if clause.position is not None:
        relation, target = clause.position
        if relation not in POSITIONS:
            raise UnknownNameError("relation", relation, POSITIONS)
        if not 0 <= target < index:
            known = [str(i) for i in range(index)]
            raise UnknownNameError("clause to be placed against", str(target), known)


def metadata(prompt: Prompt) -> dict[str, Any]:
    """Return a prompt's line of GenEval's ``evaluation_metadata.jsonl``, keys in its order."""
    if prompt.requirements is None:
        raise SuiteError(
            f"Prompt {prompt.id!r} of suite {prompt.suite!r} has no GenEval requirements. "
            "Export it with --format jsonl."
        )
    line = prompt.requirements.model_dump(mode="json", by_alias=True, exclude_none=True)
    if not line["exclude"]:
        del line["exclude"]
    return {**line, "prompt": prompt.text}


def to_geneval(suite: Suite) -> Iterator[str]:
    """Yield the lines of GenEval's ``evaluation_metadata.jsonl`` for a suite, to the byte."""
    yield from (json.dumps(metadata(p)) for p in suite.prompts)


def to_jsonl(suite: Suite) -> Iterator[str]:
    """Yield the lines of our own format."""
    for prompt in suite.prompts:
        line = prompt.model_dump(mode="json", by_alias=True, exclude_none=True, exclude={"suite"})
        yield json.dumps(line, ensure_ascii=False)


def to_text(suite: Suite) -> Iterator[str]:
    """Yield the prompts' texts alone."""
    yield from (p.text for p in suite.prompts)


def categories(suite: Suite) -> dict[str, int]:
    """Count the prompts of each category, in order of appearance."""
    return dict(Counter(p.category for p in suite.prompts))


def make(name: str, samples: Sequence[tuple[str, Requirements]]) -> Suite:
    """Make a suite of sampled requirements."""
    return Suite(
        name,
        tuple(
            Prompt(id=f"{i:05d}", suite=name, text=text, category=r.tag, requirements=r)
            for i, (text, r) in enumerate(samples)
        ),
    )
