"""In which language each request is answered: the link's, the rater's own, or the browser's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import Response

from arena.guard import cookie
from arena.languages import Language, choose

if TYPE_CHECKING:
    from arena.battles import Arena
    from arena.records import Rater

COOKIE = "language"
PARAMETER = "lang"
"""What a link may carry: ?lang=ko."""


class Interpreter:
    """Chooses among the languages of a study."""

    def __init__(self, arena: Arena, *, framed: bool = False) -> None:
        self._arena = arena
        self._framed = framed

    def of(self, request: Request) -> Language:
        """Return the language of whoever asks."""
        return self._choose(request, request.query_params.get(PARAMETER))

    def settle(
        self, request: Request, response: Response, rater: Rater, wanted: str | None = None
    ) -> Language:
        """Keep a rater's language: chosen now, else that of the link or of an earlier visit."""
        first = request.query_params.get(PARAMETER) if wanted is None else wanted
        language = self._choose(request, first, self._arena.language(rater))
        self._arena.speak(rater, language.tag)
        secure = request.url.scheme == "https"
        kept = cookie(COOKIE, language.tag, secure=secure, framed=self._framed)
        response.headers.append("Set-Cookie", kept)
        return language

    def _choose(self, request: Request, wanted: str | None, *before: str | None) -> Language:
        offered = self._arena.study.protocol.languages
        ranked = (wanted, request.cookies.get(COOKIE), *before)
        return Language(choose(offered, ranked, request.headers.get("accept-language")))
