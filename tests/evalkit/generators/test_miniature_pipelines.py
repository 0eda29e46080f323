"""The catalogue's miniatures are carried whole, draw as their recipes say, and claim nothing."""

from __future__ import annotations

from functools import cache

import pytest

from evalkit import catalogue, prompts
from evalkit.generate import resolved
from evalkit.miniature import distil, dropout, trajectories
from tests.evalkit.generators.conftest import NUMPY_GRUMBLE, difference, draw

pytestmark = NUMPY_GRUMBLE
MINIATURES = {n: e for n, e in catalogue.entries().items() if "miniature" in e.tags}
STUDENTS = [n for n, e in MINIATURES.items() if "student" in e.tags]
WANTED = ("mini-sd3", "mini-sd3-4", "mini-sd3-2", "mini-sd3-1", "mini-flash-4", "mini-flash-2")
WANTED += ("mini-dmd2-4", "mini-lightning-4")
TIMESTEPS = {4: [1000, 750, 500, 250], 2: [1000, 500], 1: [1000]}


@cache
def drawn(name, *, without_adapters=False):
    """Draw an apple with an entry of the catalogue, once for all tests."""
    spec = MINIATURES[name].spec
    if without_adapters:
        options = {k: v for k, v in spec.options.items() if k != "adapters"}
        spec = spec.model_copy(update={"options": options})
    apple = next(p for p in prompts.load("miniature").prompts if p.text == "a photo of an apple")
    (picture,), generator = draw(spec, [apple], [0])
    return picture, generator.realised()


def test_teacher_rivals_and_floor_are_there():
    assert set(WANTED) <= set(MINIATURES)
    assert all(n.startswith("mini-") for n in MINIATURES)


@pytest.mark.parametrize("name", MINIATURES)
def test_a_miniature_says_that_it_is_one(name):
    entry = MINIATURES[name]
    assert entry.title.startswith("Miniature SD3")
    assert entry.notes.startswith("The miniature: no published model")
    if name in STUDENTS:
        assert "no claim about one" in entry.notes
        assert "arXiv" in entry.source


def test_recipes_are_those_of_the_training():
    assert {n.removeprefix("mini-") for n in STUDENTS} <= set(distil.STUDENTS)
    for name, entry in MINIATURES.items():
        if name in STUDENTS:
            assert entry.steps == distil.STUDENTS[name.removeprefix("mini-")].steps
            assert entry.guidance == 1
        else:
            assert entry.guidance == trajectories.GUIDANCE
        tokens = dropout.T5_TOKENS if "encoder-dropout" in entry.tags else 1
        assert entry.options["call"] == {"max_sequence_length": tokens}


@pytest.mark.parametrize("name", MINIATURES)
def test_the_weights_of_a_miniature_are_carried(name):
    spec = resolved(MINIATURES[name].spec)
    assert spec.weights.startswith("miniature/")
    for content in (spec, *(_Laid(a) for a in spec.options.get("adapters", ()))):
        assert content.revision.startswith("sha256:")


class _Laid:
    def __init__(self, adapter):
        assert adapter["weights"].startswith("miniature/")
        self.revision = adapter["revision"]


@pytest.mark.parametrize("name", MINIATURES)
def test_a_miniature_draws_as_its_recipe_says(name):
    spec = MINIATURES[name].spec
    picture, facts = drawn(name)
    assert picture.error is None
    assert picture.image.size == (64, 64)
    assert facts["evaluations"] == spec.steps * (1 if spec.guidance == 1 else 2)
    assert len(facts["timesteps"]) == spec.steps
    if "few-step" in MINIATURES[name].tags:
        assert facts["timesteps"] == pytest.approx(TIMESTEPS[spec.steps])


@pytest.mark.parametrize("name", STUDENTS)
def test_a_student_is_not_its_teacher(name):
    assert difference(drawn(name)[0], drawn(name, without_adapters=True)[0]) > 8
