"""What stands between the network and the page: a cookie, strict headers, and few open doors."""

from __future__ import annotations

import secrets
from collections.abc import Callable, MutableMapping
from http.cookies import CookieError, SimpleCookie
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

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
OPEN_FOLDERS = ("/assets/", "/battle/", "/face/", "/static/", "/svelte/")
"""Gradio offers far more (handlers, uploads, files, a proxy); a study's page needs none of it."""

_POLICY = (
    "default-src 'self'; img-src 'self' data: blob:; style-src 'self' 'unsafe-inline'; "
    "script-src 'self' 'unsafe-inline' 'unsafe-eval'; font-src 'self' data:; "
    "connect-src 'self'; worker-src 'self' blob:; object-src 'none'; base-uri 'self'; "
)
_NOBODY = "'none'"


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
    """Give each browser a rater's cookie, add the headers, and close every other door.

    Where ``greet`` is given, it knows raters by the links they follow, and strangers get no cookie;
    ``frames`` are the places that may show the page in a frame, and get its form.
    """

    def __init__(
        self,
        app: ASGIApp,
        greet: Callable[[Request], Response | None] | None = None,
        frames: tuple[str, ...] = (),
    ) -> None:
        self._app = app
        self._greet = greet
        self._headers = _headers(frames)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        known = key_of(Headers(scope=scope).get("cookie"))

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(self._headers)
                if scope["path"] == "/" and known is None and self._greet is None:
                    headers.append("Set-Cookie", _new_key(scope))
            await send(message)

        app = self._app if is_open(scope["path"]) else PlainTextResponse("Not found", 404)
        if self._greet is not None and scope["path"] == "/":
            answer = await run_in_threadpool(self._greet, Request(scope))
            app = app if answer is None else answer
        await app(scope, receive, guarded)


def is_open(path: str) -> bool:
    """Say whether the page needs this address."""
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


def _new_key(scope: MutableMapping[str, Any]) -> str:
    return cookie(COOKIE, secrets.token_urlsafe(32), secure=scope.get("scheme") == "https")
