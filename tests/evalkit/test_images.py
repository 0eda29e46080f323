"""Pictures are kept whole, or named as damaged."""

from __future__ import annotations

import os
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from evalkit.errors import ImageError
from evalkit.images import ImageStore, decode


@pytest.fixture
def store(tmp_path):
    return ImageStore(tmp_path / "images")


def picture(seed=0, mode="RGB"):
    pixels = np.random.default_rng(seed).integers(0, 256, (12, 9, 3), dtype=np.uint8)
    return Image.fromarray(pixels).convert(mode)


def test_a_picture_comes_back_to_the_pixel(store):
    assert np.array_equal(store.open(store.put(picture())), picture())


def test_equal_pictures_are_one_file(store):
    assert store.put(picture()) == store.put(picture())
    assert len([p for p in store.root.rglob("*") if p.is_file()]) == 1


def test_metadata_does_not_travel(store):
    image = picture()
    image.info["model"] = "secret"
    extra = PngImagePlugin.PngInfo()
    extra.add_text("prompt", "secret")
    image.encoderinfo = {"pnginfo": extra}
    assert b"secret" not in store.read(store.put(image))


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "1", "CMYK", "I;16"])
def test_every_mode_becomes_rgb(store, mode):
    image = Image.new(mode, (4, 4)) if mode == "I;16" else picture(mode=mode)
    assert store.open(store.put(image)).mode == "RGB"


@pytest.mark.parametrize("damage", [b"", b"not a picture", None])
def test_a_damaged_picture_is_named(store, damage):
    digest = store.put(picture())
    path = store.path(digest)
    path.write_bytes(path.read_bytes()[:-9] if damage is None else damage)
    with pytest.raises(ImageError, match="corrupt") as error:
        store.open(digest)
    assert str(path) in str(error.value)


def test_a_missing_picture_is_named(store):
    with pytest.raises(ImageError, match="is missing"):
        store.open("0" * 64)


@pytest.mark.parametrize("name", ["", "../../etc/passwd", "A" * 64, "0" * 63])
def test_a_name_that_is_no_digest_is_refused(store, name):
    with pytest.raises(ImageError, match="no picture's name"):
        store.path(name)


def test_a_full_disk_leaves_no_half_picture(store, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fdopen", full)
    with pytest.raises(ImageError, match="No space left"):
        store.put(picture())
    assert not [p for p in store.root.rglob("*") if p.is_file()]


def bomb(side):
    """Make a PNG that claims to be huge and holds nothing."""
    head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    chunk = b"IHDR" + head
    return (
        b"\x89PNG\r\n\x1a\n"
        + struct.pack(">I", len(head))
        + chunk
        + struct.pack(">I", zlib.crc32(chunk))
    )


@pytest.mark.parametrize("data", [b"", b"GIF89a", bomb(100_000), bomb(50)])
def test_what_is_no_picture_is_refused(data):
    with pytest.raises(ImageError, match=r"^here\.png"):
        decode(data, "here.png")
