"""mmdet 2.x's Mask2Former with a Swin backbone in transformers' layout: every tensor, none twice.

GenEval's own detector is ``mask2former_swin-s-p4-w7-224_lsj_8x2_50e_coco`` of
https://github.com/open-mmlab/mmdetection (2.x). What is written has the names of the hub's files,
which every transformers reads, and the sizes of the network, which are read off the shapes.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from evalkit.errors import WeightsError
from evalkit.geneval import CLASSES
from evalkit.scorers.detection import CONVERSION
from evalkit.scorers.pretrained import load

State = Mapping[str, Tensor]
Renamed = Iterator[tuple[str, Tensor]]

LEVELS, POINTS = 3, 4
"""Of the deformable attention; transformers builds no other."""
PREPARATION = {
    "do_resize": True,
    "size": {"shortest_edge": 800, "longest_edge": 1333},
    "size_divisor": 32,
    "image_mean": [0.485, 0.456, 0.406],
    "image_std": [0.229, 0.224, 0.225],
    "resample": 2,
    "resize_like": "opencv",
}
"""mmdet's test pipeline; its OpenCV does not smooth when it makes a picture smaller."""

_ENCODER = "model.pixel_level_module.encoder"
_PIXELS = "model.pixel_level_module.decoder"
_QUERIES = "model.transformer_module"
_NAMES: tuple[tuple[str, str], ...] = (
    (r"backbone\.patch_embed\.projection", rf"{_ENCODER}.embeddings.patch_embeddings.projection"),
    (r"backbone\.patch_embed\.norm", rf"{_ENCODER}.embeddings.norm"),
    (
        r"backbone\.stages\.(\d+)\.blocks\.(\d+)\.",
        rf"{_ENCODER}.encoder.layers.\1.blocks.\2.",
    ),
    (r"backbone\.stages\.(\d+)\.downsample\.", rf"{_ENCODER}.encoder.layers.\1.downsample."),
    (r"backbone\.norm0", rf"{_ENCODER}.hidden_states_norms.stage1"),
    (r"backbone\.norm1", rf"{_ENCODER}.hidden_states_norms.stage2"),
    (r"backbone\.norm2", rf"{_ENCODER}.hidden_states_norms.stage3"),
    (r"backbone\.norm3", rf"{_ENCODER}.hidden_states_norms.stage4"),
    (r"panoptic_head\.pixel_decoder\.input_convs\.(\d)\.", rf"{_PIXELS}.input_projections.\1."),
    (r"panoptic_head\.pixel_decoder\.lateral_convs\.0\.", rf"{_PIXELS}.adapter_1."),
    (r"panoptic_head\.pixel_decoder\.output_convs\.0\.", rf"{_PIXELS}.layer_1."),
    (r"panoptic_head\.pixel_decoder\.mask_feature", rf"{_PIXELS}.mask_projection"),
    (r"panoptic_head\.pixel_decoder\.level_encoding\.weight", rf"{_PIXELS}.level_embed"),
    (
        r"panoptic_head\.pixel_decoder\.encoder\.layers\.(\d+)\.",
        rf"{_PIXELS}.encoder.layers.\1.",
    ),
    (
        r"panoptic_head\.transformer_decoder\.layers\.(\d+)\.",
        rf"{_QUERIES}.decoder.layers.\1.",
    ),
    (r"panoptic_head\.transformer_decoder\.post_norm", rf"{_QUERIES}.decoder.layernorm"),
    (r"panoptic_head\.query_embed", rf"{_QUERIES}.queries_embedder"),
    (r"panoptic_head\.query_feat", rf"{_QUERIES}.queries_features"),
    (r"panoptic_head\.level_embed", rf"{_QUERIES}.level_embed"),
    (r"panoptic_head\.cls_embed", "class_predictor"),
    (r"panoptic_head\.mask_embed\.0", rf"{_QUERIES}.decoder.mask_predictor.mask_embedder.0.0"),
    (r"panoptic_head\.mask_embed\.2", rf"{_QUERIES}.decoder.mask_predictor.mask_embedder.1.0"),
    (r"panoptic_head\.mask_embed\.4", rf"{_QUERIES}.decoder.mask_predictor.mask_embedder.2.0"),
)
"""How mmdet's keys begin, and transformers' in their place."""
_PARTS: Mapping[str, tuple[tuple[str, str], ...]] = {
    "backbone.stages": (
        ("norm1.", "layernorm_before."),
        ("norm2.", "layernorm_after."),
        ("attn.w_msa.relative_position_bias_table", "attention.self.relative_position_bias_table"),
        ("attn.w_msa.proj.", "attention.output.dense."),
        ("ffn.layers.0.0.", "intermediate.dense."),
        ("ffn.layers.1.", "output.dense."),
    ),
    "panoptic_head.pixel_decoder": (
        (".conv.", ".0."),
        (".gn.", ".1."),
        (".attentions.0.", ".self_attn."),
        (".norms.0.", ".self_attn_layer_norm."),
        (".norms.1.", ".final_layer_norm."),
        (".ffns.0.layers.0.0.", ".fc1."),
        (".ffns.0.layers.1.", ".fc2."),
    ),
    "panoptic_head.transformer_decoder": (
        (".attentions.0.attn.", ".cross_attn."),
        (".attentions.1.attn.out_proj.", ".self_attn.out_proj."),
        (".norms.0.", ".cross_attn_layer_norm."),
        (".norms.1.", ".self_attn_layer_norm."),
        (".norms.2.", ".final_layer_norm."),
        (".ffns.0.layers.0.0.", ".fc1."),
        (".ffns.0.layers.1.", ".fc2."),
    ),
}
"""What is called otherwise further on in the keys that begin so."""
_INDEX = ".relative_position_index"
_SHIFTED = re.compile(r"(.*)\.attn\.w_msa\.qkv\.(weight|bias)")
_QUERIED = re.compile(r"(.*)\.attentions\.1\.attn\.in_proj_(weight|bias)")
_MERGED = re.compile(r"downsample\.(norm\.weight|norm\.bias|reduction\.weight)$")


def convert(file: Path, out: Path) -> Path:
    """Write a checkpoint of mmdet's as a folder that ``Mask2Former`` loads; check that it does."""
    from safetensors.torch import save_file
    from transformers import Mask2FormerForUniversalSegmentation

    state = read(file)
    if out.exists() and any(out.iterdir()):
        raise WeightsError(f"The folder {out} is not empty. Name another, or remove it.")
    converted = {k: v.float().contiguous().clone() for k, v in to_transformers(state).items()}
    config = config_of(state)
    out.mkdir(parents=True, exist_ok=True)
    save_file(converted, out / "model.safetensors", metadata={"format": "pt"})
    with file.open("rb") as stream:
        origin = {"file": file.name, "sha256": hashlib.file_digest(stream, "sha256").hexdigest()}
    files = {"config.json": config, "preprocessor_config.json": PREPARATION, CONVERSION: origin}
    for name, content in files.items():
        (out / name).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    load(Mask2FormerForUniversalSegmentation, out)
    return out


def read(file: Path) -> dict[str, Tensor]:
    """Read the tensors of a checkpoint without running what it may hold besides."""
    try:
        found: Any = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # a corrupt pickle raises anything
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise WeightsError(f"{file} cannot be read as a checkpoint: {reason}") from error
    state = found.get("state_dict", found) if isinstance(found, Mapping) else None
    if not isinstance(state, Mapping) or not all(torch.is_tensor(v) for v in state.values()):
        raise WeightsError(f"{file} holds no state_dict of tensors. Give mmdet's .pth file.")
    return {str(k): v for k, v in state.items()}


def to_transformers(state: State) -> dict[str, Tensor]:
    """Return the tensors under the hub's names; a key that is not understood is an error."""
    found: dict[str, Tensor] = {}
    strange = []
    for key, value in state.items():
        if key.endswith(_INDEX):
            _check_index(key, value)
            continue
        pairs = list(_renamed(key, value))
        strange += [key] if not pairs else []
        found |= dict(pairs)
    if strange:
        raise WeightsError(
            f"{len(strange)} of {len(state)} tensors are none of mmdet 2.x's Mask2Former with "
            f"Swin: {', '.join(sorted(strange)[:3])}. mmdet 3 names them otherwise; take the file "
            "that GenEval names."
        )
    return found


def _renamed(key: str, value: Tensor) -> Renamed:
    """Yield where a tensor goes; queries, keys and values, stacked by mmdet, go three ways."""
    if (stacked := _SHIFTED.fullmatch(key)) and (start := _begin(stacked[1] + ".")):
        for name, part in zip(("query", "key", "value"), value.chunk(3), strict=True):
            yield f"{start}attention.self.{name}.{stacked[2]}", part
    elif (stacked := _QUERIED.fullmatch(key)) and (start := _begin(stacked[1] + ".")):
        for name, part in zip("qkv", value.chunk(3), strict=True):
            yield f"{start}self_attn.{name}_proj.{stacked[2]}", part
    elif new := _begin(key):
        for begin, parts in _PARTS.items():
            for old, other in parts if key.startswith(begin) else ():
                new = new.replace(old, other)
        yield new, merged(value) if _MERGED.search(key) else value


def _begin(key: str) -> str | None:
    for pattern, start in _NAMES:
        if found := re.match(pattern, key):
            return found.expand(start) + key[found.end() :]
    return None


def merged(value: Tensor) -> Tensor:
    """Reorder what patch merging reads.

    mmdet unfolds: a channel's four pixels beside each other, row by row. transformers puts four
    pictures beside each other, column by column.
    """
    apart = value.reshape(*value.shape[:-1], -1, 4)[..., [0, 2, 1, 3]]
    return apart.transpose(-1, -2).flatten(-2)


def _check_index(key: str, value: Tensor) -> None:
    """Check that the table of relative positions is read in Swin's order, as transformers does."""
    side = math.isqrt(len(value))
    place = torch.arange(side)
    apart = (place[:, None] - place) + side - 1
    rows, columns = apart[:, None, :, None], apart[None, :, None, :]
    if not torch.equal(value.cpu(), (rows * (2 * side - 1) + columns).reshape(value.shape)):
        raise WeightsError(f"{key} reads the table of relative positions in an unknown order.")


def config_of(state: State) -> dict[str, Any]:
    """Return ``config.json``: all sizes from the shapes, GenEval's classes in the detector's order.

    The heads of the queries' attention leave no trace in shapes; they are as many as the pixels'.
    """
    try:
        return _config(state)
    except KeyError as error:
        raise WeightsError(f"The checkpoint has no tensor {error}. Is the file whole?") from error


def _config(state: State) -> dict[str, Any]:
    shape: Callable[[str], torch.Size] = lambda key: state[key].shape  # noqa: E731  a short name
    head, pixels = "panoptic_head", "panoptic_head.pixel_decoder"
    layer = f"{pixels}.encoder.layers.0"
    classes = shape(f"{head}.cls_embed.weight")[0] - 1
    if classes != len(CLASSES):
        raise WeightsError(f"The detector knows {classes} classes, GenEval's knows {len(CLASSES)}.")
    width = shape(f"{pixels}.mask_feature.weight")
    return {
        "architectures": ["Mask2FormerForUniversalSegmentation"],
        "model_type": "mask2former",
        "backbone_config": _backbone(state),
        "feature_size": width[1],
        "mask_feature_size": width[0],
        "hidden_dim": shape(f"{head}.query_feat.weight")[1],
        "num_queries": shape(f"{head}.query_feat.weight")[0],
        "num_attention_heads": shape(f"{layer}.attentions.0.attention_weights.weight")[0]
        // (LEVELS * POINTS),
        "encoder_layers": _count(state, rf"{re.escape(pixels)}\.encoder\.layers\.(\d+)\."),
        "encoder_feedforward_dim": shape(f"{layer}.ffns.0.layers.0.0.weight")[0],
        # transformers counts the prediction before the first layer too.
        "decoder_layers": _count(state, r"panoptic_head\.transformer_decoder\.layers\.(\d+)\.") + 1,
        "dim_feedforward": shape(f"{head}.transformer_decoder.layers.0.ffns.0.layers.0.0.weight")[
            0
        ],
        "dropout": 0.0,
        "id2label": {str(i): name for i, name in enumerate(CLASSES)},
        "label2id": {name: i for i, name in enumerate(CLASSES)},
    }


def _backbone(state: State) -> dict[str, Any]:
    stages = range(_count(state, r"backbone\.stages\.(\d+)\."))
    block = "backbone.stages.{}.blocks.0."
    tables = [state[f"{block.format(i)}attn.w_msa.relative_position_bias_table"] for i in stages]
    patches = state["backbone.patch_embed.projection.weight"].shape
    wide = state[block.format(0) + "ffn.layers.0.0.weight"].shape
    return {
        "model_type": "swin",
        "embed_dim": patches[0],
        "patch_size": patches[2],
        "depths": [_count(state, rf"backbone\.stages\.{i}\.blocks\.(\d+)\.") for i in stages],
        "num_heads": [table.shape[1] for table in tables],
        "window_size": (math.isqrt(tables[0].shape[0]) + 1) // 2,
        "mlp_ratio": wide[0] / wide[1],
        "out_features": [f"stage{i + 1}" for i in stages],
    }


def _count(state: State, pattern: str) -> int:
    return len({found[1] for key in state if (found := re.match(pattern, key))})
