"""The weights that the package carries: small, loadable as any others, and good at their work."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from evalkit import geneval  # noqa: E402
from evalkit.miniature import detector_accuracy, vae  # noqa: E402
from evalkit.miniature.data import drawn, lot, mixed, prompted  # noqa: E402
from evalkit.miniature.scenes import CLASSES, HELD_OUT, sample_free  # noqa: E402
from evalkit.weights import MINIATURE_ROOT  # noqa: E402


@pytest.fixture(scope="module")
def detector():
    return detector_accuracy.load(MINIATURE_ROOT / "detector")


def psnr(a, b):
    return 10 * np.log10(255**2 / ((a.astype(float) - b) ** 2).mean())


@pytest.mark.parametrize("part", ["vae", "detector"])
def test_a_part_is_small_and_says_how_it_was_trained(part):
    folder = MINIATURE_ROOT / part
    assert sum(f.stat().st_size for f in folder.glob("*.safetensors")) < 5e6
    assert (folder / "config.json").is_file()
    assert (folder / "training.json").is_file()
    assert (folder / "curve.png").is_file()


def test_a_round_trip_keeps_the_picture():
    pictures = drawn([mixed("test", i) for i in range(24)], vae.SIDE)
    before = pictures.copy()
    back = vae.round_trip(pictures)
    assert back.shape == pictures.shape
    assert back.dtype == np.uint8
    assert np.array_equal(pictures, before)
    assert psnr(back, pictures) > 26
    assert 22 < psnr(vae.round_trip(pictures, jitter=0.3), pictures) < psnr(back, pictures)


def test_a_round_trip_is_repeatable_and_takes_no_pictures():
    pictures = drawn([mixed("test", i) for i in range(5)], vae.SIDE)
    assert np.array_equal(vae.round_trip(pictures), vae.round_trip(pictures))
    once, again = (vae.round_trip(pictures, jitter=0.2, seed=s) for s in (1, 2))
    assert not np.array_equal(once, again)
    assert vae.round_trip(pictures[:0]).shape == (0, 64, 64, 3)


def test_latents_are_scaled_to_about_one():
    model = vae.load()
    x = vae.tensor(drawn([mixed("test", i) for i in range(32)], vae.SIDE))
    z = (model.encode(x).latent_dist.mean - model.config.shift_factor) * model.config.scaling_factor
    assert z.shape[1:] == (8, 16, 16)
    assert abs(float(z.mean())) < 0.1
    assert abs(float(z.std()) - 1) < 0.1


def test_the_detector_knows_geneval_s_names(detector):
    assert detector.classes == frozenset(CLASSES) <= frozenset(geneval.CLASSES)


def rows(detector, pairs, view):
    free = [sample_free(lot("test", i, "quick"), pairs=pairs) for i in range(40)]
    asked = [prompted("test", i, pairs=pairs, purpose="quick") for i in range(36)]
    told = [*detector_accuracy.sightings(detector, "x", *view(free))]
    told += detector_accuracy.verdicts(detector, "x", asked, pairs, view)
    return {r.measure: r.share for r in told}


# Of the pairs that training hid, a white book (all pages, as it were) is often missed.
@pytest.mark.parametrize(("pairs", "least"), [("train", 0.95), ("held-out", 0.75)])
def test_the_detector_finds_what_is_there(detector, pairs, least):
    shares = rows(detector, pairs, detector_accuracy.clean)
    assert shares["objects found (score > 0.3)"] > least
    assert shares["objects found (score > 0.9)"] > least - 0.05
    assert shares["pictures with nothing extra (> 0.3)"] > least - 0.05
    assert shares["faithful pictures pass GenEval, colours given"] > least - 0.05
    assert shares["faulty pictures fail GenEval, colours given"] > 0.95


def test_held_out_pairs_are_still_those_that_training_hid():
    """Changing this list means training every judge again."""
    assert ("apple", "orange") in HELD_OUT
    assert ("umbrella", "green") in HELD_OUT
    assert len(HELD_OUT) == 18
