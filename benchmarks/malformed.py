"""Calls that no page makes, from a seed: to every door, in every part of a request."""

from __future__ import annotations

import asyncio
import hashlib
import inspect
import json
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlsplit

import sqlalchemy as sa

from arena import tables
from arena.listening import DOORS, PROVOCATIONS, TRAVERSALS
from arena.store import Store

PATIENCE = 10
"""Seconds after which a call that is not answered counts as hung."""

AT_ONCE = 8

METHODS = ("GET", "POST", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW", "get", "")
PAGES = ("", "answer", "stage", "health", "healthz", "config", "theme.css", "admin", "metrics")
FOLDERS = (
    *("battle/{x}/left", "battle/{x}/{x}", "face/{x}/page.js", "static/{x}", "assets/{x}"),
    *("admin/{x}", "battle/{x}", "answer/{x}", "stage/{x}", "{x}", "{x}/{x}/{x}/{x}"),
)
NASTY = (
    *("", "x", "0", "-1", "null", "None", "[]", "%00", "left%00", "%ff%fe", "%ed%a0%80", "..", "."),
    *("%2e%2e", "%0d%0aSet-Cookie:%20rater=x", "' OR 1=1 --", "${7*7}", "{{7*7}}", "%s%n", "\0"),
    *("x" * 70, "x" * 5000, "\u0661\u0662", "\u202e", "1e999", "NaN", "\\", "//", "?", "#", ";"),
)
"""What stands where a name or a number should."""

QUERIES = (
    *("lang=xx", "lang=" + "k" * 3000, "lang=ko&lang=en", "lang=%00", "%", "&&&=", "a" * 6000),
    *("PROLIFIC_PID=&SESSION_ID=", "PROLIFIC_PID=a", "SESSION_ID=b&STUDY_ID=c", "__theme=dark"),
    *("PROLIFIC_PID=a&PROLIFIC_PID=b&STUDY_ID=c&SESSION_ID=d", "fn_index=-1", "session_hash=x"),
    *("PROLIFIC_PID={{%PROLIFIC_PID%}}&STUDY_ID=a&SESSION_ID=b", "PROLIFIC_PID=%00&SESSION_ID=b"),
)
HEADERS = (
    *("X-Forwarded-Host: evil.example", "X-Forwarded-For: 1.2.3.4, ::1", "Expect: 100-continue"),
    *("X-Forwarded-Proto: gopher", "Accept-Language: *;q=NaN, -;;", "Accept: \x80\xff", "Nothing"),
    *("Accept-Language: " + "ko;q=" * 400, "Range: bytes=9999999-0,-", "If-None-Match: *"),
    *("If-Modified-Since: never", "Transfer-Encoding: gzip", "Transfer-Encoding: chunked"),
    "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: x",
    *("Authorization: Bearer " + "x" * 200, "Authorization: Basic ====", "Origin: null", ": no"),
    *("Content-Encoding: gzip", "X: " + "y" * 9000, "Host: \t", "Content-Length: -1"),
)
TYPES = (
    *("application/json; charset=utf-16", "text/plain", "multipart/form-data", "a/b/c;;=", ""),
    *("application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "\x00"),
)
BODIES = (
    *(b"", b"null", b"{", b"}", b"[]", b'"left"', b"NaN", b"\xff\xfe{", b"\xef\xbb\xbf{}", b"\0"),
    *(b"[" * 9000, b'{"choice":' * 900, b"1" * 9000, b"-" * 17000, b'{"choice": "left"', b"a=%"),
    *(b'{"choice": "\\ud800"}', b'{"choice": "left", "token": "\\udfff"}', b"--x\r\n\r\n--x--"),
)
CHOICES = ("left", "right", "tie", "both_bad", "skip", "report", "undo")
WRONG = (
    *(None, True, 0, -1, 1e308, 10**400, float("nan"), [], {}, ["left"]),
    *("", "LEFT", "left ", "ties", "\xe9", "\0", "__class__"),
)
"""What is no choice."""

ODD = ("seconds", "side", "reason", "note", "language", "__proto__", "rater")
COOKIES = ("rater=", "rater=x", "rater=" + "y" * 300, "=;;=", "rater", "visit=forged", "visit=a.b")


@dataclass(frozen=True)
class Victim:
    """A rater who takes part: the cookie, and the battle that could be answered."""

    cookie: str
    token: str


@dataclass(frozen=True)
class Call:
    """One request as bytes on the wire."""

    raw: bytes
    whole: bool = True
    """Whether a server that reads all of it has all that it was promised."""

    @property
    def first(self) -> str:
        """What it asks and says, as far as a message needs it."""
        head, _, body = self.raw.partition(b"\r\n\r\n")
        return f"{head.splitlines()[0][:120]!r} {body[:200]!r}"


@dataclass
class Outcomes:
    """How a server answered."""

    statuses: Counter[int] = field(default_factory=Counter)
    """By status; 0: it hung up without a word, -1: it did not answer in time."""
    failed: list[tuple[int, Call]] = field(default_factory=list)
    """Those that ended in a 5xx, or not at all."""

    def note(self, call: Call, status: int) -> None:
        """Count one answer."""
        self.statuses[status] += 1
        if status < 0 or status >= 500:
            self.failed.append((status, call))


class Malformer:
    """Makes calls, none of which is one that a page makes and that changes something."""

    def __init__(self, victims: Sequence[Victim], routes: Sequence[str], seed: int = 0) -> None:
        self._rng = random.Random(f"malformed {seed}")
        self._victims = victims
        self._routes = routes

    def calls(self, count: int) -> Iterator[Call]:
        """Make so many calls."""
        for _ in range(count):
            yield self._answer() if self._rng.random() < 0.4 else self._elsewhere()

    def _answer(self) -> Call:
        """Say nonsense by the door of the votes, most often as a rater who takes part."""
        rng = self._rng
        victim = rng.choice(self._victims)
        said = rng.choice(BODIES) if rng.random() < 0.3 else self._said(victim)
        kind = rng.choice(TYPES) if rng.random() < 0.2 else "application/json"
        method = "POST" if rng.random() < 0.9 else rng.choice(METHODS)
        cookie = victim.cookie if rng.random() < 0.8 else self._cookie()
        return self._call(method, "answer", cookie, said, f"Content-Type: {kind}")

    def _said(self, victim: Victim) -> bytes:
        rng = self._rng
        others = [v.token for v in self._victims if v != victim]
        token = victim.token
        wrong = [*NASTY, token[:-1], token.swapcase(), f"{token}\0", f" {token}", *others * 5]
        said: Any
        if (kind := rng.randrange(3)) == 0:
            said = {"choice": rng.choice(WRONG), "token": token}
        elif kind == 1:
            said = {"choice": rng.choice(CHOICES), "token": rng.choice(wrong)}
        else:
            said = rng.choice(PROVOCATIONS)
        if isinstance(said, dict):
            said = said | {rng.choice(ODD): rng.choice((*WRONG, *NASTY))}
        return json.dumps(said, ensure_ascii=rng.random() < 0.5).encode()

    def _elsewhere(self) -> Call:
        rng = self._rng
        method = rng.choice(METHODS) if rng.random() < 0.3 else rng.choice(("GET", "POST"))
        body = rng.choice(BODIES) if method not in ("GET", "HEAD") else b""
        cookie = rng.choice(self._victims).cookie if rng.random() < 0.5 else self._cookie()
        return self._call(method, self._path(), cookie, body)

    def _cookie(self) -> str:
        return self._rng.choice(("", *COOKIES))

    def _path(self) -> str:
        rng = self._rng
        template = rng.choice(rng.choice((PAGES, FOLDERS, self._routes, DOORS, TRAVERSALS)))
        while "{" in template:
            before, _, rest = template.partition("{")
            template = before + self._nasty() + rest.partition("}")[2]
        return template.lstrip("/")

    def _nasty(self) -> str:
        if self._rng.random() < 0.3:
            return self._rng.choice(self._victims).token
        return quote(self._rng.choice(NASTY), safe="/.%")

    def _call(self, method: str, path: str, cookie: str, body: bytes, *head: str) -> Call:
        rng = self._rng
        query = f"?{rng.choice(QUERIES)}" if rng.random() < 0.3 else ""
        lines = [f"{method} /{path}{query} HTTP/1.1", "Host: localhost", *head]
        lines += [f"Cookie: {cookie}"] if cookie else []
        lines += rng.sample(HEADERS, rng.randint(1, 2)) if rng.random() < 0.3 else []
        length = len(body) if rng.random() < 0.95 else rng.choice((0, 1, len(body) + 9, 10**9))
        lines += [f"Content-Length: {length}"] if body else []
        raw = "\r\n".join([*lines, "Connection: close", "", ""]).encode() + body
        return Call(raw, length <= len(body) and "Transfer-Encoding" not in "".join(lines))


async def tell(address: str, calls: Sequence[Call], at_once: int = AT_ONCE) -> Outcomes:
    """Say all this to a server, some at once."""
    port, found, waiting = urlsplit(address).port or 80, Outcomes(), list(reversed(calls))

    async def one() -> None:
        while waiting:
            call = waiting.pop()
            found.note(call, await _say(port, call))

    async with asyncio.TaskGroup() as group:
        for _ in range(at_once):
            group.create_task(one())
    return found


async def _say(port: int, call: Call) -> int:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        async with asyncio.timeout(PATIENCE):
            writer.write(call.raw)
            if not call.whole:  # hang up in the middle; else the server would wait for the rest
                writer.write_eof()
            answer = (await reader.read()).removeprefix(b"HTTP/1.1 100 Continue\r\n\r\n")
    except TimeoutError:
        return -1
    except OSError:
        return 0
    finally:
        writer.close()
    return int(answer[9:12]) if answer.startswith(b"HTTP/1.") else 0


def digest(store: Store) -> str:
    """Return what every row of every table comes to."""
    found = hashlib.sha256()
    with store._engine.connect() as connection:
        for table in tables.METADATA.sorted_tables:
            query = sa.select(table).order_by(*table.primary_key.columns)
            for row in connection.execute(query):
                found.update(repr((table.name, tuple(row))).encode())
    return found.hexdigest()


def routes(app: object) -> list[str]:
    """Return the paths of every route of an application, and of those inside and beneath it."""
    found: set[str] = set()
    below: list[object] = [getattr(app, name, None) for name in ("_app", "app", "original_router")]
    below += getattr(app, "_aside", {}).values()
    if inspect.isfunction(app):
        below += inspect.getclosurevars(app).nonlocals.values()
    for route in getattr(app, "routes", []):
        found |= {str(route.path).replace(":path", "")} if hasattr(route, "path") else set()
        below += [] if hasattr(route, "endpoint") else [route]
    return sorted(found.union(*(routes(b) for b in below if b is not None and b is not app)))
