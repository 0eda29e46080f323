"""A small suite, and runs drawn by a generator that costs nothing."""

from __future__ import annotations

import json

import pytest

from evalkit import registry
from evalkit.engine import Local
from evalkit.generate import generate, open_or_create
from evalkit.prompts import load
from evalkit.records import ModelSpec


@pytest.fixture
def suite(tmp_path):
    lines = [
        {"text": f"a photo of thing {i}", "category": "odd" if i % 2 else "even"} for i in range(6)
    ]
    path = tmp_path / "things.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    return load(path)


@pytest.fixture
def noise(monkeypatch):
    """Make the specs of free generators, known to the registry."""
    known = {**registry.GENERATORS, "noise": "tests.fakes:Noise"}
    monkeypatch.setattr(registry, "GENERATORS", known)

    def spec(name="noise", **options):
        return ModelSpec(name=name, generator="noise", options=options)

    return spec


@pytest.fixture
def drawn(tmp_path, suite, noise):
    """A complete run of two models, six prompts and two seeds."""
    specs = [noise("plain"), noise("fancy", flavour=1)]
    run = open_or_create(tmp_path / "runs" / "demo", suite, specs, range(2))
    generate(run, Local(), batch=5)
    return run
