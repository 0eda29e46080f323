"""Hold the weights of a pipeline's linear layers at fewer bits, in the blocks of GGUF.

A block is 32 weights of a row with a scale of 16 bits, and in the ``_1`` types their least value
too. A layer is unpacked for the moment in which it is used: what shrinks is memory, not time.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional

from evalkit.errors import SpecError
from evalkit.records import Record


class Held(Record):
    """How one component's linear layers are held."""

    precision: str
    layers: int
    """Layers held at this precision."""
    left: int
    """Layers left as they were, since their rows cannot be cut into whole blocks."""


class PackedLinear(nn.Module):
    """A linear layer whose weight is packed, and unpacked in each call.

    ``weight`` is a property, not the packed bytes, because libraries look at it: T5 casts what
    flows through a layer to the dtype of its weight, which would cut activations down to bytes.
    """

    packed: torch.Tensor
    bias: nn.Parameter | None

    def __init__(self, linear: nn.Linear, precision: str) -> None:
        super().__init__()
        self.in_features, self.out_features = linear.in_features, linear.out_features
        self.dtype = linear.weight.dtype
        self.precision = precision
        self.register_buffer("packed", _pack(linear.weight, precision))
        self.register_parameter("bias", linear.bias)

    @property
    def weight(self) -> torch.Tensor:
        """The weight, unpacked, in the dtype that the layer was made with."""
        return _unpack(self.packed, self.precision).to(self.dtype)

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Apply the layer."""
        return functional.linear(values, self.weight, self.bias)

    def extra_repr(self) -> str:
        """Say what the layer is."""
        return f"{self.in_features}, {self.out_features}, {self.precision}"


def hold(where: str, name: str, component: nn.Module, precision: str) -> Held:
    """Pack the component's linear layers in place; raise SpecError where there is none to pack."""
    block = _sizes(precision)[0]
    found = [
        (module, child, linear)
        for module in component.modules()
        for child, linear in module.named_children()
        if type(linear) is nn.Linear
    ]
    fitting = [f for f in found if f[2].in_features % block == 0]
    if not fitting:
        widths = sorted({linear.in_features for *_, linear in found})
        raise SpecError(
            f"{where}: {name} cannot be held at {precision}, which packs linear layers whose "
            f"width is a multiple of {block}; it has {len(found)} linear layers, of widths "
            f"{widths}. Leave it out of the option 'precision'."
        )
    for module, child, linear in fitting:
        setattr(module, child, PackedLinear(linear, precision))
    return Held(precision=precision, layers=len(fitting), left=len(found) - len(fitting))


def _sizes(precision: str) -> tuple[int, int]:
    """Return how many weights a block has, and how many bytes it takes."""
    import gguf

    weights, size = gguf.GGML_QUANT_SIZES[_kind(precision)]
    return weights, size


def _kind(precision: str) -> Any:
    import gguf

    return gguf.GGMLQuantizationType[precision.upper()]


def _pack(weight: torch.Tensor, precision: str) -> torch.Tensor:
    """Pack [rows, width] into bytes [rows, bytes of a row]."""
    from gguf.quants import quantize

    return torch.from_numpy(quantize(weight.detach().cpu().float().numpy(), _kind(precision)))


def _unpack(packed: torch.Tensor, precision: str) -> torch.Tensor:
    """Unpack to float32 [rows, width], on the device where the bytes are."""
    from diffusers.quantizers.gguf.utils import dequantize_functions

    block, size = _sizes(precision)
    function = dequantize_functions[_kind(precision)]
    values: torch.Tensor = function(packed.view(-1, size), block, size, dtype=torch.float32)
    return values.reshape(len(packed), -1)
