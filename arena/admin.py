"""The admin view: how a study stands, for whoever knows the keeper's secret.

An application of its own beside the page: no route of Gradio or of a rater leads here, and no
script runs here.
"""

from __future__ import annotations

import time
from functools import cache
from http.cookies import CookieError, SimpleCookie
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from arena import page, pictures
from arena.clock import now
from arena.guard import client, too_many
from arena.keeper import SESSION_SECONDS, Keeper
from arena.overview import AT_WORK_MINUTES, Judge, overview
from evalkit.errors import ImageError

if TYPE_CHECKING:
    from jinja2 import Environment
    from starlette.types import ASGIApp

    from arena.battles import Arena
    from arena.limits import Gate
    from arena.store import Store

PLACE = "/admin"
COOKIE = "keeper"

_THUMBNAIL = (320, 320)
_PHASES = {
    "consent": "Before consent",
    "declined": "Did not agree",
    "instructions": "At the instructions",
    "training": "In training",
    "battle": "Comparing",
    "break": "In a pause",
    "done": "Finished",
    "screened_out": "Screened out",
    "returned": "Gave the task back",
}


class Admin:
    """The handlers of one study's admin view."""

    def __init__(self, store: Store, arena: Arena, keeper: Keeper, gate: Gate) -> None:
        self._store, self._arena, self._keeper, self._gate = store, arena, keeper, gate
        self._judge = Judge(store, arena.study.name, time.monotonic)

    def app(self) -> ASGIApp:
        """Return the application."""
        return Starlette(
            routes=[
                Route(PLACE, self.look),
                Route(f"{PLACE}/", lambda _: RedirectResponse("../admin", 308)),
                Route(f"{PLACE}/enter", self.enter, methods=["POST"]),
                Route(f"{PLACE}/leave", self.leave, methods=["POST"]),
                Route(f"{PLACE}/study", self.hold, methods=["POST"]),
                Route(PLACE + "/picture/{digest:str}", self.picture),
            ]
        )

    def look(self, request: Request) -> Response:
        """Show how the study stands, or ask for the secret."""
        session = self._session(request)
        if session is None:
            return _show("enter.html", 401, study=self._arena.study.name, wrong=False)
        return _show(
            "admin.html",
            of=overview(self._store, self._arena, now()),
            verdict=self._judge.verdict(),
            form=self._keeper.form(session),
            phases=_PHASES,
            at_work_minutes=AT_WORK_MINUTES,
        )

    async def enter(self, request: Request) -> Response:
        """Open a session for whoever says the secret."""
        said = (await _form(request)).get("secret", "")
        return await run_in_threadpool(self._enter, request, said)

    def _enter(self, request: Request, said: str) -> Response:
        if wait := self._gate.wait_as_keeper(client(request)):
            return too_many(wait)
        if not self._keeper.is_secret(said):
            return _show("enter.html", 403, study=self._arena.study.name, wrong=True)
        self._gate.was_keeper(client(request))
        answer = RedirectResponse("../admin", 303)
        return _keep(answer, request, self._keeper.session(), SESSION_SECONDS)

    async def leave(self, request: Request) -> Response:
        """Forget the session in this browser."""
        if not self._is_own(request, await _form(request)):
            return _foreign()
        return _keep(RedirectResponse("../admin", 303), request, "", 0)

    async def hold(self, request: Request) -> Response:
        """Close the study, or open it again."""
        form = await _form(request)
        acts = {"close": self._arena.close, "reopen": self._arena.reopen}
        if not self._is_own(request, form):
            return _foreign()
        if form.get("do") not in acts:
            return PlainTextResponse("Say close or reopen.", 400)
        await run_in_threadpool(acts[form["do"]])
        return RedirectResponse("../admin", 303)

    def picture(self, request: Request) -> Response:
        """Send a small copy of one of the study's pictures."""
        digest = request.path_params["digest"]
        if self._session(request) is None or not self._has(digest):
            return PlainTextResponse("Not found", 404)
        try:
            stored = self._store.images(self._arena.study).open(digest)
        except ImageError as error:
            return PlainTextResponse(str(error), 410)
        return Response(pictures.encode(stored, *_THUMBNAIL), media_type=pictures.MEDIA_TYPE)

    def _has(self, digest: str) -> bool:
        with self._store.reading() as facts:
            return facts.survey.is_picture(facts.study(self._arena.study.name)[0], digest)

    def _session(self, request: Request) -> str | None:
        try:
            morsel = SimpleCookie(request.headers.get("cookie", "")).get(COOKIE)
        except CookieError:
            return None
        return morsel.value if morsel and self._keeper.holds(morsel.value) else None

    def _is_own(self, request: Request, form: dict[str, str]) -> bool:
        """Say whether a form of ours was sent from our own page, by whoever is logged in."""
        session = self._session(request)
        if request.headers.get("sec-fetch-site", "same-origin") != "same-origin":
            return False
        return session is not None and self._keeper.is_form(session, form.get("form", ""))


async def _form(request: Request) -> dict[str, str]:
    """Read a form's fields; of a field said twice the first counts."""
    said = parse_qs((await request.body()).decode(errors="replace"), keep_blank_values=True)
    return {name: values[0] for name, values in said.items()}


def _keep(answer: Response, request: Request, session: str, seconds: int) -> Response:
    """Give the cookie; without a path it holds for /admin alone, also below a proxy's prefix."""
    secure = "; Secure" if request.url.scheme == "https" else ""
    value = f"{COOKIE}={session}; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}"
    answer.headers.append("Set-Cookie", value)
    return answer


def _foreign() -> Response:
    return PlainTextResponse("This form is not of this session. Load the admin view again.", 403)


def _show(name: str, status: int = 200, **values: Any) -> Response:
    text = _environment().get_template(name).render(version=page.version(), **values)
    return HTMLResponse(text, status)


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    loader = FileSystemLoader(page.TEMPLATES)
    return Environment(loader=loader, autoescape=True, undefined=StrictUndefined)
