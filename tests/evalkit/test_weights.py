"""Weights are found, named by content, or missed in words."""

from __future__ import annotations

import pytest

from evalkit.errors import UnknownNameError, WeightsError
from evalkit.weights import content_digest, resolve


@pytest.fixture
def checkpoint(tmp_path):
    folder = tmp_path / "checkpoint"
    (folder / "unet").mkdir(parents=True)
    (folder / "model_index.json").write_text("{}")
    (folder / "unet" / "w.bin").write_bytes(b"\x00\x01")
    return folder


def test_a_folder_is_named_by_its_content(checkpoint, tmp_path):
    found = resolve(checkpoint)
    moved = checkpoint.rename(tmp_path / "elsewhere")
    assert resolve(moved).info.digest == found.info.digest
    assert found.info.id == "checkpoint"


def test_every_change_changes_the_digest(checkpoint):
    digests = {content_digest(checkpoint)}
    (checkpoint / "unet" / "w.bin").write_bytes(b"\x00\x02")
    digests.add(content_digest(checkpoint))
    (checkpoint / "unet" / "w.bin").rename(checkpoint / "unet" / "v.bin")
    digests.add(content_digest(checkpoint))
    (checkpoint / "more").write_text("")
    digests.add(content_digest(checkpoint))
    assert len(digests) == 4


def test_hidden_files_and_readmes_do_not_count(checkpoint):
    before = content_digest(checkpoint)
    (checkpoint / "README.md").write_text("hello")
    (checkpoint / ".gitattributes").write_text("x")
    assert content_digest(checkpoint) == before


def test_a_demanded_digest_is_checked(checkpoint):
    digest = resolve(checkpoint).info.digest
    assert resolve(checkpoint, revision=digest).info.digest == digest
    with pytest.raises(WeightsError, match="was asked for"):
        resolve(checkpoint, revision="sha256:0")


def test_a_single_file_will_do(checkpoint):
    found = resolve(checkpoint / "unet" / "w.bin")
    assert found.path.is_file()
    assert found.info.digest.startswith("sha256:")


@pytest.mark.parametrize("text", ["./nowhere", "/nowhere/at/all", "not a name", "a/b/c", ""])
def test_what_is_neither_path_nor_hub_id_is_refused(text):
    with pytest.raises(WeightsError, match="No file or folder at"):
        resolve(text)


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(WeightsError, match="is empty"):
        resolve(tmp_path)


def test_a_hub_id_offline_is_refused_in_words():
    with pytest.raises(WeightsError, match="not on this machine"):
        resolve("nobody/nothing-at-all")


def test_a_wrong_miniature_is_met_with_the_right_ones():
    with pytest.raises(UnknownNameError, match="miniature/"):
        resolve("miniature/nothing")


def test_the_miniature_needs_no_path():
    assert resolve("miniature/vae").info.id == "miniature/vae"
