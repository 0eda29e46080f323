"""The networks see as their originals do."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from evalkit.errors import SpecError, WeightsError
from evalkit.sets.features import Clip, Inception, central, clean, networks
from tests.evalkit.scorers.checkpoints import make_clip


def noise(seed, size):
    pixels = np.random.default_rng(seed).integers(0, 256, (*size[::-1], 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def test_inception_is_torch_fidelitys_own_and_the_two_resizes_differ(inception_file):
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    theirs = FeatureExtractorInceptionV3(
        "x", ["2048"], feature_extractor_weights_path=str(inception_file)
    )
    pictures = [noise(0, (299, 299)), noise(1, (64, 48))]
    want = [
        theirs(torch.from_numpy(np.asarray(p).transpose(2, 0, 1)[None].copy()))[0][0].numpy()
        for p in pictures
    ]
    inside = Inception(inception_file, "tensorflow").see(pictures)
    assert np.array_equal(inside, np.stack(want))
    ours = Inception(inception_file).see(pictures)
    # Of 299 x 299 pixels already, both resizes are the identity.
    assert np.allclose(ours[0], want[0], rtol=1e-4, atol=1e-5)
    assert not np.allclose(ours[1], want[1], rtol=1e-2)


def test_clean_keeps_floats_and_flat_colours():
    flat = Image.new("RGB", (40, 20), (10, 20, 30))
    assert np.allclose(clean(flat), np.array([10, 20, 30])[:, None, None], atol=1e-4)
    seen = clean(noise(0, (50, 37)))
    assert seen.shape == (3, 299, 299)
    assert seen.dtype == np.float32
    assert (seen % 1 > 0).any()
    assert 0 <= seen.min() <= seen.max() <= 255


def test_the_central_square_is_cut_before_it_is_resized():
    wide = Image.new("RGB", (300, 100), "red")
    wide.paste(Image.new("RGB", (100, 100), "blue"), (100, 0))
    colours = {tuple(c) for c in np.asarray(central(wide, 20)).reshape(-1, 3).tolist()}
    assert colours == {(0, 0, 255)}


def test_clip_gives_unit_vectors_one_by_one(tmp_path):
    clip = Clip(str(make_clip(tmp_path / "clip")))
    pictures = [noise(i, (40 + i, 50)) for i in range(3)]
    seen = clip.see(pictures)
    assert np.allclose(np.linalg.norm(seen, axis=1), 1, atol=1e-5)
    assert np.allclose(seen[2], clip.see(pictures[2:])[0], atol=1e-5)
    assert clip.info.digest


def test_wrong_weights_and_names_are_refused(tmp_path):
    missing = Inception(tmp_path / "none.pth")
    with pytest.raises(WeightsError, match="Download https:"):
        _ = missing.info
    (tmp_path / "bad.pth").write_bytes(b"no")
    with pytest.raises(WeightsError, match="not the Inception of FID"):
        Inception(tmp_path / "bad.pth").see([noise(0, (30, 30))])
    torch.save({"a": torch.zeros(1)}, tmp_path / "other.pth")
    with pytest.raises(WeightsError, match="not the Inception of FID"):
        Inception(tmp_path / "other.pth").see([noise(0, (30, 30))])
    with pytest.raises(SpecError, match="Unknown resize 'fast'"):
        networks(tmp_path / "none.pth", None, "fast")


class Harmful:
    def __reduce__(self):
        return print, ("ran",)


def test_a_file_that_would_run_code_is_refused(tmp_path, capsys):
    torch.save({"a": Harmful()}, tmp_path / "harm.pth")
    with pytest.raises(WeightsError, match="not the Inception"):
        Inception(tmp_path / "harm.pth").see([noise(0, (30, 30))])
    assert "ran" not in capsys.readouterr().out
