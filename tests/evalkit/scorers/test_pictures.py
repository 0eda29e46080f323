"""Pictures must become arrays exactly as the metrics' authors make them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from evalkit.scorers.pictures import (
    CLIP_MEAN,
    CLIP_STD,
    like_opencv,
    normalised,
    pixel_digest,
    square,
    unusable,
    upright,
)


def noise(size: tuple[int, int], seed: int = 0, mode: str = "RGB") -> Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    return Image.fromarray(pixels).convert(mode)


def by_torchvision(image: Image.Image, size: int) -> np.ndarray:
    from torchvision.transforms import CenterCrop, Compose, InterpolationMode, Normalize, Resize
    from torchvision.transforms import ToTensor as Tensor

    steps = [
        Resize(size, interpolation=InterpolationMode.BICUBIC),
        CenterCrop(size),
        lambda i: i.convert("RGB"),
        Tensor(),
        Normalize(CLIP_MEAN, CLIP_STD),
    ]
    return Compose(steps)(image).numpy()


@settings(max_examples=150)
@given(
    st.integers(1, 130),
    st.integers(1, 130),
    st.sampled_from([16, 31, 32, 33, 56]),
    st.sampled_from(["RGB", "L", "RGBA", "P", "LA", "1"]),
)
def test_equal_to_torchvision_to_the_bit(width: int, height: int, size: int, mode: str) -> None:
    image = noise((width, height), width, mode)
    assert np.array_equal(normalised(square(image, size)), by_torchvision(image, size))


@pytest.mark.parametrize(
    "size", [(224, 224), (225, 224), (224, 227), (512, 512), (513, 511), (640, 427), (333, 1000)]
)
def test_equal_to_torchvision_at_the_size_of_clip(size: tuple[int, int]) -> None:
    image = noise(size)
    assert np.array_equal(normalised(square(image, 224)), by_torchvision(image, 224))


@settings(max_examples=60)
@given(st.integers(1, 120), st.integers(1, 120))
def test_halves_down_is_what_transformers_does(width: int, height: int) -> None:
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    processor = CLIPImageProcessorPil(
        size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}
    )
    image = noise((width, height), height)
    theirs = processor(image, return_tensors="np")["pixel_values"][0]
    ours = normalised(square(image, 32, halves_down=True))
    assert np.allclose(ours, theirs, atol=1e-6)


@pytest.mark.parametrize("size", [(1, 300), (300, 1), (2, 700), (3, 2000)])
def test_an_extreme_picture_is_resized_in_part_only(size: tuple[int, int]) -> None:
    image = noise(size)
    difference = np.abs(normalised(square(image, 24)) - by_torchvision(image, 24))
    assert difference.max() <= 2 / 255 / min(CLIP_STD)


@pytest.mark.parametrize("mode", ["I", "F", "I;16"])
def test_sixteen_bits_are_refused_by_name(mode: str) -> None:
    assert f"mode is '{mode}'" in str(unusable(Image.new(mode, (4, 4))))


def test_a_picture_is_turned_as_its_exif_says() -> None:
    image = noise((5, 3))
    image.getexif()[0x0112] = 6
    assert upright(image).size == (3, 5)
    assert image.size == (5, 3)


def test_exif_that_cannot_be_read_says_nothing() -> None:
    image = noise((5, 3))
    image.info["exif"] = b"junk"
    assert upright(image).tobytes() == noise((5, 3)).tobytes()


def test_the_pixel_digest_sees_pixels_only() -> None:
    image = noise((5, 3))
    noted = image.copy()
    noted.info["note"] = "x"
    assert pixel_digest(image) == pixel_digest(noted) == pixel_digest(image.convert("RGBA"))
    assert pixel_digest(image) != pixel_digest(image.transpose(Image.Transpose.ROTATE_90))
    flat = Image.new("RGB", (4, 6))
    assert pixel_digest(flat) != pixel_digest(Image.new("RGB", (6, 4)))


def test_opencvs_resizing_takes_the_two_nearest_and_smooths_nothing() -> None:
    """Values of cv2 5.0's ``resize(..., INTER_LINEAR)``; Pillow smooths the second."""
    row = np.array([[0, 10, 200, 255]], dtype=np.uint8)
    picture = Image.fromarray(np.repeat(row[..., None], 3, axis=2))
    wide = np.asarray(like_opencv(picture, (8, 1)))[0, :, 0]
    small = np.asarray(like_opencv(picture, (3, 1)))[0, :, 0]
    assert wide.tolist() == [0, 3, 8, 58, 153, 214, 241, 255]
    assert small.tolist() == [2, 105, 246]
    assert np.array_equal(np.asarray(like_opencv(picture, picture.size)), np.asarray(picture))
