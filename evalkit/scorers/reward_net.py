"""ImageReward's network (arXiv 2304.05977) in transformers' BLIP classes, and its official keys.

The vision tower's geometry is read off the tensors' shapes, the text encoder's off
``med_config.json`` (BERT's field names; its ``encoder_width`` is ignored, as in the original: the
width of the vision tower decides). Shapes do not tell the number of attention heads of the vision
tower: it is width / 64, as in every ViT of the original, unless ``med_config.json`` holds the key
``vision_num_attention_heads``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import islice, pairwise
from math import isqrt
from typing import Any, cast

import torch
from torch import Tensor, nn
from transformers import BlipTextConfig, BlipVisionConfig, BlipVisionModel
from transformers.models.blip.modeling_blip_text import BlipTextModel

from evalkit.errors import WeightsError

REWARD_MEAN = 0.16717362830052426
REWARD_STD = 1.0333394966054072
VISION_LAYER_NORM_EPS = 1e-6
HEAD_WIDTH = 64
VISION_HEADS_KEY = "vision_num_attention_heads"
HEAD_LAYERS = (0, 2, 4, 6, 7)
"""Where the linear layers sit in ``mlp.layers``; between them are dropouts, and no activation."""

UNUSED = (
    "blip.vision_proj.weight",
    "blip.vision_proj.bias",
    "blip.text_proj.weight",
    "blip.text_proj.bias",
    "blip.text_encoder.embeddings.position_ids",
)
"""What the official file holds beyond the reward: BLIP's projections, and a constant buffer."""

_TEXT_SIZES = (
    "vocab_size",
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
    "max_position_embeddings",
)
_VISION, _TEXT = "blip.visual_encoder.", "blip.text_encoder."
_NAMES: tuple[tuple[str, str], ...] = (
    ("cls_token", "embeddings.class_embedding"),
    ("pos_embed", "embeddings.position_embedding"),
    ("patch_embed.proj.", "embeddings.patch_embedding."),
    ("norm.", "post_layernorm."),
)
_BLOCK_NAMES: tuple[tuple[str, str], ...] = (
    ("norm1.", "layer_norm1."),
    ("norm2.", "layer_norm2."),
    ("attn.qkv.", "self_attn.qkv."),
    ("attn.proj.", "self_attn.projection."),
    ("mlp.", "mlp."),
)


@dataclass(frozen=True)
class Geometry:
    """The sizes of an ImageReward network; the official one's are the defaults."""

    vision_width: int = 1024
    vision_depth: int = 24
    vision_heads: int = 16
    vision_mlp: int = 4096
    patch_size: int = 16
    image_size: int = 224
    head: tuple[int, ...] = (1024, 128, 64, 16, 1)


class RewardNet(nn.Module):
    """Score pictures against texts: (n, 3, s, s) pixels and (n, t) tokens -> (n,) rewards.

    ``med_config`` is the content of ``med_config.json``. The reward is standardised with the
    official mean and deviation: about N(0, 1) over the authors' pictures, unbounded.
    """

    def __init__(self, geometry: Geometry, med_config: Mapping[str, Any]) -> None:
        super().__init__()
        self.geometry = geometry
        self.vision = BlipVisionModel(_vision_config(geometry))
        text_config = _text_config(med_config, geometry.vision_width)
        self.text = BlipTextModel(text_config, add_pooling_layer=False)
        self.head = _Head(int(text_config.hidden_size), geometry.head)

    @property
    def max_tokens(self) -> int:
        """The longest text that the text encoder has positions for."""
        return int(self.text.config.max_position_embeddings)

    def forward(self, pixels: Tensor, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Return the standardised reward of each pair."""
        return self.judge(self.see(pixels), input_ids, attention_mask)

    def see(self, pixels: Tensor) -> Tensor:
        """Encode pictures, which does not depend on the texts: (n, patches + 1, width)."""
        return cast(Tensor, self.vision(pixel_values=pixels).last_hidden_state)

    def judge(self, features: Tensor, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Read texts with the pictures' features in sight; the first token gives the reward."""
        seen = torch.ones(features.shape[:2], dtype=torch.long, device=features.device)
        output = self.text(
            input_ids=input_ids,
            attention_mask=attention_mask,
            encoder_hidden_states=features,
            encoder_attention_mask=seen,
            is_decoder=False,
        )
        reward = self.head(output.last_hidden_state[:, 0])[:, 0]
        return cast(Tensor, (reward - REWARD_MEAN) / REWARD_STD)


class _Head(nn.Module):
    """Five linear layers with dropouts and, on purpose, no activation: one affine map."""

    def __init__(self, width: int, widths: tuple[int, ...]) -> None:
        super().__init__()
        sizes = (width, *widths)
        first, second, third, *rest = (nn.Linear(a, b) for a, b in pairwise(sizes))
        dropped = [first, nn.Dropout(0.2), second, nn.Dropout(0.2), third, nn.Dropout(0.1)]
        self.layers = nn.Sequential(*dropped, *rest)

    def forward(self, features: Tensor) -> Tensor:
        return cast(Tensor, self.layers(features))


def _vision_config(geometry: Geometry) -> BlipVisionConfig:
    return BlipVisionConfig(
        hidden_size=geometry.vision_width,
        intermediate_size=geometry.vision_mlp,
        num_hidden_layers=geometry.vision_depth,
        num_attention_heads=geometry.vision_heads,
        image_size=geometry.image_size,
        patch_size=geometry.patch_size,
        hidden_act="gelu",
        layer_norm_eps=VISION_LAYER_NORM_EPS,
        attention_dropout=0.0,
    )


def _text_config(med_config: Mapping[str, Any], vision_width: int) -> BlipTextConfig:
    sizes = {name: med_config.get(name) for name in _TEXT_SIZES}
    for name, size in sizes.items():
        if not isinstance(size, int) or size < 1:
            raise WeightsError(
                f"In med_config.json {name} is {size!r}, expected a whole number from 1. "
                "Take the file that came with the weights."
            )
    if med_config["hidden_size"] % med_config["num_attention_heads"]:
        raise WeightsError(
            f"In med_config.json hidden_size {sizes['hidden_size']} is no multiple of "
            f"{sizes['num_attention_heads']}, the num_attention_heads."
        )
    return BlipTextConfig(
        **sizes,
        encoder_hidden_size=vision_width,
        hidden_act=med_config.get("hidden_act", "gelu"),
        layer_norm_eps=med_config.get("layer_norm_eps", 1e-12),
        hidden_dropout_prob=med_config.get("hidden_dropout_prob", 0.1),
        attention_probs_dropout_prob=med_config.get("attention_probs_dropout_prob", 0.1),
        pad_token_id=med_config.get("pad_token_id", 0),
        bos_token_id=None,
        eos_token_id=None,
        sep_token_id=None,
        is_decoder=True,  # builds the cross-attention; the calls say is_decoder=False
    )


def geometry_of(state: Mapping[str, Tensor], med_config: Mapping[str, Any]) -> Geometry:
    """Read the sizes off an official state dict; raise WeightsError where they make no sense."""
    try:
        width = int(state[f"{_VISION}cls_token"].shape[-1])
        patch = int(state[f"{_VISION}patch_embed.proj.weight"].shape[-1])
        side = isqrt(int(state[f"{_VISION}pos_embed"].shape[1]) - 1)
        mlp = int(state[f"{_VISION}blocks.0.mlp.fc1.weight"].shape[0])
        head = tuple(int(state[f"mlp.layers.{i}.weight"].shape[0]) for i in HEAD_LAYERS)
    except (KeyError, IndexError) as error:
        raise WeightsError(
            f"These are not ImageReward's weights: {error} is missing or misshapen. "
            "ImageReward.pt holds keys like 'blip.visual_encoder.cls_token'."
        ) from None
    heads = med_config.get(VISION_HEADS_KEY, width // HEAD_WIDTH)
    if not isinstance(heads, int) or heads < 1 or width % heads:
        raise WeightsError(
            f"A vision tower of width {width} cannot have {heads!r} attention heads. "
            f"Set {VISION_HEADS_KEY!r} in med_config.json."
        )
    blocks = {m[1] for key in state if (m := re.match(rf"{_VISION}blocks\.(\d+)\.", key))}
    return Geometry(width, len(blocks), heads, mlp, patch, patch * side, head)


def from_official(state: Mapping[str, Tensor], med_config: Mapping[str, Any]) -> RewardNet:
    """Build the network that a state dict in the official naming holds, in evaluation mode.

    Total and strict: a key that is missing, left over (but for ``UNUSED``) or of the wrong shape
    raises WeightsError.
    """
    model = RewardNet(geometry_of(state, med_config), med_config)
    wanted = to_official(model)
    _refuse("missing from", wanted.keys() - state.keys())
    _refuse("unknown in", state.keys() - wanted.keys() - set(UNUSED))
    _refuse(
        "of the wrong shape in",
        (
            f"{key} {tuple(state[key].shape)} instead of {tuple(tensor.shape)}"
            for key, tensor in wanted.items()
            if state[key].shape != tensor.shape
        ),
    )
    with torch.no_grad():
        for key, tensor in wanted.items():
            tensor.copy_(state[key])
    return model.eval()


def _refuse(fault: str, keys: Iterable[str]) -> None:
    found = sorted(keys)
    if found:
        shown = ", ".join(islice(found, 3)) + (", ..." if len(found) > 3 else "")
        raise WeightsError(
            f"{len(found)} of ImageReward's tensors are {fault} the weights: {shown}. "
            "Check that med_config.json belongs to them."
        )


def to_official(model: RewardNet) -> dict[str, Tensor]:
    """Return the network's tensors under their official keys, sharing its memory.

    The two unused projections are not among them; the authors' own loader does not miss them.
    """
    state = {f"{_VISION}{_official(k)}": v for k, v in model.vision.state_dict().items()}
    state |= {f"{_TEXT}{k}": v for k, v in model.text.state_dict().items()}
    return state | {f"mlp.{k}": v for k, v in model.head.state_dict().items()}


def _official(key: str) -> str:
    prefix, names = "", _NAMES
    if match := re.match(r"encoder\.layers\.(\d+)\.", key):
        prefix, names, key = f"blocks.{match[1]}.", _BLOCK_NAMES, key[match.end() :]
    for theirs, ours in names:
        if key.startswith(ours):
            return prefix + theirs + key.removeprefix(ours)
    raise KeyError(key)
