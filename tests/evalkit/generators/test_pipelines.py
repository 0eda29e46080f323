"""One adapter draws with three families; a picture depends on its prompt and seed alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from evalkit.generators import Picture
from evalkit.generators.pipelines import Diffusers
from evalkit.records import Prompt
from tests.evalkit.generators.conftest import NUMPY_GRUMBLE, difference, draw, pixels

pytestmark = NUMPY_GRUMBLE

LCM = {"scheduler": {"class": "LCMScheduler"}}
ANCESTRAL = {"scheduler": {"class": "EulerAncestralDiscreteScheduler"}}
# Neither SD3's pipeline nor FLUX's hands its generators to the scheduler.
FLOW_LCM = {"scheduler": {"class": "FlowMatchLCMScheduler", "shift": 1.0}}
FLOW_NOISE = {"scheduler": {"stochastic_sampling": True}}
WAYS = {
    "sd3": ("sd3", {}),
    "sd3 with guidance": ("sd3", {"guidance": 4.5}),
    "sd3 without T5": ("sd3", {"drop": ["text_encoder_3", "tokenizer_3"]}),
    "sd3 with a stochastic scheduler": ("sd3", FLOW_LCM),
    "sd3 with noise between steps": ("sd3", FLOW_NOISE),
    "sdxl": ("sdxl", {}),
    "sdxl with guidance": ("sdxl", {"guidance": 5.0}),
    "sdxl with LCM": ("sdxl", LCM),
    "sdxl with Euler ancestral": ("sdxl", ANCESTRAL),
    "sana": ("sana", {"guidance": 4.5}),
}


@pytest.fixture(params=WAYS)
def way(request, model):
    family, options = WAYS[request.param]
    return model(family, **options)


def test_every_family_draws_every_prompt(way, prompts):
    pictures, _ = draw(way, prompts)
    assert [p.error for p in pictures] == [None] * len(prompts)
    for picture in pictures:
        assert picture.image.mode == "RGB"
        assert picture.image.size == (32, 32)
        assert picture.seconds > 0
        assert picture.peak_memory_mb is None or torch.cuda.is_available()
    assert len({p.image.tobytes() for p in pictures}) == len(prompts)


def test_alone_the_bytes_repeat_in_any_order_and_company(way, prompts):
    pictures, generator = draw(way, prompts)
    again = generator.draw(prompts[::-1], range(len(prompts))[::-1])[::-1]
    alone = [draw(way, [p], [i])[0][0] for i, p in enumerate(prompts)]
    for one, two, three in zip(pictures, again, alone, strict=True):
        assert one.image.tobytes() == two.image.tobytes() == three.image.tobytes()


def test_in_a_batch_a_picture_moves_by_one_step_of_255_at_most(way, prompts):
    alone, _ = draw(way, prompts)
    together, generator = draw(way, prompts, batch_size=5)
    turned = generator.draw(prompts[::-1], range(5)[::-1])[::-1]
    pairs = generator.draw(prompts[:2], [0, 1])
    for i, picture in enumerate(alone):
        assert difference(picture, together[i]) <= 1
        assert difference(picture, turned[i]) <= 1
    assert difference(alone[0], pairs[0]) <= 1
    assert not generator.realised()["drawn_alone"]


def test_prompt_and_seed_both_reach_the_picture(way, prompts):
    same, other_seed, other_prompt = draw(way, [prompts[0], prompts[0], prompts[1]], [0, 1, 0])[0]
    assert np.abs(pixels(same) - pixels(other_seed)).mean() > 2
    assert np.abs(pixels(same) - pixels(other_prompt)).mean() > 1


def test_drawing_leaves_the_global_generator_alone(model, prompts):
    torch.manual_seed(7)
    expected = torch.rand(1)
    torch.manual_seed(7)
    draw(model("sd3", **FLOW_LCM), prompts[:2])
    assert torch.equal(torch.rand(1), expected)


def test_noise_from_the_global_generator_is_found_and_each_picture_drawn_by_itself(model, prompts):
    """A pipeline that uses the shared generator would make a picture depend on its batch."""

    def spoil(generator):
        generator.load()
        decoder = generator._pipe.vae.decoder
        decoder.register_forward_pre_hook(lambda _, args: (args[0] + torch.randn_like(args[0]),))
        return generator

    spec = model("sd3")
    alone = spoil(Diffusers(spec)).draw(prompts, range(5))
    generator = spoil(Diffusers(spec, batch_size=5))
    together = generator.draw(prompts, range(5))
    assert [difference(a, b) for a, b in zip(alone, together, strict=True)] == [0] * 5
    assert generator.realised()["drawn_alone"]


def test_one_bad_prompt_fails_alone(model, prompts):
    bad = Prompt(id="bad", suite="s", text="half a pair: \ud800")
    pictures, _ = draw(model("sd3"), [*prompts[:2], bad, prompts[2]], [0, 1, 9, 2], batch_size=4)
    assert [p.error is None for p in pictures] == [True, True, False, True]
    assert "Error" in pictures[2].error
    expected, _ = draw(model("sd3"), prompts[:3])
    kept = [pictures[i] for i in (0, 1, 3)]
    assert all(difference(a, b) <= 1 for a, b in zip(kept, expected, strict=True))


def test_ten_thousand_characters_are_cut_as_the_pipeline_cuts_them(model):
    long = Prompt(id="l", suite="s", text="x" * 10_000)
    assert draw(model("sd3"), [long])[0][0].error is None


@pytest.mark.parametrize("seed", [0, 2**63 - 1, 2**64])
def test_a_seed_is_used_or_refused_in_words(model, prompts, seed):
    picture = draw(model("sdxl"), prompts[:1], [seed])[0][0]
    assert (picture.image is None) == bool(picture.error)
    assert picture.error is None or seed == 2**64


def test_prompts_and_seeds_must_be_as_many(model, prompts):
    with pytest.raises(ValueError, match="zip"):
        draw(model("sdxl"), prompts, [0])


def test_nothing_asked_nothing_drawn(model):
    assert draw(model("sdxl"), [])[0] == []


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("part", ["transformer", "vae"])
def test_numbers_that_break_are_named_and_are_no_picture(model, prompts, part, value):
    generator = Diffusers(model("sd3"), batch_size=3)
    generator.load()
    module = getattr(generator._pipe, part)
    last = module.proj_out if part == "transformer" else module.decoder.conv_out
    torch.nn.init.constant_(last.bias, value)
    pictures = generator.draw(prompts[:3], range(3))
    assert [p.image for p in pictures] == [None] * 3
    assert all("not finite" in p.error and p.seconds > 0 for p in pictures)


def test_one_broken_picture_does_not_take_its_neighbours(model, prompts):
    generator = Diffusers(model("sd3"), batch_size=3)
    generator.load()

    def spoil(_module, _args, output):
        output = output.clone()
        if len(output) > 1:
            output[1, 0, 0, 0] = float("nan")
        return output

    generator._pipe.vae.decoder.register_forward_hook(spoil)
    pictures = generator.draw(prompts[:3], range(3))
    assert [p.error is None for p in pictures] == [True, False, True]


class Tight:
    """A decoder's hook with room for so many pictures."""

    def __init__(self, room, error):
        self.room, self.error, self.sizes = room, error, []

    def __call__(self, _module, args):
        self.sizes.append(len(args[0]))
        if len(args[0]) > self.room:
            raise self.error


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory"),
        MemoryError(),
    ],
    ids=["cuda", "cpu", "python"],
)
def test_out_of_memory_halves_the_batch_and_goes_on(model, prompts, error):
    generator = Diffusers(model("sdxl"), batch_size=4)
    generator.load()
    tight = Tight(2, error)
    generator._pipe.vae.decoder.register_forward_pre_hook(tight)
    pictures = generator.draw([*prompts, *prompts], range(10))
    assert [p.error for p in pictures] == [None] * 10
    assert tight.sizes == [4, 2, 2, 2, 2, 2]


def test_no_room_for_one_is_a_reason(model, prompts):
    generator = Diffusers(model("sdxl"), batch_size=2)
    generator.load()
    full = Tight(0, torch.OutOfMemoryError("5 GB more"))
    generator._pipe.vae.decoder.register_forward_pre_hook(full)
    assert {p.error for p in generator.draw(prompts[:2], [0, 1])} == {"out of memory: 5 GB more"}


def test_a_lost_device_is_no_picture_s_fault(model, prompts):
    generator = Diffusers(model("sdxl"))
    generator.load()
    gone = Tight(0, torch.AcceleratorError("CUDA error: an illegal memory access"))
    generator._pipe.vae.decoder.register_forward_pre_hook(gone)
    with pytest.raises(torch.AcceleratorError):
        generator.draw(prompts[:1], [0])


def test_a_withheld_picture_is_a_reason(model, prompts):
    generator = Diffusers(model("sdxl"))
    generator.load()
    call = type(generator._pipe).__call__

    class Censored(type(generator._pipe)):
        def __call__(self, *args, **kwargs):
            output = call(self, *args, **kwargs)
            output.nsfw_content_detected = [True]
            return output

    generator._pipe.__class__ = Censored
    assert "safety checker" in generator.draw(prompts[:1], [0])[0].error


def test_realised_says_what_was_run(model, prompts, checkpoints):
    spec = model("sd3", steps=4, guidance=4.5)
    generator = Diffusers(spec, batch_size=2)
    assert generator.realised()["timesteps"] is None
    generator.draw(prompts[:3], range(3))
    facts = generator.realised()
    assert facts["pipeline"] == "StableDiffusion3Pipeline"
    assert facts["scheduler"] == "FlowMatchEulerDiscreteScheduler"
    assert facts["evaluations"] == 8  # two a step, in one doubled batch
    assert facts["device"].startswith(("cpu", "cuda"))
    assert facts["dtype"] == "float32"
    assert facts["weights"]["id"] == "sd3"
    assert facts["weights"]["digest"].startswith("sha256:")
    files = (p for p in (checkpoints / "sd3").rglob("*") if p.is_file())
    assert facts["weights"]["bytes"] == sum(p.stat().st_size for p in files)
    assert set(facts["packages"]) == {"diffusers", "torch", "transformers"}


@pytest.mark.parametrize("guidance", [0.0, 1.0])
def test_guidance_0_and_1_are_both_off(model, prompts, guidance):
    pictures, generator = draw(model("sdxl", guidance=guidance), prompts[:1])
    assert generator.realised()["evaluations"] == 2
    assert pictures[0].image.tobytes() == draw(model("sdxl"), prompts[:1])[0][0].image.tobytes()


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_the_dtype_is_what_was_asked(model, prompts, dtype):
    pictures, generator = draw(model("sd3", dtype=dtype), prompts[:1])
    assert pictures[0].error is None
    modules = (m for m in generator._pipe.components.values() if isinstance(m, torch.nn.Module))
    assert {m.dtype for m in modules} == {getattr(torch, dtype)}
    assert generator.realised()["dtype"] == dtype


def test_the_pipeline_s_own_defaults_hold_where_nothing_is_said(checkpoints, prompts):
    from evalkit.catalogue import spec

    pictures, generator = draw(spec(str(checkpoints / "sd3")), prompts[:1])
    assert pictures[0].image.size == (32, 32)  # its transformer's sample_size times 2
    assert generator.realised()["evaluations"] == 56  # SD3's 28 steps with guidance 7


def test_no_generator_changes_what_it_is_given(model, prompts):
    seeds = [3, 1]
    given = [p.model_copy() for p in prompts[:2]]
    draw(model("sdxl"), prompts[:2], seeds)
    assert prompts[:2] == given
    assert seeds == [3, 1]


def test_pictures_are_rounded_as_diffusers_rounds_them(model, prompts):
    generator = Diffusers(model("sd3"))
    picture = generator.draw(prompts[:1], [0])[0]
    expected = generator._pipe(
        prompt=[prompts[0].text],
        generator=torch.Generator().manual_seed(0),
        num_inference_steps=2,
        guidance_scale=1.0,
        width=32,
        height=32,
    ).images[0]
    assert isinstance(picture, Picture)
    assert picture.image.tobytes() == expected.tobytes()
