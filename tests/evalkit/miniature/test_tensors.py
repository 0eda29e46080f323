import numpy as np
import pytest
import torch
from PIL import Image

from evalkit.miniature.tensors import normalised, tinted, varied
from evalkit.scorers import pictures


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def test_pictures_are_standardised_as_by_the_adapter():
    image = Image.effect_mandelbrot((8, 8), (-2, -1.5, 1, 1.5), 20).convert("RGB")
    pixels = torch.from_numpy(np.asarray(image).transpose(2, 0, 1).copy())[None]
    ours = normalised(pixels)[0].numpy()
    assert ours == pytest.approx(pictures.normalised(image), abs=1e-5)


def test_varied_pictures_stay_in_range_and_near():
    pixels = torch.full((6, 3, 8, 8), 250, dtype=torch.uint8)
    found = varied(pixels, seeded())
    assert found.min() >= 0
    assert found.max() <= 255
    assert (found - 250).abs().mean() < 40
    assert torch.equal(found, varied(pixels, seeded()))


def test_grey_keeps_its_shade_and_red_does_not():
    grey = torch.full((5, 3, 4, 4), 90.0)
    assert torch.allclose(tinted(grey, seeded()), grey, atol=1e-4)
    red = torch.zeros(5, 3, 4, 4)
    red[:, 0] = 200
    found = tinted(red, seeded())
    assert torch.allclose(found.sum(1), red.sum(1), atol=1e-3)
    assert not torch.allclose(found, red)
    assert found.min() >= 0


def test_both_pictures_of_a_pair_are_tinted_alike():
    pair = torch.rand(4, 1, 3, 5, 5, generator=seeded(1)).expand(4, 2, 3, 5, 5) * 255
    found = tinted(pair, seeded(2))
    assert torch.equal(found[:, 0], found[:, 1])


def test_no_pictures_are_no_trouble():
    assert tinted(torch.zeros(0, 3, 4, 4), seeded()).shape == (0, 3, 4, 4)
