"""What is sent for a picture: one size, one format, nothing else."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from arena import pictures
from evalkit.errors import ImageError
from evalkit.images import ImageStore


def decoded(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ([(64, 64)], (512, 512)),
        ([(512, 512)], (512, 512)),
        ([(768, 768), (512, 512)], (768, 768)),
        ([(1024, 1024), (256, 256)], (1024, 1024)),
        ([(4096, 4096)], (1024, 1024)),
        ([(1024, 512), (512, 1024)], (1024, 1024)),
        ([(400, 100)], (512, 128)),
        ([(10000, 1)], (1024, 1)),
    ],
)
def test_one_size_holds_every_picture_of_a_study(
    sizes: list[tuple[int, int]], expected: tuple[int, int]
) -> None:
    assert pictures.frame(sizes) == expected


@given(st.lists(st.tuples(st.integers(1, 5000), st.integers(1, 5000)), min_size=1, max_size=5))
def test_the_size_is_settled_when_it_is_added_to_the_sizes(sizes: list[tuple[int, int]]) -> None:
    once = pictures.frame(sizes)
    assert pictures.SHORTEST <= max(once) <= pictures.LONGEST
    assert pictures.frame([once]) == once


def test_no_pictures_have_no_size() -> None:
    with pytest.raises(ImageError):
        pictures.frame([])


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "P", "I;16", "CMYK"])
@pytest.mark.parametrize("size", [(1, 1), (64, 64), (300, 200), (1500, 700)])
def test_every_picture_is_sent_in_the_same_form(mode: str, size: tuple[int, int]) -> None:
    sent = decoded(pictures.encode(Image.new(mode, size), 512, 384))
    assert (sent.format, sent.mode, sent.size) == ("JPEG", "RGB", (512, 384))


def test_metadata_stays_behind() -> None:
    info = PngImagePlugin.PngInfo()
    info.add_text("parameters", "secret-model, 4 steps")
    stream = io.BytesIO()
    Image.new("RGB", (8, 8)).save(stream, format="PNG", pnginfo=info, exif=b"Exif\0\0secret-model")
    picture = decoded(stream.getvalue())
    assert picture.info["parameters"] == "secret-model, 4 steps"
    sent = pictures.encode(picture, 512, 512)
    assert b"secret-model" not in sent
    assert set(decoded(sent).info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}


def test_colours_are_kept() -> None:
    rng = np.random.default_rng(0)
    small = rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)
    large = Image.fromarray(small).resize((512, 512), Image.Resampling.NEAREST)
    sent = np.asarray(decoded(pictures.encode(large, 512, 512)), dtype=float)
    assert np.abs(sent - np.asarray(large, dtype=float)).mean() < 1.5


def test_another_shape_gets_a_grey_border() -> None:
    sent = decoded(pictures.encode(Image.new("RGB", (100, 50), "red"), 512, 512))
    assert sent.getpixel((256, 10)) == pytest.approx((128, 128, 128), abs=3)
    assert sent.getpixel((256, 256)) == pytest.approx((254, 0, 0), abs=3)


def test_sizes_are_read_and_damage_is_named(tmp_path: Path) -> None:
    store = ImageStore(tmp_path)
    digest = store.put(Image.new("RGB", (30, 20)))
    assert pictures.size(store, digest) == (30, 20)
    store.path(digest).write_bytes(b"no picture")
    with pytest.raises(ImageError, match="cannot be read"):
        pictures.size(store, digest)
    with pytest.raises(ImageError, match="is missing"):
        pictures.size(store, "0" * 64)


@pytest.fixture
def kept(tmp_path: Path) -> tuple[ImageStore, list[str]]:
    images = ImageStore(tmp_path)
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    drawn = [Image.new("RGB", (64, 64), (i * 40, 9, 9)) for i in range(4)]
    return images, [images.put(i) for i in (*drawn, Image.fromarray(noise))]


def test_both_of_a_pair_weigh_the_same(kept: tuple[ImageStore, list[str]]) -> None:
    images, (flat, *_, noisy) = kept
    left, right = pictures.Shown(images, 512, 512).pair(flat, noisy)
    assert len(left) == len(right)
    assert len(left) % 4096 == 0
    assert np.array_equal(decoded(left), decoded(pictures.encode(images.open(flat), 512, 512)))
    assert np.array_equal(decoded(right), decoded(pictures.encode(images.open(noisy), 512, 512)))


def test_the_same_picture_is_another_file_every_time(kept: tuple[ImageStore, list[str]]) -> None:
    images, (one, other, *_) = kept
    shown = pictures.Shown(images, 512, 512)
    assert shown.pair(one, other)[0] != shown.pair(one, other)[0]


def test_a_picture_is_encoded_once_while_there_is_room(
    kept: tuple[ImageStore, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    images, (a, b, c, *_) = kept
    made: list[int] = []

    def encode(image: Image.Image, width: int, height: int) -> bytes:
        made.append(1)
        return bytes(1000)

    monkeypatch.setattr(pictures, "encode", encode)
    shown = pictures.Shown(images, 512, 512, room=2500)
    shown.pair(a, b)
    shown.pair(b, a)
    assert len(made) == 2
    shown.pair(c, a)  # the oldest goes: b
    assert len(made) == 3
    shown.pair(b, a)
    assert len(made) == 4
