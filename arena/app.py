"""The page where people vote: Gradio on FastAPI, in front of arena.battles."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Callable
from typing import Any

from arena import admin, languages, page
from arena.admin import Admin
from arena.battles import Arena
from arena.guard import Guard, unavailable
from arena.keeper import Keeper
from arena.limits import Gate, Limits
from arena.records import Study
from arena.store import Store
from arena.watch import HEALTH, METRICS, Watch, bearer
from evalkit.errors import MissingPackageError, StoreError, StudyError

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # read when gradio is imported
try:
    import gradio as gr
    from fastapi import FastAPI, Request, Response
    from fastapi.responses import HTMLResponse
    from starlette.types import ASGIApp
except ImportError as error:  # pragma: no cover - needs an environment without the extra
    raise MissingPackageError(error.name or "gradio", "arena", "The voting page") from None

from arena.desk import Desk  # isort: skip - after what it needs was found to be there


_LOG = logging.getLogger(__name__)


GRACE_SECONDS = 30
"""How long requests that are open may take to finish when the server is told to stop."""

KEPT_SECONDS = 75
"""How long an idle connection is kept: longer than a rater thinks, and than proxies keep theirs.

Who hangs up first must not be the server: a request that is on its way then is lost.
"""

_FONT = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif")


def build(
    store: Store,
    name: str,
    limits: Limits | None = None,
    *,
    root_path: str = "",
    metrics: bool = False,
) -> ASGIApp:
    """Return the whole web application of one study.

    ``root_path`` is where a proxy shows it, if not at the top; the proxy takes it off again.

    Gradio serves the page; what is said goes by two plain routes. Its own handlers are shut
    (guard.py): each is a public endpoint, and its client gives up at the first lost connection.
    The admin view is there where the environment has a keeper's secret; ``metrics`` opens the
    counts to whoever asks.
    """
    gate, watch = Gate(limits or Limits()), Watch(store, name)
    desk = Desk(store, name, gate, watch)
    _check_served(desk.arena.study)
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.exception_handler(StoreError)(_without_database)
    app.get("/health")(lambda: {"status": "ok"})
    app.get("/stage", response_class=HTMLResponse)(desk.show)
    app.post("/answer", response_class=HTMLResponse)(desk.answer)
    app.get("/battle/{token}/{side}")(desk.picture)
    app.get("/face/{version}/{file}")(_file)
    mounted = gr.mount_gradio_app(
        app,
        _blocks(),
        path="/",
        theme=_theme(),
        head=page.head(),
        footer_links=[],
        run_history=False,
        ssr_mode=False,
        root_path=root_path or None,
        enable_monitoring=False,
        show_error=False,
    )
    aside = _aside(store, desk.arena, watch, gate, metrics=metrics)
    door = desk.reception
    if door is None:
        return watch.around(Guard(mounted, gate=gate, aside=aside))
    return watch.around(Guard(mounted, door.meet, door.frames, gate, aside))


def _aside(
    store: Store, arena: Arena, watch: Watch, gate: Gate, *, metrics: bool
) -> dict[str, ASGIApp]:
    """Return what is served beside the page, by its address."""
    served, keeper = {HEALTH: watch.health()}, Keeper.of_environment(arena.study.name)
    if keeper is not None:
        served[admin.PLACE] = Admin(store, arena, keeper, gate).app()
        served[METRICS] = watch.metrics(bearer(keeper, gate))
    if metrics:
        served[METRICS] = watch.metrics(lambda _: None)
    return served


def _check_served(study: Study) -> None:
    """Refuse rules that this page would not keep, rather than hold another study than was meant."""
    rules = study.protocol
    languages.check(rules.languages, f"The study {study.name!r}")


def behind(web: ASGIApp, proxies: str) -> Any:
    """Believe what these proxies (addresses or networks, by commas) say of who asks, and how."""
    from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

    served: Any = web  # uvicorn's own types are narrower than the standard's
    return ProxyHeadersMiddleware(served, trusted_hosts=[p.strip() for p in proxies.split(",")])


def serve(
    web: ASGIApp,
    *,
    host: str,
    port: int,
    announce: Callable[[str], None],
    proxies: str | None = None,
    log_json: bool = False,
) -> None:
    """Serve a study's application until the process is interrupted; port 0 takes any free one.

    What was asked before is answered before it ends.
    """
    import uvicorn

    with listening(host, port, announce) as listener:
        believed = behind(web, proxies) if proxies else web
        config = uvicorn.Config(believed, **told(log_json=log_json))
        uvicorn.Server(config).run(sockets=[listener])


def told(*, log_json: bool) -> dict[str, Any]:
    """Return what uvicorn is told of every server of ours."""
    from uvicorn.config import LOGGING_CONFIG

    return {
        "log_level": "warning",
        "log_config": None if log_json else LOGGING_CONFIG,
        "server_header": False,
        # Not uvicorn's own way: that believes all of this machine, and an environment variable.
        "proxy_headers": False,
        "timeout_graceful_shutdown": GRACE_SECONDS,
        "timeout_keep_alive": KEPT_SECONDS,
    }


def listening(host: str, port: int, announce: Callable[[str], None]) -> socket.socket:
    """Take a port, and say the address: whoever follows it waits for the page, and is answered."""
    family, shown = (socket.AF_INET6, f"[{host}]") if ":" in host else (socket.AF_INET, host)
    try:
        listener = socket.create_server((host, port), family=family)
    except OSError as error:
        raise StudyError(
            f"Nothing can be served at {host}, port {port}: {os.strerror(error.errno or 0)}. "
            "Choose another with --port or --host."
        ) from error
    announce(f"http://{shown}:{listener.getsockname()[1]}/")
    return listener


def _blocks() -> Any:
    with gr.Blocks(title="Which picture?", analytics_enabled=False, fill_width=True) as blocks:
        gr.HTML(
            elem_id="page",
            html_template=page.SHELL,
            js_on_load=page.boot(),
            apply_default_css=False,
        )
    return blocks


def _theme() -> Any:
    """Colour the page before its style sheet is there: no white flash."""
    theme = gr.themes.Base(font=_FONT, font_mono=("ui-monospace", "monospace"))
    return theme.set(body_background_fill=page.PAPER, body_background_fill_dark=page.PAPER_DARK)


def _file(version: str, file: str) -> Response:
    """Send a script of the page, to be kept for good: its address names its content."""
    found = page.files().get(file)
    if found is None or version != page.version():
        return Response("Not found", 404)
    headers = {"Cache-Control": "public, max-age=31536000, immutable"}
    kind = "text/css" if file.endswith(".css") else "text/javascript"
    return Response(found, media_type=kind, headers=headers)


def _without_database(_request: Request, error: Exception) -> Response:
    _LOG.error("%s", error)
    return unavailable()
