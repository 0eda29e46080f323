"""Each published recipe makes the published call, on a small random checkpoint of its class.

The weights are not the real ones. What is compared is what the recipe decides: the pipeline, the
scheduler, the timesteps that it stepped through and the evaluations. The expected values are those
of the models' cards and official code, as the entries' sources name them.
"""

from __future__ import annotations

from itertools import pairwise

import pytest
from safetensors.torch import load_file, save_file
from torch import save

from evalkit import catalogue
from tests.evalkit.generators.conftest import NUMPY_GRUMBLE, SMALL_SANA, difference, draw

pytestmark = NUMPY_GRUMBLE
XL = ("sdxl", "StableDiffusionXLPipeline")
SD3 = ("sd3", "StableDiffusion3Pipeline")
SANA = ("sana", "SanaSprintPipeline")
QUARTERS = [999, 749, 499, 249]
# name: (checkpoint, pipeline), scheduler, timesteps, evaluations
PUBLISHED = {
    "sdxl": (XL, "EulerDiscreteScheduler", [1 + 20 * i for i in range(49, -1, -1)], 100),
    "sdxl-turbo": (XL, "EulerAncestralDiscreteScheduler", QUARTERS, 4),
    "sdxl-dmd2": (XL, "LCMScheduler", QUARTERS, 4),
    "sdxl-lightning": (XL, "EulerDiscreteScheduler", QUARTERS, 4),
    "sana-sprint-0.6b": (SANA, "SCMScheduler", [1.5708, 1.3], 2),
    "sana-sprint-0.6b-4": (SANA, "SCMScheduler", [1.5708, 1.1781, 0.7854, 0.3927], 4),
    "sana-sprint-1.6b": (SANA, "SCMScheduler", [1.5708, 1.3], 2),
    "sana-sprint-1.6b-4": (SANA, "SCMScheduler", [1.5708, 1.1781, 0.7854, 0.3927], 4),
    "sd3.5-medium": (SD3, "FlowMatchEulerDiscreteScheduler", None, 80),
    "sd3.5-large": (SD3, "FlowMatchEulerDiscreteScheduler", None, 56),
    "sd3.5-large-turbo": (
        SD3,
        "FlowMatchEulerDiscreteScheduler",
        [1000, 857.6923, 602.1506, 8.9286],
        4,
    ),
    "sd3.5m-turbo": (SD3, "FlowMatchEulerDiscreteScheduler", None, 16),
    "sd3.5-flash-local-4": (SD3, "FlowMatchEulerDiscreteScheduler", [1000, 900, 750, 500], 4),
    "sd3.5-flash-local-4-no-t5": (SD3, "FlowMatchEulerDiscreteScheduler", [1000, 900, 750, 500], 4),
    "sd3.5-flash-local-2": (SD3, "FlowMatchEulerDiscreteScheduler", [1000, 750], 2),
}


@pytest.fixture
def small(checkpoints, tmp_path):
    """Put a small checkpoint under a recipe: its weights, sizes and files change, nothing else."""

    def shrink(entry, family):
        options = {k: v for k, v in entry.options.items() if k != "variant"}
        if adapters := options.get("adapters"):
            options["adapters"] = [
                _own_denoiser(checkpoints / family, a, tmp_path) for a in adapters
            ]
        if family == "sana":
            options["call"] = {**options.get("call", {}), **SMALL_SANA}
        changed = {
            "weights": str(checkpoints / family),
            "width": 32,
            "height": 32,
            "dtype": "float32",
            "options": options,
        }
        return entry.spec.model_copy(update=changed)

    return shrink


def _own_denoiser(folder, adapter, tmp_path):
    """Save the checkpoint's own UNet under the name that the recipe asks for."""
    state = load_file(folder / "unet" / "diffusion_pytorch_model.safetensors")
    path = tmp_path / adapter["file"]
    (save_file if path.suffix == ".safetensors" else save)(state, path)
    return {**adapter, "weights": str(tmp_path)}


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_published_recipe_makes_the_published_call(name, small, prompts):
    (family, pipeline), scheduler, timesteps, evaluations = PUBLISHED[name]
    spec = small(catalogue.entry(name), family)
    pictures, generator = draw(spec, prompts[:2])
    facts = generator.realised()
    assert [p.error for p in pictures] == [None, None]
    assert (facts["pipeline"], facts["scheduler"]) == (pipeline, scheduler)
    assert facts["evaluations"] == evaluations
    assert len(facts["timesteps"]) == spec.steps
    if timesteps:
        assert facts["timesteps"] == pytest.approx(timesteps, abs=1e-3)


def test_every_published_recipe_with_a_checkpoint_here_is_tried():
    neural = {n: e for n, e in catalogue.entries().items() if e.generator == "diffusers"}
    published = {n for n, e in neural.items() if "miniature" not in e.tags}
    assert published - set(PUBLISHED) == {"flux.1-schnell"}


def test_flow_matching_grids_fall_from_the_noise_to_the_last_useful_level(small, prompts):
    """SD3's shift of 3 bends the grid; the last of its own levels is .009, hardly any noise."""
    spec = small(catalogue.entry("sd3.5-medium"), "sd3")
    sigmas = draw(spec, prompts[:1])[1].realised()["sigmas"]
    assert sigmas[0] == 1.0
    assert sigmas[-2:] == pytest.approx([0.008929, 0.0], abs=1e-6)
    assert all(a > b for a, b in pairwise(sigmas))


def test_lcm_left_to_itself_would_miss_the_trained_timesteps(model, prompts):
    """The trap that the explicit timesteps of sdxl-dmd2 are for."""
    left_alone = model("sdxl", steps=4, scheduler={"class": "LCMScheduler"})
    facts = draw(left_alone, prompts[:1])[1].realised()
    assert facts["timesteps"] == [999, 759, 499, 259]


def test_euler_left_to_itself_would_start_too_low(model, prompts):
    """The trap that the trailing spacing of sdxl-lightning is for."""
    facts = draw(model("sdxl", steps=4), prompts[:1])[1].realised()
    assert facts["timesteps"] == [751, 501, 251, 1]


def test_growing_resolutions_need_no_remote_code(model, prompts):
    """SwD (arXiv 2503.16397) starts small and doubles between steps; diffusers has it built in."""
    grow = {"class": "FlowMatchLCMScheduler", "shift": 1.0, "upscale_mode": "bicubic"}
    spec = model("sd3", scheduler={**grow, "scale_factors": [2.0]}, sigmas=[1.0, 0.7371])
    pictures, generator = draw(spec, [*prompts[:2], prompts[0]], [0, 1, 0], batch_size=2)
    assert [p.image.size for p in pictures] == [(64, 64)] * 3
    assert difference(pictures[0], pictures[2]) <= 1
    assert generator.realised()["sigmas"] == pytest.approx([1.0, 0.7371, 0.0])
