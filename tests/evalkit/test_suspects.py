"""The same picture twice, nearly the same one, and blank ones are found and named."""

from __future__ import annotations

import numpy as np
from PIL import Image

from evalkit.suspects import groups, is_blank, suspects, thumbnail


def noise(seed, size=(64, 64)):
    coarse = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize(size, Image.Resampling.NEAREST)


def put(run, **pictures):
    """Give some of a model's generations other pictures, by prompt."""
    made = [g for g in run.generations() if g.model == "plain" and g.seed == 0]
    run.reopen()
    for generation, picture in zip(made, pictures.values(), strict=False):
        run.add([generation.model_copy(update={"image": run.images.put(picture)})])


def test_a_fresh_run_has_none(drawn):
    assert len(suspects(drawn)) == 0
    assert list(suspects(drawn).lines()) == []


def test_each_kind_is_found_and_a_blank_one_is_not_called_near(drawn):
    red, blue = Image.new("RGB", (64, 64), "red"), Image.new("RGB", (64, 64), "blue")
    moved = np.asarray(noise(1)).copy()
    moved[:4, :4] ^= 8
    put(drawn, a=noise(1), b=noise(1), c=Image.fromarray(moved), d=noise(2), e=red, f=blue)
    found = suspects(drawn)
    assert [[g.prompt_id for g in group] for group in found.same] == [["00000", "00001"]]
    assert [[g.prompt_id for g in group] for group in found.near] == [["00000", "00002"]]
    assert [g.prompt_id for g in found.blank] == ["00004", "00005"]
    assert list(found.lines()) == [
        "plain: the same picture: prompt 00000 seed 0, prompt 00001 seed 0",
        "plain: nearly the same: prompt 00000 seed 0, prompt 00002 seed 0",
        "plain: blank: prompt 00004 seed 0",
        "plain: blank: prompt 00005 seed 0",
    ]


def test_models_are_not_held_against_each_other(drawn):
    made = drawn.generations()
    drawn.reopen()
    other = next(g for g in made if g.model == "fancy")
    drawn.add([other.model_copy(update={"image": made[0].image})])
    assert len(suspects(drawn)) == 0


def test_a_missing_picture_is_left_to_those_who_look_for_damage(drawn):
    drawn.images.path(drawn.generations()[0].image).unlink()
    assert len(suspects(drawn)) == 0


def test_colours_tell_pictures_apart_where_brightness_would_not():
    def apple(colour):
        picture = Image.new("RGB", (64, 64), "white")
        picture.paste(Image.new("RGB", (24, 24), colour), (20, 20))
        return thumbnail(picture)

    assert groups([apple((200, 0, 0)), apple((0, 102, 0)), apple((201, 1, 0))]) == [[0, 2]]
    assert groups([]) == []


def test_links_make_one_group_and_the_block_does_not_matter(monkeypatch):
    steps = [thumbnail(Image.new("RGB", (40, 40), (i, i, i))) for i in (100, 101, 102, 103, 200)]
    assert groups(steps) == [[0, 1, 2, 3]]
    monkeypatch.setattr("evalkit.suspects._ROWS", 2)
    assert groups(steps) == [[0, 1, 2, 3]]


def test_noise_of_a_level_is_blank_and_a_faint_drawing_is_not():
    rng = np.random.default_rng(0)
    grey = Image.fromarray((128 + rng.integers(-1, 2, (64, 64, 3))).astype(np.uint8))
    assert is_blank(grey)
    grey.paste((160, 128, 128), (0, 0, 20, 20))
    assert not is_blank(grey)
