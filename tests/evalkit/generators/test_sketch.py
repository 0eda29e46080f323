import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit.errors import SpecError
from evalkit.generators.sketch import Sketch, truth
from evalkit.miniature.scenes import TASKS, random_requirements, text_for
from evalkit.records import ModelSpec, Prompt, Requirements


def spec(**given):
    return ModelSpec(name="sketch", generator="sketch", **given)


def prompts(count, seed=0):
    rng = random.Random(seed)
    drawn = [random_requirements(TASKS[i % len(TASKS)], rng) for i in range(count)]
    return [
        Prompt(id=str(i), suite="s", text=text_for(r), requirements=r) for i, r in enumerate(drawn)
    ]


def pixels(pictures):
    return [p.image.tobytes() for p in pictures]


def test_a_picture_does_not_depend_on_its_batch():
    sketch = Sketch(spec(width=64, options={"faults": 0.4, "noise": 0.3, "damaged": 0.5}))
    sketch.load()
    asked, seeds = prompts(6), [0, 1, 2, 3, 4, 5]
    together = pixels(sketch.draw(asked, seeds))
    backwards = pixels(sketch.draw(asked[::-1], seeds[::-1]))[::-1]
    alone = [pixels(sketch.draw([p], [s]))[0] for p, s in zip(asked, seeds, strict=True)]
    assert together == backwards == alone
    assert together != pixels(sketch.draw(asked, [s + 1 for s in seeds]))


def test_pictures_are_square_rgb_of_the_size_asked_for():
    for size, side in (({}, 256), ({"width": 96, "height": 96}, 96), ({"height": 48}, 48)):
        picture = Sketch(spec(**size)).draw(prompts(1), [0])[0]
        assert picture.image.size == (side, side)
        assert picture.image.mode == "RGB"
        assert picture.seconds is not None
        assert picture.error is None


def test_prompt_ids_and_suites_do_not_matter():
    a = prompts(1)[0]
    b = a.model_copy(update={"id": "other", "suite": "another"})
    sketch = Sketch(spec(width=64))
    assert pixels(sketch.draw([a], [7])) == pixels(sketch.draw([b], [7]))


def test_what_cannot_be_drawn_is_an_error_and_not_a_crash():
    zebra = {"tag": "single_object", "include": [{"class": "zebra", "count": 1}]}
    odd = [
        Prompt(id="1", suite="s", text="a poem 🌊"),
        Prompt(id="2", suite="s", text="a zebra", requirements=Requirements.parse(zebra)),
        Prompt(id="3", suite="s", text="", requirements=Requirements(tag="x", include=())),
    ]
    pictures = Sketch(spec()).draw([*odd, *prompts(1)], [0, 0, 0, 0])
    assert [p.image is None for p in pictures] == [True, True, True, False]
    assert "carries none" in pictures[0].error
    assert "zebra" in pictures[1].error
    assert all(truth(spec(), p, 0) == ("undrawable",) for p in odd)


def test_a_prompt_without_a_layout_is_an_error_and_not_a_crash(monkeypatch):
    monkeypatch.setattr("evalkit.miniature.layout._ATTEMPTS", 0)
    asked = prompts(1)
    assert "Found no layout" in Sketch(spec()).draw(asked, [0])[0].error
    assert truth(spec(), asked[0], 0) == ("undrawable",)


def test_three_in_a_row_can_be_drawn():
    row = [
        {"class": "cup", "count": 1},
        {"class": "kite", "count": 1, "position": ["left of", 0]},
        {"class": "book", "count": 1, "position": ["left of", 1]},
    ]
    wanted = Requirements.parse({"tag": "position", "include": row})
    picture = Sketch(spec()).draw([Prompt(id="a", suite="s", text="a", requirements=wanted)], [0])
    assert picture[0].error is None


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"options": {"fault": 0.1}}, "fault"),
        ({"options": {"faults": 1.5}}, "less than or equal to 1"),
        ({"options": {"faults": "half"}}, "valid number"),
        ({"options": {"blur": float("nan")}}, "blur"),
        ({"options": {"noise": -0.1}}, "noise"),
        ({"options": {"damaged": True}}, "damaged"),
        ({"width": 256, "height": 128}, "256 x 128"),
        ({"width": 8192}, "8192 x 8192"),
        ({"width": 16}, "16 x 16"),
        ({"steps": 4}, "steps"),
        ({"weights": "someone/something"}, "someone/something"),
    ],
)
def test_a_wrong_specification_is_refused_before_work(given, words):
    with pytest.raises(SpecError, match=words):
        Sketch(spec(**given))


def test_seeds_and_prompts_must_pair_up():
    with pytest.raises(ValueError, match="zip"):
        Sketch(spec()).draw(prompts(2), [0])
    assert Sketch(spec()).draw([], []) == []


@settings(max_examples=10)
@given(st.floats(0, 1), st.integers(0, 1000))
def test_faults_come_at_the_stated_rate(rate, seed):
    asked = prompts(120, seed)
    found = [truth(spec(options={"faults": rate}), p, seed) for p in asked]
    share = np.mean([bool(f) for f in found])
    assert abs(share - rate) < 4.5 * max(0.01, np.sqrt(rate * (1 - rate) / len(asked)))


def test_truth_names_faults_that_the_prompt_allows():
    asked = prompts(240)
    found = [truth(spec(options={"faults": 1.0}), p, 3) for p in asked]
    assert all(len(f) == 1 for f in found)
    own = {
        "single_object": {"wrong_class"},
        "two_object": {"wrong_class"},
        "counting": {"wrong_class", "wrong_count"},
        "colors": {"wrong_class", "wrong_color"},
        "position": {"wrong_class", "wrong_position"},
        "color_attr": {"wrong_class", "wrong_color"},
    }
    for task, names in own.items():
        seen = {f[0] for p, f in zip(asked, found, strict=True) if p.requirements.tag == task}
        assert seen == names


def test_truth_names_damage():
    asked = prompts(60)
    blurred = spec(options={"blur": 0.5, "noise": 0.5, "damaged": 0.5})
    found = [truth(blurred, p, 0) for p in asked]
    assert set(found) == {(), ("blur",), ("noise",)}
    assert all(truth(spec(), p, 0) == () for p in asked)


def test_an_exact_sketch_differs_from_a_damaged_one_where_truth_says_so():
    asked = prompts(8)
    clean, rough = spec(width=64), spec(width=64, options={"noise": 1.0})
    for image, noisy in zip(
        Sketch(clean).draw(asked, [0] * 8), Sketch(rough).draw(asked, [0] * 8), strict=True
    ):
        spread = [np.asarray(p.image, float)[:3].std(axis=(0, 1)).mean() for p in (image, noisy)]
        assert spread[1] > spread[0] + 15


def test_realised_says_that_no_model_was_run():
    facts = Sketch(spec(options={"faults": 0.15})).realised()
    assert facts["renderer"] == "procedural scenes, no model"
    assert facts["faults"] == 0.15
    assert facts["side"] == 256
