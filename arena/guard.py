"""What stands between the network and the page: a cookie, strict headers, and few open doors."""

from __future__ import annotations

import secrets
from collections.abc import MutableMapping
from http.cookies import CookieError, SimpleCookie
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

COOKIE = "rater"
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

_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; img-src 'self' data: blob:; style-src 'self' 'unsafe-inline'; "
        "script-src 'self' 'unsafe-inline' 'unsafe-eval'; font-src 'self' data:; "
        "connect-src 'self'; worker-src 'self' blob:; object-src 'none'; base-uri 'self'; "
        "form-action 'self'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


def key_of(cookies: str | None) -> str | None:
    """Return the rater's secret from a Cookie header."""
    try:
        morsel = SimpleCookie(cookies or "").get(COOKIE)
    except CookieError:
        return None
    return morsel.value if morsel and 20 <= len(morsel.value) <= 100 else None


class Guard:
    """Give each browser a rater's cookie, add the headers, and close every other door."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        known = key_of(Headers(scope=scope).get("cookie"))

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                _dress(MutableHeaders(scope=message), scope, known)
            await send(message)

        app = self._app if is_open(scope["path"]) else PlainTextResponse("Not found", 404)
        await app(scope, receive, guarded)


def is_open(path: str) -> bool:
    """Say whether the page needs this address."""
    return path in OPEN_PATHS or path.startswith(OPEN_FOLDERS)


def _dress(headers: MutableHeaders, scope: MutableMapping[str, Any], known: str | None) -> None:
    for name, value in _HEADERS.items():
        headers[name] = value
    if scope["path"] == "/" and known is None:
        secure = "; Secure" if scope.get("scheme") == "https" else ""
        value = f"{COOKIE}={secrets.token_urlsafe(32)}; Max-Age={_YEAR}; Path=/"
        headers.append("Set-Cookie", f"{value}; HttpOnly; SameSite=Lax{secure}")
