import numpy as np
import pytest

torch = pytest.importorskip("torch")

from evalkit.geneval import plural  # noqa: E402
from evalkit.miniature import latents, samples, vae  # noqa: E402
from evalkit.miniature.data import drawn, mixed  # noqa: E402
from evalkit.miniature.latents import CAPTIONS, draw, draw_simple, scenes  # noqa: E402
from evalkit.miniature.scenes import CLASSES, COLORS, HELD_OUT  # noqa: E402


@pytest.fixture(scope="module")
def some():
    return draw("a", 16, "train", 0.0)


@pytest.fixture(scope="module")
def simple():
    return draw_simple("a", 16, "train", 0.0)


def owners(cells):
    """The (class, colour) pairs that own cells of one scene."""
    found = {tuple(c) for c in cells.tolist()} - {(0, 0)}
    return {(CLASSES[c - 1], COLORS[k - 1]) for c, k in found}


def test_the_same_seed_draws_the_same(some):
    again, other = draw("a", 16, "train", 0.0), draw("b", 16, "train", 0.0)
    for name, value in vars(some).items():
        assert np.array_equal(value, vars(again)[name]), name
        assert not np.array_equal(value, vars(other)[name]), name


def test_what_a_scene_is_kept_as(some):
    assert len(some) == 16
    assert some.latents.shape == (16, 8, 16, 16)
    assert some.texts.shape == (16, CAPTIONS)
    assert some.cells.shape == (16, 64, 2)
    assert 0.7 < some.latents.std() < 1.3


def test_cells_know_the_classes_that_captions_name(some, simple):
    for data in (some, simple):
        for texts, cells in zip(data.texts, data.cells, strict=True):
            there = {name for name, _ in owners(cells)}
            for text in texts:
                for name in there:
                    assert name in text.decode() or plural(name) in text.decode()


def test_cells_are_owned_in_part_and_class_and_colour_go_together(some):
    assert ((some.cells[..., 0] > 0) == (some.cells[..., 1] > 0)).all()
    share = (some.cells[..., 0] > 0).mean()
    assert 0.05 < share < 0.7


def test_cells_lie_where_the_object_is_drawn(simple):
    pictures = vae.decode(torch.from_numpy(simple.latents).float()).astype(float)
    inside = []
    for picture, cells in zip(pictures, simple.cells, strict=True):
        ((_, color),) = owners(cells)
        own = ("red", "green", "blue").index(color)
        excess = picture[..., own] - picture[..., [i for i in range(3) if i != own]].mean(axis=-1)
        cell = excess.reshape(8, 8, 8, 8).mean(axis=(1, 3)).ravel()
        inside.append(cell[cells[:, 0] > 0].mean() - cell[cells[:, 0] == 0].mean())
    assert np.mean(inside) > 30
    assert np.mean(np.array(inside) > 0) > 0.9


def test_simple_scenes_hold_one_object_of_three_colours(simple):
    for texts, cells in zip(simple.texts, simple.cells, strict=True):
        ((_, color),) = owners(cells)
        assert color in latents.SIMPLE_COLORS
        assert not any(b" and " in t for t in texts)
    assert len({color for cells in simple.cells for _, color in owners(cells)}) == 3


def test_training_shows_no_held_out_pair():
    found = draw("c", 40, "train", 0.0)
    assert not {pair for cells in found.cells for pair in owners(cells)} & HELD_OUT


def test_encoding_and_decoding_are_each_others_inverse():
    pictures = drawn([mixed("test", i) for i in range(6)], vae.SIDE)
    codes = vae.encode(pictures, batch=4)
    assert abs(float(codes.mean())) < 0.2
    assert 0.8 < float(codes.std()) < 1.2
    back = vae.decode(codes, batch=5)
    assert back.dtype == np.uint8
    error = ((back.astype(float) - pictures) ** 2).mean()
    assert 10 * np.log10(255**2 / error) > 26
    assert np.abs(back.astype(int) - vae.round_trip(pictures)).max() <= 2


class Here:
    """A pool of no other processes."""

    def __init__(self, *_, **__):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None

    def map(self, function, jobs):
        return map(function, jobs)


def test_scenes_are_kept_begin_alike_and_differ_by_purpose(tmp_path, monkeypatch):
    monkeypatch.setattr(samples, "SHARD", 3)
    monkeypatch.setattr(samples, "ProcessPoolExecutor", Here)
    few = scenes(3, work=tmp_path)
    stamps = {f: f.stat().st_mtime_ns for f in tmp_path.rglob("*.npz")}
    more = scenes(6, work=tmp_path)
    assert np.array_equal(more.latents[:3], few.latents)
    assert np.array_equal(more.texts[:3], few.texts)
    assert all(f.stat().st_mtime_ns == s for f, s in stamps.items())
    held = scenes(3, work=tmp_path, purpose="latents-held")
    rehearsed = scenes(3, work=tmp_path, simple=True)
    for other in (held, rehearsed):
        assert not np.array_equal(other.latents, few.latents)
    assert not np.array_equal(more.latents[3:], few.latents)
