"""A run that did not follow its models' recipes says so; one that did says nothing."""

from __future__ import annotations

import pytest

from evalkit import catalogue
from evalkit.departures import departures
from evalkit.records import About
from tests.boards import MANIFEST


def told(about, **realised):
    kept = {"about": {"it": about}, "realised": {"it": realised} if realised else {}}
    return list(departures(MANIFEST.model_copy(update=kept)))


DMD2 = About(title="DMD2", schedule=(999, 749, 499, 249), evaluations=4)


def test_other_timesteps_are_told():
    (line,) = told(DMD2, timesteps=[999.0, 759.0, 499.0, 259.0], evaluations=4)
    assert line == (
        "it did not run as its recipe says: timesteps 999, 759, 499, 259 instead of "
        "999, 749, 499, 249."
    )


def test_guidance_that_was_left_on_is_told():
    (line,) = told(DMD2, timesteps=[999, 749, 499, 249], evaluations=8)
    assert line.endswith("8 evaluations of the denoiser a picture instead of 4.")


def test_both_are_told_in_one_sentence():
    (line,) = told(DMD2, timesteps=[999], evaluations=1)
    assert "timesteps 999 instead" in line
    assert "; 1 evaluations" in line


@pytest.mark.parametrize(
    "realised",
    [{}, {"timesteps": None, "evaluations": None}, {"noise": True}, {"timesteps": []}],
)
def test_nothing_is_said_of_what_is_not_known(realised):
    assert not told(DMD2, **realised)
    assert not told(About(title="no recipe"), timesteps=[1, 2], evaluations=9)


@pytest.mark.parametrize("name", ["sd3.5-medium", "sana-sprint-0.6b-4", "flux.1-dev", "sdxl"])
def test_a_schedule_may_be_rounded_as_recipes_are_and_no_further(name):
    about = catalogue.entry(name).about
    steps = list(about.schedule)
    near = [s + 0.4e-4 * steps[0] for s in steps]
    assert not told(about, timesteps=near, evaluations=about.evaluations)
    assert told(about, timesteps=[*steps[:-1], steps[-1] + 3e-4 * steps[0]])
    assert told(about, timesteps=steps[:-1])
