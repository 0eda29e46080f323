"""A study as one archive: the facts, and the ratings that anybody can make of them again.

::

    README.md             what it is, how the study was held, how to rate it again
    bundle.json           the archive's schema, the code and the packages that made it
    facts/<table>.jsonl   every fact but those that bundle.json says were left out
    votes.csv             the votes that stand, for any tool
    ratings/<criterion>.json   what ``arena rate --json`` prints
    runs/<run>/           a run's manifest, suite, generations and scores, where one was given
    images/ab/ab34....png      the pictures, where they were asked for
    SHA256SUMS            the sha256 of every member

The table of votes, the ratings and the README are made of the facts in the archive, and by the
same code again when it is checked.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

from pydantic import Field, ValidationError

from arena import database, ledger, reporting, studies, votes
from arena.archive import Archive
from arena.exclusion import exclude, rule
from arena.facts.votes import VoteRow
from arena.ratings import fit
from arena.store import Store
from evalkit import provenance
from evalkit.errors import BundleError, EvalkitError, UnknownNameError
from evalkit.records import Record

SCHEMA_VERSION = 1
PACKAGES = ("evalkit", "numpy", "pandas", "pydantic", "scipy", "sqlalchemy")
KIND: Literal["arena bundle"] = "arena bundle"


class About(Record):
    """What a bundle says of itself."""

    kind: Literal["arena bundle"] = KIND
    schema_version: int = SCHEMA_VERSION
    study: str
    database: str
    """The version of the schema that the facts are of."""
    model: str
    """Of a vote, in the ratings."""
    exclude: tuple[str, ...] = ()
    """The rules by which the ratings leave raters out; their votes are here all the same."""
    code: str
    packages: dict[str, str]
    runs: tuple[str, ...] = ()
    pictures: int = 0
    given: dict[str, str] = Field(default_factory=dict)
    """What no database knows: payment, recruitment."""
    left_out: dict[str, str]
    """What stayed behind, and why."""


class Bundle:
    """A bundle that is open for reading."""

    def __init__(self, archive: Archive, about: About) -> None:
        self.archive, self.about = archive, about

    @classmethod
    @contextmanager
    def open(cls, path: Path) -> Iterator[Bundle]:
        """Open a bundle; refuse what is none, or of a newer schema, in words."""
        with Archive.open(path) as archive:
            yield cls(archive, _about(archive))

    @contextmanager
    def unpacked(self) -> Iterator[Store]:
        """Put the facts into a database that lasts as long as the block."""
        if faults := list(self.archive.faults()):
            raise BundleError(f"{self.archive.path} is damaged: {'; '.join(faults)}.")
        members = self.archive.under("facts")
        names = [m.removeprefix("facts/").removesuffix(".jsonl") for m in members]
        tables = {n: self.archive.rows(m) for n, m in zip(names, members, strict=True)}
        with scratch(self.about, tables) as store:
            yield store


def describe(study: str, **found: Any) -> About:
    """Describe a new bundle, made by this code."""
    left_out = {
        f"{table}.{column}": reason
        for table, columns in ledger.LEFT_OUT.items()
        for column, reason in columns.items()
    }
    left_out |= {
        f"{table}.{column}.{key}": reason
        for (table, column), keys in ledger.REDACTED.items()
        for key, reason in keys.items()
    }
    left_out |= ledger.STAYS
    return About(
        study=study,
        database=database.versions()[-1],
        code=provenance.code_revision(),
        packages=provenance.packages(PACKAGES),
        left_out=left_out,
        **found,
    )


@contextmanager
def scratch(about: About, tables: Mapping[str, Iterator[ledger.Row]]) -> Iterator[Store]:
    """Make a database of facts that lasts as long as the block."""
    with tempfile.TemporaryDirectory(prefix="arena-") as folder:
        file = Path(folder) / "bundle.sqlite"
        with closing(Store.of_facts(file, about.database, about.study, tables)) as store:
            yield store


def derive(store: Store, about: About) -> dict[str, str]:
    """Make the members that follow from the facts: votes, ratings, README."""
    standing = studies.standing_votes(store, about.study)
    criteria = sorted({v.criterion for v in standing})
    ratings = {c: _rated(standing, c, about) for c in criteria}
    made = {"README.md": reporting.readme(store, about.study, ratings, about.given)}
    made["votes.csv"] = votes.to_csv(standing)
    for criterion, document in ratings.items():
        text = json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False)
        made[f"ratings/{quote(criterion, safe='')}.json"] = text + "\n"
    return made


def _rated(standing: Sequence[VoteRow], criterion: str, about: About) -> dict[str, Any]:
    """Rate as ``arena rate`` does; what cannot be rated is said in words, as it would be there."""
    frame = votes.of_criterion(votes.table(standing), criterion)
    try:
        document = {}
        if about.exclude:
            left_out = exclude(frame, [rule(text) for text in about.exclude])
            frame, document = left_out.kept, {"exclusion": left_out.to_dict()}
        return fit(votes.rated(frame), model=about.model).to_dict() | document  # type: ignore[arg-type]
    except UnknownNameError:
        raise
    except EvalkitError as error:
        return {"refused": str(error)}


def _about(archive: Archive) -> About:
    if "bundle.json" not in archive:
        raise BundleError(f"{archive.path} is no bundle of a study: it has no bundle.json.")
    found = archive.json("bundle.json")
    if not isinstance(found, dict) or found.get("kind") != KIND:
        raise BundleError(f"{archive.path} is no bundle of a study: its bundle.json is another's.")
    schema = found.get("schema_version")
    if isinstance(schema, int) and schema > SCHEMA_VERSION:
        raise _newer(archive, f"bundles of schema {schema}", str(SCHEMA_VERSION))
    try:
        about = About.model_validate(found)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise BundleError(
            f"{archive.path} is damaged: bundle.json, {where}: {first['msg']}."
        ) from error
    known = database.versions()
    if about.database not in known:
        raise _newer(archive, f"facts of version {about.database}", known[-1])
    return about


def _newer(archive: Archive, what: str, known: str) -> BundleError:
    return BundleError(
        f"{archive.path} holds {what}, which are newer than this program (it reads up to {known}). "
        "Update the program: pip install -U 'evalkit[arena]'"
    )
