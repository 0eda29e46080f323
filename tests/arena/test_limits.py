"""Haste is slowed by cookie and by address; long requests are refused; proxies must be named."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from arena import app, studies, tables
from arena.guard import BODY, Guard
from arena.limits import REMEMBERED, Buckets, Gate, Limit, Limits, address
from arena.store import Store
from evalkit.runs import Run
from tests.arena.conftest import built
from tests.arena.test_battles import rows

FAR = ("203.0.113.7", 5)


class Seconds:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_bucket_is_full_at_first_and_refills_with_time() -> None:
    clock = Seconds()
    buckets = Buckets(Limit(2, 3), clock)
    assert [buckets.take("ann") for _ in range(3)] == [0, 0, 0]
    assert buckets.take("ann") == 0.5
    assert buckets.take("bob") == 0, "everybody has a bucket of their own"
    clock.now = 0.25
    assert buckets.take("ann") == 0.25, "waiting costs nothing"
    clock.now = 0.5
    assert buckets.take("ann") == 0
    clock.now = 1e6
    assert [buckets.take("ann") > 0 for _ in range(4)] == [False, False, False, True]


def test_no_rate_is_no_limit() -> None:
    buckets = Buckets(Limit(None, 0))
    assert not any(buckets.take("ann") for _ in range(1000))
    gate = Gate(Limits.of(rater=0, address=0, newcomers=0))
    assert gate.wait("cookie", "203.0.113.7") == gate.wait_as_newcomer("203.0.113.7") == 0


def test_names_without_number_do_not_fill_the_memory() -> None:
    buckets = Buckets(Limit(1, 1), Seconds())
    for name in range(REMEMBERED + 10):
        buckets.take(str(name))
    assert len(buckets._left) == REMEMBERED
    assert buckets.take("0") == 0, "the first is forgotten"
    assert buckets.take(str(REMEMBERED)) > 0, "the last is not"


@pytest.mark.parametrize(
    ("host", "known"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("127.0.0.1", None),
        ("::1", None),
        ("::ffff:127.0.0.1", None),
        ("testclient", None),
        ("", None),
        (None, None),
    ],
)
def test_what_counts_as_one_address(host: str | None, known: str | None) -> None:
    assert address(host) == known


@pytest.fixture
def files(tmp_path: Path, run: Run) -> Iterator[Store]:
    store = Store.open(str(tmp_path / "arena.sqlite"), create=True, durable=False)
    studies.load(store, run, studies.describe("s", seed=7))
    yield store
    store.close()


def limited(files: Store, **limits: float) -> Guard:
    rates = {"rater": 0.0, "address": 0.0, "newcomers": 0.0} | limits
    return built(files, "s", Limits.of(**rates))


def visitor(web: object, client: tuple[str, int] = FAR, scheme: str = "http") -> TestClient:
    found = TestClient(web, base_url=f"{scheme}://localhost", client=client)  # type: ignore[arg-type]
    found.get("/")
    return found


def test_one_rater_in_haste_is_told_to_wait_and_another_is_not(files: Store) -> None:
    web = limited(files, rater=0.5)
    hasty, calm = visitor(web), visitor(web)
    sent = [hasty.get("/stage").status_code for _ in range(7)]
    assert sent == [200] * 5 + [429] * 2
    refused = hasty.post("/answer", json={"choice": "left", "token": "x"})
    assert refused.status_code == 429
    assert int(refused.headers["retry-after"]) >= 1
    assert "default-src 'self'" in refused.headers["content-security-policy"]
    assert hasty.get("/").status_code == hasty.get("/health").status_code == 200
    assert calm.get("/stage").status_code == 200


def test_one_address_in_haste_is_told_to_wait_whatever_its_cookies(files: Store) -> None:
    web = limited(files, address=0.5)
    for turn in range(7):
        client = visitor(web)
        assert client.get("/stage").status_code == (200 if turn < 5 else 429)
    assert visitor(web, ("198.51.100.1", 5)).get("/stage").status_code == 200
    assert visitor(web, ("127.0.0.1", 5)).get("/stage").status_code == 200


def test_a_script_cannot_make_raters_without_number(files: Store) -> None:
    web = limited(files, newcomers=3)
    codes = []
    for turn in range(5):
        client = visitor(web)
        client.cookies.clear()
        client.cookies.set("rater", f"made-up-by-a-script-{turn}")
        codes.append(client.get("/stage").status_code)
    assert codes == [200, 200, 200, 429, 429]
    assert rows(files, tables.rater) == 3
    client.cookies.clear()
    client.cookies.set("rater", "made-up-by-a-script-0")
    assert client.get("/stage").status_code == 200, "who is known goes on"


def test_a_long_request_is_refused_before_it_is_read(files: Store) -> None:
    client = visitor(built(files, "s"))
    assert client.post("/answer", content=b"x" * (BODY + 1)).status_code == 413

    def drip() -> Iterator[bytes]:
        for _ in range(BODY // 1000 + 2):
            yield b"x" * 1000

    assert client.post("/answer", content=drip()).status_code == 413
    short = client.post("/answer", content=iter([b'{"choice": ', b'"show"}']))
    assert short.status_code == 200, "in pieces, and whole"


def test_forwarded_headers_count_only_from_a_proxy_that_was_named(files: Store) -> None:
    web = limited(files, address=0.5)
    proxied = app.behind(web, "10.0.0.0/8, 192.0.2.1")

    def code(web: object, peer: str, said: str) -> int:
        client = visitor(web, (peer, 5))
        return client.get("/stage", headers={"X-Forwarded-For": said}).status_code

    for turn in range(6):
        assert code(proxied, "10.1.2.3", f"203.0.113.{turn}") == 200
    assert [code(proxied, "10.1.2.3", "203.0.113.99") for _ in range(6)][-1] == 429
    # Who is no proxy is counted by its own address, whatever it says.
    assert [code(proxied, "198.51.100.9", f"203.0.114.{i}") for i in range(6)][-1] == 429
    assert [code(web, "198.51.100.10", f"203.0.115.{i}") for i in range(6)][-1] == 429


def test_https_is_known_by_a_named_proxy_alone(files: Store) -> None:
    web = built(files, "s")
    forwarded = {"X-Forwarded-Proto": "https"}
    for served, peer, secure in (
        (app.behind(web, "10.1.2.3"), "10.1.2.3", True),
        (app.behind(web, "10.1.2.3"), "10.1.2.4", False),
        (web, "10.1.2.3", False),
    ):
        client = TestClient(served, base_url="http://localhost", client=(peer, 1))
        cookie = client.get("/", headers=forwarded).headers["set-cookie"]
        assert ("Secure" in cookie) is secure
