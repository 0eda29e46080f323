"""A study leaves as one file, is rated again to the digit, and arrives as it left."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from arena import archive, bundling, studies, votes
from arena.archive import Archive
from arena.battles import Arena
from arena.bundle import SCHEMA_VERSION, Bundle
from arena.ratings import fit
from arena.records import Outcome
from arena.store import Store
from evalkit.errors import BundleError, ImageError, StudyError, UnknownNameError
from evalkit.runs import Run
from tests.arena.conftest import make_run
from tests.arena.test_battles import token
from tests.arena.test_database import GOLDEN
from tests.arena.test_ledger import SECRETS, dumped, held
from tests.arena.test_simulation import scored


@pytest.fixture
def database(tmp_path: Path) -> str:
    """Name a fresh SQLite file: that facts leave either kind alike is the ledger's test."""
    return str(tmp_path / "arena.sqlite")


@pytest.fixture
def file(store: Store, arena: Arena, tmp_path: Path) -> Path:
    """Write a study in which everything happened once."""
    held(arena)
    return bundling.write(store, "s", tmp_path / "s.zip").path


def members(file: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(file) as found:
        return {name: found.read(name) for name in found.namelist()}


def forged(file: Path, **changes: Any) -> Path:
    """Write an archive anew with other members, as one who knows how would do."""
    found = members(file)
    del found[archive.SUMS]
    named = {name.replace("__", "/").replace("_dot_", "."): v for name, v in changes.items()}
    target = file.with_name("forged.zip")
    kept = {name: data for name, data in (found | named).items() if data is not None}
    archive.write(target, ((name, [data]) for name, data in kept.items()))
    return target


def about(file: Path, **changes: Any) -> bytes:
    return json.dumps(json.loads(members(file)["bundle.json"]) | changes).encode()


def rated(store: Store, name: str) -> str:
    return fit(votes.table(studies.standing_votes(store, name))).to_json()


def test_the_same_facts_are_the_same_bytes(store: Store, file: Path, tmp_path: Path) -> None:
    again = bundling.write(store, "s", tmp_path / "again.zip")
    assert again.path.read_bytes() == file.read_bytes()
    with Archive.open(file) as found:
        assert again.digest == found.digest()


def test_a_whole_bundle_holds(file: Path) -> None:
    found = bundling.check(file)
    assert (found.faults, found.notes, found.votes) == ((), (), 7)


def test_its_ratings_are_those_of_the_study(store: Store, file: Path) -> None:
    assert members(file)["ratings/overall.json"].decode().strip() == rated(store, "s")
    with Bundle.open(file) as bundle, bundle.unpacked() as copy:
        assert rated(copy, "s") == rated(store, "s")


def test_its_votes_csv_gives_the_same_digits_alone(store: Store, file: Path) -> None:
    table = file.with_name("votes.csv")
    table.write_bytes(members(file)["votes.csv"])
    assert fit(votes.read_csv(table)).to_json() == rated(store, "s")


def test_it_tells_no_secret_and_no_path(store: Store, run: Run, file: Path, tmp_path: Path) -> None:
    run.note_realised("alpha-model", {"weights": f"{tmp_path}/deep/model.safetensors"})
    run.note_realised("beta-model", {"said": f"read\n{tmp_path}/deep/x, https://hub/a/b"})
    path = bundling.write(store, "s", tmp_path / "r.zip", runs=[run], pictures=True).path
    told = b"".join(data for name, data in members(path).items())
    assert not [s for s in (*SECRETS, str(tmp_path), '"key_digest"') if s.encode() in told]
    assert b".../model.safetensors" in told
    assert b"https://hub/a/b" in told


def test_a_run_comes_along_and_can_be_opened(store: Store, run: Run, file: Path) -> None:
    scored(run, lambda g: None if g.seed else 0.5)
    out = file.with_name("r.zip")
    done = bundling.write(store, "s", out, runs=[run], pictures=True)
    assert done.pictures == 12
    with zipfile.ZipFile(out) as found:
        found.extractall(file.with_name("out"))
    copy = Run.open(file.with_name("out") / "runs" / "r")
    assert copy.generations() == run.generations()
    assert [copy.scores(c) for c in copy.cards()] == [run.scores(c) for c in run.cards()]
    assert copy.truths() == run.truths()
    assert list(copy.damaged()) == []
    assert bundling.check(out).faults == ()


def test_a_run_of_another_study_is_refused(store: Store, file: Path, tmp_path: Path) -> None:
    other = make_run(tmp_path / "elsewhere", models=("delta-model",))
    with pytest.raises(StudyError, match="has no picture of the run"):
        bundling.write(store, "s", tmp_path / "r.zip", runs=[other])


def test_pictures_that_are_gone_are_named_and_nothing_is_written(
    store: Store, run: Run, file: Path, tmp_path: Path
) -> None:
    run.images.path(str(run.generations()[0].image)).unlink()
    with pytest.raises(ImageError, match="is missing"):
        bundling.write(store, "s", tmp_path / "p.zip", pictures=True)
    assert not [p for p in tmp_path.iterdir() if p.suffix == ".part" or p.name == "p.zip"]


def test_the_readme_reports_what_is_known_and_says_what_is_not(
    store: Store, file: Path, tmp_path: Path
) -> None:
    told = members(file)["README.md"].decode()
    assert "| Votes | 5, from 20" in told
    assert "| Battles without a vote that stands | 1 skipped, 2 undone, 1 unanswered |" in told
    assert "| Payment | unknown: nobody has told |" in told
    path = bundling.write(store, "s", tmp_path / "p.zip", given={"payment": "0.1 | EUR"}).path
    assert "| Payment | 0.1 \\| EUR |" in members(path)["README.md"].decode()


def test_rules_that_leave_raters_out_are_applied_and_reported(
    store: Store, file: Path, tmp_path: Path
) -> None:
    path = bundling.write(store, "s", tmp_path / "x.zip", exclude=["too-few=3"]).path
    document = json.loads(members(path)["ratings/overall.json"])
    assert document["exclusion"]["raters_excluded"] == 1
    assert "left out 1 of 2 raters, 1 of 5 votes" in members(path)["README.md"].decode()
    assert bundling.check(path).faults == ()
    with pytest.raises(UnknownNameError, match="too-few"):
        bundling.write(store, "s", tmp_path / "y.zip", exclude=["too-fw"])


def test_a_study_without_votes_is_a_bundle_too(store: Store, arena: Arena, tmp_path: Path) -> None:
    path = bundling.write(store, "s", tmp_path / "s.zip").path
    assert not [name for name in members(path) if name.startswith("ratings/")]
    assert bundling.check(path).faults == ()


def test_what_is_not_identified_is_said_and_checked(
    store: Store, arena: Arena, tmp_path: Path
) -> None:
    ann = arena.enter_as("ann")
    arena.cast(token(arena.open(ann)), ann, Outcome.LEFT)
    path = bundling.write(store, "s", tmp_path / "s.zip").path
    document = json.loads(members(path)["ratings/overall.json"])
    assert [row["rating"] for row in document["ratings"]] == [None, None]
    assert bundling.check(path).faults == ()


def test_changed_ratings_are_found_to_the_last_digit(file: Path) -> None:
    document = json.loads(members(file)["ratings/overall.json"])
    document["diagnostics"]["log_likelihood"] += 1e-12
    document["diagnostics"]["method"] = "by hand"
    changed = forged(file, ratings__overall_dot_json=json.dumps(document).encode())
    found = bundling.check(changed)
    assert len(found.faults) == 1
    assert "ratings/overall.json, diagnostics.log_likelihood" in found.faults[0]
    assert "'by hand' is stored" in found.notes[0]


def test_changed_votes_are_found(file: Path) -> None:
    table = members(file)["votes.csv"].replace(b",left,", b",right,", 1)
    assert bundling.check(forged(file, votes_dot_csv=table)).faults[0] == (
        "votes.csv is not what the facts say"
    )
    with pytest.raises(BundleError, match=r"it has no votes\.csv"):
        bundling.check(forged(file, votes_dot_csv=None))


def test_other_packages_are_named_beside_other_figures(file: Path) -> None:
    document = json.loads(members(file)["ratings/overall.json"])
    document["diagnostics"]["votes"] += 1
    versions = json.loads(members(file)["bundle.json"])["packages"] | {"numpy": "0.1"}
    changed = forged(
        file,
        ratings__overall_dot_json=json.dumps(document).encode(),
        bundle_dot_json=about(file, packages=versions),
    )
    assert bundling.check(changed).faults[-1].startswith("made with numpy 0.1, checked with")


def test_a_damaged_bundle_is_neither_rated_nor_imported(store: Store, file: Path) -> None:
    data = file.read_bytes()
    with zipfile.ZipFile(file) as found:
        where = found.getinfo("facts/vote.jsonl").header_offset + 80
    file.write_bytes(data[:where] + bytes([data[where] ^ 1]) + data[where + 1 :])
    assert bundling.check(file).faults
    with Bundle.open(file) as bundle, pytest.raises(BundleError, match=r"vote\.jsonl"):
        bundle.unpacked().__enter__()
    with pytest.raises(BundleError, match="is damaged"):
        bundling.restore(store, file, "copy")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"schema_version": SCHEMA_VERSION + 1}, "holds bundles of schema 2, which are newer"),
        ({"database": "9999"}, "facts of version 9999, which are newer"),
        ({"kind": "holiday"}, "no bundle of a study"),
        ({"study": 7}, "bundle.json, study"),
        ({"colour": "red"}, "bundle.json, colour"),
    ],
)
def test_what_is_newer_or_no_bundle_is_refused(
    file: Path, change: dict[str, Any], words: str
) -> None:
    with pytest.raises(BundleError, match=words):
        bundling.check(forged(file, bundle_dot_json=about(file, **change)))


def test_last_digits_of_other_code_are_told_and_no_fault(file: Path) -> None:
    document = json.loads(members(file)["ratings/overall.json"])
    document["diagnostics"]["log_likelihood"] += 1e-12
    changed = {"ratings__overall_dot_json": json.dumps(document).encode()}
    found = bundling.check(forged(file, bundle_dot_json=about(file, code="older"), **changed))
    assert found.faults == ()
    assert "diagnostics.log_likelihood" in found.notes[0]
    document["diagnostics"]["log_likelihood"] += 1e-6
    changed = {"ratings__overall_dot_json": json.dumps(document).encode()}
    found = bundling.check(forged(file, bundle_dot_json=about(file, code="older"), **changed))
    assert "log_likelihood" in found.faults[0]
    assert "made with code older" in found.faults[1]


def test_a_zip_of_something_else_is_no_bundle(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as found:
        found.writestr("hello.txt", "hello")
    with pytest.raises(BundleError, match="no bundle of a study: it has no"):
        bundling.check(tmp_path / "x.zip")
    (tmp_path / "y.zip").write_text("left,right,winner")
    with pytest.raises(BundleError, match="not a zip archive"):
        bundling.check(tmp_path / "y.zip")


def test_the_first_releases_bundle_is_read_through_the_migrations() -> None:
    found = bundling.check(GOLDEN / "bundle-v1.zip")
    assert found.faults == ()
    assert found.votes == 7


def test_a_study_arrives_as_it_left_and_once(
    store: Store, file: Path, tmp_path: Path, run: Run
) -> None:
    other = Store.open(str(tmp_path / "other.sqlite"), create=True, durable=False)
    assert bundling.restore(other, file) == ("s", 5)
    there, here = dumped(other), dumped(store)
    assert there["event"].pop()["kind"] == "import"
    assert there == here
    assert rated(other, "s") == rated(store, "s")
    for name in ("s", "under another name"):
        with pytest.raises(StudyError, match="is the study 's' already"):
            bundling.restore(other, file, name)
    studies.load(other, run, studies.describe("s"))
    Arena(other, "s").reopen()
    other.close()


def test_a_name_that_is_taken_is_refused(store: Store, file: Path) -> None:
    with pytest.raises(StudyError, match="already has a study 's'"):
        bundling.restore(store, file)
    assert bundling.restore(store, file, "copy") == ("copy", 5)
