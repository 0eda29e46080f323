"""Models by name: the catalogue that the package carries, catalogues of yours, and folders."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from evalkit.errors import SpecError, UnknownNameError, WeightsError
from evalkit.records import About, ModelSpec
from evalkit.weights import is_local

FOLDER = Path(__file__).with_name("models")
FAMILIES = ("sketch", "sdxl", "sana", "sd3", "flash", "flux", "miniature")
"""The package's files of models, in the order in which they are listed."""
LIKE = "like"
INDEX = "model_index.json"
"""The file by which a diffusers pipeline's folder is known."""


class Entry(ModelSpec, About):
    """A model's recipe, and what people should know of it."""

    @property
    def spec(self) -> ModelSpec:
        """What decides the pictures, without what is told of it."""
        return ModelSpec.model_validate(
            {name: getattr(self, name) for name in ModelSpec.model_fields}
        )

    @property
    def about(self) -> About:
        """What is told of it, without what decides the pictures."""
        return About.model_validate({name: getattr(self, name) for name in About.model_fields})


@cache
def _built_in() -> Mapping[str, Entry]:
    return {name: entry for f in FAMILIES for name, entry in load(FOLDER / f"{f}.toml").items()}


def entries(*more: Path) -> dict[str, Entry]:
    """Return the catalogue by name, with catalogues of yours added.

    A name may be given only once, so that a run's model is never another one than it says.
    """
    known = dict(_built_in())
    for path in more:
        for name, found in load(path).items():
            if name in known:
                raise SpecError(
                    f"{path}: model {name!r} is already in the catalogue. Give it another name."
                )
            known[name] = found
    return known


def load(path: str | Path) -> dict[str, Entry]:
    """Read a TOML file with one table per model; raise SpecError naming the entry and the field.

    ``like = "NAME"`` takes over all of that table but what is said anew; of options, those that
    are not named. The other table is in the same file or among the package's.
    """
    path = Path(path)
    tables = _tables(path)
    return {name: _entry(path, name, _whole(path, name, tables, ())) for name in tables}


def _tables(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SpecError(f"There is no catalogue at {path}. Check the path.") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SpecError(f"The catalogue {path} cannot be read as TOML: {error}.") from error


@cache
def _package_tables() -> Mapping[str, Any]:
    return {name: t for f in FAMILIES for name, t in _tables(FOLDER / f"{f}.toml").items()}


def _whole(path: Path, name: str, tables: Mapping[str, Any], below: tuple[str, ...]) -> Any:
    """Return an entry's table with what it takes over from another."""
    known = tables if name in tables else _package_tables()
    table = known[name]
    if not isinstance(table, dict) or LIKE not in table:
        return table
    where, other = f"{path}: model {name!r}", table[LIKE]
    if other in (*below, name):
        raise SpecError(f"{where} is like {other!r}, which is like it. Write one of them out.")
    if other not in tables and other not in _package_tables():
        every = {*tables, *_package_tables()} - {name}
        raise SpecError(f"{where}: like: {UnknownNameError('model', str(other), every)}")
    taken = _whole(path, other, tables, (*below, name))
    own = {field: value for field, value in table.items() if field != LIKE}
    return _merged(taken, own) if isinstance(taken, dict) else own


def _merged(taken: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    options = [t.get("options", {}) for t in (taken, own)]
    if all(isinstance(o, dict) for o in options) and any(options):
        return {**taken, **own, "options": {**options[0], **options[1]}}
    return {**taken, **own}


def _entry(path: Path, name: str, table: Any) -> Entry:
    where = f"{path}: model {name!r}"
    if not isinstance(table, dict):
        raise SpecError(f"{where}: expected a table ([{name}]), found {table!r}.")
    known = [f for f in Entry.model_fields if f != "name"]
    for field in table:
        if field not in known:
            raise SpecError(f"{where}: {UnknownNameError('field', field, known)}")
    try:
        return Entry.model_validate({**table, "name": name})
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(p) for p in first["loc"])
        found = "" if first["type"] == "missing" else f", found {first['input']!r}"
        raise SpecError(f"{where}: {field}: {first['msg']}{found}. Mend the entry.") from error


def entry(name: str, known: Mapping[str, Entry] | None = None) -> Entry:
    """Return one entry by name; ``known`` replaces the package's catalogue."""
    known = entries() if known is None else known
    if name not in known:
        raise UnknownNameError("model", name, known)
    return known[name]


def spec(name: str, known: Mapping[str, Entry] | None = None) -> ModelSpec:
    """Return the specification of a catalogue name, or of a pipeline's folder.

    A folder is drawn from with its pipeline's own defaults, and is called by its own name;
    ``miniature/<name>`` is what the package carries.
    """
    known = entries() if known is None else known
    if name in known:
        return known[name].spec
    if name.startswith("miniature/") and is_local(name):
        return ModelSpec(name=name.partition("/")[2], generator="diffusers", weights=name)
    path = Path(name).expanduser()
    if path.is_dir():
        return _of_folder(path)
    if len(path.parts) > 1:
        raise SpecError(f"There is no model in the catalogue and no folder at {name!r}.")
    raise UnknownNameError("model", name, known)


def _of_folder(path: Path) -> ModelSpec:
    if not (path / INDEX).is_file():
        raise WeightsError(
            f"{path} is not a pipeline folder: it holds no {INDEX}. Give the folder that "
            "save_pretrained wrote, or a name of the catalogue (evalkit models list)."
        )
    return ModelSpec(name=path.resolve().name, generator="diffusers", weights=str(path.resolve()))
