"""A recipe that makes no sense is refused before anything is loaded."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.errors import SpecError
from evalkit.generators.recipe import CALL_ARGUMENTS, Recipe, parse
from evalkit.records import ModelSpec


def spec(options=None, **fields):
    return ModelSpec(
        name="m", generator="diffusers", weights="x/y", options=options or {}, **fields
    )


@pytest.mark.parametrize(
    ("options", "fields", "words"),
    [
        ({"sigma": [1, 0.5]}, {}, r"option 'sigma'\. Did you mean 'sigmas'\?"),
        ({"call": {"max_sequnce_length": 9}}, {}, "Did you mean 'max_sequence_length'"),
        ({"call": {"generator": 1}}, {}, "call argument 'generator'"),
        ({"unset": ["intermediate_timestep"]}, {}, "Did you mean 'intermediate_timesteps'"),
        ({"sigmas": [1, 0.5], "timesteps": [999, 499]}, {}, "not both"),
        ({"sigmas": [0.5, 1]}, {}, r"must fall from the first to the last, found \[0.5, 1.0\]"),
        ({"sigmas": [1, 1]}, {}, "must fall"),
        ({"sigmas": []}, {}, "is empty"),
        ({"sigmas": [float("nan")]}, {}, "finite"),
        ({"timesteps": [float("inf"), 1]}, {}, "finite"),
        ({"timesteps": [999, -1]}, {}, "not negative"),
        ({"sigmas": [1, 0.5]}, {"steps": 4}, "has 2 values, but steps = 4"),
        ({"sigmas": "1, 0.5"}, {}, "option sigmas"),
        ({"scheduler": "LCMScheduler"}, {}, "option scheduler"),
        ({"adapters": [{"kind": "lore", "weights": "x"}]}, {}, "option adapters.0.kind"),
        ({"adapters": [{"kind": "lora", "weights": "x", "sacle": 1}]}, {}, "adapters.0.sacle"),
        ({}, {"dtype": "fp16"}, "dtype 'fp16'.*Known: bfloat16, float16, float32"),
    ],
)
def test_nonsense_is_refused_with_the_model_the_key_and_the_value(options, fields, words):
    with pytest.raises(SpecError, match=words) as caught:
        parse(spec(options, **fields))
    assert "Model 'm'" in str(caught.value)


def test_a_schedule_may_end_with_the_clean_picture():
    assert parse(spec({"timesteps": [1.57, 1.3, 0]}, steps=2)).timesteps == (1.57, 1.3, 0)


def test_whole_timesteps_stay_whole():
    assert [type(t) for t in parse(spec({"timesteps": [999, 499]})).timesteps or ()] == [int, int]


def test_unset_arguments_are_passed_as_none():
    recipe = parse(spec({"call": {"eta": 0.3}, "unset": ["intermediate_timesteps"]}))
    assert recipe.arguments == {"eta": 0.3, "intermediate_timesteps": None}


def test_call_arguments_never_shadow_a_field_of_the_model():
    fields = {"num_inference_steps", "guidance_scale", "width", "height", "prompt", "generator"}
    assert not fields & set(CALL_ARGUMENTS)


_LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(["", "é", "1"])
_KEYS = st.sampled_from(["class", "é"])
_JSON = st.recursive(
    _LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from([*Recipe.model_fields, "nonsense"]), _JSON, max_size=4))
def test_any_options_are_understood_or_refused_in_words(options):
    try:
        recipe = parse(spec(options))
    except SpecError as error:
        recipe, message = None, str(error)
    assert recipe or "Model 'm'" in message
