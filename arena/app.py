"""The page where people vote: Gradio on FastAPI, in front of arena.battles."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, field_validator

from arena import admin, languages, page, panels, pictures
from arena.admin import Admin
from arena.battles import Arena
from arena.guard import Guard, client, key_of, too_many, unavailable
from arena.interpreter import Interpreter
from arena.keeper import Keeper
from arena.languages import ENGLISH, Language
from arena.limits import Gate, Limits
from arena.panels import Visit
from arena.phrases import Notice
from arena.reception import Reception
from arena.records import Outcome, Phase, PhaseKind, Purpose, Rater, Study
from arena.refusals import Refusal
from arena.store import Store
from arena.watch import HEALTH, METRICS, Watch, bearer
from evalkit.errors import EvalkitError, ImageError, MissingPackageError, StoreError, StudyError

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # read when gradio is imported
try:
    import gradio as gr
    from fastapi import Body, FastAPI, HTTPException, Request, Response
    from fastapi.responses import HTMLResponse
    from starlette.types import ASGIApp
except ImportError as error:  # pragma: no cover - needs an environment without the extra
    raise MissingPackageError(error.name or "gradio", "arena", "The voting page") from None


_LOG = logging.getLogger(__name__)

AHEAD = 1
"""Battles drawn beforehand, so that the next pictures load while this pair is judged."""

GRACE_SECONDS = 30
"""How long requests that are open may take to finish when the server is told to stop."""

KEPT_SECONDS = 75
"""How long an idle connection is kept: longer than a rater thinks, and than proxies keep theirs.

Who hangs up first must not be the server: a request that is on its way then is lost.
"""

_FONT = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif")


class Answer(BaseModel):
    """What the browser sends for a click or a key."""

    model_config = ConfigDict(extra="ignore")

    choice: str
    token: str = ""
    seconds: float | None = None
    side: str = "both"
    reason: str = ""
    note: str = ""
    language: str = ""

    @field_validator("*", mode="before")
    @classmethod
    def _writable(cls, value: Any) -> Any:
        """Replace halves of characters, which JSON can say and no database or page can hold."""
        return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value


@dataclass(frozen=True)
class Guest:
    """Who asks: a rater, and the visit of those whom a panel sent."""

    rater: Rater
    visit: Visit | None = None
    language: Language = ENGLISH


class Desk:
    """The handlers of one study's page."""

    def __init__(self, store: Store, name: str, gate: Gate, watch: Watch) -> None:
        self.arena = Arena(store, name)
        self._watch = watch
        self._gate = gate
        study = self.arena.study
        self._shown = pictures.Shown(store.images(study), study.width or 1, study.height or 1)
        panel = study.protocol.panel
        self.interpreter = Interpreter(self.arena, framed=panel is not None and panel.framed)
        self.reception = Reception(self.arena, panel, self.interpreter, gate) if panel else None

    def show(self, request: Request, response: Response) -> str:
        """Show the open battle of whoever asks: a reload changes nothing."""
        guest = self._guest(request)
        if guest is None:
            return self._stranger(request)
        return self._stage(self._spoken_to(guest, request, response))

    def answer(
        self, request: Request, response: Response, said: Annotated[Any, Body()] = None
    ) -> str:
        """Act on a click or a key, and show what comes next."""
        guest = self._guest(request)
        if guest is None:
            return self._stranger(request)
        try:
            heard = Answer.model_validate(said)
            if heard.choice == "language":
                guest = self._spoken_to(guest, request, response, heard.language)
            if heard.choice in set(Outcome) and self._trains(guest.rater, heard.token):
                return self._lesson(guest, heard)
            notice = self._act(guest, heard)
            self._watch.answered(heard.choice)
            return self._stage(guest, notice)
        except StoreError:
            raise  # the answer is not saved: the page must say it again
        except (EvalkitError, ValueError) as error:
            self._watch.refused(error.reason if isinstance(error, Refusal) else "nonsense")
            return self._stage(guest, _in_words(error))

    def picture(self, token: str, side: str, request: Request) -> Response:
        """Send one picture of a battle to the rater it was opened for."""
        try:
            data = self._encoded(token, side, self._known(request))
        except StudyError:
            return Response("Not found", 404)
        except ImageError as error:
            _LOG.error("%s", error)
            return Response("This picture cannot be shown.", 410)
        headers = {"Cache-Control": "private, max-age=3600"}  # its address is used once
        return Response(data, media_type=pictures.MEDIA_TYPE, headers=headers)

    def _guest(self, request: Request) -> Guest | None:
        """Return who asks; a browser that comes for the first time is a new rater.

        Not so in a panel's study: there only the panel's link makes one.
        """
        language = self.interpreter.of(request)
        if self.reception is None:
            key = key_of(request.headers.get("cookie"))
            return Guest(self._enter(key, request), language=language) if key else None
        visit = self.reception.visit(request)
        rater = self.arena.known(visit.person) if visit else None
        return Guest(rater, visit, language) if rater else None

    def _enter(self, key: str, request: Request) -> Rater:
        known = self.arena.known(key)
        if known is None and (wait := self._gate.wait_as_newcomer(client(request))):
            raise HTTPException(429, headers=dict(too_many(wait).headers))
        return known or self.arena.enter(key)

    def _known(self, request: Request) -> Rater | None:
        if self.reception is not None:
            guest = self._guest(request)
            return guest.rater if guest else None
        key = key_of(request.headers.get("cookie"))
        return self.arena.known(key) if key else None

    def _stranger(self, request: Request) -> str:
        language = self.interpreter.of(request)
        if self.reception is None:
            return page.needs_cookie(language)
        return page.needs_link(language)

    def _spoken_to(
        self, guest: Guest, request: Request, response: Response, wanted: str | None = None
    ) -> Guest:
        """Keep the language with the rater."""
        language = self.interpreter.settle(request, response, guest.rater, wanted)
        return replace(guest, language=language)

    def _act(self, guest: Guest, said: Answer) -> Notice | None:
        rater = guest.rater
        arena, steps = self.arena, self._steps
        if said.choice in steps:
            steps[said.choice](rater)
            return None
        if said.choice == "undo":
            return Notice("undone") if arena.undo(rater, shown=said.token) else None
        if said.choice == "skip":
            arena.skip(said.token, rater)
            return Notice("skipped")
        if said.choice == "report":
            arena.report(said.token, rater, said.side, said.reason, said.note)
            return Notice("reported")
        outcome = Outcome(said.choice)
        arena.cast(said.token, rater, outcome, seconds=said.seconds, language=guest.language.tag)
        return self._revealed(rater, said.token) if arena.study.protocol.reveal else None

    @property
    def _steps(self) -> dict[str, Callable[[Rater], None]]:
        return {
            "consent": self.arena.consent,
            "decline": self.arena.decline,
            "start": self.arena.finish_instructions,
            "continue": self.arena.end_break,
            "language": lambda _: None,
            "show": lambda _: None,
        }

    def _trains(self, rater: Rater, token: str) -> bool:
        return self.arena.find(token, rater).purpose is Purpose.TRAINING

    def _lesson(self, guest: Guest, said: Answer) -> str:
        """Show what was right, beside the pair that was just judged."""
        feedback = self.arena.answer_training(said.token, guest.rater, Outcome(said.choice))
        self._watch.answered("training")
        progress = self.arena.progress(guest.rater)
        phase = Phase(kind=PhaseKind.TRAINING, progress=progress, feedback=feedback)
        return page.stage(page.View(self.arena.study, phase, guest.language))

    def _revealed(self, rater: Rater, token: str) -> Notice:
        battle = self.arena.find(token, rater)
        return Notice("revealed", {"left": battle.left.model, "right": battle.right.model})

    def _encoded(self, token: str, side: str, rater: Rater | None) -> bytes:
        if rater is None or side not in ("left", "right"):
            raise StudyError("There is no such picture.")
        battle = self.arena.find(token, rater)
        digests = battle.left.image, battle.right.image
        if digests[0] is None or digests[1] is None:
            raise StudyError("There is no such picture.")
        left, right = self._shown.pair(digests[0], digests[1])
        return left if side == "left" else right

    def _stage(self, guest: Guest, notice: Notice | None = None) -> str:
        visit, panel = guest.visit, self.arena.study.protocol.panel
        submission = visit.submission if visit else None
        phase = self.arena.phase(guest.rater, ahead=AHEAD, submission=submission)
        if phase.completion and visit and panel:
            back = panels.send_back(panel, phase.completion, visit)
            phase = phase.model_copy(update={"completion": back})
        return page.stage(page.View(self.arena.study, phase, guest.language, notice))


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


def _in_words(error: Exception) -> Notice:
    """Say what a rater can use; what a stranger's request got wrong is not repeated to it."""
    if isinstance(error, Refusal):
        return Notice(f"refused.{error.reason.value}", words=str(error))
    return Notice("" if isinstance(error, EvalkitError) else "nonsense", words=str(error))
