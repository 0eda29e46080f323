"""An untrained pipeline's folder and a handful of made-up scenes: enough for tests of training."""

from __future__ import annotations

import pytest

SMALL = {"num_layers": 3, "num_attention_heads": 2, "caption_projection_dim": 64}


@pytest.fixture(scope="session")
def pipeline_folder(tmp_path_factory):
    """A pipeline's folder with weights by lot, whose velocity heeds everything it is told."""
    return _saved(tmp_path_factory.mktemp("pipeline") / "sd3")


@pytest.fixture(scope="session")
def small_folder(tmp_path_factory):
    """The same, small: it learns in no time."""
    return _saved(tmp_path_factory.mktemp("pipeline") / "small", **SMALL)


@pytest.fixture
def small(monkeypatch):
    """Let new teachers be as small."""
    sd3 = pytest.importorskip("evalkit.miniature.sd3")
    monkeypatch.setattr(sd3, "TRANSFORMER", dict(sd3.TRANSFORMER) | SMALL)
    monkeypatch.setattr(sd3, "WIDTH", SMALL["caption_projection_dim"])


def _saved(folder, **other):
    torch = pytest.importorskip("torch")
    diffusers = pytest.importorskip("diffusers")
    from evalkit.miniature import sd3

    torch.manual_seed(0)
    model = diffusers.SD3Transformer2DModel(**sd3.TRANSFORMER | other)
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(0.02 * torch.randn(weight.shape))
    sd3.save(folder, model, sd3.Texts())
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
