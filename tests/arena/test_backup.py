"""A copy made while people vote is whole, private, and replaces nothing."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from arena import studies
from arena.backup import backup
from arena.battles import Arena
from arena.protocol import Outcome
from arena.store import Store
from evalkit.errors import StoreError
from evalkit.runs import Run
from tests.arena.test_battles import token


@pytest.fixture
def place(tmp_path: Path, run: Run) -> Path:
    return tmp_path / "arena.sqlite"


@pytest.fixture
def held(place: Path, run: Run) -> Arena:
    store = Store.open(str(place), create=True, durable=False)
    studies.load(store, run, studies.describe("s", seed=7))
    return Arena(store, "s")


def test_a_copy_has_every_vote_and_the_original_goes_on(
    held: Arena, place: Path, tmp_path: Path
) -> None:
    ann = held.enter("ann")
    for _ in range(3):
        held.cast(token(held.open(ann)), ann, Outcome.LEFT)
    with held._store.writing() as facts:  # somebody is in the middle of something
        out = tmp_path / "copy.sqlite"
        done = backup(str(place), out)
        facts.add_event(1, "close", at="2026-01-01T00:00:00.000000+00:00")
    assert (done.studies, done.votes, done.bytes) == (1, 3, out.stat().st_size)
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    assert sorted(p.name for p in tmp_path.glob("copy*")) == ["copy.sqlite"]
    copy = Store.open(str(out))
    assert len(studies.standing_votes(copy, "s")) == 3
    assert Arena(copy, "s").open(Arena(copy, "s").enter("ann")) is not None, "not closed in it"
    copy.close()
    held._store.close()


def test_nothing_is_replaced_and_nothing_half_is_left(
    held: Arena, place: Path, tmp_path: Path
) -> None:
    out = tmp_path / "copy.sqlite"
    out.write_text("precious")
    with pytest.raises(StoreError, match="exists"):
        backup(str(place), out)
    assert out.read_text() == "precious"
    with pytest.raises(StoreError, match="cannot be made"):
        backup(str(place), tmp_path / "no" / "such" / "folder.sqlite")
    with pytest.raises(StoreError, match="no database"):
        backup(str(tmp_path / "none.sqlite"), tmp_path / "x.sqlite")
    held._store.close()
    data = bytearray(place.read_bytes())
    data[4096 * 3 : 4096 * 9] = bytes(4096 * 6)
    place.write_bytes(data)
    with pytest.raises(StoreError, match=r"damaged|cannot be made"):
        backup(str(place), tmp_path / "y.sqlite")
    assert not list(tmp_path.glob("[xy].sqlite*"))


def test_a_database_that_is_no_file_is_left_to_its_own_tool(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"pg_dump --format=custom --file=.*x\.dump") as caught:
        backup("postgresql://me:secret@host/votes", tmp_path / "x.dump")
    assert "secret" not in str(caught.value)
