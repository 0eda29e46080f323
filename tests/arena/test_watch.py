"""Health, counts and logs: true, for machines, and without anything that names somebody."""

from __future__ import annotations

import io
import json
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient

from arena import logs, studies
from arena.keeper import VARIABLE
from arena.store import Store
from arena.watch import route_of
from evalkit.errors import StoreError
from evalkit.runs import Run
from tests.arena.conftest import built
from tests.arena.test_app import token_in

SECRET = "the keeper's secret of a test"


@pytest.fixture
def files(tmp_path: Path, run: Run) -> Iterator[Store]:
    store = Store.open(str(tmp_path / "arena.sqlite"), create=True, durable=False)
    studies.load(store, run, studies.describe("s", seed=7))
    yield store
    store.close()


@contextmanager
def page(store: Store, **how: bool) -> Iterator[TestClient]:
    with TestClient(built(store, "s", **how), base_url="http://localhost") as visitor:
        yield visitor


def figures(client: TestClient) -> dict[str, float]:
    answer = client.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain")
    lines = [line for line in answer.text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}


@contextmanager
def silent(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let the database answer nothing."""

    def refuse(*_: object, **__: object) -> None:
        raise StoreError("the server is gone")

    with monkeypatch.context() as patched:
        patched.setattr(Store, "reading", refuse)
        yield


def test_health_is_the_database_s(files: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    with page(files) as client:
        well = client.get("/healthz")
        assert (well.status_code, well.json()) == (200, {"status": "ok"})
        with silent(monkeypatch):
            ill = client.get("/healthz")
        assert ill.status_code == 503
        assert "gone" not in ill.text
        assert client.get("/healthz").status_code == 200
        assert client.post("/healthz").status_code == 405


def test_a_database_without_its_tables_is_not_well(files: Store) -> None:
    with page(files) as client:
        with files._engine.begin() as connection:
            connection.execute(sa.text("PRAGMA foreign_keys=OFF"))
            connection.execute(sa.text("ALTER TABLE study RENAME TO lost"))
        assert client.get("/healthz").status_code == 503


def test_counts_need_the_option_or_the_secret(
    files: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    with page(files) as client:
        assert client.get("/metrics").status_code == 404
    with page(files, metrics=True) as client:
        assert figures(client)["arena_database_up"] == 1
    monkeypatch.setenv(VARIABLE, SECRET)
    with page(files) as client:
        refused = client.get("/metrics")
        assert refused.status_code == 401
        assert refused.headers["www-authenticate"] == "Bearer"
        for wrong in ("Bearer no", "Bearer", f"Basic {SECRET}"):
            said = client.get("/metrics", headers={"authorization": wrong})
            assert said.status_code in (401, 403)
        client.headers["authorization"] = f"Bearer {SECRET}"
        for _ in range(10):
            assert figures(client)["arena_database_up"] == 1
        client.headers["authorization"] = "Bearer guess"
        statuses = [client.get("/metrics").status_code for _ in range(6)]
        assert statuses[-1] == 429, "guesses are limited as at the door"


def test_votes_refusals_and_times_are_counted(files: Store) -> None:
    with page(files, metrics=True) as client:
        client.get("/")
        token = token_in(client.get("/stage").text)
        client.post("/answer", json={"choice": "left", "token": token})
        client.post("/answer", json={"choice": "right", "token": token})
        client.post("/answer", json={"choice": "<nonsense>", "token": token})
        client.get(f"/battle/{token}/left")
        client.request("PROPFIND", "/secret-place")
        found = figures(client)
    assert found['arena_votes{criterion="overall"}'] == 1
    assert found["arena_raters_at_work"] == 1
    assert found['arena_answers_total{choice="left"}'] == 1
    assert found['arena_refusals_total{reason="answered"}'] == 1
    assert found['arena_refusals_total{reason="nonsense"}'] == 1
    assert found["arena_errors_total"] == 0
    times = 'arena_request_seconds_count{method="POST",route="/answer",status="200"}'
    assert found[times] == 3
    assert not any(token in name or "secret-place" in name for name in found)
    assert any('method="other",route="other",status="404"' in name for name in found)


def test_counts_without_a_database_say_so(files: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    with page(files, metrics=True) as client, silent(monkeypatch):
        found = figures(client)
    assert found["arena_database_up"] == 0
    assert not any(name.startswith("arena_votes") for name in found), "missing is not zero"


def test_an_error_is_counted(files: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    with page(files, metrics=True) as client:
        client.get("/")
        with silent(monkeypatch):
            assert client.get("/stage").status_code == 503
        assert figures(client)["arena_errors_total"] == 1


@pytest.mark.parametrize(
    ("path", "route"),
    [
        ("/", "/"),
        ("/battle/abc/left", "/battle/{token}/{side}"),
        ("/admin/picture/00", "/admin"),
        ("/face/1/page.css", "files"),
        ("/gradio_api/upload", "other"),
        ("", "/"),
        ("*", "other"),
    ],
)
def test_an_address_has_a_kind(path: str, route: str) -> None:
    assert route_of(path) == route


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    root, arena = logging.getLogger(), logging.getLogger("arena")
    kept = root.handlers[:], root.level, arena.level
    stream = io.StringIO()
    logs.as_json(stream)
    yield stream
    root.handlers[:] = kept[0]
    root.setLevel(kept[1])
    arena.setLevel(kept[2])


def test_logs_name_nobody(files: Store, written: io.StringIO) -> None:
    with page(files) as client:
        client.get("/?PROLIFIC_PID=5f1d7e0000&SESSION_ID=77")
        token = token_in(client.get("/stage").text)
        client.get(f"/battle/{token}/left")
        note = {"choice": "report", "token": token, "note": "my name is Ann"}
        client.post("/answer", json=note)
        key = client.cookies["rater"]
    lines = [json.loads(line) for line in written.getvalue().splitlines()]
    assert [line["route"] for line in lines] == ["/", "/stage", "/battle/{token}/{side}", "/answer"]
    assert {line["event"] for line in lines} == {"request"}
    assert all(line["status"] == 200 and line["seconds"] >= 0 for line in lines)
    said = written.getvalue()
    for secret in ("5f1d7e0000", "SESSION", token, key, "Ann", "testclient"):
        assert secret not in said


def test_a_failure_is_logged_with_its_traceback_and_without_parameters(
    files: Store, written: io.StringIO
) -> None:
    words = " ".join(("my", "own", "words"))  # a traceback shows the lines of the program
    try:
        with files.writing() as facts:
            facts.add_rater(words, "a key")
            facts.add_rater(words, "another key")
    except StoreError:
        logging.getLogger("arena.test").exception("It failed: %s", "so")
    (line,) = written.getvalue().splitlines()
    found = json.loads(line)
    assert (found["level"], found["event"]) == ("error", "It failed: so")
    assert "IntegrityError" in found["error"]
    assert words not in line


def test_a_line_is_one_line(written: io.StringIO) -> None:
    logging.getLogger("arena").warning("two\nlines and é", extra={"facts": {"of": {1}}})
    assert written.getvalue().count("\n") == 1
    assert re.search(r'"event": "two\\nlines and é", "of": "\{1\}"', written.getvalue())
