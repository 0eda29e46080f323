"""Weights held at fewer bits: how many bytes, how near the picture, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from gguf.quants import dequantize
from safetensors.torch import save_file
from torch import nn
from transformers import T5Config, T5EncoderModel

from evalkit.errors import MissingPackageError, SpecError
from evalkit.generators import pipelines
from evalkit.generators.pipelines import Diffusers
from evalkit.generators.quantisation import Held, PackedLinear, hold
from evalkit.generators.recipe import PRECISIONS
from tests.evalkit.generators.conftest import NUMPY_GRUMBLE, difference, draw, pixels

pytestmark = NUMPY_GRUMBLE
STEPS = {"q8_0": 255, "q5_1": 31, "q5_0": 31, "q4_1": 15, "q4_0": 15}
"""Steps between the values at the ends of a block."""


def linear(width=64, rows=48, dtype=torch.float32, *, bias=True):
    torch.manual_seed(0)
    return nn.Linear(width, rows, bias=bias, dtype=dtype)


def moved(one, other):
    """Return the mean difference of two pictures, in steps of 1/255."""
    return np.abs(pixels(one) - pixels(other)).mean()


# --- a layer ------------------------------------------------------------------------------------


def test_each_precision_takes_the_bits_that_it_says():
    for precision, bits in PRECISIONS.items():
        assert 8 * PackedLinear(linear(), precision).packed.nbytes == bits * 64 * 48


@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_weight_moves_by_a_step_of_its_block_at_most(precision):
    layer = linear()
    found = PackedLinear(layer, precision).weight
    blocks = layer.weight.detach().view(-1, 32)
    # The types without a least value reach as far below nothing as above it.
    reach = torch.where(
        torch.tensor(precision.endswith("_1")),
        blocks.amax(1) - blocks.amin(1),
        2 * blocks.abs().amax(1),
    )
    error = (found - layer.weight).view(-1, 32).abs().amax(1)
    assert error.max() > 0
    assert (error <= 1.01 * reach / STEPS[precision]).all()


@pytest.mark.parametrize("precision", PRECISIONS)
def test_the_packed_bytes_are_those_of_the_format(precision):
    """The format's own reader, in NumPy, finds the same values."""
    from gguf import GGMLQuantizationType

    layer = PackedLinear(linear(), precision)
    expected = dequantize(layer.packed.numpy(), GGMLQuantizationType[precision.upper()])
    np.testing.assert_allclose(layer.weight.numpy(), expected, rtol=1e-6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("bias", [True, False])
def test_a_layer_works_in_its_own_dtype(dtype, bias):
    layer = linear(dtype=dtype, bias=bias)
    packed = PackedLinear(layer, "q8_0")
    values = torch.randn(3, 5, 64, dtype=dtype)
    found, expected = packed(values), layer(values)
    assert found.dtype == expected.dtype == dtype
    assert torch.allclose(found, expected, atol=0.03)


def test_the_weights_of_zeros_stay_zeros():
    layer = linear()
    nn.init.zeros_(layer.weight)
    for precision in PRECISIONS:
        assert not PackedLinear(layer, precision).weight.any()


def test_what_cannot_be_cut_into_blocks_is_left_and_counted():
    model = nn.ModuleDict({"wide": linear(64), "odd": linear(40), "conv": nn.Conv2d(32, 32, 1)})
    odd = model["odd"]
    assert hold("Model 'm'", "net", model, "q8_0") == Held(precision="q8_0", layers=1, left=1)
    assert isinstance(model["wide"], PackedLinear)
    assert model["odd"] is odd
    assert isinstance(model["conv"], nn.Conv2d)


def test_a_component_of_which_nothing_can_be_held_is_refused():
    model = nn.ModuleList([linear(40), linear(16)])
    words = r"Model 'm': net cannot be held at q5_1.*multiple of 32.*2 linear .*\[16, 40\]"
    with pytest.raises(SpecError, match=words):
        hold("Model 'm'", "net", model, "q5_1")


def test_t5_does_not_cut_its_activations_down_to_bytes():
    """It casts them to the dtype of the layer's weight, whatever that is."""
    torch.manual_seed(0)
    shape = {"vocab_size": 50, "d_model": 64, "d_kv": 16, "d_ff": 64, "num_layers": 2}
    t5 = T5EncoderModel(T5Config(**shape, num_heads=4)).eval()
    ids = torch.arange(20)[None]
    with torch.inference_mode():
        expected = t5(ids).last_hidden_state
        hold("Model 'm'", "t5", t5, "q8_0")
        found = t5(ids).last_hidden_state
    assert 0 < (found - expected).abs().mean() < 0.02 * expected.abs().mean()


# --- a pipeline ---------------------------------------------------------------------------------


def test_bytes_fall_and_the_picture_stays_near(model, prompts):
    """From fine to coarse: fewer bytes each time, and the picture further off."""
    whole, generator = draw(model("sd3", steps=4), prompts[:3])
    size = generator.realised()["weight_bytes"]
    sizes, distances = [size["transformer"]], [0.0]
    for precision in ("q8_0", "q5_1", "q4_0"):
        spec = model("sd3", steps=4, precision={"transformer": precision})
        pictures, generator = draw(spec, prompts[:3])
        facts = generator.realised()
        sizes.append(facts["weight_bytes"]["transformer"])
        distances.append(np.mean([moved(a, b) for a, b in zip(pictures, whole, strict=True)]))
        assert facts["precision"] == {
            "transformer": {"precision": precision, "layers": _layers(generator), "left": 0}
        }
        assert {k: v for k, v in facts["weight_bytes"].items() if k != "transformer"} == {
            k: v for k, v in size.items() if k != "transformer"
        }
    assert sizes == sorted(sizes, reverse=True)
    assert distances == sorted(distances)
    assert 0 < distances[1] < 2
    assert distances[-1] < 30


def _layers(generator):
    return sum(isinstance(m, PackedLinear) for m in generator._pipe.transformer.modules())


@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_linear_weight_takes_the_bits_that_are_said(model, precision):
    """Of 32 bits a weight that many are left; the rest of the transformer takes what it took."""
    whole, held = Diffusers(model("sd3")), Diffusers(model("sd3", precision=_denoiser(precision)))
    whole.load()
    held.load()
    linears = [m for m in whole._pipe.transformer.modules() if isinstance(m, nn.Linear)]
    weights = sum(m.weight.numel() for m in linears)
    before, after = (g.realised()["weight_bytes"]["transformer"] for g in (whole, held))
    assert before - after == weights * (32 - PRECISIONS[precision]) / 8


def _denoiser(precision):
    return {"transformer": precision}


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_the_arithmetic_keeps_the_dtype(model, prompts, dtype):
    spec = model("sd3", dtype=dtype, precision={"transformer": "q8_0", "text_encoder_3": "q8_0"})
    pictures, generator = draw(spec, prompts[:1])
    own = draw(model("sd3", dtype=dtype), prompts[:1])[0]
    assert 0 < moved(pictures[0], own[0]) < 3
    assert generator._pipe.transformer.dtype == getattr(torch, dtype)


def test_text_encoders_are_held_as_well(model, prompts):
    """The random CLIP encoders are 16 wide, too narrow for a block; T5 is 32 wide."""
    spec = model("sd3", precision={"text_encoder_3": "q4_0"})
    pictures, generator = draw(spec, prompts[:1])
    own, plain = draw(model("sd3"), prompts[:1])
    assert 0 < moved(pictures[0], own[0]) < 30
    before, after = (g.realised()["weight_bytes"] for g in (plain, generator))
    assert {k for k in after if after[k] < before[k]} == {"text_encoder_3"}


def test_layers_that_do_not_fit_are_said(model, prompts):
    generator = draw(model("sdxl", precision={"unet": "q5_1"}), prompts[:1])[1]
    held = generator.realised()["precision"]["unet"]
    assert held["layers"] > 0
    assert held["left"] > 0


def test_the_same_seed_draws_the_same_picture_alone_and_in_a_batch(model, prompts):
    spec = model("sd3", precision={"transformer": "q5_1"})
    pictures, _ = draw(spec, prompts)
    again, _ = draw(spec, prompts[::-1], range(len(prompts))[::-1])
    assert [difference(a, b) for a, b in zip(pictures, again[::-1], strict=True)] == [0] * 5
    together = Diffusers(spec, batch_size=5).draw(prompts, range(5))
    assert all(difference(a, b) <= 1 for a, b in zip(pictures, together, strict=True))


def test_adapters_come_first(model, tmp_path):
    """A LoRA is fused into whole weights, and what is packed is their sum."""
    pytest.importorskip("peft", reason="LoRA files need peft")
    torch.manual_seed(2)
    parts = {"A": torch.randn(2, 32), "B": torch.randn(32, 2)}
    name = "transformer.transformer_blocks.0.attn.to_q"
    path = tmp_path / "l.safetensors"
    save_file({f"{name}.lora_{k}.weight": v for k, v in parts.items()}, path)

    def queries(**options):
        generator = Diffusers(model("sd3", **options))
        generator.load()
        return generator._pipe.transformer.transformer_blocks[0].attn.to_q

    adapters = [{"kind": "lora", "weights": str(path)}]
    fused = queries(adapters=adapters)
    packed = queries(adapters=adapters, precision=_denoiser("q8_0"))
    assert (fused.weight - queries().weight).abs().max() > 0.1
    assert torch.equal(packed.weight, PackedLinear(fused, "q8_0").weight)


# --- what is recorded, and what is refused ------------------------------------------------------


def test_the_precision_is_part_of_the_fingerprint(model):
    specs = [model("sd3", precision=p) for p in ({}, _denoiser("q8_0"), _denoiser("q5_1"))]
    assert len({s.fingerprint for s in specs}) == 3


def test_the_bytes_are_recorded_of_whole_weights_too(model, checkpoints):
    """A component's file has the same tensors, but for buffers that are made on loading."""
    sizes = {}
    for dtype in ("float32", "bfloat16"):
        generator = Diffusers(model("sd3", dtype=dtype))
        assert "weight_bytes" not in generator.realised()
        generator.load()
        sizes[dtype] = generator.realised()["weight_bytes"]
        assert generator.realised()["precision"] == {}
        assert "gguf" not in generator.realised()["packages"]
    assert set(sizes["float32"]) == {
        "transformer",
        "vae",
        "text_encoder",
        "text_encoder_2",
        "text_encoder_3",
    }
    assert sizes["float32"]["vae"] == 2 * sizes["bfloat16"]["vae"]
    file = checkpoints / "sd3" / "vae" / "diffusion_pytorch_model.safetensors"
    assert 0.8 < sizes["float32"]["vae"] / file.stat().st_size < 1


def test_the_package_that_packed_is_named(model):
    generator = Diffusers(model("sd3", precision=_denoiser("q8_0")))
    generator.load()
    assert set(generator.realised()["packages"]) == {"diffusers", "gguf", "torch", "transformers"}


def test_the_package_may_be_missing(model, monkeypatch):
    find = pipelines.find_spec
    monkeypatch.setattr(pipelines, "find_spec", lambda name: None if name == "gguf" else find(name))
    Diffusers(model("sd3")).load()
    with pytest.raises(MissingPackageError, match=r"'gguf'.*evalkit\[models\]"):
        Diffusers(model("sd3", precision=_denoiser("q8_0"))).load()


@pytest.mark.parametrize(
    ("precision", "words"),
    [
        ({"transfomer": "q8_0"}, "names an unknown component.*Did you mean 'transformer'"),
        ({"unet": "q8_0"}, "unknown component 'unet'"),
        ({"tokenizer": "q8_0"}, "unknown component 'tokenizer'"),
        ({"scheduler": "q8_0"}, "unknown component 'scheduler'"),
        ({"text_encoder": "q8_0"}, r"text_encoder cannot be held at q8_0.*widths \[16\]"),
    ],
)
def test_a_component_that_cannot_be_held(model, precision, words):
    with pytest.raises(SpecError, match=words) as caught:
        Diffusers(model("sd3", precision=precision)).load()
    assert "Model 'sd3'" in str(caught.value)


def test_a_dropped_component_cannot_be_held(model):
    dropped = ["text_encoder_3", "tokenizer_3"]
    with pytest.raises(SpecError, match="unknown component 'text_encoder_3'"):
        Diffusers(model("sd3", drop=dropped, precision={"text_encoder_3": "q8_0"})).load()
