"""Each published recipe makes the published call, on a small random checkpoint of its class.

The weights are not the real ones. What is compared is what the recipe decides: the pipeline, the
scheduler, the timesteps that it stepped through, the evaluations and the size; and that a picture
is the same alone, in a batch and in another order. The expected values are those of the models'
cards and official code, as the entries' sources name them, written here by hand or by the formula
of the scheduler that the source names. Sides are a 32nd of the real ones (FLUX: an eighth).
"""

from __future__ import annotations

import math
from itertools import pairwise

import pytest

from evalkit import catalogue
from evalkit.generators.pipelines import Diffusers
from tests.evalkit.generators.adapter_files import write
from tests.evalkit.generators.conftest import NUMPY_GRUMBLE, SMALL_SANA, difference, draw

pytestmark = NUMPY_GRUMBLE


def sd3_grid(steps):
    """SD3's own grid: levels from 1 to what its shift of 3 makes of .001, evenly, shifted again."""
    least = 3 * 0.001 / (1 + 2 * 0.001)
    even = [1 + (least - 1) * i / (steps - 1) for i in range(steps)]
    return [1000 * 3 * s / (1 + 2 * s) for s in even]


def flux_grid(steps, mu=1.15):
    """FLUX.1-dev's grid at 1024 pixels, 4096 tokens, for which its mu is 1.15."""
    even = [1 + (1 / steps - 1) * i / (steps - 1) for i in range(steps)]
    return [1000 * math.exp(mu) / (math.exp(mu) + 1 / s - 1) for s in even]


XL, SD3, SANA = "StableDiffusionXLPipeline", "StableDiffusion3Pipeline", "SanaSprintPipeline"
EULER, ANCESTRAL = "EulerDiscreteScheduler", "EulerAncestralDiscreteScheduler"
LCM, DDIM, TCD = "LCMScheduler", "DDIMScheduler", "TCDScheduler"
SHIFTED = "TimestepShiftLCMScheduler"
FLOW, FLOW_LCM = "FlowMatchEulerDiscreteScheduler", "FlowMatchLCMScheduler"
TRAILING = {
    1: [999],
    2: [999, 499],
    4: [999, 749, 499, 249],
    8: [999, 874, 749, 624, 499, 374, 249, 124],
}
OF_50 = {1: [999], 2: [999, 499], 4: [999, 759, 499, 259]}
"""TCD's own, whatever spacing it is asked for: of 50 training steps."""
SPRINT = {1: [1.5708], 2: [1.5708, 1.3], 4: [1.5708, 1.1781, 0.7854, 0.3927]}
SWD_6 = [1000, 945.4, 895.9, 790.4, 737.1, 602.2]
SWD_4 = [1000, 895.9, 737.1, 602.2]
# name: family, scheduler, timesteps, evaluations
PUBLISHED = {
    "sdxl": ("sdxl", EULER, [1 + 20 * i for i in range(49, -1, -1)], 100),
    "sdxl-turbo": ("sdxl", ANCESTRAL, TRAILING[4], 4),
    "sdxl-turbo-1": ("sdxl", ANCESTRAL, TRAILING[1], 1),
    "sdxl-dmd2": ("sdxl", LCM, [999, 749, 499, 249], 4),
    "sdxl-dmd2-lora": ("sdxl", LCM, [999, 749, 499, 249], 4),
    "sdxl-dmd2-1": ("sdxl", LCM, [399], 1),
    "sdxl-lightning-8": ("sdxl", EULER, TRAILING[8], 8),
    "sdxl-lightning": ("sdxl", EULER, TRAILING[4], 4),
    "sdxl-lightning-2": ("sdxl", EULER, TRAILING[2], 2),
    "sdxl-lightning-1": ("sdxl", EULER, TRAILING[1], 1),
    "sdxl-lightning-lora-8": ("sdxl", EULER, TRAILING[8], 8),
    "sdxl-lightning-lora": ("sdxl", EULER, TRAILING[4], 4),
    "sdxl-lightning-lora-2": ("sdxl", EULER, TRAILING[2], 2),
    "hyper-sdxl-8": ("sdxl", DDIM, TRAILING[8], 8),
    "hyper-sdxl": ("sdxl", DDIM, TRAILING[4], 4),
    "hyper-sdxl-2": ("sdxl", DDIM, TRAILING[2], 2),
    "hyper-sdxl-unified-1": ("sdxl", TCD, OF_50[1], 1),
    "hyper-sdxl-unified-4": ("sdxl", TCD, OF_50[4], 4),
    "hyper-sdxl-unet-1": ("sdxl", LCM, [800], 1),
    "nitro-realism": ("sdxl", SHIFTED, [249], 1),
    "nitro-realism-2": ("sdxl", SHIFTED, [249, 124], 2),
    "nitro-realism-4": ("sdxl", SHIFTED, [249, 187, 124, 62], 4),
    "nitro-vibrant": ("sdxl", SHIFTED, [499], 1),
    "nitro-vibrant-2": ("sdxl", SHIFTED, [499, 249], 2),
    "nitro-vibrant-4": ("sdxl", SHIFTED, [499, 374, 249, 124], 4),
    "pcm-sdxl": ("sdxl", TCD, OF_50[4], 4),
    "pcm-sdxl-2": ("sdxl", TCD, OF_50[2], 2),
    "pcm-sdxl-8": ("sdxl", TCD, [999, 879, 759, 639, 499, 379, 259, 139], 8),
    "pcm-sdxl-guided": ("sdxl", TCD, OF_50[4], 8),
    "tdd-sdxl": ("sdxl", "TDDScheduler", [999, 751, 499, 251], 8),
    "swd-sdxl": ("sdxl", "GrowingLCMScheduler", [999, 800, 600, 400], 4),
    "sana-sprint-0.6b-1": ("sana", "SCMScheduler", SPRINT[1], 1),
    "sana-sprint-0.6b": ("sana", "SCMScheduler", SPRINT[2], 2),
    "sana-sprint-0.6b-4": ("sana", "SCMScheduler", SPRINT[4], 4),
    "sana-sprint-1.6b-1": ("sana", "SCMScheduler", SPRINT[1], 1),
    "sana-sprint-1.6b": ("sana", "SCMScheduler", SPRINT[2], 2),
    "sana-sprint-1.6b-4": ("sana", "SCMScheduler", SPRINT[4], 4),
    "sd3.5-medium": ("sd3", FLOW, sd3_grid(40), 80),
    "sd3.5-large": ("sd3", FLOW, sd3_grid(28), 56),
    "sd3.5-large-turbo": ("sd3", FLOW, [1000, 857.6923, 602.1506, 8.9286], 4),
    "sd3.5m-turbo": ("sd3", FLOW, sd3_grid(8), 16),
    "sd3.5m-turbo-4": ("sd3", FLOW, sd3_grid(4), 8),
    "swd-medium-6": ("sd3", FLOW_LCM, SWD_6, 6),
    "swd-medium-4": ("sd3", FLOW_LCM, SWD_4, 4),
    "swd-large-4": ("sd3", FLOW_LCM, SWD_4, 4),
    "sid-sd3.5-medium": ("sd3", FLOW_LCM, [1000, 750, 500, 250], 4),
    "tdm-sd3.5-medium": ("sd3", "DPMSolverMultistepScheduler", [999, 899, 749, 499], 4),
    "hyper-sd3": ("sd3", FLOW, sd3_grid(4), 8),
    "hyper-sd3-8": ("sd3", FLOW, sd3_grid(8), 16),
    "hyper-sd3-16": ("sd3", FLOW, sd3_grid(16), 32),
    "pcm-sd3": ("sd3", FLOW, [1000, 904.7619, 750, 513.1579], 8),
    "pcm-sd3-shift1": ("sd3", FLOW, [1000, 760, 500, 260], 8),
    "pcm-sd3-2": ("sd3", FLOW, [1000, 500], 4),
    "flux.1-schnell": ("flux-schnell", FLOW, [1000, 750, 500, 250], 4),
    "flux.1-schnell-1": ("flux-schnell", FLOW, [1000], 1),
    "flux.1-dev": ("flux-dev", FLOW, flux_grid(50), 50),
    "hyper-flux-8": ("flux-dev", FLOW, flux_grid(8), 8),
    "hyper-flux-16": ("flux-dev", FLOW, flux_grid(16), 16),
    **{
        f"sd3.5-flash-local-{steps}{bits}{t5}": ("sd3", FLOW, grid, steps)
        for steps, grid in ((4, [1000, 900, 750, 500]), (2, [1000, 750]))
        for bits in ("", "-8bit", "-6bit")
        for t5 in ("", "-no-t5")
    },
}
PIPELINES = {"sdxl": XL, "sd3": SD3, "sana": SANA}


@pytest.fixture
def small(checkpoints, tmp_path):
    """Put a small checkpoint under a recipe: its weights, sizes and files change, nothing else."""

    def shrink(entry, family):
        options = {k: v for k, v in entry.options.items() if k != "variant"}
        if "adapters" in options:
            options["adapters"] = [
                write(a, family, checkpoints / family, tmp_path) for a in options["adapters"]
            ]
        if family == "sana":
            options["call"] = {**options.get("call", {}), **SMALL_SANA}
        less = 8 if family.startswith("flux") else 32
        changed = {
            "weights": str(checkpoints / family),
            "width": entry.width // less,
            "height": entry.height // less,
            "dtype": "float32",
            "options": options,
        }
        return entry.spec.model_copy(update=changed)

    return shrink


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_published_recipe_makes_the_published_call(name, small, prompts):
    family, scheduler, timesteps, evaluations = PUBLISHED[name]
    entry = catalogue.entry(name)
    spec = small(entry, family)
    (picture,), generator = draw(spec, prompts[:1])
    facts = generator.realised()
    assert picture.error is None
    assert picture.image.size == (spec.width, spec.height)
    assert facts["pipeline"] == PIPELINES.get(family, "FluxPipeline")
    assert facts["scheduler"] == scheduler
    assert facts["evaluations"] == evaluations == entry.evaluations
    assert facts["timesteps"] == pytest.approx(timesteps, abs=1e-2)
    assert entry.schedule == pytest.approx(timesteps, abs=0.051)


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_seed_gives_the_same_picture_alone_in_a_batch_and_in_another_order(name, small, prompts):
    family = PUBLISHED[name][0]
    spec = small(catalogue.entry(name), family)
    if family.startswith("flux"):
        spec = spec.model_copy(update={"width": 32, "height": 32})
    generator = Diffusers(spec)
    alone = generator.draw(prompts[:1], [0])[0]
    other, same = generator.draw([prompts[1], prompts[0]], [1, 0])
    assert difference(alone, same) <= 1
    assert difference(alone, other) > 1
    assert not generator.realised()["drawn_alone"]


def test_every_published_recipe_has_its_proof():
    """A new entry without a line in the table above fails here."""
    entries = catalogue.entries()
    neural = {n for n, e in entries.items() if e.generator == "diffusers"}
    assert neural - {n for n in neural if "miniature" in entries[n].tags} == set(PUBLISHED)


def test_the_instruction_that_enhances_prompts_is_recorded(small, prompts):
    spec = small(catalogue.entry("sana-sprint-0.6b"), "sana")
    call = draw(spec, prompts[:1])[1].realised()["call"]
    assert any("Enhanced prompt" in line for line in call["complex_human_instruction"])
    assert call["intermediate_timesteps"] == 1.3


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
    assert [p.image.size for p in pictures] == [(32, 32)] * 3
    assert difference(pictures[0], pictures[2]) <= 1
    assert generator.realised()["sigmas"] == pytest.approx([1.0, 0.7371, 0.0])
