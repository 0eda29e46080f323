"""arena serve as a process: what was asked before it is told to stop is answered and kept."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from arena import studies
from arena.store import Store
from evalkit.runs import Run
from tests.arena.test_app import token_in


@contextmanager
def serving(database: Path, *options: str) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """Serve a study in a process of its own, whose words go to a file beside the database."""
    words = ("serve", "--database", str(database), "--study", "s", "--port", "0", *options)
    said = database.with_suffix(".log")
    with said.open("wb") as stream:
        process = subprocess.Popen(
            [sys.executable, "-m", "arena.cli", *words],
            stderr=stream,
            env=os.environ | {"ARENA_ADMIN": "a secret of twenty-four or more"},
        )
    try:
        while not (found := re.search(r"http://127.0.0.1:(\d+)/", said.read_text())):
            assert process.poll() is None, said.read_text()
            time.sleep(0)
        yield process, int(found[1])
    finally:
        process.kill()
        process.wait(60)


@pytest.mark.slow
def test_a_vote_on_its_way_is_kept_when_the_server_is_told_to_stop(
    tmp_path: Path, run: Run
) -> None:
    database = tmp_path / "arena.sqlite"
    store = Store.open(str(database), create=True)
    studies.load(store, run, studies.describe("s", seed=7))
    with serving(database, "--log-json") as (process, port):
        line = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        line.request("GET", "/")
        cookie = (answer := line.getresponse()).headers["Set-Cookie"].partition(";")[0]
        answer.read()
        line.request("GET", "/stage", headers={"Cookie": cookie})
        token = token_in(line.getresponse().read().decode())
        body = json.dumps({"choice": "left", "token": token}).encode()
        line.putrequest("POST", "/answer")
        for name, value in (("Cookie", cookie), ("Content-Length", str(len(body)))):
            line.putheader(name, value)
        line.putheader("Content-Type", "application/json")
        line.endheaders(body[:10])
        _until_health(port, b'"ok"')  # a later request was answered, so the server knows ours
        process.send_signal(signal.SIGTERM)
        _until_health(port, None)
        line.send(body[10:])
        with closing(line), line.getresponse() as answered:
            assert answered.status == 200
        assert process.wait(60) is not None
    logged = [json.loads(s) for s in database.with_suffix(".log").read_text().splitlines()[1:]]
    assert [v.winner for v in studies.standing_votes(store, "s")] == ["left"]
    store.close()
    assert logged[-1] | {"at": "", "seconds": 0} == {
        "at": "",
        "level": "info",
        "source": "arena.watch",
        "event": "request",
        "route": "/answer",
        "method": "POST",
        "status": 200,
        "seconds": 0,
    }


def _until_health(port: int, wanted: bytes | None) -> None:
    """Ask until the server says so; None: until it takes no new connection."""
    while True:
        line = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        try:
            line.request("GET", "/healthz")
            said = line.getresponse().read()
        except (ConnectionError, http.client.RemoteDisconnected):
            if wanted is None:
                return
            raise
        finally:
            line.close()
        if wanted is not None and wanted in said:
            return
