"""A run goes to a bucket and comes back whole."""

from __future__ import annotations

import shutil

import fsspec
import pytest

from evalkit import mirror
from evalkit.engine import Local
from evalkit.errors import RunError
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
