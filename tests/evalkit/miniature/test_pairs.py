import random

import numpy as np
import pytest

from evalkit.miniature.facts import of_scene
from evalkit.miniature.pairs import CONTENT, DAMAGE, KINDS, draw, pictures_of, plan
from evalkit.miniature.scenes import CLASSES, HELD_OUT, shows


@pytest.mark.parametrize("kind", CONTENT)
def test_the_faithful_scene_fulfils_the_text_and_the_faulty_one_does_not(kind):
    rng = random.Random(1)
    for _ in range(25):
        contest = plan(kind, rng, "train")
        first, second = (s.requirements for s in contest.sentences)
        assert shows(contest.faithful, first)
        assert not shows(contest.faulty, first)
        assert not shows(contest.faithful, second)
        if contest.turned:
            assert shows(contest.faulty, second)


@pytest.mark.parametrize("kind", ["blur", "noise", "vae"])
def test_damage_leaves_the_scene_and_spoils_the_picture(kind):
    rng = random.Random(2)
    contests = [plan(kind, rng, "train") for _ in range(4)]
    images = pictures_of(contests, rng, vae=0.0)[1]
    for contest, (good, bad) in zip(contests, images, strict=True):
        assert contest.faithful == contest.faulty
        assert np.abs(np.asarray(good, float) - np.asarray(bad, float)).mean() > 0.3


def test_training_pairs_show_no_held_out_colour():
    rng = random.Random(3)
    for kind in KINDS:
        for _ in range(15):
            contest = plan(kind, rng, "train")
            items = contest.faithful.objects + contest.faulty.objects
            assert not {(o.class_name, o.color) for o in items} & HELD_OUT


def test_what_is_drawn_agrees_with_itself_and_repeats():
    first, again = draw("a", 24), draw("a", 24)
    for name, value in vars(first).items():
        assert np.array_equal(value, vars(again)[name]), name
    assert first.pixels.shape == (24, 2, 3, 64, 64)
    assert not np.array_equal(first.pixels, draw("b", 24).pixels)
    assert set(first.kinds) <= set(range(len(KINDS)))
    assert not first.turned[first.kinds >= len(CONTENT)].any()
    assert len(DAMAGE) + len(CONTENT) == len(KINDS)


def test_spots_point_at_the_last_word_of_each_noun():
    drawn = draw("spots", 40)
    for texts, nouns, spots in zip(drawn.texts, drawn.nouns, drawn.spots, strict=True):
        for text, named, at in zip(texts, nouns, spots, strict=True):
            tokens = ["[CLS]", *text.decode().replace("-", " - ").split()]
            for class_, spot in zip(named, at, strict=True):
                last = CLASSES[class_].split()[-1]
                assert class_ < 0 or tokens[spot] in (last, f"{last}s", f"{last}es")


def test_facts_are_those_of_the_scenes():
    rng = random.Random(4)
    contest = plan("wrong_position", rng, "train")
    good, bad = of_scene(contest.faithful), of_scene(contest.faulty)
    assert (good.holds[:, 0] == bad.holds[:, 0]).all()
    assert (good.holds != bad.holds).any()
