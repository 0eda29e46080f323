"""Many raters at once at real processes: every promised vote is kept, once, whatever dies."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from benchmarks.arena_load import crash, hold, placed, study
from benchmarks.crowd import Ack, Crowd, settle
from benchmarks.serving import Serving, serving

BOTH = ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)]


@pytest.mark.slow
@pytest.mark.parametrize("kind", BOTH)
def test_no_promised_vote_is_lost_when_everything_is_killed(kind: str, tmp_path: Path) -> None:
    run = study(tmp_path, prompts=20, seeds=1)
    with placed(run, postgresql=kind == "postgresql") as (database, postgres):
        workers = ("--workers", "2") if postgres else ()
        server = Serving(database, "load", *workers)
        crowd = Crowd(server.address, raters=20, think=0)
        with serving([server]):
            before = asyncio.run(
                hold(
                    crowd,
                    lambda: len(crowd.acks) >= 250,
                    lambda: crash(server, postgres),
                    lambda: len(crowd.acks) >= 80,
                )
            )
            found = settle(database, crowd.acks)
        assert 80 <= before < found.promised == found.kept
        assert found.sound, found
        assert not crowd.errors
        assert not crowd.refused
        assert crowd.retried, "nobody noticed the crash"
        assert not any("Traceback" in line for line in server.said)


def test_what_was_promised_and_is_not_there_is_found(tmp_path: Path) -> None:
    run = study(tmp_path, prompts=2, seeds=1)
    with placed(run, postgresql=False) as (database, _):
        found = settle(database, [Ack("nobody", "token", "left", 1.0)])
        assert (found.lost, found.kept, found.sound) == (1, 0, False)
