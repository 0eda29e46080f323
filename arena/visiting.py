"""A rater at the page without a browser: programs come by the same door as people.

As the page's own script does, a visitor says everything again until it is answered: one battle is
one vote, so twice does no harm.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

from arena.guard import COOKIE
from evalkit.errors import StudyError

if TYPE_CHECKING:
    import httpx

ONWARD = ("consent", "start", "continue")
"""What a willing rater presses before and between battles."""

_PAUSES = (0.1, 0.2, 0.5, 1.0, 2.0)
_TRANSIENT = (408, 429)


@dataclass(frozen=True)
class Stage:
    """What the page showed at one moment, as far as a program can use it."""

    html: str
    kind: str = ""
    token: str = ""
    """The battle that can be answered; empty where there is none."""
    turn: str = ""
    pictures: tuple[str, ...] = ()
    """The addresses of what is shown."""
    upcoming: tuple[str, ...] = ()
    """The addresses of what is to be fetched beforehand."""
    choices: tuple[str, ...] = ()
    notice: str = ""
    pause: float = 0.0
    """Seconds before which the page takes no answer."""

    @classmethod
    def read(cls, html: str) -> Stage:
        """Read a stage as the server renders it."""
        reader = _Reader()
        reader.feed(html)
        of = reader.stage
        return cls(
            html=html,
            kind=of.get("data-kind") or "",
            token=of.get("data-token") or "",
            turn=of.get("data-turn") or "",
            pictures=tuple(reader.pictures),
            upcoming=tuple((of.get("data-next") or "").split()),
            choices=tuple(reader.choices),
            notice="".join(reader.notice).strip(),
            pause=float(of.get("data-pause") or 0),
        )

    @property
    def onward(self) -> str | None:
        """What to press here to come to the next battle; None at a battle and at the end."""
        return next((c for c in ONWARD if c in self.choices), None)

    @property
    def over(self) -> bool:
        """Whether there is nothing more to answer or to press."""
        return not self.token and self.onward is None


class _Reader(HTMLParser):
    """Collects the few things a stage holds for a program."""

    def __init__(self) -> None:
        super().__init__()
        self.stage: dict[str, str | None] = {}
        self.pictures: list[str] = []
        self.choices: list[str] = []
        self.notice: list[str] = []
        self._in_notice = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        of = dict(attrs)
        classes = (of.get("class") or "").split()
        if "stage" in classes:
            self.stage = of
        if tag == "img" and of.get("src"):
            self.pictures.append(str(of["src"]))
        if of.get("data-choice"):
            self.choices.append(str(of["data-choice"]))
        self._in_notice = "notice" in classes

    def handle_data(self, data: str) -> None:
        if self._in_notice:
            self.notice.append(data)

    def handle_endtag(self, tag: str) -> None:
        self._in_notice = self._in_notice and tag != "p"


def client(address: str, **how: Any) -> httpx.AsyncClient:
    """Return one browser's connection to a page; ``transport`` may be shared by many."""
    import httpx

    base = address if address.endswith("/") else f"{address}/"
    return httpx.AsyncClient(base_url=base, trust_env=False, follow_redirects=False, **how)


class Visitor:
    """One rater at a running page."""

    def __init__(self, http: httpx.AsyncClient, key: str | None = None, *, tries: int = 60) -> None:
        self.http = http
        self.tries = tries
        self.retried = 0
        """How often something had to be said again."""
        if key is not None:
            http.cookies.set(COOKIE, key)

    async def come(self, query: str = "") -> Stage:
        """Follow the link, take the cookie, and see what is there."""
        await self._insist("GET", query or "./")
        return await self.see(query)

    async def see(self, query: str = "") -> Stage:
        """Ask what is to be shown now, as a reload does."""
        return Stage.read((await self._insist("GET", f"stage{query}")).text)

    async def act(self, choice: str, token: str = "", **more: object) -> Stage:
        """Press a button, and see what comes next."""
        said = {"choice": choice, "token": token, **more}
        return Stage.read((await self._insist("POST", "answer", json=said)).text)

    async def look(self, addresses: Sequence[str]) -> list[bytes]:
        """Fetch pictures, all at once."""
        found = await asyncio.gather(*(self._insist("GET", a) for a in addresses))
        return [answer.content for answer in found]

    async def _insist(self, method: str, path: str, **what: Any) -> httpx.Response:
        import httpx

        trouble = ""
        for turn in range(self.tries):
            try:
                answer = await self.http.request(method, path, **what)
            except httpx.TransportError as error:
                trouble = f"{type(error).__name__}: {error}"
            else:
                if answer.status_code < 500 and answer.status_code not in _TRANSIENT:
                    return _taken(answer)
                trouble = f"status {answer.status_code}"
            self.retried += 1
            await asyncio.sleep(_PAUSES[min(turn, len(_PAUSES) - 1)])
        raise StudyError(
            f"The page at {self.http.base_url} did not answer {method} {path} in {self.tries} "
            f"tries ({trouble.strip(': ')}). Is it running?"
        )


def _taken(answer: httpx.Response) -> httpx.Response:
    if answer.status_code >= 400:
        raise StudyError(
            f"{answer.request.method} {answer.request.url} was refused with {answer.status_code}: "
            f"{answer.text[:200]!r}."
        )
    return answer
