"""The detector's read-out, and detections as files."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as nps
from PIL import Image

from evalkit.errors import EvalkitError, WeightsError
from evalkit.scorers.detection import Detection
from evalkit.scorers.detections_file import (
    DetectionsFile,
    Header,
    Runs,
    decompress,
    encode,
    mask_of,
    write,
)
from evalkit.scorers.mask2former import (
    COCO_FIT,
    Frame,
    Mask2Former,
    Preparation,
    instances,
    tight_box,
)
from evalkit.scorers.pictures import pixel_digest

CPU = torch.device("cpu")


def noise(seed: int, size: tuple[int, int] = (50, 37)) -> Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def all_at_once(classes: torch.Tensor, masks: torch.Tensor, frame: Frame) -> list[Any]:
    """The read-out with every pair's mask in memory, in mmdet's order of steps."""
    count = classes.shape[1] - 1
    flat = torch.softmax(classes, dim=1)[:, :count].reshape(-1)
    best = sorted(range(len(flat)), key=lambda i: -float(flat[i]))[:100]
    big = torch.nn.functional.interpolate(
        masks[None], size=frame.padded[::-1], mode="bilinear", align_corners=False
    )
    big = big[..., : frame.resized[1], : frame.resized[0]]
    big = torch.nn.functional.interpolate(
        big, size=frame.original[::-1], mode="bilinear", align_corners=False
    )[0]
    rows = []
    for i in best:
        mask = big[i // count]
        inside = (mask > 0).float()
        surety = (mask.sigmoid() * inside).sum() / (inside.sum() + 1e-6)
        rows.append((i % count, float(flat[i] * surety), inside.bool().numpy()))
    return rows


@pytest.mark.parametrize("queries", [3, 40])
def test_the_read_out_is_mmdets(queries: int) -> None:
    torch.manual_seed(queries)
    classes, masks = torch.randn(queries, 5) * 3, torch.randn(queries, 8, 16)
    frame = Frame(padded=(64, 32), resized=(61, 30), original=(47, 23))
    found = instances(classes, masks, frame, floor=-1.0)
    expected = all_at_once(classes, masks, frame)
    assert len(found) == len(expected) == min(100, queries * 4)
    for (label, detection), (wanted, score, mask) in zip(found, expected, strict=True):
        assert label == wanted
        assert detection.score == pytest.approx(score, abs=1e-6)
        assert detection.mask is not None
        assert np.array_equal(detection.mask, mask)


def test_one_query_may_be_two_objects_and_an_empty_mask_scores_nothing() -> None:
    classes = torch.tensor([[2.0, 2.0, -9.0], [9.0, -9.0, -9.0]])
    masks = torch.stack([torch.full((4, 4), 9.0), torch.full((4, 4), -9.0)])
    frame = Frame((16, 16), (16, 16), (16, 16))
    found = instances(classes, masks, frame)
    assert sorted(label for label, _ in found) == [0, 1]
    assert {d.box for _, d in found} == {(0.0, 0.0, 16.0, 16.0)}
    assert [float(d.score) for _, d in found] == pytest.approx([0.5, 0.5], abs=1e-3)
    everything = instances(classes, masks, frame, floor=-1.0)
    assert [(float(d.score), d.box) for _, d in everything if not d.mask.any()] == [
        (0.0, (0.0, 0.0, 0.0, 0.0))
    ] * 2


def test_the_floor_leaves_out_what_scores_it() -> None:
    torch.manual_seed(0)
    classes, masks = torch.randn(9, 5) * 3, torch.randn(9, 8, 8)
    frame = Frame((32, 32), (32, 32), (20, 20))
    everything = [float(d.score) for _, d in instances(classes, masks, frame, floor=-1.0)]
    bar = sorted(everything)[len(everything) // 2]
    some = [float(d.score) for _, d in instances(classes, masks, frame, floor=bar)]
    assert some == [s for s in everything if s > bar]


def test_a_tight_box_has_exclusive_ends() -> None:
    mask = np.zeros((6, 9), dtype=bool)
    mask[2:4, 5] = True
    assert tight_box(mask) == (5.0, 2.0, 6.0, 4.0)


@pytest.mark.parametrize(
    ("size", "resized"),
    [
        ((512, 512), (800, 800)),
        ((1024, 1024), (800, 800)),
        ((640, 480), (1067, 800)),
        ((300, 1000), (400, 1333)),
        ((1, 4000), (1, 1333)),
    ],
)
def test_pictures_are_fit_as_genevals_detector_does(size: Any, resized: Any) -> None:
    preparation = Preparation(COCO_FIT, None, (0.5,), (0.5,), 32, 2)
    assert preparation.size_of(size) == resized
    assert all(side % 32 == 0 for side in preparation.padded(resized))


@pytest.mark.parametrize(
    ("config", "size", "resized"),
    [
        ({"size": {"height": 48, "width": 96}}, (50, 50), (96, 48)),
        ({"size": {"shortest_edge": 40, "longest_edge": 60}}, (50, 100), (30, 60)),
        ({"size": 40, "max_size": 60}, (50, 50), (40, 40)),
        ({"size": {"height": 48, "width": 48}, "do_resize": False}, (50, 51), (50, 51)),
        ({}, (50, 51), (50, 51)),
    ],
)
def test_the_size_is_that_of_the_preprocessor_config(
    tmp_path: Path, config: Any, size: Any, resized: Any
) -> None:
    path = tmp_path / "preprocessor_config.json"
    path.write_text(json.dumps(config))
    assert Preparation.read(path, None).size_of(size) == resized
    if config.get("do_resize", True):
        assert Preparation.read(path, (96, 64)).size_of((96, 64)) == (96, 64)


def test_a_checkpoint_is_read_in_genevals_spelling(checkpoints: Any) -> None:
    detector = Mask2Former(checkpoints.detector, device=CPU)
    assert detector.classes == {"cat", "dog", "computer mouse", "car"}
    (found,) = detector.detect([noise(0)])
    assert found
    assert all(d.mask.shape == (37, 50) for ds in found.values() for d in ds)
    assert all(d.box == tight_box(d.mask) for ds in found.values() for d in ds)


def test_a_batch_of_mixed_sizes_changes_nothing(checkpoints: Any) -> None:
    detector = Mask2Former(checkpoints.detector, device=CPU, batch_size=2)
    images = [noise(i, s) for i, s in enumerate([(50, 37), (64, 64), (37, 50), (50, 37), (50, 37)])]
    together = detector.detect(images)
    for image, found in zip(images, together, strict=True):
        (alone,) = detector.detect([image])
        assert alone.keys() == found.keys()
        for name in alone:
            ours, theirs = alone[name], found[name]
            assert [d.score for d in ours] == pytest.approx([d.score for d in theirs], abs=1e-5)
            assert [d.box for d in ours] == [d.box for d in theirs]


def test_a_checkpoint_that_does_not_fit_is_refused(checkpoints: Any, tmp_path: Path) -> None:
    folder = tmp_path / "detector"
    shutil.copytree(checkpoints.detector, folder)
    config = json.loads((folder / "config.json").read_text())
    config["decoder_layers"] += 1
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(WeightsError, match="missing keys"):
        Mask2Former(folder, device=CPU)
    (folder / "model.safetensors").write_bytes(b"")
    with pytest.raises(
        WeightsError, match="holds no Mask2FormerForUniversalSegmentation that loads"
    ):
        Mask2Former(folder, device=CPU)
    (folder / "preprocessor_config.json").write_text("[]")
    with pytest.raises(WeightsError, match="holds list, not a JSON object"):
        Mask2Former(folder, device=CPU)


@settings(max_examples=150)
@given(nps.arrays(bool, st.tuples(st.integers(1, 9), st.integers(1, 9))))
def test_masks_survive_the_run_length_code(mask: Any) -> None:
    assert np.array_equal(mask_of(Runs(**encode(mask))), mask)


def test_cocos_compressed_code_is_read() -> None:
    # pycocotools' own string for a 4x5 picture with rows 1-2 of columns 1-3 set.
    mask = np.zeros((4, 5), dtype=bool)
    mask[1:3, 1:4] = True
    assert encode(mask)["counts"] == [5, 2, 2, 2, 2, 2, 5]
    assert decompress("5220003") == [5, 2, 2, 2, 2, 2, 5]
    assert decompress("") == []


def test_large_and_negative_groups_of_the_compressed_code() -> None:
    def compressed(counts: list[int]) -> str:
        text = ""
        for i, count in enumerate(counts):
            value = count - counts[i - 2] if i > 2 else count
            more = True
            while more:
                group, value = value & 31, value >> 5
                more = not ((value == 0 and not group & 16) or (value == -1 and group & 16))
                text += chr((group | 32 if more else group) + 48)
        return text

    for counts in ([0, 16, 1], [1000, 15, 31, 32, 5, 4096, 70000], [3], [40, 1, 900, 1, 2]):
        assert decompress(compressed(counts)) == counts


@pytest.mark.parametrize("text", ["P", "5p", " 5", "é"])
def test_a_string_that_is_no_code_is_refused(text: str) -> None:
    with pytest.raises(EvalkitError, match="not COCO's compressed"):
        decompress(text)


def test_a_mask_of_the_wrong_length_is_refused() -> None:
    with pytest.raises(EvalkitError, match="sum to 7 pixels, but its size is 2x4"):
        mask_of(Runs(size=(2, 4), counts=(3, 4)))


HEADER = Header(detector="mine", classes=("cat", "dog"))


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path, image = tmp_path / "some" / "d.jsonl", noise(0, (4, 3))
    mask = np.eye(3, 4, dtype=bool)
    score: Any = np.float32(0.3)
    found = {"cat": [Detection((0.0, 1.0, 4.0, 3.0), score, mask), Detection((0, 0, 1, 1), 1.0)]}
    write(path, HEADER, [("0" * 64, {})])
    write(path, HEADER, [(pixel_digest(image), {}), (pixel_digest(image), found)])
    file = DetectionsFile(path)
    (seen, unseen) = file.detect([image, noise(1)])
    assert unseen is None
    assert file.classes == {"cat", "dog"}
    assert seen == found
    assert not seen["cat"][0].score > 0.3
    assert np.array_equal(seen["cat"][0].mask, mask)
    assert seen["cat"][1].mask is None


def test_a_picture_may_be_named_by_its_file(tmp_path: Path) -> None:
    noise(3).save(tmp_path / "a.png")
    row = {"filename": "a.png", "found": {"cat": [{"box": [0, 0, 2, 2], "score": 0.5}]}}
    path = tmp_path / "d.jsonl"
    path.write_text("\n".join([HEADER.model_dump_json(), "", json.dumps(row), ""]))
    (found,) = DetectionsFile(path).detect([noise(3)])
    assert found == {"cat": [Detection((0.0, 0.0, 2.0, 2.0), 0.5)]}


def test_two_detectors_do_not_share_a_file(tmp_path: Path) -> None:
    path = tmp_path / "d.jsonl"
    write(path, HEADER, [])
    with pytest.raises(EvalkitError, match="holds detections of 'mine', not of 'other'"):
        write(path, Header(detector="other"), [])


PIXELS = "0" * 64


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("nonsense", "line 2: row: Invalid JSON"),
        ({"found": {}}, "expected either pixels or filename"),
        ({"pixels": PIXELS, "filename": "a", "found": {}}, "either pixels or filename"),
        ({"pixels": "abc", "found": {}}, "line 2: pixels"),
        ({"pixels": PIXELS, "found": {"zebra": []}}, "'zebra' is not among the file's classes"),
        ({"pixels": PIXELS, "found": {"cat": [{"box": [0, 0, 1, 1]}]}}, "found.cat.0.score"),
        (
            {"pixels": PIXELS, "found": {"cat": [{"box": [0, 0, 1, 1], "score": 1.1}]}},
            "less than or equal to 1, found '1.1'",
        ),
        (
            {"pixels": PIXELS, "found": {"cat": [{"box": [2, 0, 1, 1], "score": 1}]}},
            "x1 <= x2",
        ),
        ({"filename": "gone.png", "found": {}}, "gone.png of the detections is not there"),
    ],
)
def test_a_line_that_is_wrong_is_named(tmp_path: Path, row: Any, message: str) -> None:
    path = tmp_path / "d.jsonl"
    text = row if isinstance(row, str) else json.dumps(row)
    path.write_text(HEADER.model_dump_json() + "\n" + text + "\n")
    with pytest.raises(EvalkitError, match=message):
        DetectionsFile(path)


@pytest.mark.parametrize("content", [b"", b"\n", b"{}", b"\xff\xfe", b'{"detector": "A B"}'])
def test_a_file_that_is_no_file_of_detections_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "d.jsonl"
    path.write_bytes(content)
    with pytest.raises(EvalkitError, match=r"d.jsonl"):
        DetectionsFile(path)
    with pytest.raises(EvalkitError, match="cannot be read"):
        DetectionsFile(tmp_path / "gone.jsonl")
