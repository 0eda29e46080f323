from collections import Counter

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("diffusers")

from evalkit import prompts as suites  # noqa: E402
from evalkit.miniature import sd3, selection, students, vae  # noqa: E402
from evalkit.miniature.data import lot  # noqa: E402
from evalkit.miniature.scenes import HELD_OUT, TASKS, render, sample, undrawable  # noqa: E402


@pytest.fixture(scope="module")
def suite():
    return selection.prompts()


def test_the_suite_asks_for_every_task_alike(suite):
    assert len(suite) == 240
    assert Counter(p.category for p in suite) == dict.fromkeys(TASKS, 40)
    assert len({p.id for p in suite}) == 240
    assert suite == selection.prompts()
    assert suite[:12] == selection.prompts(2)


def test_the_suite_can_be_drawn_and_keeps_held_out_pairs_hidden(suite):
    for prompt in suite:
        assert undrawable(prompt.requirements) is None
        assert not {(c.class_name, c.color) for c in prompt.requirements.include} & HELD_OUT


def test_no_prompt_is_of_the_reported_suite_but_single_objects(suite):
    reported = {p.text for p in suites.load("miniature").prompts}
    shared = Counter(p.category for p in suite if p.text in reported)
    assert set(shared) <= {"single_object"}  # all of them are reported on: there are 18
    assert len({p.text for p in suite if p.category != "single_object"}) > 150


@pytest.fixture(scope="module")
def loaded(small_folder):
    return sd3.load(small_folder)


def test_noise_depends_on_the_place_and_the_seed_alone(suite, loaded):
    def drawn(count, **given):
        images = selection.pictures(*loaded, suite[:count], students.times(2), **given)
        return np.stack([np.asarray(i) for i in images])

    few, more = drawn(2), drawn(5)
    assert few.shape == (2, vae.SIDE, vae.SIDE, 3)
    assert np.abs(more[:2].astype(int) - few).max() <= 1
    assert np.abs(drawn(2, seed=1).astype(int) - few).mean() > 1


def test_true_pictures_score_high_and_empty_ones_low():
    suite = selection.prompts(2)
    true = [
        render(sample(p.requirements, lot("test", i, "suite")), vae.SIDE).image
        for i, p in enumerate(suite)
    ]
    assert selection.geneval(suite, true) > 0.75
    assert selection.geneval(suite, true[::-1]) < 0.4
