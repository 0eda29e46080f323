import random

import numpy as np
import pytest
from PIL import Image

from evalkit.miniature import views
from evalkit.miniature.rendering import Scene, SceneObject, render
from evalkit.miniature.scenes import CLASSES
from evalkit.scorers.colours import crop
from evalkit.scorers.detection import Detection
from evalkit.scorers.pictures import square


@pytest.fixture(scope="module")
def picture():
    objects = (
        SceneObject("apple", "red", 0.3, 0.3, 0.4),
        SceneObject("cup", "blue", 0.7, 0.75, 0.35),
    )
    return render(Scene(objects), 128)


def test_a_whole_picture_is_prepared_as_the_adapter_does(picture):
    expected = np.asarray(square(picture.image, views.SIDE)).transpose(2, 0, 1)
    assert np.array_equal(views.pixels(picture.image), expected)


def test_a_cut_out_is_what_the_colour_adapter_sees(picture):
    for at in range(2):
        theirs = crop(picture.image, Detection(picture.boxes[at], 1.0, picture.masks[at]))
        ours = views.cut_out(picture.image, picture.masks[at])
        assert np.array_equal(np.asarray(ours), np.asarray(theirs))


def test_each_patch_is_of_the_class_that_covers_it(picture):
    found = views.class_map(picture).reshape(views.GRID, views.GRID)
    assert found[2, 2] == CLASSES.index("apple")
    assert found[6, 5] == CLASSES.index("cup")
    assert found[0, 7] == found[7, 0] == -1


def test_a_cut_out_has_one_object_and_background(picture):
    found = views.crop_owners(picture.masks[0])
    assert set(found) <= {0, -1}
    assert (found == 0).mean() > 0.5


def test_an_object_that_is_hardly_seen_is_not_cut_out():
    hidden = SceneObject("apple", "red", 0.5, 0.5, 0.1)
    front = SceneObject("tv", "black", 0.5, 0.5, 0.6)
    assert list(views.usable(render(Scene((hidden, front)), 64))) == [1]


def test_no_pictures_need_no_vae():
    assert views.decoded([], random.Random(0)) == []


def test_damage_changes_a_picture_and_keeps_its_size():
    image = Image.new("RGB", (64, 64), "white")
    image.paste("black", (20, 20, 40, 40))
    for seed in range(4):
        hurt = views.damaged(image, random.Random(seed))
        assert hurt.size == image.size
        assert hurt.tobytes() != image.tobytes()
