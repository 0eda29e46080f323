import random
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit import geneval
from evalkit.errors import EvalkitError
from evalkit.miniature.faults import FAULTS
from evalkit.miniature.layout import place
from evalkit.miniature.scenes import (
    CLASSES,
    COLORS,
    HELD_OUT,
    NATURAL,
    TASKS,
    captions,
    colors_for,
    extent,
    random_requirements,
    relations,
    render,
    sample,
    sample_free,
    shows,
    text_for,
    undrawable,
)
from evalkit.records import Requirements
from evalkit.scorers.detection import Detection
from evalkit.scorers.geneval_rules import judge
from evalkit.scorers.geneval_rules import relations as official_relations

seeds = st.integers(0, 2**32)
tasks = st.sampled_from(TASKS)
pairs_ = st.sampled_from(["train", "all", "held-out"])


def judged(scene, requirements, side=128):
    """Judge by the official rules with a perfect detector and a perfect colour classifier."""
    drawn = render(scene, side)
    found, colors = {}, {}
    for item, box, mask in zip(drawn.objects, drawn.boxes, drawn.masks, strict=True):
        detection = Detection(box, 0.99, mask)
        found.setdefault(item.class_name, []).append(detection)
        colors[id(detection)] = item.color
    return judge(requirements, found, lambda _, ds: [colors[id(d)] for d in ds])


def test_the_classes_are_geneval_s_in_its_order():
    assert list(CLASSES) == [c for c in geneval.CLASSES if c in CLASSES]
    assert len(set(CLASSES)) == len(CLASSES) >= 16
    assert set(NATURAL) == set(CLASSES)
    assert set(NATURAL.values()) <= set(COLORS)


def test_a_tenth_of_the_pairs_is_held_out_and_no_natural_one():
    assert len(HELD_OUT) == len(CLASSES) * len(COLORS) // 10
    assert {name for name, _ in HELD_OUT} == set(CLASSES)
    assert {color for _, color in HELD_OUT} == set(COLORS)
    assert not HELD_OUT & set(NATURAL.items())


@settings(max_examples=60)
@given(tasks, seeds, pairs_)
def test_a_sampled_scene_is_correct_by_the_official_rules(task, seed, pairs):
    rng = random.Random(seed)
    requirements = random_requirements(task, rng, pairs=pairs)
    scene = sample(requirements, rng, pairs=pairs)
    assert shows(scene, requirements)
    assert judged(scene, requirements).reason == ""


@settings(max_examples=80)
@given(tasks, st.sampled_from(sorted(FAULTS)), seeds)
def test_a_fault_is_wrong_by_the_official_rules(task, fault, seed):
    rng = random.Random(seed)
    requirements = random_requirements(task, rng)
    broken = FAULTS[fault](sample(requirements, rng), requirements, rng)
    applies = {
        "wrong_color": task in ("colors", "color_attr"),
        "wrong_count": task == "counting",
        "wrong_position": task == "position",
        "wrong_class": True,
    }
    assert (broken is not None) == applies[fault]
    if broken is not None:
        assert not shows(broken, requirements)
        assert not judged(broken, requirements).correct


@settings(max_examples=60)
@given(tasks, seeds)
def test_training_never_shows_a_held_out_pair(task, seed):
    rng = random.Random(seed)
    requirements = random_requirements(task, rng, pairs="train")
    scene = sample(requirements, rng, pairs="train")
    broken = [f(scene, requirements, rng, pairs="train") for f in FAULTS.values()]
    for each in (scene, sample_free(rng, pairs="train"), *filter(None, broken)):
        assert not HELD_OUT & {(o.class_name, o.color) for o in each.objects}


def test_held_out_scenes_show_held_out_pairs_only():
    for seed in range(30):
        rng = random.Random(seed)
        requirements = random_requirements(TASKS[seed % 6], rng, pairs="held-out")
        scene = sample(requirements, rng, pairs="held-out")
        assert {(o.class_name, o.color) for o in scene.objects} <= HELD_OUT


def test_colors_for_splits_all_colours():
    for name in CLASSES:
        train, held = colors_for(name, "train"), colors_for(name, "held-out")
        assert len(held) == 1
        assert sorted(train + held) == sorted(COLORS) == sorted(colors_for(name, "all"))


@settings(max_examples=60)
@given(tasks, seeds)
def test_objects_lie_inside_the_picture_and_apart(task, seed):
    rng = random.Random(seed)
    boxes = [extent(o) for o in sample(random_requirements(task, rng), rng).objects]
    for i, a in enumerate(boxes):
        assert min(a) >= 0
        assert max(a) <= 1
        for b in boxes[:i]:
            assert max(b[0] - a[2], a[0] - b[2], b[1] - a[3], a[1] - b[3]) > 0


@given(st.lists(st.floats(0, 0.7), min_size=4, max_size=4), st.floats(0.05, 0.3))
def test_relations_agree_with_the_scorer_s(corners, size):
    a = (corners[0], corners[1], corners[0] + size, corners[1] + size / 2)
    b = (corners[2], corners[3], corners[2] + size / 2, corners[3] + size)
    strengths = relations(a, b)
    if all(abs(s - 0.5) > 1e-6 for s in strengths.values()):
        pixels = [[v * 1000 for v in box] for box in (a, b)]
        assert {r for r, s in strengths.items() if s > 0.5} == set(official_relations(*pixels))


@settings(max_examples=40)
@given(seeds)
def test_captions_are_true_and_in_geneval_s_words(seed):
    scene = sample_free(random.Random(seed))
    names = Counter(o.class_name for o in scene.objects)
    sentences = captions(scene)
    assert sentences
    assert len(set(sentences)) == len(sentences)
    assert all(s.startswith("a photo of ") for s in sentences)
    for name, number in names.items():
        if number > 1:
            counted = f"a photo of {geneval.NUMBER_WORDS[number]} {geneval.plural(name)}"
            assert counted in sentences


def test_captions_tell_colours_places_and_pairs():
    line = {
        "tag": "position",
        "include": [
            {"class": "cup", "count": 1, "color": "red"},
            {"class": "kite", "count": 1, "color": "blue", "position": ["above", 0]},
        ],
    }
    scene = sample(Requirements.parse(line), random.Random(1))
    sentences = captions(scene)
    assert "a photo of a kite above a cup" in sentences
    assert "a photo of a cup below a kite" in sentences
    assert "a photo of a kite below a cup" not in sentences
    assert "a photo of a red cup and a blue kite" in sentences
    assert "a photo of a blue cup" not in sentences


def test_a_free_scene_is_drawn_by_lot_from_its_seed_alone():
    assert sample_free(random.Random(5)) == sample_free(random.Random(5))
    assert sample_free(random.Random(5)) != sample_free(random.Random(6))
    most = Counter(len(sample_free(random.Random(s), most=6).objects) for s in range(200))
    assert set(most) == {1, 2, 3, 4, 5, 6}


def test_random_requirements_have_geneval_s_shape():
    for seed, task in enumerate(TASKS):
        requirements = random_requirements(task, random.Random(seed))
        assert requirements.tag == task
        assert undrawable(requirements) is None
        assert text_for(requirements) == geneval.caption(requirements)
        assert bool(requirements.exclude) == (task == "counting")
    with pytest.raises(EvalkitError, match="Unknown GenEval task 'colours'"):
        random_requirements("colours", random.Random(0))


@pytest.mark.parametrize(
    ("clause", "words"),
    [
        ({"class": "zebra", "count": 1}, "cannot draw 'zebra'"),
        ({"class": "cup", "count": 1, "color": "teal"}, "'teal' is not one of"),
        ({"class": "cup", "count": 5}, "1 to 4 objects, not 5"),
        ({"class": "cup", "count": 1, "position": ["inside", 0]}, "'inside' of clause 0"),
        ({"class": "cup", "count": 1, "position": ["above", 3]}, "clause 3"),
        ({"class": "Kaffeetasse ☕", "count": 1}, "☕"),
    ],
)
def test_what_cannot_be_drawn_is_said(clause, words):
    requirements = Requirements.parse({"tag": "x", "include": [clause]})
    assert words in (undrawable(requirements) or "")
    with pytest.raises(EvalkitError, match="Cannot draw this prompt"):
        sample(requirements, random.Random(0))


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ({"include": [{"class": "cup", "count": 1}] * 2}, "two clauses ask for the same class"),
        (
            {
                "include": [{"class": "cup", "count": 2}],
                "exclude": [{"class": "cup", "count": 2}],
            },
            "both asked for and ruled out",
        ),
    ],
)
def test_a_prompt_that_contradicts_itself_is_refused(line, words):
    assert words in (undrawable(Requirements.parse({"tag": "x", **line})) or "")


def test_places_that_contradict_one_another_are_refused_in_finite_time():
    asked = [("cup", "red"), ("kite", "blue")]
    with pytest.raises(EvalkitError, match="no layout of cup, kite"):
        place(asked, random.Random(0), fits=lambda _: False)


def test_every_object_of_a_group_stands_in_the_relation():
    line = {
        "tag": "position",
        "include": [
            {"class": "cup", "count": 2},
            {"class": "kite", "count": 2, "position": ["left of", 0]},
        ],
    }
    for seed in range(5):
        scene = sample(Requirements.parse(line), random.Random(seed))
        assert shows(scene, Requirements.parse(line))


def test_an_empty_prompt_cannot_be_drawn():
    assert undrawable(Requirements(tag="x", include=()))


def test_shows_looks_at_colour_and_excess():
    rng = random.Random(2)
    line = {"tag": "counting", "include": [{"class": "cup", "count": 2}]}
    scene = sample(Requirements.parse(line), rng)
    assert shows(scene, Requirements.parse(line))
    assert not shows(scene, Requirements.parse(line | {"exclude": [{"class": "cup", "count": 2}]}))
    other = next(c for c in COLORS if c != scene.objects[0].color)
    red = {"tag": "colors", "include": [{"class": "cup", "count": 1, "color": other}]}
    assert not shows(scene, Requirements.parse(red))


def test_the_held_out_choice_is_even():
    spread = Counter(color for _, color in HELD_OUT)
    assert max(spread.values()) - min(spread.values()) <= 2
    assert np.isclose(sum(spread.values()), 18)
