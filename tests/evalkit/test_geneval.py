"""GenEval's words, sentences and sampler; its suite, to the byte, is in test_prompts.py."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit import geneval
from evalkit.errors import SuiteError
from evalkit.records import Requirements


def test_classes_are_the_official_file():
    text = "".join(f"{c}\n" for c in geneval.CLASSES)
    assert hashlib.sha256(text.encode()).hexdigest().startswith("608f6a0e")


def test_another_seed_gives_another_suite():
    assert geneval.sample(seed=44) != geneval.sample()


@pytest.mark.parametrize("classes", [[], ["cat"], ["person", "cat"], ["cat", "dog", "cat"]])
def test_too_few_classes_are_refused(classes):
    with pytest.raises(SuiteError, match="at least two"):
        geneval.sample(classes)


@given(st.sampled_from(geneval.CLASSES))
def test_plural_and_article_follow_the_letters_alone(noun):
    assert geneval.plural(noun) in (noun + "s", noun + "es")
    assert geneval.article(noun).split(" ", 1)[1] == noun


@given(
    st.lists(st.sampled_from(geneval.CLASSES), min_size=3, max_size=9, unique=True),
    st.integers(0, 99),
)
def test_any_classes_can_be_sampled(classes, seed):
    for text, requirements in geneval.sample(classes, count=5, seed=seed):
        assert {c.class_name for c in requirements.include} <= set(classes)
        assert text == geneval.caption(requirements)
        assert not (requirements.tag == "colors" and requirements.include[0].class_name == "person")


def test_a_sentence_of_several_numbers():
    line = {"tag": "counting", "include": [{"class": "bus", "count": 3}], "exclude": []}
    assert geneval.caption(Requirements.parse(line)) == "a photo of three buses"


def test_numpy_counts_are_plain_numbers():
    assert all(type(c.count) is int for _, r in geneval.sample() for c in r.include)
