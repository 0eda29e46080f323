"""A cluster does what one process does, and loses nothing with a worker or a node."""

from __future__ import annotations

import os
import signal
import time
from functools import partial

import pytest

from evalkit.distributed import Ray
from evalkit.engine import Local, Lost
from evalkit.errors import ClusterError, SpecError
from evalkit.generate import generate, open_or_create
from evalkit.prompts import load
from evalkit.records import ModelSpec

ray = pytest.importorskip("ray")
pytestmark = pytest.mark.slow

SKETCHES = [
    ModelSpec(name=f"faulty-{n}", generator="sketch", options={"faults": n / 100}) for n in (0, 40)
]


@pytest.fixture(scope="module")
def cluster():
    """A head without room for work, and two nodes with one core each."""
    from ray.cluster_utils import Cluster

    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    made.extra = made.add_node(num_cpus=1)
    made.add_node(num_cpus=1)
    ray.init(address=made.address, log_to_driver=False, configure_logging=False)
    yield made
    ray.shutdown()
    made.shutdown()


def test_a_cluster_that_is_not_there_is_named():
    """It comes before the cluster, which a process can join but once."""
    with pytest.raises(ClusterError, match="Start a cluster there with: ray start"):
        list(Ray(address="127.0.0.1:1").map(doubling, [1]))


def doubling(marks=None, victim=None, deadly=()):
    """Make a worker that doubles; it dies of deadly pieces, and of its victim the first time."""

    def work(piece):
        if piece in deadly or (piece == victim and not marks.exists()):
            if marks:
                marks.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return 2 * piece

    return work


def test_every_piece_comes_back_with_its_result(cluster):
    found = dict(Ray(workers=2).map(doubling, range(25)))
    assert found == {n: 2 * n for n in range(25)}


def test_without_work_no_worker_is_made():
    def never():
        raise AssertionError

    assert list(Ray(address="nowhere:1").map(never, [])) == []


def test_a_dead_worker_costs_nothing_but_time(cluster, tmp_path):
    make = partial(doubling, tmp_path / "died", 7)
    assert dict(Ray(workers=2).map(make, range(12))) == {n: 2 * n for n in range(12)}
    assert (tmp_path / "died").exists()


def test_a_piece_that_kills_is_given_up_and_the_others_are_done(cluster):
    found = dict(Ray(workers=2).map(partial(doubling, deadly=(5,)), range(10)))
    assert isinstance(found[5], Lost)
    assert "3 workers died" in found[5].reason
    assert {n: r for n, r in found.items() if n != 5} == {n: 2 * n for n in range(10) if n != 5}


def test_workers_that_only_die_end_the_work(cluster):
    with pytest.raises(ClusterError, match="keep dying"):
        list(Ray(workers=1).map(partial(doubling, deadly=range(10)), range(10)))


def test_an_error_of_a_worker_keeps_its_class(cluster):
    def broken():
        raise SpecError("no such option")

    with pytest.raises(SpecError, match="no such option"):
        list(Ray().map(broken, [1]))


def test_more_gpus_than_there_are_is_said(cluster):
    with pytest.raises(ClusterError, match="asks for 1 GPUs and the cluster has 0"):
        list(Ray(gpus=1).map(doubling, [1]))


def test_no_room_is_said_and_not_waited_for(cluster):
    hold = ray.remote(num_cpus=1)(lambda: time.sleep(30))
    held = [hold.remote(), hold.remote()]
    try:
        with pytest.raises(ClusterError, match="no worker found room"):
            list(Ray(patience=0.5).map(doubling, [1]))
    finally:
        for ref in held:
            ray.cancel(ref, force=True)


def facts(run):
    return {(g.id, g.model, g.seed, g.image, g.error) for g in run.generations()}


def test_a_node_lost_in_the_middle_changes_nothing_in_the_run(cluster, tmp_path):
    suite = load("miniature")
    here = open_or_create(tmp_path / "here", suite, SKETCHES, [0])
    generate(here, Local(), limit=60)
    there = open_or_create(tmp_path / "there", suite, SKETCHES, [0])
    done = []

    def lose_a_node(count):
        done.append(count)
        if len(done) == 5:
            cluster.remove_node(cluster.extra, allow_graceful=False)

    generate(there, Ray(), limit=60, batch=4, progress=lose_a_node)
    assert facts(there) == facts(here)
    assert there.truths() == here.truths()
