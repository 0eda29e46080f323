"""Small random checkpoints, made once a session, and ways to draw with them."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import torch

from evalkit.generators.pipelines import Diffusers
from evalkit.records import ModelSpec, Prompt

# diffusers 0.42 hands a tensor to np.array, at which numpy 2 grumbles.
NUMPY_GRUMBLE = pytest.mark.filterwarnings(
    "ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"
)
TEXTS = ("a red apple", "two cups", "", "ünïcode 漢字 🍎", "a " + "very " * 40 + "long text")
SIZE = {"width": 32, "height": 32}
# SANA-Sprint's resolution bins are of about 1024 pixels: too many for a test.
SMALL_SANA = {"use_resolution_binning": False, "max_sequence_length": 32}


@pytest.fixture(scope="session", autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def checkpoints(tmp_path_factory):
    """Folder with a checkpoint of each family."""
    from tests.evalkit.generators.checkpoints import BUILDERS, build

    root = tmp_path_factory.mktemp("checkpoints")
    for family in BUILDERS:
        build(family, root / family)
    return root


@pytest.fixture
def model(checkpoints):
    """Make the spec of a small checkpoint: ``model("sd3", steps=2, sigmas=[...])``."""

    def make(family, *, steps=2, guidance=1.0, dtype=None, weights=None, **options):
        if family == "sana":
            options["call"] = {**SMALL_SANA, **options.get("call", {})}
        return ModelSpec(
            name=family,
            generator="diffusers",
            weights=str(weights or checkpoints / family),
            steps=steps,
            guidance=guidance,
            dtype=dtype,
            options=options,
            **SIZE,
        )

    return make


@pytest.fixture
def broken(checkpoints, tmp_path):
    """Copy a checkpoint so that a test may damage it."""

    def copy(family="sd3"):
        return shutil.copytree(checkpoints / family, tmp_path / f"broken-{family}")

    return copy


@pytest.fixture
def service(monkeypatch):
    """Serve what a paid service would, on this machine, with a key."""
    from tests.evalkit.generators.service import serving

    with serving() as server:
        monkeypatch.setenv("STABILITY_API_URL", server.url)
        monkeypatch.setenv("STABILITY_API_KEY", "sk-secret\n")
        yield server


@pytest.fixture
def prompts():
    return [Prompt(id=f"{i:05d}", suite="s", text=text) for i, text in enumerate(TEXTS)]


def pixels(picture):
    assert picture.error is None, picture.error
    return np.asarray(picture.image).astype(int)


def difference(one, other):
    """Return the largest difference of two pictures, in steps of 1/255."""
    return int(np.abs(pixels(one) - pixels(other)).max())


def draw(spec, prompts, seeds=None, *, batch_size=1):
    generator = Diffusers(spec, batch_size=batch_size)
    return generator.draw(prompts, range(len(prompts)) if seeds is None else seeds), generator
