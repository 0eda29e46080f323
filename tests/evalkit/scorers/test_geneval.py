"""The GenEval scorer: rules, detector and colours together; rows as the authors write them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from evalkit import geneval
from evalkit.errors import EvalkitError, WeightsError
from evalkit.records import Prompt, Requirements
from evalkit.scorers.aesthetic import Aesthetic
from evalkit.scorers.clip_score import ClipScore
from evalkit.scorers.detection import Detection
from evalkit.scorers.detections_file import DetectionsFile, Header, write
from evalkit.scorers.geneval import GenEval, Options
from evalkit.scorers.geneval_rows import official_row, read_rows
from evalkit.scorers.pictures import pixel_digest


def noise(seed: int, size: tuple[int, int] = (50, 37)) -> Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def prompt(*include: dict[str, Any], tag: str = "colors", **more: Any) -> Prompt:
    requirements = Requirements.parse({"tag": tag, "include": include, **more})
    return Prompt(id="p", suite="s", text="a photo of it", requirements=requirements)


CAT = {"class": "cat", "count": 1}
RED_CAT = {**CAT, "color": "red"}


@pytest.fixture
def detections(tmp_path: Path) -> Path:
    """A file on two pictures: one with a masked cat and a dog, one with a bare cat."""
    path = tmp_path / "detections.jsonl"
    mask = np.zeros((37, 50), dtype=bool)
    mask[5:20, 5:25] = True
    there = {
        "cat": [Detection((5.0, 5.0, 25.0, 20.0), 0.8, mask)],
        "dog": [Detection((30.0, 5.0, 45.0, 20.0), 0.25)],
    }
    bare = {"cat": [Detection((5.0, 5.0, 25.0, 20.0), 0.8)]}
    header = Header(detector="by-hand", classes=("cat", "dog"))
    write(path, header, [(pixel_digest(noise(0)), there), (pixel_digest(noise(1)), bare)])
    return path


@pytest.fixture
def scorer(checkpoints: Any, detections: Path) -> GenEval:
    return GenEval(colour_weights=checkpoints.clip, detections=detections, device="cpu")


def test_the_verdict_says_what_was_seen(scorer: GenEval) -> None:
    right, wrong = scorer.score([prompt(CAT), prompt({**CAT, "class": "dog"})], [noise(0)] * 2)
    assert right.value == 1.0
    assert right.detail == {
        "correct": True,
        "reason": "",
        "tag": "colors",
        "details": {"cat": [[5.0, 5.0, 25.0, 20.0, pytest.approx(0.8)]]},
    }
    assert wrong.value == 0.0
    assert wrong.detail["reason"] == "expected dog>=1, found 0"


def test_what_counts_depends_on_the_task(scorer: GenEval) -> None:
    (verdict,) = scorer.score([prompt(CAT, tag="counting")], [noise(0)])
    assert (verdict.value, verdict.detail["details"]) == (0.0, {})


def test_a_colour_is_seen(scorer: GenEval) -> None:
    asked = [prompt({**CAT, "color": colour}) for colour in geneval.COLORS]
    values = [v.value for v in scorer.score(asked, [noise(0)] * 10)]
    assert sorted(values) == [0.0] * 9 + [1.0]


def test_a_colour_without_a_mask_is_not_judged(scorer: GenEval) -> None:
    colour, plain = scorer.score([prompt(RED_CAT), prompt(CAT)], [noise(1), noise(1)])
    assert colour.value is None
    assert "'cat' have no masks" in str(colour.reason)
    assert plain.value == 1.0


def test_what_cannot_be_judged_gets_a_reason(scorer: GenEval) -> None:
    asked = [prompt({**CAT, "class": "zebra"}), "a cat", prompt(CAT), prompt(exclude=[])]
    unknown, bare, unseen, empty = scorer.score(asked, [noise(0), noise(0), noise(9), noise(0)])
    assert "does not know the class 'zebra'" in str(unknown.reason)
    assert "'a cat' has no GenEval requirements" in str(bare.reason)
    assert "has no detections of this picture" in str(unseen.reason)
    assert empty.value == 1.0


def test_a_clause_placed_against_nothing_gets_a_reason(scorer: GenEval) -> None:
    (verdict,) = scorer.score([prompt({**CAT, "position": ["above", 3]})], [noise(0)])
    assert "placed against clause 3" in str(verdict.reason)


def test_an_excluded_class_must_be_known_too(scorer: GenEval) -> None:
    (verdict,) = scorer.score([prompt(CAT, exclude=[{"class": "bird", "count": 1}])], [noise(0)])
    assert "'bird'" in str(verdict.reason)


def test_the_options_are_on_the_card_and_count(checkpoints: Any, detections: Path) -> None:
    lenient = GenEval(
        colour_weights=checkpoints.clip, detections=detections, options=Options(threshold=0.2)
    )
    (verdict,) = lenient.score([prompt({**CAT, "class": "dog"})], [noise(0)])
    assert verdict.value == 1.0
    assert lenient.card.options["threshold"] == 0.2
    assert lenient.card.headline == "mean of category means"


def test_the_name_tells_detectors_apart(checkpoints: Any, detections: Path) -> None:
    both = GenEval(checkpoints.detector, checkpoints.clip).card.name
    file = GenEval(colour_weights=checkpoints.clip, detections=detections).card.name
    assert both.startswith("geneval-")
    assert len(both.split("-")) == 3
    assert file == "geneval-by-hand-" + both.split("-")[2]


def test_a_local_copy_of_the_hubs_detector_is_geneval_hf(checkpoints: Any, tmp_path: Path) -> None:
    detector = tmp_path / "mask2former-swin-small-coco-instance"
    colours = tmp_path / "vit_large_patch14_clip_224.openai"
    detector.symlink_to(checkpoints.detector)
    colours.symlink_to(checkpoints.clip)
    for name, made in (("a", detector), ("b", colours)):
        copy = tmp_path / name
        copy.mkdir()
        target = copy / made.name
        target.mkdir()
        for file in made.iterdir():
            (target / file.name).write_bytes(file.read_bytes())
    scorer = GenEval(tmp_path / "a" / detector.name, tmp_path / "b" / colours.name)
    assert scorer.card.name == "geneval-hf"


def test_weights_that_are_not_there_stop_the_scorer(checkpoints: Any, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="No file or folder"):
        GenEval(tmp_path / "gone", checkpoints.clip).load()
    with pytest.raises(WeightsError, match="No file or folder"):
        GenEval(checkpoints.detector, tmp_path / "gone").load()


def test_an_export_gives_the_same_verdicts_again(checkpoints: Any, tmp_path: Path) -> None:
    # Low thresholds, so that random weights find something.
    options = Options(threshold=0.05, counting_threshold=0.05)
    path = tmp_path / "export.jsonl"
    live = GenEval(
        checkpoints.detector, checkpoints.clip, device="cpu", export=path, options=options
    )
    names = ["cat", "dog", "computer mouse", "car"]
    asked = [prompt({**RED_CAT, "class": name}, CAT) for name in names]
    images = [noise(i, size) for i, size in enumerate([(50, 37), (64, 64), (9, 80), (50, 37)])]
    first = live.score(asked, images)
    again = GenEval(colour_weights=checkpoints.clip, detections=path, device="cpu", options=options)
    assert again.score(asked, images) == first
    assert any(v.detail["details"] for v in first)
    assert again.card.name == live.card.name
    assert DetectionsFile(path).classes == {"cat", "dog", "computer mouse", "car"}


def test_a_turned_picture_is_judged_upright(scorer: GenEval) -> None:
    turned = noise(0).transpose(Image.Transpose.ROTATE_90)
    turned.getexif()[0x0112] = 6
    (verdict,) = scorer.score([prompt(CAT)], [turned])
    assert verdict.value == 1.0


def test_rows_are_the_authors(scorer: GenEval, tmp_path: Path) -> None:
    asked = prompt(CAT, exclude=[{"class": "cat", "count": 2}])
    (verdict,) = scorer.score([asked], [noise(0)])
    row = official_row("00000/samples/0000.png", asked, verdict.detail)
    assert list(row) == "filename tag prompt correct reason metadata details".split()
    assert json.loads(row["details"])["cat"][0][:4] == [5.0, 5.0, 25.0, 20.0]
    assert json.loads(row["metadata"])["exclude"] == [{"class": "cat", "count": 2}]
    path = tmp_path / "results.jsonl"
    other = {**row, "filename": "00000/samples/0001.png"}
    path.write_text(f"{json.dumps(row)}\n{json.dumps(other)}\n")
    assert read_rows(path) == [row, other]
    path.write_text(path.read_text() + json.dumps(row))
    with pytest.raises(EvalkitError, match=r"line 3: .*0.png' was judged in line 1"):
        read_rows(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "have no rows"),
        (b"\n\n", "have no rows"),
        (b"nonsense", "line 1: not JSON"),
        (b"[1]", "line 1: expected tag, correct, metadata"),
        (b'\n{"tag": "x", "correct": 1, "metadata": ""}', "line 2: correct is 1"),
        (b'{"tag": [], "correct": true, "metadata": ""}', "line 1: tag is \\[\\], expected a text"),
        (b"\xff", "cannot be read"),
    ],
)
def test_results_that_are_wrong_are_named(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "results.jsonl"
    path.write_bytes(content)
    with pytest.raises(EvalkitError, match=message):
        read_rows(path)
    with pytest.raises(EvalkitError, match="cannot be read"):
        read_rows(tmp_path / "gone.jsonl")


def spoilt(folder: Path, made: Path, key: str) -> Path:
    """Copy a checkpoint with one tensor that is not a number."""
    shutil.copytree(folder, made)
    state = load_file(made / "model.safetensors")
    state[key] = torch.full_like(state[key], float("nan"))
    save_file(state, made / "model.safetensors", metadata={"format": "pt"})
    return made


def test_a_detector_that_gives_no_numbers_is_a_reason_not_a_zero(
    checkpoints: Any, tmp_path: Path
) -> None:
    broken = spoilt(checkpoints.detector, tmp_path / "broken", "class_predictor.weight")
    (found,) = GenEval(broken, checkpoints.clip).score([prompt(CAT)], [noise(0)])
    assert found.value is None
    assert found.reason == "The detector returned NaN or infinity. Check the weights."


def test_colours_that_are_no_numbers_are_a_reason(
    checkpoints: Any, detections: Path, tmp_path: Path
) -> None:
    broken = spoilt(checkpoints.clip, tmp_path / "broken", "visual_projection.weight")
    scorer = GenEval(colour_weights=broken, detections=detections)
    (found,) = scorer.score([prompt({**CAT, "color": "red"})], [noise(0)])
    assert found.value is None
    assert found.reason == "The colour model returned NaN or infinity. Check the weights."
    (other,) = scorer.score([prompt(CAT)], [noise(0)])
    assert other.value is not None


def test_openais_clip_with_another_activation_is_refused(checkpoints: Any, tmp_path: Path) -> None:
    folder = tmp_path / "clip-vit-large-patch14"
    shutil.copytree(checkpoints.clip, folder)
    ClipScore(folder).load()
    config = json.loads((folder / "config.json").read_text())
    config["vision_config"]["hidden_act"] = "gelu"
    (folder / "config.json").write_text(json.dumps(config))
    for scorer in (
        ClipScore(folder),
        Aesthetic(checkpoints.head, folder),
        GenEval(checkpoints.detector, folder),
    ):
        with pytest.raises(WeightsError, match="vision_config the activation 'gelu', but OpenAI's"):
            scorer.load()
