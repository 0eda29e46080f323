import multiprocessing

import numpy as np
import pytest

from evalkit.miniature import samples
from evalkit.miniature.samples import Samples, draw, drawn, joined
from evalkit.miniature.scenes import CLASSES, HELD_OUT


def test_the_same_seed_draws_the_same():
    first, again = draw("a", 12), draw("a", 12)
    for name, value in vars(first).items():
        assert np.array_equal(value, vars(again)[name]), name


def test_wholes_come_first_and_cut_outs_hold_one_object():
    found = draw("b", 30)
    assert 30 < len(found) <= 60
    assert (found.holds[30:, : len(CLASSES), 0].sum(axis=1) == 1).all()
    assert found.texts.shape == (len(found), samples.SENTENCES, 2)


def test_sentences_hold_and_near_misses_do_not():
    found = draw("c", 40)
    for holds, known, claims in zip(found.holds, found.known, found.claims, strict=True):
        true, wrong = claims[:, 0], claims[:, 1]
        assert (true <= (holds | ~known)).all()
        assert not (wrong <= holds).all()


def test_training_shows_no_held_out_pair():
    found = draw("d", 60)
    for class_, color in HELD_OUT:
        column = 5 + samples.facts.COLORS.index(color)
        assert not found.holds[:, CLASSES.index(class_), column].any()


def test_shards_are_kept_joined_and_not_drawn_twice(tmp_path, monkeypatch):
    monkeypatch.setattr(samples, "SHARD", 6)
    monkeypatch.setattr(samples, "ProcessPoolExecutor", _Here)
    first = drawn(draw, "x", 12, tmp_path)
    files = sorted(tmp_path.iterdir())
    assert len(files) == 2
    stamps = [f.stat().st_mtime_ns for f in files]
    again = drawn(draw, "x", 12, tmp_path)
    assert [f.stat().st_mtime_ns for f in files] == stamps
    assert isinstance(again, Samples)
    assert np.array_equal(first.pixels, again.pixels)
    files[1].unlink()
    assert np.array_equal(drawn(draw, "x", 12, tmp_path).pixels, first.pixels)


class _Here:
    """A pool of no other processes."""

    def __init__(self, workers, mp_context):
        assert mp_context is multiprocessing.get_context("spawn")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None

    def map(self, function, jobs):
        return map(function, jobs)


def test_joining_nothing_is_an_error():
    with pytest.raises(IndexError):
        joined([])
