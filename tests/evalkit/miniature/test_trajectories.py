import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("diffusers")

from evalkit.miniature import sd3, trajectories  # noqa: E402
from evalkit.miniature.trajectories import POINTS, Guide  # noqa: E402


@pytest.fixture(scope="module")
def loaded(small_folder):
    model, texts = sd3.load(small_folder)
    sd3.weigh(model)
    return model, texts


@pytest.fixture
def noise():
    return torch.randn(2, 8, 16, 16, generator=torch.Generator().manual_seed(1))


@torch.no_grad()
def test_guidance_goes_on_from_no_words_through_the_words(loaded, noise):
    model, texts = loaded
    ids, time = texts.ids(["a photo of a red apple", "two cups"]), torch.tensor([0.9, 0.4])
    with_text = sd3.velocity(model, noise, time, *texts(ids))
    without = sd3.velocity(model, noise, time, *texts(texts.ids(["", ""])))

    def guided(scale):
        return Guide(model, texts, scale).velocity(noise, time, ids)

    torch.testing.assert_close(guided(1.0), with_text, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(guided(0.0), without, rtol=1e-4, atol=1e-4)
    expected = without + 3 * (with_text - without)
    torch.testing.assert_close(guided(3.0), expected, rtol=1e-4, atol=1e-4)
    assert (with_text - without).abs().mean() > 1e-3


class Field(Guide):
    """A velocity that is known: x itself, or the time itself."""

    def velocity(self, latents, time, ids):
        return latents if ids is None else time.view(-1, 1, 1, 1).expand_as(latents)


@pytest.fixture
def field(loaded):
    return Field(*loaded)


def test_a_path_goes_from_noise_to_time_zero(field, noise):
    points = field.path(noise, None)
    assert points.shape == (2, POINTS + 1, 8, 16, 16)
    assert torch.equal(points[:, 0], noise)
    for k in range(POINTS + 1):  # x' = x from time 1 back to 1 - k / 4
        torch.testing.assert_close(points[:, k], noise * np.exp(-k / POINTS), rtol=0.03, atol=0)


def test_the_solver_is_of_second_order(field, noise, monkeypatch):
    errors = []
    for substeps in (4, 8, 16):
        monkeypatch.setattr(trajectories, "SUBSTEPS", substeps)
        end = field.path(noise, None)[:, -1]
        errors.append(float((end / noise - np.exp(-1)).abs().mean()))
    assert errors[0] / errors[1] > 3
    assert errors[1] / errors[2] > 3


def test_the_solver_is_told_the_time_of_each_step(field, noise):
    points = field.path(noise, torch.zeros(2, 1))
    moved = (noise[:, None] - points)[0, :, 0, 0, 0]
    expected = [(1 - (1 - k / POINTS) ** 2) / 2 for k in range(POINTS + 1)]  # of x' = t
    assert moved.tolist() == pytest.approx(expected, abs=0.005)


WENT = []


class Counted(Guide):
    """A guide that notes how many paths it went."""

    def path(self, noise, ids):
        WENT.append(len(ids))
        spread = noise.unsqueeze(1).repeat(1, POINTS + 1, 1, 1, 1)
        return spread * ids[:, 2].view(-1, 1, 1, 1, 1)


@pytest.fixture
def counted(loaded, monkeypatch):
    WENT.clear()
    monkeypatch.setattr(trajectories, "SHARD", 4)
    return Counted(*loaded)


def test_paths_are_gone_once_and_kept(counted, small_folder, tmp_path):
    ids = counted.texts.ids(["a cup"] * 8)
    first = trajectories.trajectories(counted, small_folder, ids, work=tmp_path)
    assert sum(WENT) == len(first) == 8
    again = trajectories.trajectories(counted, small_folder, ids, work=tmp_path)
    assert sum(WENT) == 8
    assert np.array_equal(first.points, again.points)
    noise = first.points[:, 0].reshape(8, -1)
    assert len(np.unique(noise[:, 0])) == 8


def test_a_killed_computation_goes_on_at_its_shard(counted, small_folder, tmp_path):
    ids = counted.texts.ids(["a cup"] * 8)
    whole = trajectories.trajectories(counted, small_folder, ids, work=tmp_path)
    lost = sorted(tmp_path.rglob("*.npy"))[1]
    lost.unlink()
    WENT.clear()
    again = trajectories.trajectories(counted, small_folder, ids, work=tmp_path)
    assert sum(WENT) == 4
    assert np.array_equal(whole.points, again.points)


@pytest.mark.parametrize("texts", [["two dogs"] * 8, ["a cup"] * 6, ["a cup"] * 7 + ["two dogs"]])
def test_other_captions_get_paths_of_their_own(counted, small_folder, tmp_path, texts):
    before = counted.texts.ids(["a cup"] * 8)
    trajectories.trajectories(counted, small_folder, before, work=tmp_path)
    ids = counted.texts.ids(texts)
    found = trajectories.trajectories(counted, small_folder, ids, work=tmp_path)
    fresh = trajectories.trajectories(counted, small_folder, ids, work=tmp_path / "other")
    assert len(found) == len(found.ids) == len(texts)
    assert np.array_equal(found.points, fresh.points)


def test_other_guidance_gets_paths_of_its_own(loaded, counted, small_folder, tmp_path):
    ids = counted.texts.ids(["a cup"] * 4)
    for scale in (1.0, 3.0):
        guide = Counted(*loaded, scale)
        trajectories.trajectories(guide, small_folder, ids, work=tmp_path)
    assert sum(WENT) == 8
