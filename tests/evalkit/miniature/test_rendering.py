import random
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from evalkit.miniature.backdrops import KINDS, Backdrop, sample_backdrop
from evalkit.miniature.faults import blur, noise
from evalkit.miniature.rendering import Scene, SceneObject, extent, render
from evalkit.miniature.scenes import CLASSES, COLORS, sample_free
from evalkit.miniature.shapes import PALETTE, scheme


def pixels(scene, side):
    return np.asarray(render(scene, side).image, dtype=np.float64)


@settings(max_examples=30)
@given(st.integers(0, 2**32), st.sampled_from([64, 128, 200]))
def test_boxes_are_those_of_the_masks(seed, side):
    drawn = render(sample_free(random.Random(seed)), side)
    assert drawn.image.size == (side, side)
    assert drawn.image.mode == "RGB"
    assert drawn.masks.shape == (len(drawn.objects), side, side)
    assert drawn.masks.sum(axis=0).max() <= 1
    for box, mask in zip(drawn.boxes, drawn.masks, strict=True):
        x0, y0, x1, y1 = map(int, box)
        assert mask[y0:y1, x0:x1].sum() == mask.sum() > 0
        assert mask[y0].any()
        assert mask[y1 - 1].any()
        assert mask[:, x0].any()
        assert mask[:, x1 - 1].any()


@pytest.mark.parametrize("name", CLASSES)
def test_the_extent_is_the_box_that_is_drawn(name):
    for angle in (0.0, 17.0, -31.0):
        item = SceneObject(name, "red", 0.5, 0.5, 0.6, angle)
        drawn = np.array(render(Scene((item,)), 256).boxes[0]) / 256
        assert np.abs(drawn - extent(item)).max() < 0.014


@settings(max_examples=20)
@given(st.integers(0, 2**32))
def test_a_scene_is_the_same_picture_at_any_side(seed):
    scene = sample_free(random.Random(seed))
    large = render(scene, 256)
    small = large.image.resize((64, 64), Image.Resampling.BOX)
    difference = np.abs(np.asarray(small, dtype=np.float64) - pixels(scene, 64))
    assert difference.mean() < 4
    for a, b in zip(large.boxes, render(scene, 64).boxes, strict=True):
        assert np.abs(np.array(a) / 256 - np.array(b) / 64).max() < 0.03


def test_rendering_is_deterministic_and_leaves_the_scene_alone():
    scene = sample_free(random.Random(3))
    first = render(scene, 96).image.tobytes()
    render(sample_free(random.Random(4)), 96)
    assert render(scene, 96).image.tobytes() == first


@pytest.mark.parametrize("name", CLASSES)
@pytest.mark.parametrize("color", COLORS)
def test_the_named_colour_is_the_commonest_of_the_ten(name, color):
    drawn = render(Scene((SceneObject(name, color, 0.5, 0.5, 0.8),)), 128)
    seen = np.asarray(drawn.image, dtype=np.float64)[drawn.masks[0]]
    table = np.array([PALETTE[c] for c in COLORS], dtype=np.float64)
    nearest = np.argmin(((seen[:, None] - table) ** 2).sum(axis=2), axis=1)
    counts = np.bincount(nearest, minlength=len(COLORS)).astype(float)
    # Every object has a dark outline: black counts where most of the object is black.
    counts[COLORS.index("black")] *= 0.35 if color != "black" else 1
    assert COLORS[int(counts.argmax())] == color


def test_a_front_object_hides_the_one_behind():
    behind = SceneObject("book", "red", 0.5, 0.5, 0.7)
    front = SceneObject("cup", "blue", 0.5, 0.5, 0.4)
    both, alone = render(Scene((behind, front)), 128), render(Scene((behind,)), 128)
    assert both.masks[0].sum() < alone.masks[0].sum()
    assert not (both.masks[0] & both.masks[1]).any()


def test_an_object_cut_by_the_border_is_drawn_and_one_outside_is_a_point():
    cut, gone = (SceneObject("apple", "red", x, 0.5, 0.5) for x in (0.0, 3.0))
    drawn = render(Scene((cut, gone)), 64)
    assert drawn.boxes[0][0] == 0
    assert drawn.boxes[1] == (0.0, 0.0, 0.0, 0.0)


def test_an_empty_scene_is_its_backdrop():
    drawn = render(Scene(()), 64)
    assert drawn.boxes == ()
    assert drawn.masks.shape == (0, 64, 64)


@pytest.mark.parametrize("kind", KINDS)
def test_backdrops_are_soft_and_pale(kind):
    backdrop = replace(sample_backdrop(random.Random(7)), kind=kind)
    seen = pixels(Scene((), backdrop), 128)
    assert seen.mean() > 150
    assert np.abs(np.diff(seen, axis=0)).max() < 40
    assert seen.std() > 0.2


def test_backdrops_vary():
    drawn = {sample_backdrop(random.Random(s)) for s in range(50)}
    assert len(drawn) == 50
    assert {b.kind for b in drawn} == set(KINDS)


def test_light_changes_the_picture():
    scene = Scene((SceneObject("apple", "red", 0.5, 0.5, 0.6),), Backdrop(light=200))
    other = replace(scene, backdrop=Backdrop(light=340, warmth=1))
    assert np.abs(pixels(scene, 64) - pixels(other, 64)).mean() > 1


def test_tone_keeps_the_colour():
    for color in COLORS:
        for tone in (-1.0, 1.0):
            body = np.array(scheme(color, tone)["body"], dtype=float)
            near = min(COLORS, key=lambda c: float(((body - np.array(PALETTE[c])) ** 2).sum()))
            assert near == color


def test_damage_grows_with_strength_and_zero_is_none():
    image = render(sample_free(random.Random(1)), 128).image
    before = np.asarray(image, dtype=np.float64)

    def error(damaged):
        assert damaged.size == image.size
        return np.abs(np.asarray(damaged, dtype=np.float64) - before).mean()

    assert error(blur(image, 0.0)) == 0
    assert error(noise(image, 0.0, 1)) == 0
    assert 0 < error(blur(image, 0.3)) < error(blur(image, 1.0))
    assert 0 < error(noise(image, 0.3, 1)) < error(noise(image, 1.0, 1))
    assert noise(image, 0.5, 1).tobytes() == noise(image, 0.5, 1).tobytes()
    assert noise(image, 0.5, 1).tobytes() != noise(image, 0.5, 2).tobytes()
