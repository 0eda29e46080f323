"""What every generator of the registry keeps to, whatever it draws with."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys

import numpy as np
import pytest

from evalkit import registry
from evalkit.geneval import CLASSES
from evalkit.prompts import make
from evalkit.records import ModelSpec, Requirements
from tests.evalkit.generators.conftest import NUMPY_GRUMBLE, SIZE
from tests.evalkit.generators.test_folder import picture, save

pytestmark = NUMPY_GRUMBLE
NAMES = ("apple", "clock", "kite")


@pytest.fixture
def prompts():
    samples = [
        (
            f"a photo of a {n}",
            Requirements.parse({"tag": "x", "include": [{"class": n, "count": 1}]}),
        )
        for n in NAMES
    ]
    assert set(NAMES) <= set(CLASSES)
    return list(make("objects", samples).prompts)


@pytest.fixture
def specs(checkpoints, tmp_path, service):
    """One model of every generator: a new generator fails here until it has one."""
    for i in range(len(NAMES)):
        for k in range(2):
            save(tmp_path / f"{i:05d}" / "samples" / f"{k}.png", picture(10 * i + k))
    return {
        "diffusers": ModelSpec(
            name="m", generator="diffusers", weights=str(checkpoints / "sdxl"), steps=2, **SIZE
        ),
        "folder": ModelSpec(name="m", generator="folder", weights=str(tmp_path)),
        "sketch": ModelSpec(name="m", generator="sketch", options={"faults": 0.5, "noise": 0.2}),
        "stability": ModelSpec(name="m", generator="stability", options={"model": "sd3.5-flash"}),
    }


@pytest.fixture(params=sorted(registry.names("generator")))
def spec(request, specs):
    return specs[request.param]


def names(pictures):
    assert all((p.image is None) != (p.error is None) for p in pictures)
    return [p.image and hashlib.sha256(p.image.tobytes()).hexdigest() for p in pictures]


def pixels(pictures):
    return [np.asarray(p.image).astype(int) for p in pictures]


def test_making_one_is_cheap_and_loading_is_repeatable(spec):
    generator = registry.generator(spec)
    assert generator.spec is spec
    generator.load()
    generator.load()


def test_as_many_pictures_as_prompts_all_rgb(spec, prompts):
    pictures = registry.generator(spec).draw(prompts, [0, 1, 0])
    assert len(pictures) == 3
    assert all(p.error is None and p.image.mode == "RGB" for p in pictures)
    assert registry.generator(spec).draw([], []) == []


def test_alone_in_a_batch_and_in_another_order_the_picture_is_the_same(spec, prompts):
    generator = registry.generator(spec)
    items = [(p, s) for p in prompts for s in (0, 1)]
    together = pixels(generator.draw([p for p, _ in items], [s for _, s in items]))
    backwards = pixels(generator.draw([p for p, _ in items[::-1]], [s for _, s in items[::-1]]))
    alone = [pixels(registry.generator(spec).draw([p], [s]))[0] for p, s in items]
    for one, two, three in zip(together, backwards[::-1], alone, strict=True):
        # A device may round a larger batch differently: one step of 255 at most.
        assert np.abs(one - two).max() <= 1
        assert np.abs(one - three).max() <= 1
    distinct = {a.tobytes() for a in together}
    assert len(distinct) == len(items)


def test_nothing_that_is_given_is_changed(spec, prompts):
    before = [p.model_dump() for p in prompts], spec.model_dump()
    seeds = [1, 0, 1]
    registry.generator(spec).draw(prompts, seeds)
    assert ([p.model_dump() for p in prompts], spec.model_dump()) == before
    assert seeds == [1, 0, 1]


def test_realised_is_json(spec, prompts):
    generator = registry.generator(spec)
    generator.draw(prompts[:1], [0])
    facts = generator.realised()
    assert facts
    assert json.loads(json.dumps(facts, allow_nan=False)) == facts


_DRAW = """
import hashlib, json, sys, warnings
warnings.simplefilter("ignore")
from evalkit import registry
from evalkit.records import ModelSpec, Prompt
spec, prompts = json.loads(sys.stdin.read())
drawn = registry.generator(ModelSpec(**spec)).draw(
    [Prompt.model_validate(p) for p in prompts], [0, 1, 1])
print(json.dumps([hashlib.sha256(p.image.tobytes()).hexdigest() for p in drawn]))
"""


def test_another_process_draws_the_same_bytes(spec, prompts, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    given = json.dumps(
        [spec.model_dump(mode="json"), [p.model_dump(by_alias=True) for p in prompts]]
    )
    done = subprocess.run(
        [sys.executable, "-c", _DRAW], input=given, capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout) == names(registry.generator(spec).draw(prompts, [0, 1, 1]))
