"""Agreement: the same pictures are found whatever their sides, and alpha is Krippendorff's."""

import krippendorff
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from arena.agreement import agreement, alpha, answers, coincidences


def frame(
    *rows, columns=("left", "right", "winner", "rater", "left_generation", "right_generation")
):
    return pd.DataFrame(rows, columns=columns)


def test_the_same_pictures_are_found_whatever_their_sides():
    found = answers(
        frame(
            ("a", "b", "left", "x", "1", "2"),
            ("b", "a", "right", "y", "2", "1"),
            ("a", "b", "left", "y", "1", "3"),
            ("a", "b", "tie", "z", "1", "2"),
            ("b", "a", "both_bad", "z", "2", "1"),
            ("a", "b", "left", "z", None, "2"),
        )
    )
    assert found.items == 2
    assert found.item.tolist() == [0, 0, 1, 0, 0, -1]
    assert found.answer.tolist()[:2] == [0, 0]
    assert found.shown.tolist() == [0, 1, 0, 2, 3, 0]
    assert found.turned.tolist()[:2] == [False, True]
    assert found.counts().tolist() == [[2, 0, 1, 0], [1, 0, 0, 0]]  # z's second answer is no first


def test_without_pictures_models_on_a_prompt_stand_for_them_and_without_prompts_nothing_does():
    columns = ("left", "right", "winner", "rater", "prompt")
    votes = frame(
        ("a", "b", "left", "x", "p"),
        ("b", "a", "left", "y", "p"),
        ("b", "a", "left", "y", "q"),
        ("b", "a", "left", "y", None),
        columns=columns,
    )
    found = answers(votes)
    assert found.by == "prompt and models"
    assert found.item.tolist() == [0, 0, 1, -1]
    assert found.answer.tolist() == [0, 1, 1, 1]
    assert "told apart by prompt and models alone" in agreement(found).lines()[0]
    blind = agreement(answers(votes.drop(columns="prompt")))
    assert blind.lines() == [
        "Agreement of raters: unknown, for the votes name neither pictures nor prompts."
    ]


def test_two_criteria_are_two_questions():
    votes = frame(*[("a", "b", "left", r, "1", "2") for r in "xyxy"])
    votes["criterion"] = ["quality", "quality", "alignment", None]
    assert answers(votes).item.tolist() == [0, 0, 1, 2]


def test_rows_marked_swapped_are_turned_as_shown():
    plain = frame(("a", "b", "left", "x", "1", "2"), ("b", "a", "right", "y", "2", "1"))
    marked = plain.assign(side_swapped=[True, False])
    found = answers(marked)
    assert found.answer.tolist() == [0, 0]
    assert found.shown.tolist() == [1, 1]
    assert found.turned.tolist() == [True, True]


@given(arrays(int, st.tuples(st.integers(2, 30), st.just(4)), elements=st.integers(0, 5)))
def test_alpha_is_the_library_s(counts):
    shared = counts[counts.sum(axis=1) > 1]
    if (shared.sum(axis=0) > 0).sum() < 2:
        return
    ours = alpha(coincidences(shared).sum(axis=0)[None])[0]
    theirs = krippendorff.alpha(value_counts=counts, level_of_measurement="nominal")
    assert ours == pytest.approx(theirs, abs=1e-12)


def test_krippendorff_s_own_example():
    """Nominal data of 12 units and 4 observers, alpha = 0.743 (Krippendorff 2011, p. 8)."""
    data = [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, 0, 0, 0],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, 0, 3],
        [0, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, 0],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, 0],
    ]
    counts = np.array([np.bincount(unit, minlength=6)[1:] for unit in np.array(data).T])
    shared = counts[counts.sum(axis=1) > 1]
    assert alpha(coincidences(shared).sum(axis=0)[None])[0] == pytest.approx(0.743, abs=5e-4)


def panel(rng, pairs, raters=3, sharp=2.0):
    """Draw answers of three raters each on pairs of pictures that differ in how clear they are."""
    clear = rng.normal(0, sharp, pairs)
    chance = 1 / (1 + np.exp(-np.repeat(clear, raters)))
    left = rng.random(pairs * raters) < chance
    item = np.repeat(np.arange(pairs), raters)
    return pd.DataFrame(
        {
            "left": "a",
            "right": "b",
            "winner": np.where(left, "left", "right"),
            "rater": np.tile([f"r{i}" for i in range(raters)], pairs),
            "left_generation": [f"l{i}" for i in item],
            "right_generation": [f"r{i}" for i in item],
        }
    )


def test_the_interval_holds_as_often_as_it_says():
    """200 studies: the simulation error is 1.5 %."""
    rng = np.random.default_rng(0)
    truth = agreement(answers(panel(rng, 40_000)), replicates=10).alpha
    found = [agreement(answers(panel(rng, 120)), replicates=300) for _ in range(200)]
    held = np.mean([one.low <= truth <= one.high for one in found])
    assert 0.90 <= held <= 0.985
    again = agreement(answers(panel(np.random.default_rng(1), 120)))
    assert again == agreement(answers(panel(np.random.default_rng(1), 120)))


@pytest.mark.parametrize(
    ("winners", "raters", "words"),
    [
        (["left", "left"], ["x", "y"], "every answer is the same"),
        (["left", "right"], ["x", "x"], "no two raters judged the same pictures"),
        (["left", "right"], [None, None], "the votes name no raters"),
    ],
)
def test_what_is_not_defined_is_said(winners, raters, words):
    rows = [("a", "b", w, r, "1", "2") for w, r in zip(winners, raters, strict=True)]
    found = agreement(answers(frame(*rows)))
    assert found.alpha is None
    assert found.low is None
    assert words in found.lines()[0]
    assert found.to_dict()["status"] == found.status


def test_one_shared_pair_has_an_alpha_and_no_interval():
    rows = [("a", "b", w, r, "1", "2") for w, r in (("left", "x"), ("right", "y"))]
    found = agreement(answers(frame(*rows)))
    assert found.alpha == pytest.approx(0.0)
    assert found.low is found.high is None
