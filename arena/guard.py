"""What stands between the network and the page: a cookie, strict headers, and few open doors."""

from __future__ import annotations

import logging
import math
import secrets
from collections.abc import Callable, Mapping, MutableMapping
from http.cookies import CookieError, SimpleCookie
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from arena.limits import Gate, Limits, address
from evalkit.errors import StoreError

_LOG = logging.getLogger(__name__)

COOKIE = "rater"
VISIT = "visit"
"""The cookie of whoever came by a panel's link."""
_YEAR = 365 * 24 * 3600

OPEN_PATHS = (
    "/",
    "/answer",
    "/config",
    "/favicon.ico",
    "/health",
    "/manifest.json",
    "/stage",
    "/theme.css",
)
ASKING = ("/answer", "/battle/", "/stage")
"""What is counted for the limits: it works on the database or on pictures."""

BODY = 16_384
"""Bytes of the longest request; an answer has a few hundred."""

LONGEST_PATH = 255
"""Characters; a longer name of a file, and one with a NUL, ends Gradio's look for it in a 500."""

OPEN_FOLDERS = ("/assets/", "/battle/", "/face/", "/static/", "/svelte/")
"""Gradio offers far more (handlers, uploads, files, a proxy); a study's page needs none of it."""

_POLICY = (
    "default-src 'self'; img-src 'self' data: blob:; style-src 'self' 'unsafe-inline'; "
    "script-src 'self' 'unsafe-inline' 'unsafe-eval'; font-src 'self' data:; "
    "connect-src 'self'; worker-src 'self' blob:; object-src 'none'; base-uri 'self'; "
)
_NOBODY = "'none'"
_ASIDE_POLICY = (
    "default-src 'none'; img-src 'self'; style-src 'self' 'unsafe-inline'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)


def key_of(cookies: str | None) -> str | None:
    """Return the rater's secret from a Cookie header."""
    try:
        morsel = SimpleCookie(cookies or "").get(COOKIE)
    except CookieError:
        return None
    return morsel.value if morsel and 20 <= len(morsel.value) <= 100 else None


def cookie(name: str, value: str, *, secure: bool, framed: bool = False) -> str:
    """Write a cookie that no script reads; in another site's frame it needs https and says so."""
    site = "SameSite=None; Partitioned" if framed else "SameSite=Lax"
    sealed = "; Secure" if secure or framed else ""
    return f"{name}={value}; Max-Age={_YEAR}; Path=/; HttpOnly; {site}{sealed}"


class Guard:
    """Give each browser a rater's cookie, add the headers, close every other door, and slow haste.

    Where ``greet`` is given, it knows raters by the links they follow, and strangers get no cookie;
    ``frames`` are the places that may show the page in a frame, and get its form. ``aside`` has
    applications by the path that leads to them, which are no part of the page and run no script.
    """

    def __init__(
        self,
        app: ASGIApp,
        greet: Callable[[Request], Response | None] | None = None,
        frames: tuple[str, ...] = (),
        gate: Gate | None = None,
        aside: Mapping[str, ASGIApp] | None = None,
    ) -> None:
        self._app = app
        self._aside = aside or {}
        self._gate = gate or Gate(Limits())
        self._greet = greet
        self._headers = _headers(frames)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        known = key_of(Headers(scope=scope).get("cookie"))
        headers = _ASIDE if self._beside(scope["path"]) else self._headers

        async def guarded(part: Message) -> None:
            if part["type"] == "http.response.start":
                said = MutableHeaders(scope=part)
                said.update(headers)
                if scope["path"] == "/" and known is None and self._greet is None:
                    said.append("Set-Cookie", _new_key(scope))
            await send(part)

        try:
            body = await _body(scope, receive)
        except ClientDisconnect:
            return
        if body is None:
            await PlainTextResponse("Too long", 413)(scope, receive, guarded)
            return
        await (await self._choose(scope))(scope, _again(body, receive), guarded)

    async def _choose(self, scope: Scope) -> ASGIApp:
        """Choose who answers: the page, the door, or a refusal."""
        path, request = scope["path"], Request(scope)
        if (aside := self._beside(path)) is not None:
            wait = self._gate.wait(None, client(request))
            return too_many(wait) if wait else aside
        if not is_open(path):
            return PlainTextResponse("Not found", 404)
        if wait := self._wait(request):
            return too_many(wait)
        if self._greet is not None and path == "/":
            return await self._met(request) or self._app
        return self._app

    async def _met(self, request: Request) -> Response | None:
        try:
            return await run_in_threadpool(self._greet, request) if self._greet else None
        except StoreError as error:
            _LOG.error("%s", error)
            return unavailable()

    def _beside(self, path: str) -> ASGIApp | None:
        first = "/" + path.split("/", 2)[1] if path.startswith("/") else path
        return self._aside.get(first)

    def _wait(self, request: Request) -> float:
        path = request.url.path
        if not path.startswith(ASKING) and not (path == "/" and request.url.query):
            return 0.0
        name = request.cookies.get(VISIT) or request.cookies.get(COOKIE)
        return self._gate.wait(name, client(request))


def client(request: Request) -> str | None:
    """Return the address that a request comes from, where it says something."""
    return address(request.client.host if request.client else None)


def too_many(wait: float) -> Response:
    """Refuse for so many seconds; the page asks again by itself."""
    after = {"Retry-After": str(math.ceil(wait))}
    return PlainTextResponse("Too many requests", 429, headers=after)


def unavailable() -> Response:
    """Refuse for now, for the database does not do its work; the page asks again by itself."""
    return PlainTextResponse("The database does not answer", 503, headers={"Retry-After": "1"})


async def _body(scope: Scope, receive: Receive) -> bytes | None:
    """Read what a request says; None where it says too much."""
    if scope["method"] in ("GET", "HEAD"):
        return b""
    stated = Headers(scope=scope).get("content-length", "0")
    if stated.isdecimal() and int(stated) > BODY:
        return None
    read, more = b"", True
    while more and len(read) <= BODY:
        part = await receive()
        if part["type"] == "http.disconnect":
            raise ClientDisconnect  # a part of what was to be said, and nobody hears the answer
        read += part.get("body", b"")
        more = part.get("more_body", False)
    return read if len(read) <= BODY else None


def _again(body: bytes, receive: Receive) -> Receive:
    """Say what was read once more."""
    first = [body]

    async def say() -> Message:
        if first:
            return {"type": "http.request", "body": first.pop(), "more_body": False}
        return await receive()

    return say


def is_open(path: str) -> bool:
    """Say whether the page needs this address."""
    if len(path) > LONGEST_PATH or not path.isprintable():
        return False
    return path in OPEN_PATHS or path.startswith(OPEN_FOLDERS)


def _headers(frames: tuple[str, ...]) -> dict[str, str]:
    around = " ".join(frames)
    form = f"form-action 'self' {around}".strip()
    ancestors = f"frame-ancestors {around or _NOBODY}"
    headers = {
        "Content-Security-Policy": f"{_POLICY}{form}; {ancestors}",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
    }
    return headers if frames else headers | {"X-Frame-Options": "DENY"}


_ASIDE = _headers(()) | {"Content-Security-Policy": _ASIDE_POLICY, "Cache-Control": "no-store"}


def _new_key(scope: MutableMapping[str, Any]) -> str:
    return cookie(COOKIE, secrets.token_urlsafe(32), secure=scope.get("scheme") == "https")
