"""The benchmark of the miniature's pipelines: what it counts, writes and keeps."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("diffusers")

from benchmarks import miniature
from benchmarks.frechet import Reference
from evalkit import catalogue, prompts
from evalkit.errors import EvalkitError
from evalkit.geneval import TASKS
from evalkit.prompts import Suite
from evalkit.records import ModelSpec
from evalkit.runs import Run
from tests.evalkit.generators.conftest import NUMPY_GRUMBLE

ENTRY = """
[{name}]
title = "M"
generator = "diffusers"
weights = "{weights}"
steps = {steps}
guidance = {guidance}
width = 32
height = 32
tags = ["miniature"]
options = {{ call = {{ max_sequence_length = 2 }} }}
"""


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory):
    from tests.evalkit.generators.checkpoints import build

    folder = tmp_path_factory.mktemp("sd3") / "sd3"
    build("sd3", folder)
    return folder


def suite(every):
    whole = prompts.load("miniature")
    return Suite(whole.name, whole.prompts[::every])


def test_the_sheet_shows_two_prompts_of_each_task():
    whole = prompts.load("miniature").prompts
    tasks = [whole[i].category for i in miniature.SHOWN]
    assert sorted(tasks) == sorted([*TASKS, *TASKS])
    assert len(set(miniature.SHOWN)) == 12


def test_what_is_compared_is_named_once_and_in_the_catalogue_s_way():
    names = {n for pair in miniature.COMPARED for n in pair}
    assert all(n.startswith("mini-") for n in names)
    assert all(a != b for a, b in miniature.COMPARED)


def test_bytes_are_those_of_what_is_loaded(tmp_path):
    for path, size in (
        ("base/model_index.json", 10),
        ("base/transformer/w.safetensors", 100),
        ("base/text_encoder_3/w.safetensors", 1000),
        ("base/curve.png", 9999),
        ("lora/l.safetensors", 7),
        ("lora/training.json", 9999),
    ):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(b"0" * size)
    adapter = {"kind": "lora", "weights": str(tmp_path / "lora"), "file": "l.safetensors"}

    def stored(**options):
        where = str(tmp_path / "base")
        return miniature.stored(
            ModelSpec(name="m", generator="diffusers", weights=where, options=options)
        )

    assert stored() == (1110, 0)
    assert stored(drop=["text_encoder_3"], adapters=[adapter]) == (110, 7)


def test_models_without_weights_are_left_out_aloud(tmp_path, monkeypatch, capsys):
    (tmp_path / "here").mkdir()
    monkeypatch.setattr("evalkit.weights.MINIATURE_ROOT", tmp_path)
    path = tmp_path / "c.toml"
    entries = [
        ENTRY.format(name=n, weights=f"miniature/{n}", steps=1, guidance=1)
        for n in ("here", "gone")
    ]
    path.write_text("".join(entries))
    known = catalogue.load(path)
    assert [e.name for e in miniature.chosen(known, [])] == ["here"]
    assert "left out, for lack of weights: gone" in capsys.readouterr().err
    assert [e.name for e in miniature.chosen(known, ["gone"])] == ["gone"]
    with pytest.raises(EvalkitError, match="has weights"):
        miniature.chosen({"gone": known["gone"]}, [])


def test_scenes_are_near_each_other_and_the_autoencoder_a_little_off():
    eye, some = miniature.Eye(), suite(4)
    reference = Reference(eye.scenes(some, range(8)))
    found = miniature.floors(eye, some, reference, 8, 4)
    clean, through = (np.array(values) for values in found.values())
    assert len(clean) == len(through) == miniature.FLOOR_DRAWS
    assert clean.min() > 0
    assert clean.mean() < through.mean()
    grey = eye.features([Image.new("RGB", (64, 64), (n, n, n)) for n in range(40)], ["p"] * 40)
    assert miniature.PER_CENT * reference.of(grey) > 5 * through.max()


@NUMPY_GRUMBLE
@pytest.mark.slow
def test_from_pipelines_to_tables_and_on_after_a_kill(tmp_path, pipeline, monkeypatch, capsys):
    monkeypatch.setattr(miniature, "COMPARED", {("tiny-1", "tiny"): "what is asked"})
    path = tmp_path / "c.toml"
    text = ENTRY.format(name="tiny", weights=pipeline, steps=2, guidance=3)
    path.write_text(text + ENTRY.format(name="tiny-1", weights=pipeline, steps=1, guidance=3))
    asked = {
        "run": tmp_path / "runs" / "r",
        "out": tmp_path / "out",
        "model": ["tiny", "tiny-1"],
        "seeds": 2,
        "limit": 4,
        "reference": 2,
        "timed": 2,
        "catalogue_file": [path],
    }
    miniature.main(batch=3, **asked)
    printed = capsys.readouterr().out
    page = (tmp_path / "out" / "tables.md").read_text(encoding="utf-8")
    assert page in printed
    assert "no line is about a published\nmodel of that name" in page
    for block in re.findall(r"(?:^\|.*\n)+", page, re.MULTILINE):
        assert len({line.count("|") for line in block.splitlines()}) == 1
    assert "tiny-1 less tiny" in page
    assert "what is asked" in page
    figures = json.loads((tmp_path / "out" / "figures.json").read_text())
    assert [m["model"] for m in figures["models"]] == ["tiny", "tiny-1"]
    assert [m["cost"]["evaluations"] for m in figures["models"]] == [4, 2]
    assert all(m["cost"]["seconds"] > 0 for m in figures["models"])
    assert figures["differences"][0]["scores"]["geneval-miniature"]["difference"]["total"] == 8
    with Image.open(tmp_path / "out" / "sheet.png") as sheet:
        assert min(sheet.size) > 100
    before = Run.open(asked["run"]).generations()
    assert len(before) == 16
    monkeypatch.delattr("evalkit.generate._draw")  # nothing is left to draw
    assert "Seconds: the median of 2 pictures" in page
    miniature.main(batch=1, **{**asked, "timed": 0})
    assert Run.open(asked["run"]).generations() == before
    assert (
        json.loads((tmp_path / "out" / "figures.json").read_text())["models"][0]["cost"]["seconds"]
        is None
    )
    assert "not measured" in (tmp_path / "out" / "tables.md").read_text(encoding="utf-8")
