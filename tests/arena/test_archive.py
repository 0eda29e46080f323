"""Archives repeat to the byte, tell what was changed, and never lead out of their folder."""

from __future__ import annotations

import hashlib
import subprocess
import zipfile
from pathlib import Path

import pytest

from arena import archive
from arena.archive import Archive
from evalkit.errors import BundleError

MEMBERS = (
    ("b.txt", [b"two ", b"parts\n"]),
    ("a/x.png", [b"\x89PNG"]),
    ("c.jsonl", [b'{"n": 1}\n']),
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    archive.write(tmp_path / "a.zip", MEMBERS)
    return tmp_path / "a.zip"


def rewritten(file: Path, change: dict[str, bytes | None], **extra: bytes) -> Path:
    """Copy an archive with members replaced, left out (None) or added."""
    target = file.with_name("changed.zip")
    with zipfile.ZipFile(file) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            data = change.get(name, old.read(name))
            if data is not None:
                new.writestr(name, data)
        for name, data in extra.items():
            new.writestr(name.replace("__", "../"), data)
    return target


def faults(file: Path) -> list[str]:
    with Archive.open(file) as found:
        return list(found.faults())


def test_the_same_members_are_the_same_bytes(file: Path, tmp_path: Path) -> None:
    digest = archive.write(tmp_path / "b.zip", MEMBERS)
    assert (tmp_path / "b.zip").read_bytes() == file.read_bytes()
    with Archive.open(file) as found:
        assert found.digest() == digest
        assert found.read("b.txt") == b"two parts\n"
        assert list(found.rows("c.jsonl")) == [{"n": 1}]
        assert found.under("a") == ["a/x.png"]


def test_its_list_is_read_by_sha256sum(file: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(file) as found:
        found.extractall(tmp_path / "out")
    words = ["sha256sum", "-c", "--strict", archive.SUMS]
    subprocess.run(words, cwd=tmp_path / "out", check=True, stdout=subprocess.DEVNULL)


def test_nothing_is_wrong_with_a_whole_one(file: Path) -> None:
    assert faults(file) == []


def test_every_kind_of_damage_is_named(file: Path) -> None:
    assert "b.txt was changed" in faults(rewritten(file, {"b.txt": b"other"}))[0]
    assert faults(rewritten(file, {"b.txt": None})) == ["b.txt is missing"]
    assert faults(rewritten(file, {}, __evil=b"x")) == ["../evil is not in its list of members"]


def test_a_member_that_is_there_twice_is_named(file: Path) -> None:
    with zipfile.ZipFile(file, "a") as found, pytest.warns(UserWarning, match="Duplicate"):
        found.writestr("b.txt", b"another")
    assert "b.txt is in it more than once" in faults(file)


def test_a_torn_or_flipped_file_is_refused_in_words(file: Path) -> None:
    data = bytearray(file.read_bytes())
    file.with_name("torn.zip").write_bytes(data[: len(data) // 2])
    with pytest.raises(BundleError, match="not a zip archive"):
        faults(file.with_name("torn.zip"))
    data[data.index(b"\x89PNG")] ^= 1
    file.write_bytes(data)
    assert any("a/x.png" in fault for fault in faults(file))


def test_a_line_that_is_no_row_is_named(file: Path) -> None:
    damaged = rewritten(file, {"c.jsonl": b'{"n": 1}\n[]\n'})
    with Archive.open(damaged) as found, pytest.raises(BundleError, match=r"c.jsonl, line 2"):
        list(found.rows("c.jsonl"))


@pytest.mark.parametrize("name", ["../x", "/x", "a/../x", "a\\..\\x", "", "a//x", ".hidden/x"])
def test_a_name_that_leads_elsewhere_is_not_written(tmp_path: Path, name: str) -> None:
    with pytest.raises(BundleError, match="cannot hold"):
        archive.write(tmp_path / "a.zip", [(name, [b""])])
    assert list(tmp_path.iterdir()) == [], "nothing half-written is left"


def test_a_missing_file_and_a_missing_folder_are_named(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="There is no file"):
        faults(tmp_path / "none.zip")
    with pytest.raises(BundleError, match="cannot be written"):
        archive.write(tmp_path / "none" / "a.zip", MEMBERS)


def test_only_a_zip_is_taken_for_one(file: Path, tmp_path: Path) -> None:
    (tmp_path / "votes.csv").write_text("left,right,winner\n")
    assert archive.is_one(file)
    assert not archive.is_one(tmp_path / "votes.csv")
    assert not archive.is_one(tmp_path / "none")


def test_the_digest_is_that_of_the_contents(file: Path) -> None:
    packed = file.with_name("packed.zip")
    with zipfile.ZipFile(file) as old, zipfile.ZipFile(packed, "w", zipfile.ZIP_BZIP2) as new:
        for name in old.namelist():
            new.writestr(name, old.read(name))
    with Archive.open(file) as one, Archive.open(packed) as other:
        assert one.digest() == other.digest()
        assert one.digest() == hashlib.sha256(one.read(archive.SUMS)).hexdigest()
    assert faults(packed) == []
