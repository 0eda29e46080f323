"""An untrained pipeline's folder and a handful of made-up scenes: enough for tests of training."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="session")
def pipeline_folder(tmp_path_factory):
    """A pipeline's folder with weights by lot, whose velocity heeds everything it is told."""
    torch = pytest.importorskip("torch")
    pytest.importorskip("diffusers")
    from evalkit.miniature import sd3, vae

    torch.manual_seed(0)
    model, texts = sd3.transformer(), sd3.Texts()
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(0.02 * torch.randn(weight.shape))
    folder = tmp_path_factory.mktemp("pipeline") / "sd3"
    sd3.save(folder, model, texts)
    vae.load.cache_clear()
    return folder


@pytest.fixture
def made_up():
    """Return a function that makes latents up, with captions, in no time."""
    np = pytest.importorskip("numpy")
    from evalkit.miniature import latents

    def make(count=12, **_):
        rng = np.random.default_rng(0)
        texts = [[f"a photo of {n} cups".encode() for n in ("two", "three", "four", "red")]] * count
        return latents.Latents(
            rng.normal(size=(count, 8, 16, 16)).astype(np.float16),
            np.array(texts, dtype="S100"),
            rng.integers(0, 10, (count, 64, 2)).astype(np.int8),
        )

    return make
