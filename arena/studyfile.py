"""A study as a file in TOML: read, checked line by line, and written as a commented example."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from arena import languages
from arena.languages import SOURCE
from arena.protocol import Example, Picture, Protocol, say
from arena.studies import usual_words
from evalkit.errors import ImageError, StudyError

if TYPE_CHECKING:
    from evalkit.images import ImageStore

EXAMPLE = Path(__file__).parent / "templates" / "study.toml"
"""The commented example that ``arena study init`` writes."""


@dataclass(frozen=True)
class StudyFile:
    """What a file says: the study's name, its rules, and perhaps the seed of its draws."""

    path: Path
    name: str
    protocol: Protocol
    seed: int | None = None

    def with_pictures(self, images: ImageStore) -> Protocol:
        """Keep the examples' files among a run's pictures, and name them by their content."""
        kept = tuple(_kept(e, self.path.parent, images) for e in self.protocol.examples)
        return self.protocol.model_copy(update={"examples": kept})


def read(path: Path) -> StudyFile:
    """Read and check a study's file; raise StudyError with the line, the value and what to do."""
    text = _text(path)
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise StudyError(f"{path} is not TOML: {error}.") from None
    name, seed = data.pop("name", None), data.pop("seed", None)
    if not isinstance(name, str) or not name.strip():
        raise StudyError(f'{path} names no study. Begin it with a line such as: name = "pilot"')
    if seed is not None and (type(seed) is not int or seed < 0):
        line = _line(text, ("seed",))
        raise StudyError(
            f"{path}, line {line}: seed is {seed!r}. It must be a whole number from 0."
        )
    for part in ("consent", "instructions"):
        if part in data:
            data[part] = _words(data[part], path.parent)
    spoken = _tags(data.get("languages", [SOURCE]))
    data["criteria"] = [_with_usual_words(c, spoken) for c in _list(data.get("criteria"))]
    try:
        protocol = Protocol.model_validate(data)
    except ValidationError as error:
        raise StudyError("\n".join(_problems(path, text, error))) from None
    languages.check(protocol.languages, f"The study of {path}")
    found = StudyFile(path, name.strip(), protocol, seed)
    _check_files(found)
    return found


def summary(file: StudyFile) -> list[str]:
    """Say in lines what a study's file means."""
    rules = file.protocol
    uses = Counter(e.use for e in rules.examples)
    examples = ", ".join(f"{count} for {use}" for use, count in sorted(uses.items())) or "none"
    draws, quota = rules.draws, rules.raters.quota
    asked = [
        f"  {q.id}: {say(q.question, tag)}" + ("" if q.show_prompt else " (text hidden)")
        for q in rules.criteria
        for tag in rules.languages
    ]
    return [
        f"Study: {file.name}, rules {rules.digest[:12]}",
        "Asked, one question a battle:",
        *asked,
        f"Answers: {', '.join(rules.outcomes)}",
        f"Of each rater: {quota or 'as many comparisons as there are pairs'}"
        + (" comparisons" if quota else ""),
        f"Of each pair of pictures: {draws.votes_per_pair or 'any number of'} votes a criterion",
        f"Checks: {draws.gold_rate:.0%} gold, {draws.repeat_rate:.0%} repeated",
        f"Examples: {examples}",
        f"Languages: {', '.join(rules.languages)}",
        f"Panel: {rules.panel.kind if rules.panel else 'none'}",
    ]


def write_example(path: Path) -> None:
    """Write the commented example; an existing file is left alone."""
    try:
        with path.open("x", encoding="utf-8") as stream:
            stream.write(EXAMPLE.read_text(encoding="utf-8"))
    except FileExistsError:
        raise StudyError(f"{path} exists. Name another file, or edit it.") from None
    except OSError as error:
        raise StudyError(f"{path} cannot be written: {error.strerror}.") from error


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise StudyError(
            f"There is no file {path}. Write a commented example with: arena study init {path}"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise StudyError(f"{path} cannot be read as text in UTF-8: {error}.") from error


def _words(value: Any, folder: Path) -> Any:
    """Put the text of a file where ``{file = "consent.md"}`` names one, in each language."""
    if not isinstance(value, Mapping):
        return value
    if set(value) == {"file"} and isinstance(value["file"], str):
        path = folder / value["file"]
        try:
            return path.read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            raise StudyError(f"The text {path} cannot be read: {error}.") from None
    return {language: _words(text, folder) for language, text in value.items()}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _tags(value: Any) -> list[str]:
    """Return the languages of a study, as far as they are any; what is not is refused later."""
    return [tag for tag in _list(value) if isinstance(tag, str)]


def _with_usual_words(criterion: Any, spoken: Sequence[str]) -> Any:
    """Ask in the usual words under a usual name, unless the file has its own."""
    if not isinstance(criterion, Mapping) or "question" in criterion:
        return criterion
    usual = usual_words(str(criterion.get("id")), spoken)
    return criterion if usual is None else {"question": usual[0], "hint": usual[1], **criterion}


def _problems(path: Path, text: str, error: ValidationError) -> list[str]:
    return [
        f"{path}{_where(text, problem['loc'])}: {_problem(dict(problem))}"
        for problem in error.errors()
    ]


def _where(text: str, place: Sequence[Any]) -> str:
    line = _line(text, place)
    return f", line {line}" if line else ""


def _problem(problem: Mapping[str, Any]) -> str:
    place = [p for p in problem["loc"] if _is_of_the_file(p)]
    name = ".".join(map(str, place))
    if problem["type"] == "extra_forbidden":
        return f"there is no {name!r}.{_near(place)}"
    if problem["type"] == "missing":
        return f"{name} is missing."
    message = problem["msg"].removeprefix("Value error, ")
    if not place:
        return f"{message}."
    given = problem["input"]
    shown = f" is {given!r:.80}" if isinstance(given, str | int | float | bool) else ""
    return f"{name}{shown}: {message[0].lower()}{message[1:]}."


def _is_of_the_file(part: Any) -> bool:
    """Tell a place in the file from pydantic's names of the branches of a union."""
    return isinstance(part, int) or not re.search(r"[\[\](),]|^str$", str(part))


def _near(place: Sequence[Any]) -> str:
    """Suggest the field that was meant."""
    model: Any = Protocol
    for part in place[:-1]:
        if isinstance(part, str) and model is not None:
            model = _model_of(model, part)
    fields = list(model.model_fields) if model is not None else []
    near = difflib.get_close_matches(str(place[-1]), fields, n=1)
    known = f" Known here: {', '.join(fields)}." if fields else ""
    return (f" Did you mean {near[0]!r}?" if near else "") + known


def _model_of(model: Any, name: str) -> Any:
    """Return the record that a field holds, or holds several of."""
    field = model.model_fields.get(name)
    if field is None:
        return None
    inner = [field.annotation, *getattr(field.annotation, "__args__", ())]
    return next((t for t in inner if hasattr(t, "model_fields")), None)


_HEADER = re.compile(r"^\s*(\[\[?)\s*([\w.\-\"]+)\s*\]\]?")
_KEY = re.compile(r"^\s*([\w\-]+)\s*[.=]")


def _line(text: str, place: Sequence[Any]) -> int | None:
    """Return the line where a value is written, or the table it belongs to; None if neither."""
    names = [p for p in place if _is_of_the_file(p)]
    table: list[Any] = []
    counts: dict[str, int] = {}
    best, depth = None, 0
    for number, line in enumerate(text.splitlines(), 1):
        key: list[Any] = []
        if header := _HEADER.match(line):
            table = [*header[2].replace('"', "").split(".")]
            if header[1] == "[[":
                counts[header[2]] = counts.get(header[2], -1) + 1
                table.append(counts[header[2]])
        elif found := _KEY.match(line):
            key = [found[1]]
        here = [*table, *key]
        if here and here == names[: len(here)] and len(here) > depth:
            best, depth = number, len(here)
    return best


def _check_files(found: StudyFile) -> None:
    from PIL import Image, UnidentifiedImageError

    for number, example in enumerate(found.protocol.examples):
        for picture in (example.better, example.worse):
            if picture.file is None:
                continue
            path = found.path.parent / picture.file
            try:
                with Image.open(path) as image:
                    image.verify()
            except (OSError, UnidentifiedImageError, SyntaxError, ValueError) as error:
                raise StudyError(
                    f"{found.path}: examples.{number} names the picture {path}, which cannot be "
                    f"read: {error}."
                ) from None


def _kept(example: Example, folder: Path, images: ImageStore) -> Example:
    better, worse = (_put(p, folder, images) for p in (example.better, example.worse))
    return example.model_copy(update={"better": better, "worse": worse})


def _put(picture: Picture, folder: Path, images: ImageStore) -> Picture:
    from PIL import Image

    if picture.file is None:
        return picture
    try:
        with Image.open(folder / picture.file) as image:
            return Picture(image=images.put(image))
    except OSError as error:
        raise ImageError(f"The picture {folder / picture.file} cannot be read: {error}.") from error
