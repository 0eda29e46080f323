"""One study by several processes, and below a path of a proxy."""

from __future__ import annotations

import asyncio
import os
import pickle
import signal
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.testclient import TestClient

from arena.facts.raters import key_digest
from arena.limits import Limits
from arena.store import Store
from arena.visiting import Visitor, client
from arena.workers import Page
from benchmarks.arena_fuzz import NO_LIMITS, begin, load
from benchmarks.arena_load import placed, study
from benchmarks.crowd import Ack, settle
from benchmarks.serving import Serving, family, serving
from evalkit.runs import Run
from tests.arena.conftest import built
from tests.arena.test_fuzz import answer_at_once


@pytest.mark.postgres
@pytest.mark.slow
def test_two_processes_hold_one_study_whichever_is_asked(tmp_path: Path) -> None:
    with placed(study(tmp_path, prompts=5, seeds=1), postgresql=True) as (database, _):
        both = [Serving(database, "load") for _ in range(2)]
        with serving(both):
            addresses = [server.address for server in both]
            acks = asyncio.run(vote_in_turn(addresses, 20))
            victim = asyncio.run(begin(addresses[0], "open", 0))
            answers = asyncio.run(answer_at_once(addresses, victim, ("left",), 50))
            assert not any(stage.notice for _, stage in answers)
            found = settle(database, acks)
        assert found.lost == found.doubled == found.miscounted == 0
        assert found.kept == 20 + 2, "the other rater's two, of which one was said fifty times"


async def vote_in_turn(addresses: list[str], votes: int) -> list[Ack]:
    """Let one rater say each answer to another process than the last."""
    key, acks = "known-to-both-processes", []
    async with client(addresses[0], verify=False) as one, client(addresses[1], verify=False) as two:
        visitors = [Visitor(http, key, tries=1) for http in (one, two)]
        stage = await visitors[0].come()
        for number in range(votes):
            visitor = visitors[number % 2]
            assert stage.token
            await visitor.look(stage.pictures)
            after = await visitor.act("left", stage.token)
            assert not after.notice
            acks.append(Ack(key_digest(key), stage.token, "left", 0.0))
            stage = after
    return acks


@pytest.mark.slow
def test_a_worker_that_is_killed_is_started_anew(tmp_path: Path) -> None:
    with placed(study(tmp_path, prompts=2, seeds=1), postgresql=False) as (database, _):
        server = Serving(database, "load", "--workers", "2")
        with serving([server]):
            assert server._process
            first = workers(server._process.pid)
            assert len(first) == 2
            os.kill(min(first), signal.SIGKILL)
            while not workers(server._process.pid) - first:
                httpx.get(f"{server.address}health", timeout=60, trust_env=False)
            assert httpx.get(f"{server.address}stage", timeout=60, trust_env=False).is_success
        assert server._process.returncode == 0


def workers(of: int) -> set[int]:
    """Return the processes of the page; one more keeps account of what they share."""
    found = set()
    for pid in family(of)[1:]:
        with suppress(FileNotFoundError):
            words = Path(f"/proc/{pid}/cmdline").read_bytes()
            found |= {pid} if b"spawn_main" in words else set()
    return found


def test_what_a_process_is_told_goes_from_one_to_another(store: Store, run: Run) -> None:
    page = Page(
        "study.sqlite", "open", Limits.of(rater=1, address=0, newcomers=3), "10.0.0.1", "/a"
    )
    assert pickle.loads(pickle.dumps(page)) == page


def test_below_a_path_the_page_knows_where_it_is(store: Store, run: Run) -> None:
    web = built(store, load(store, run, None), NO_LIMITS, root_path="/study")

    async def proxy(scope: Any, receive: Any, send: Any) -> None:
        assert scope["path"].startswith("/study/")
        path = scope["path"].removeprefix("/study")
        await web(scope | {"path": path, "raw_path": path.encode()}, receive, send)

    visitor = TestClient(proxy, base_url="http://localhost/study/")
    shown = visitor.get("./")
    assert shown.status_code == 200
    assert '"root":"http://localhost/study"' in shown.text.replace(" ", "")
    stage = visitor.get("stage").text
    assert 'src="battle/' in stage, "addresses are relative"
    assert visitor.get("config").json()["root"] == "http://localhost/study"
