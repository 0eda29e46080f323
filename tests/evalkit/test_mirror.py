"""A run goes to a bucket and comes back whole."""

from __future__ import annotations

import shutil

import fsspec
import pytest

from evalkit import mirror
from evalkit.engine import Local
from evalkit.errors import ImageError, RunError
from evalkit.generate import generate, open_or_create, plan
from evalkit.runs import Run
from evalkit.score import score
from tests.fakes import Redness


@pytest.fixture(params=["memory", "folder"])
def bucket(request, tmp_path):
    if request.param == "folder":
        return str(tmp_path / "shared")
    fs = fsspec.filesystem("memory")
    fs.store.clear()
    return "memory://bucket/run"


def texts(run):
    return dict(run.texts())


def test_a_run_comes_back_as_it_went(drawn, bucket, tmp_path):
    score(drawn, Redness(), Local())
    assert mirror.push(drawn, bucket) == len(mirror.pictures(drawn)) > 0
    assert mirror.push(drawn, bucket) == 0
    mirror.fetch(bucket, tmp_path / "back")
    back = Run.open(tmp_path / "back")
    assert mirror.pull(back, bucket) == len(mirror.pictures(drawn))
    assert texts(back) == texts(drawn)
    assert list(back.damaged()) == []
    assert plan(back).left == 0


def test_only_what_is_new_is_copied_again(drawn, bucket, suite, noise):
    mirror.push(drawn, bucket)
    open_or_create(drawn.path, suite, [noise("third", flavour=2)], range(2))
    run = Run.open(drawn.path)
    made = generate(run, Local())
    assert mirror.push(run, bucket) == len(made) == 12


def test_a_lost_picture_is_pulled_alone(drawn, bucket):
    mirror.push(drawn, bucket)
    drawn.images.path(drawn.generations()[0].image).unlink()
    mirror.fetch(bucket, drawn.path)
    assert mirror.pull(drawn, bucket) == 1


def test_another_run_is_not_written_over(drawn, bucket, tmp_path, suite, noise):
    mirror.push(drawn, bucket)
    other = open_or_create(tmp_path / "other", suite, [noise()], [0])
    generate(other, Local())
    for work in (mirror.push, mirror.pull):
        with pytest.raises(RunError, match="holds the run 'demo'"):
            work(other, bucket)


def test_a_damaged_picture_is_not_taken(drawn, tmp_path):
    mirror.push(drawn, str(tmp_path / "there"))
    digest = drawn.generations()[0].image
    (tmp_path / "there/images" / digest[:2] / f"{digest}.png").write_bytes(b"else")
    shutil.rmtree(drawn.images.root)
    with pytest.raises(RunError, match="has changed"):
        mirror.pull(drawn, str(tmp_path / "there"))


@pytest.mark.parametrize("url", ["odd://x", "memory://nothing/here"])
def test_a_place_that_holds_nothing_is_named(url, tmp_path):
    with pytest.raises(RunError, match=url):
        mirror.fetch(url, tmp_path / "run")


def test_pictures_at_a_url_come_when_they_are_read(drawn, bucket, tmp_path):
    mirror.push(drawn, bucket)
    images = mirror.Distant(bucket, tmp_path / "cache")
    first, other = mirror.pictures(drawn)[:2]
    assert images.has(first)
    assert not images.path(first).exists()
    assert images.read(first) == drawn.images.read(first)
    assert images.path(first).exists()
    assert not images.path(other).exists()
    assert not images.has("0" * 64)
    with pytest.raises(ImageError, match="cannot be had"):
        images.open("0" * 64)


def test_a_picture_that_is_added_is_there_for_others(drawn, bucket, tmp_path, noise):
    mirror.push(drawn, bucket)
    picture = drawn.images.open(drawn.generations()[0].image).resize((3, 3))
    added = mirror.Distant(bucket, tmp_path / "one").put(picture)
    assert mirror.Distant(bucket, tmp_path / "other").open(added).size == (3, 3)


def test_a_picture_that_changed_at_its_url_is_not_shown(drawn, tmp_path):
    there = tmp_path / "there"
    mirror.push(drawn, f"file://{there}")
    digest = drawn.generations()[0].image
    (there / "images" / digest[:2] / f"{digest}.png").write_bytes(b"else")
    with pytest.raises(ImageError, match="has changed"):
        mirror.Distant(f"file://{there}", tmp_path / "cache").open(digest)
