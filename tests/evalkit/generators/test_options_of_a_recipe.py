"""Tiles, compilation, offloading, and what replaces or fits into a pipeline; and our schedulers."""

from __future__ import annotations

import pytest
import torch
from diffusers import AutoencoderTiny

from evalkit.errors import SpecError, WeightsError
from evalkit.generators.pipelines import Diffusers
from evalkit.generators.recipe import parse
from evalkit.generators.schedulers import TDDScheduler, TimestepShiftLCMScheduler
from tests.evalkit.generators.adapter_files import write
from tests.evalkit.generators.conftest import NUMPY_GRUMBLE, difference, draw

pytestmark = NUMPY_GRUMBLE


def test_offloading_needs_an_accelerator(model):
    if torch.cuda.is_available():
        pytest.skip("there is an accelerator here")
    with pytest.raises(SpecError, match=r"offload = 'model'.*only a processor"):
        Diffusers(model("sd3", offload="model")).load()


def test_a_compiled_denoiser_draws_the_same_and_is_still_counted(model, prompts):
    (plain,), _ = draw(model("sd3"), prompts[:1])
    (compiled,), generator = draw(model("sd3", compile="eager"), prompts[:1])
    assert difference(plain, compiled) <= 1
    assert generator.realised()["evaluations"] == 2


def test_tiles_change_a_large_picture(model, prompts):
    large = {"width": 64, "height": 64}
    whole, tiled = (
        draw(model("sd3", tiling=tiling).model_copy(update=large), prompts[:1])[0][0]
        for tiling in (False, True)
    )
    assert tiled.image.size == (64, 64)
    assert difference(whole, tiled) > 0


@pytest.fixture
def tiny(tmp_path):
    def make(channels):
        vae = AutoencoderTiny(
            encoder_block_out_channels=(8, 8),
            decoder_block_out_channels=(8, 8),
            num_encoder_blocks=(1, 1),
            num_decoder_blocks=(1, 1),
            latent_channels=channels,
        )
        vae.save_pretrained(tmp_path / str(channels))
        return [{"kind": "vae", "weights": str(tmp_path / str(channels))}]

    return make


def test_a_tiny_autoencoder_decodes_in_its_place(model, prompts, tiny):
    (picture,), generator = draw(model("sd3", adapters=tiny(4)), prompts[:1])
    assert picture.image.size == (32, 32)
    assert generator.realised()["weight_bytes"]["vae"] < 50_000


def test_an_autoencoder_for_other_latents_is_refused(model, tiny):
    with pytest.raises(WeightsError, match="latents of 16 channels"):
        Diffusers(model("sd3", adapters=tiny(16))).load()


LISTED = {"kind": "lora-list", "file": "l.ckpt", "rank": 2, "alpha": 4, "modules": ["attn.to_q"]}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"rank": 3}, r"tensor 0 is \(2, 32\), not \(3, 32\)"),
        ({"modules": ["attn.to_q", "attn.to_k"]}, "it lists 2 tensors, and there are 4 places"),
    ],
)
def test_a_list_of_tensors_for_other_places_is_refused(model, checkpoints, tmp_path, change, words):
    adapter = write(LISTED, "sd3", checkpoints / "sd3", tmp_path)
    with pytest.raises(WeightsError, match=words):
        Diffusers(model("sd3", adapters=[{**adapter, **change}])).load()


@pytest.mark.parametrize(
    ("adapter", "words"),
    [
        ({"kind": "lora-list", "weights": "w"}, "rank, alpha and modules"),
        ({"kind": "peft", "weights": "w", "scale": 0.5}, "a peft has no scale"),
    ],
)
def test_an_adapter_has_what_its_kind_has(model, adapter, words):
    with pytest.raises(SpecError, match=words):
        parse(model("sd3", adapters=[adapter]))


def test_a_picture_that_cannot_be_reached_by_growing(model):
    grow = {"class": "FlowMatchLCMScheduler", "scale_factors": [3.0]}
    with pytest.raises(SpecError, match="32 pixels cannot be reached by growing 3 times"):
        parse(model("sd3", scheduler=grow))


def test_nitrofusion_keeps_noise_at_lcms_levels():
    """The clean latent goes back to 749 of 1000, though the model was told 249 and then 187."""
    scheduler = TimestepShiftLCMScheduler(shifted_timestep=250)
    scheduler.set_timesteps(4)
    assert scheduler.levels.tolist() == [999, 749, 499, 249]
    sample = torch.zeros(1, 1, 64, 64)
    step = scheduler.step(sample, scheduler.timesteps[0], sample, torch.manual_seed(0))
    expected = (1 - scheduler.alphas_cumprod[749]).sqrt()
    assert step.prev_sample.std() == pytest.approx(float(expected), rel=0.05)


def test_tdd_ends_with_no_noise_left():
    scheduler = TDDScheduler()
    scheduler.set_timesteps(1)
    sample, noise = torch.ones(1, 1, 4, 4), torch.full((1, 1, 4, 4), 0.5)
    found = scheduler.step(noise, scheduler.timesteps[0], sample, eta=0.2).prev_sample
    alpha = scheduler.alphas_cumprod[999]
    assert torch.allclose(found, (sample - (1 - alpha).sqrt() * noise) / alpha.sqrt())
