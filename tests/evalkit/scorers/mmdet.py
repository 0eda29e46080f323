"""mmdet 2.x's Mask2Former with Swin, written out on its own state dict: names, shapes, formulas.

After mmdet/models/backbones/swin.py, mmdet/models/utils/transformer.py (PatchMerging),
mmdet/models/plugins/msdeformattn_pixel_decoder.py, mmdet/models/dense_heads/mask2former_head.py of
mmdetection 2.x, and mmcv 1.7's ConvModule, FFN, MultiheadAttention and
MultiScaleDeformableAttention.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

LEVELS, POINTS = 3, 4


@dataclass(frozen=True)
class Sizes:
    """What mmdet's config file states."""

    embed: int = 96
    depths: tuple[int, ...] = (2, 2, 18, 2)
    heads: tuple[int, ...] = (3, 6, 12, 24)
    window: int = 7
    width: int = 256
    attention_heads: int = 8
    pixel_layers: int = 6
    pixel_ffn: int = 1024
    query_layers: int = 9
    query_ffn: int = 2048
    queries: int = 100
    classes: int = 80


SMALL = Sizes(16, (2, 2, 2, 2), (1, 2, 2, 4), 3, 32, 4, 2, 48, 4, 40, 6)


def shapes(s: Sizes) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Yield the names and shapes of mmdet's ``Mask2Former.state_dict()``."""
    yield from _affine("backbone.patch_embed.projection", s.embed, 3, 4, 4)
    yield from _norm("backbone.patch_embed.norm", s.embed)
    for i, (depth, heads) in enumerate(zip(s.depths, s.heads, strict=True)):
        wide = s.embed * 2**i
        for j in range(depth):
            block = f"backbone.stages.{i}.blocks.{j}"
            yield from _norm(f"{block}.norm1", wide)
            yield (
                f"{block}.attn.w_msa.relative_position_bias_table",
                ((2 * s.window - 1) ** 2, heads),
            )
            yield f"{block}.attn.w_msa.relative_position_index", (s.window**2, s.window**2)
            yield from _affine(f"{block}.attn.w_msa.qkv", 3 * wide, wide)
            yield from _affine(f"{block}.attn.w_msa.proj", wide, wide)
            yield from _norm(f"{block}.norm2", wide)
            yield from _affine(f"{block}.ffn.layers.0.0", 4 * wide, wide)
            yield from _affine(f"{block}.ffn.layers.1", wide, 4 * wide)
        if i < len(s.depths) - 1:
            yield from _norm(f"backbone.stages.{i}.downsample.norm", 4 * wide)
            yield f"backbone.stages.{i}.downsample.reduction.weight", (2 * wide, 4 * wide)
    for i in range(len(s.depths)):
        yield from _norm(f"backbone.norm{i}", s.embed * 2**i)
    yield from _pixel_shapes(s, "panoptic_head.pixel_decoder")
    yield from _query_shapes(s, "panoptic_head")


def _pixel_shapes(s: Sizes, head: str) -> Iterator[tuple[str, tuple[int, ...]]]:
    w = s.width
    for i in range(LEVELS):
        yield from _affine(f"{head}.input_convs.{i}.conv", w, s.embed * 2 ** (3 - i), 1, 1)
        yield from _norm(f"{head}.input_convs.{i}.gn", w)
    for i in range(s.pixel_layers):
        layer = f"{head}.encoder.layers.{i}"
        samples = s.attention_heads * LEVELS * POINTS
        yield from _affine(f"{layer}.attentions.0.sampling_offsets", 2 * samples, w)
        yield from _affine(f"{layer}.attentions.0.attention_weights", samples, w)
        yield from _affine(f"{layer}.attentions.0.value_proj", w, w)
        yield from _affine(f"{layer}.attentions.0.output_proj", w, w)
        yield from _affine(f"{layer}.ffns.0.layers.0.0", s.pixel_ffn, w)
        yield from _affine(f"{layer}.ffns.0.layers.1", w, s.pixel_ffn)
        yield from _norm(f"{layer}.norms.0", w)
        yield from _norm(f"{layer}.norms.1", w)
    yield f"{head}.level_encoding.weight", (LEVELS, w)
    yield f"{head}.lateral_convs.0.conv.weight", (w, s.embed, 1, 1)
    yield from _norm(f"{head}.lateral_convs.0.gn", w)
    yield f"{head}.output_convs.0.conv.weight", (w, w, 3, 3)
    yield from _norm(f"{head}.output_convs.0.gn", w)
    yield from _affine(f"{head}.mask_feature", w, w, 1, 1)


def _query_shapes(s: Sizes, head: str) -> Iterator[tuple[str, tuple[int, ...]]]:
    w = s.width
    for i in range(s.query_layers):
        layer = f"{head}.transformer_decoder.layers.{i}"
        for j in range(2):
            attention = f"{layer}.attentions.{j}.attn"
            yield f"{attention}.in_proj_weight", (3 * w, w)
            yield f"{attention}.in_proj_bias", (3 * w,)
            yield from _affine(f"{attention}.out_proj", w, w)
        yield from _affine(f"{layer}.ffns.0.layers.0.0", s.query_ffn, w)
        yield from _affine(f"{layer}.ffns.0.layers.1", w, s.query_ffn)
        for j in range(3):
            yield from _norm(f"{layer}.norms.{j}", w)
    yield from _norm(f"{head}.transformer_decoder.post_norm", w)
    yield f"{head}.query_embed.weight", (s.queries, w)
    yield f"{head}.query_feat.weight", (s.queries, w)
    yield f"{head}.level_embed.weight", (LEVELS, w)
    yield from _affine(f"{head}.cls_embed", s.classes + 1, w)
    for i in (0, 2, 4):
        yield from _affine(f"{head}.mask_embed.{i}", w, w)


def _affine(name: str, out: int, *inside: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    yield f"{name}.weight", (out, *inside)
    yield f"{name}.bias", (out,)


def _norm(name: str, width: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    yield f"{name}.weight", (width,)
    yield f"{name}.bias", (width,)


def random_state(s: Sizes, *, device: str = "cpu") -> dict[str, Tensor]:
    """Draw a state dict of these names and shapes; on ``meta`` nothing is drawn."""
    torch.manual_seed(7)
    state = {}
    for name, shape in shapes(s):
        if name.endswith("relative_position_index"):
            state[name] = position_index(s.window)
        else:
            scale = (
                0.3 if len(shape) == 1 or "table" in name else 1.5 / math.sqrt(math.prod(shape[1:]))
            )
            centre = float("norm" in name and name.endswith("weight"))
            state[name] = torch.randn(shape, device=device) * scale + centre
    return state


def position_index(window: int) -> Tensor:
    """``WindowMSA.relative_position_index``, in mmdet's own way of computing it."""
    rows = torch.arange(0, (2 * window - 1) * window, 2 * window - 1)
    steps = (rows[:, None] + torch.arange(window)[None]).reshape(1, -1)
    return (steps + steps.T).flip(1).contiguous()


class Reference:
    """The formulas of one forward pass; ``state`` is mmdet's."""

    def __init__(self, state: dict[str, Tensor], sizes: Sizes) -> None:
        self.state, self.s = state, sizes

    def _linear(self, x: Tensor, name: str) -> Tensor:
        return F.linear(x, self.state[f"{name}.weight"], self.state.get(f"{name}.bias"))

    def _layer_norm(self, x: Tensor, name: str) -> Tensor:
        weight = self.state[f"{name}.weight"]
        return F.layer_norm(x, weight.shape, weight, self.state[f"{name}.bias"])

    def _conv(self, x: Tensor, name: str, padding: int = 0) -> Tensor:
        bias = self.state.get(f"{name}.conv.bias")
        x = F.conv2d(x, self.state[f"{name}.conv.weight"], bias, padding=padding)
        return F.group_norm(x, 32, self.state[f"{name}.gn.weight"], self.state[f"{name}.gn.bias"])

    def backbone(self, pixels: Tensor) -> list[Tensor]:
        """``SwinTransformer.forward``: the maps of the four stages, finest first."""
        weight = self.state["backbone.patch_embed.projection.weight"]
        bias = self.state["backbone.patch_embed.projection.bias"]
        x = F.conv2d(pixels, weight, bias, stride=4)
        height, width = x.shape[2:]
        x = self._layer_norm(x.flatten(2).transpose(1, 2), "backbone.patch_embed.norm")
        maps = []
        for i, depth in enumerate(self.s.depths):
            for j in range(depth):
                x = self._block(x, (height, width), i, j)
            normed = self._layer_norm(x, f"backbone.norm{i}")
            maps.append(normed.reshape(len(x), height, width, -1).permute(0, 3, 1, 2))
            if i < len(self.s.depths) - 1:
                x = self._merge(x, (height, width), f"backbone.stages.{i}.downsample")
                height, width = -(-height // 2), -(-width // 2)
        return maps

    def _merge(self, x: Tensor, size: tuple[int, int], name: str) -> Tensor:
        x = x.reshape(len(x), *size, -1).permute(0, 3, 1, 2)
        x = F.pad(x, (0, size[1] % 2, 0, size[0] % 2))
        x = F.unfold(x, kernel_size=2, stride=2).transpose(1, 2)
        return self._linear(self._layer_norm(x, f"{name}.norm"), f"{name}.reduction")

    def _block(self, x: Tensor, size: tuple[int, int], i: int, j: int) -> Tensor:
        name = f"backbone.stages.{i}.blocks.{j}"
        shift = self.s.window // 2 if j % 2 else 0
        x = x + self._windows(self._layer_norm(x, f"{name}.norm1"), size, shift, name, i)
        hidden = F.gelu(
            self._linear(self._layer_norm(x, f"{name}.norm2"), f"{name}.ffn.layers.0.0")
        )
        return x + self._linear(hidden, f"{name}.ffn.layers.1")

    def _windows(self, x: Tensor, size: tuple[int, int], shift: int, name: str, i: int) -> Tensor:
        side, (height, width) = self.s.window, size
        right, below = -width % side, -height % side
        x = F.pad(x.reshape(len(x), height, width, -1), (0, 0, 0, right, 0, below))
        region = torch.zeros(1, *x.shape[1:3], 1)
        if shift:
            x = x.roll((-shift, -shift), (1, 2))
            parts = (slice(0, -side), slice(-side, -shift), slice(-shift, None))
            for n, (rows, columns) in enumerate((r, c) for r in parts for c in parts):
                region[:, rows, columns] = n
        region = self._cut(region, side)[..., 0]
        mask = torch.where(region[:, None] == region[:, :, None], 0.0, -100.0)
        out = self._attend(self._cut(x, side), mask, f"{name}.attn.w_msa", self.s.heads[i])
        tall, wide = x.shape[1] // side, x.shape[2] // side
        out = out.reshape(len(x), tall, wide, side, side, -1).permute(0, 1, 3, 2, 4, 5)
        out = out.reshape(x.shape).roll((shift, shift), (1, 2))
        return out[:, :height, :width].reshape(len(x), height * width, -1)

    @staticmethod
    def _cut(x: Tensor, side: int) -> Tensor:
        n, height, width, channels = x.shape
        x = x.reshape(n, height // side, side, width // side, side, channels)
        return x.permute(0, 1, 3, 2, 4, 5).reshape(-1, side * side, channels)

    def _attend(self, x: Tensor, mask: Tensor, name: str, heads: int) -> Tensor:
        n, area, channels = x.shape
        qkv = self._linear(x, f"{name}.qkv").reshape(n, area, 3, heads, channels // heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        table = self.state[f"{name}.relative_position_bias_table"]
        index = self.state[f"{name}.relative_position_index"].reshape(-1)
        bias = table[index].reshape(area, area, heads).permute(2, 0, 1)
        scores = (q * (channels // heads) ** -0.5) @ k.transpose(-2, -1) + bias
        scores = scores.reshape(-1, len(mask), heads, area, area) + mask[:, None]
        mixed = scores.reshape(n, heads, area, area).softmax(-1) @ v
        return self._linear(mixed.transpose(1, 2).reshape(n, area, channels), f"{name}.proj")

    def positions(self, x: Tensor) -> Tensor:
        """``SinePositionalEncoding(num_feats=width / 2, normalize=True)``, as (1, h * w, width)."""
        height, width = x.shape[2:]
        features = self.s.width // 2
        rows = torch.arange(1, height + 1) / (height + 1e-6) * 2 * math.pi
        columns = torch.arange(1, width + 1) / (width + 1e-6) * 2 * math.pi
        step = torch.arange(features)
        period = 10000 ** (2 * torch.div(step, 2, rounding_mode="floor") / features)

        def waves(at: Tensor) -> Tensor:
            turned = at[:, None] / period
            return torch.stack([turned[:, 0::2].sin(), turned[:, 1::2].cos()], 2).flatten(1)

        y = waves(rows)[:, None].expand(height, width, features)
        x = waves(columns)[None].expand(height, width, features)
        return torch.cat([y, x], dim=2).reshape(1, height * width, -1)

    def pixel_decoder(self, maps: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """``MSDeformAttnPixelDecoder.forward``: mask features, and three maps, coarsest first."""
        head = "panoptic_head.pixel_decoder"
        inputs, places, points, grid = [], [], [], []
        for i, x in enumerate(maps[:0:-1]):
            height, width = x.shape[2:]
            inputs.append(self._conv(x, f"{head}.input_convs.{i}").flatten(2).transpose(1, 2))
            level = self.state[f"{head}.level_encoding.weight"][i]
            places.append(self.positions(x) + level)
            y, z = torch.meshgrid(
                (torch.arange(height) + 0.5) / height,
                (torch.arange(width) + 0.5) / width,
                indexing="ij",
            )
            points.append(torch.stack([z, y], -1).reshape(-1, 2))
            grid.append((height, width))
        x, place, point = torch.cat(inputs, 1), torch.cat(places, 1), torch.cat(points)
        for i in range(self.s.pixel_layers):
            layer = f"{head}.encoder.layers.{i}"
            x = x + self._deformed(x, place, point, grid, f"{layer}.attentions.0")
            x = self._layer_norm(x, f"{layer}.norms.0")
            x = self._layer_norm(x + self._feed(x, f"{layer}.ffns.0"), f"{layer}.norms.1")
        parts = x.split([h * w for h, w in grid], dim=1)
        found = [
            p.transpose(1, 2).reshape(len(p), -1, *size)
            for p, size in zip(parts, grid, strict=True)
        ]
        fine = self._conv(maps[0], f"{head}.lateral_convs.0")
        up = F.interpolate(found[-1], fine.shape[-2:], mode="bilinear", align_corners=False)
        fine = self._conv(fine + up, f"{head}.output_convs.0", padding=1).relu()
        weight = self.state[f"{head}.mask_feature.weight"]
        return F.conv2d(fine, weight, self.state[f"{head}.mask_feature.bias"]), found

    def _feed(self, x: Tensor, name: str) -> Tensor:
        return self._linear(self._linear(x, f"{name}.layers.0.0").relu(), f"{name}.layers.1")

    def _deformed(
        self, x: Tensor, place: Tensor, point: Tensor, grid: list[tuple[int, int]], name: str
    ) -> Tensor:
        n, count, width = x.shape
        heads = self.s.attention_heads
        value = self._linear(x, f"{name}.value_proj").reshape(n, count, heads, -1)
        shape = (n, count, heads, LEVELS, POINTS)
        offsets = self._linear(x + place, f"{name}.sampling_offsets").reshape(*shape, 2)
        weights = self._linear(x + place, f"{name}.attention_weights").reshape(*shape[:3], -1)
        weights = weights.softmax(-1).reshape(shape)
        total = torch.zeros(n, heads, width // heads, count)
        start = 0
        for level, (tall, wide) in enumerate(grid):
            here = value[:, start : start + tall * wide]
            start += tall * wide
            image = here.permute(0, 2, 3, 1).reshape(n * heads, -1, tall, wide)
            at = point[None, :, None, None] + offsets[:, :, :, level] / torch.tensor([wide, tall])
            at = (2 * at - 1).transpose(1, 2).reshape(n * heads, count, POINTS, 2)
            seen = F.grid_sample(image, at, align_corners=False)
            seen = seen.reshape(n, heads, -1, count, POINTS)
            total += (seen * weights[:, :, :, level].transpose(1, 2)[:, :, None]).sum(-1)
        return self._linear(
            total.permute(0, 3, 1, 2).reshape(n, count, width), f"{name}.output_proj"
        )

    def queries(self, features: Tensor, maps: list[Tensor]) -> list[tuple[Tensor, Tensor]]:
        """``Mask2FormerHead.forward``: class and mask logits before and after each layer."""
        head, n = "panoptic_head", len(features)
        levels = self.state[f"{head}.level_embed.weight"]
        keys = [x.flatten(2).transpose(1, 2) + levels[i] for i, x in enumerate(maps)]
        places = [self.positions(x) for x in maps]
        x = self.state[f"{head}.query_feat.weight"].expand(n, -1, -1)
        place = self.state[f"{head}.query_embed.weight"]
        found = [self._heads(x, features)]
        for i in range(self.s.query_layers):
            level = i % LEVELS
            layer = f"{head}.transformer_decoder.layers.{i}"
            away = F.interpolate(
                found[-1][1], maps[level].shape[-2:], mode="bilinear", align_corners=False
            )
            away = away.flatten(2).sigmoid() < 0.5
            away[away.all(-1)] = False
            key = keys[level]
            x = x + self._multi_head(
                x + place, key + places[level], key, f"{layer}.attentions.0.attn", away
            )
            x = self._layer_norm(x, f"{layer}.norms.0")
            x = x + self._multi_head(x + place, x + place, x, f"{layer}.attentions.1.attn")
            x = self._layer_norm(x, f"{layer}.norms.1")
            x = self._layer_norm(x + self._feed(x, f"{layer}.ffns.0"), f"{layer}.norms.2")
            found.append(self._heads(x, features))
        return found

    def _multi_head(
        self, q: Tensor, k: Tensor, v: Tensor, name: str, away: Tensor | None = None
    ) -> Tensor:
        heads = self.s.attention_heads
        weights = self.state[f"{name}.in_proj_weight"].chunk(3)
        biases = self.state[f"{name}.in_proj_bias"].chunk(3)
        q, k, v = (
            F.linear(x, w, b).unflatten(-1, (heads, -1)).transpose(1, 2)
            for x, w, b in zip((q, k, v), weights, biases, strict=True)
        )
        scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])
        if away is not None:
            scores = scores.masked_fill(away[:, None], -math.inf)
        mixed = (scores.softmax(-1) @ v).transpose(1, 2).flatten(2)
        return self._linear(mixed, f"{name}.out_proj")

    def _heads(self, x: Tensor, features: Tensor) -> tuple[Tensor, Tensor]:
        head = "panoptic_head"
        x = self._layer_norm(x, f"{head}.transformer_decoder.post_norm")
        mask = self._linear(x, f"{head}.mask_embed.0").relu()
        mask = self._linear(mask, f"{head}.mask_embed.2").relu()
        mask = self._linear(mask, f"{head}.mask_embed.4")
        return self._linear(x, f"{head}.cls_embed"), torch.einsum("nqc,nchw->nqhw", mask, features)
