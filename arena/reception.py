"""The door of a panel's study: who comes by its link is known from then on by a signed cookie."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from arena import page, panels
from arena.guard import VISIT, client, cookie, too_many
from arena.identity import Keyring
from arena.limits import Gate
from arena.panels import Visit
from arena.refusals import Refusal

if TYPE_CHECKING:
    from arena.battles import Arena
    from arena.interpreter import Interpreter
    from arena.protocol import Panel

FRAMES = ("https://*.mturk.com",)
"""Where Mechanical Turk shows a task in a frame, and takes it back."""


class Reception:
    """Reads links, and the cookies that it gave for them."""

    def __init__(self, arena: Arena, panel: Panel, interpreter: Interpreter, gate: Gate) -> None:
        self._arena = arena
        self._interpreter = interpreter
        self._gate = gate
        self._panel = panel
        self._keyring = Keyring.of_environment(arena.study.name)
        arena.bind(self._keyring.check)

    @property
    def frames(self) -> tuple[str, ...]:
        """Name the places that may show the page in a frame."""
        return FRAMES if self._panel.framed else ()

    def meet(self, request: Request) -> Response | None:
        """Take in whoever followed a link, and take what names them out of the address."""
        query, panel = request.query_params.multi_items(), self._panel
        read = panels.parameters(panel)
        if not read & {name for name, _ in query}:
            return None
        if panels.is_preview(panel, query):
            return HTMLResponse(page.preview(self._arena.study, self._interpreter.of(request)))
        try:
            visit = panels.visit(self._keyring, panel, panels.read(panel, query))
        except Refusal as refusal:
            return HTMLResponse(page.turned_away(str(refusal), self._interpreter.of(request)), 400)
        known = self._arena.known(visit.person)
        if known is None and (wait := self._gate.wait_as_newcomer(client(request))):
            return too_many(wait)
        self._arena.arrive(visit.person, visit.submission)
        kept = urlencode([(name, value) for name, value in query if name not in read])
        answer = RedirectResponse(f"./?{kept}" if kept else "./", 303)
        framed, sealed = panel.framed, panels.seal(self._keyring, visit)
        secure = request.url.scheme == "https"
        answer.headers.append("Set-Cookie", cookie(VISIT, sealed, secure=secure, framed=framed))
        answer.headers["Cache-Control"] = "no-store"
        return answer

    def visit(self, request: Request) -> Visit | None:
        """Return the visit that a browser shows, if it was sealed here."""
        sealed = request.cookies.get(VISIT)
        return panels.unseal(self._keyring, sealed) if sealed else None
