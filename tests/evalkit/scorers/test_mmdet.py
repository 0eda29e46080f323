"""The official detector's checkpoint, converted: total, strict, and the same mathematics."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor
from transformers import AutoConfig, Mask2FormerForUniversalSegmentation

from evalkit.errors import UnknownNameError, WeightsError
from evalkit.geneval import CLASSES
from evalkit.registry import converter
from evalkit.scorers.geneval import GenEval
from evalkit.scorers.mask2former import Mask2Former
from evalkit.scorers.mmdet_mask2former import config_of, convert, read, to_transformers
from evalkit.scorers.pretrained import load
from tests.evalkit.scorers.mmdet import SMALL, Reference, Sizes, random_state

State = dict[str, Tensor]
UNUSED = 2 * 768
"""Numbers in the backbone's last norm, which transformers builds and nothing reads."""


@pytest.fixture(scope="module")
def state() -> State:
    return random_state(SMALL)


@pytest.fixture(scope="module")
def file(state: State, tmp_path_factory: Any) -> Path:
    path = tmp_path_factory.mktemp("mmdet") / "mask2former.pth"
    torch.save({"meta": {"mmdet_version": "2.24.1"}, "state_dict": state}, path)
    return path


@pytest.fixture(scope="module")
def folder(file: Path, tmp_path_factory: Any) -> Path:
    return converter("mmdet-mask2former")(file, tmp_path_factory.mktemp("made") / "folder")


@pytest.fixture(scope="module")
def reference(state: State) -> Callable[[Tensor], dict[str, list[Tensor]]]:
    def run(pixels: Tensor) -> dict[str, list[Tensor]]:
        formulas = Reference(state, SMALL)
        maps = formulas.backbone(pixels)
        features, coarse = formulas.pixel_decoder(maps)
        logits = formulas.queries(features, coarse)
        return {
            "backbone": maps,
            "pixel decoder": [*coarse, features],
            "masks": [masks for _, masks in logits],
            "classes": [logits[-1][0]],
        }

    return run


def layers(folder: Path, pixels: Tensor) -> dict[str, list[Tensor]]:
    model = load(Mask2FormerForUniversalSegmentation, folder)
    with torch.inference_mode():
        out = model(pixel_values=pixels, output_hidden_states=True, output_auxiliary_logits=True)
    return {
        "backbone": list(out.encoder_hidden_states),
        "pixel decoder": [*out.pixel_decoder_hidden_states, out.pixel_decoder_last_hidden_state],
        "masks": [
            *(aux["masks_queries_logits"] for aux in out.auxiliary_logits),
            out.masks_queries_logits,
        ],
        "classes": [out.class_queries_logits],
    }


def apart(a: dict[str, list[Tensor]], b: dict[str, list[Tensor]]) -> dict[str, float]:
    """Return the largest difference of each part, in units of what it holds."""
    return {
        part: max(
            float((x - y).abs().max() / x.abs().max())
            for x, y in zip(a[part], b[part], strict=True)
        )
        for part in a
    }


@pytest.mark.parametrize("size", [(128, 160), (192, 128)])
def test_every_layer_gives_what_mmdets_formulas_give(
    folder: Path, reference: Any, size: tuple[int, int]
) -> None:
    torch.manual_seed(1)
    pixels = torch.randn(2, 3, *size)
    difference = apart(reference(pixels), layers(folder, pixels))
    assert max(difference.values()) < 1e-4, difference


def swapped(one: str, other: str, within: str = "") -> Callable[[State], State]:
    def name(key: str) -> str:
        mark = "\0"
        renamed = key.replace(one, mark).replace(other, one).replace(mark, other)
        return renamed if within in key else key

    return lambda state: {name(k): v for k, v in state.items()}


def changed(part: str, change: Callable[[Tensor], Tensor]) -> Callable[[State], State]:
    return lambda state: {k: change(v) if part in k else v for k, v in state.items()}


def unfolded(value: Tensor) -> Tensor:
    """Undo the reordering of patch merging: what mmdet's file holds."""
    return value.unflatten(-1, (4, -1))[..., [0, 2, 1, 3], :].transpose(-1, -2).flatten(-2)


TRAPS = {
    "queries are not keys": swapped("self.query.", "self.key."),
    "values are not keys": swapped("self.value.", "self.key."),
    "patch merging reads columns first": changed("downsample.reduction", unfolded),
    "so does its norm": changed("downsample.norm", unfolded),
    "positions are not mirrored": changed("relative_position_bias_table", lambda t: t.flip(0)),
    "the first norm is before attention": swapped("layernorm_before", "layernorm_after"),
    "cross attention comes first": swapped(
        ".cross_attn_layer_norm", ".self_attn_layer_norm", "transformer_module"
    ),
    "what a query is, is not where it is": swapped("queries_embedder", "queries_features"),
    "the queries' own attention is in three": swapped("self_attn.q_proj", "self_attn.v_proj"),
    "levels are coarsest first": changed("decoder.level_embed", lambda t: t.flip(0)),
    "so are the queries' levels": changed("module.level_embed.weight", lambda t: t.flip(0)),
    "each stage has its own norm": changed("hidden_states_norms", torch.zeros_like),
}


@pytest.mark.parametrize("wrong", TRAPS.values(), ids=TRAPS)
def test_every_trap_would_be_seen(
    folder: Path, state: State, reference: Any, tmp_path: Path, wrong: Callable[[State], State]
) -> None:
    for name in ("config.json", "preprocessor_config.json"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    mistaken = {k: v.contiguous().clone() for k, v in wrong(to_transformers(state)).items()}
    save_file(mistaken, tmp_path / "model.safetensors", metadata={"format": "pt"})
    torch.manual_seed(2)
    pixels = torch.randn(1, 3, 128, 128)
    difference = apart(reference(pixels), layers(tmp_path, pixels))
    assert max(difference.values()) > 1e-2, difference


def test_the_official_names_and_shapes_fill_the_official_network() -> None:
    state = random_state(Sizes(), device="meta")
    found = to_transformers(state)
    config = config_of(state)
    assert config["backbone_config"]["depths"] == [2, 2, 18, 2]
    assert config["backbone_config"]["num_heads"] == [3, 6, 12, 24]
    assert (config["num_attention_heads"], config["decoder_layers"]) == (8, 10)
    with torch.device("meta"):
        made = AutoConfig.for_model(**config)
        network = Mask2FormerForUniversalSegmentation(made)
    wanted = {k: v for k, v in network.named_parameters() if "swin.layernorm" not in k}
    assert Counter(v.shape for v in found.values()) == Counter(v.shape for v in wanted.values())
    assert sum(math.prod(v.shape) for v in found.values()) == 68_741_083 - UNUSED


def test_the_folder_is_read_as_genevals_detector(folder: Path, checkpoints: Any) -> None:
    detector = Mask2Former(folder, device=torch.device("cpu"))
    assert detector.classes == set(CLASSES)
    assert detector._preparation.fit == (1333, 800)
    assert detector._preparation.opencv
    scorer = GenEval(folder, checkpoints.clip)
    assert scorer.card.name.startswith("geneval-")
    assert "mmdet" not in scorer.card.name


def test_only_the_official_file_makes_the_official_name(
    folder: Path, checkpoints: Any, tmp_path: Path
) -> None:
    for one in folder.iterdir():
        (tmp_path / one.name).write_bytes(one.read_bytes())
    (tmp_path / "conversion.json").write_text(json.dumps({"sha256": "743b7d99" + "0" * 56}))
    assert GenEval(tmp_path, checkpoints.clip).card.name.startswith("geneval-mmdet-")


def test_a_tensor_that_is_not_understood_is_named(state: State) -> None:
    with pytest.raises(WeightsError, match=r"1 of \d+ tensors are none of mmdet 2.x's"):
        to_transformers({**state, "ema_backbone_norm": torch.zeros(1)})
    strange = {**state, "backbone.stages.0.blocks.0.attn.w_msa.relative_position_index": None}
    strange[next(k for k in state if k.endswith("position_index"))] = torch.zeros(9, 9).long()
    with pytest.raises(WeightsError, match="in an unknown order"):
        to_transformers(strange)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: {**s, "backbone.stages.0.blocks.0.attn.spare": torch.zeros(1)}, "unexpected"),
        (lambda s: {k: v for k, v in s.items() if "post_norm" not in k}, "missing keys"),
        (lambda s: {k: v for k, v in s.items() if "query_feat" not in k}, "has no tensor"),
        (lambda s: {**s, "panoptic_head.cls_embed.weight": torch.zeros(134, 32)}, "133 classes"),
        (lambda s: {**s, "a": 1}, "holds no state_dict of tensors"),
    ],
)
def test_another_checkpoint_is_refused(
    state: State, tmp_path: Path, change: Any, message: str
) -> None:
    torch.save({"state_dict": change(state)}, tmp_path / "x.pth")
    with pytest.raises(WeightsError, match=message):
        convert(tmp_path / "x.pth", tmp_path / "out")


def test_what_is_no_checkpoint_or_has_no_room_is_refused(file: Path, tmp_path: Path) -> None:
    (tmp_path / "x.pth").write_bytes(b"no")
    with pytest.raises(WeightsError, match="cannot be read as a checkpoint"):
        read(tmp_path / "x.pth")
    with pytest.raises(WeightsError, match="is not empty"):
        convert(file, tmp_path)
    with pytest.raises(UnknownNameError, match="Unknown kind of checkpoint 'mmdet'"):
        converter("mmdet")
