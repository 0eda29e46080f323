"""Everything that a page says to a rater and to a script, collected so that it can be searched."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from arena.records import Battle
from arena.visiting import Stage, Visitor
from evalkit.errors import StudyError

if TYPE_CHECKING:
    import httpx

SIDES = ("left", "right")
PATIENCE = 10
"""Seconds for one answer."""

_TOO_MANY = 429
_A_MOMENT = 0.1
"""Seconds beyond what a page asks a rater to look: two clocks are never quite one."""

SHELL = ("", "config", "theme.css", "manifest.json", "health")
"""What a browser loads before it is a rater, and what is the same for everybody."""

DOORS = (
    *("info", "openapi.json", "docs", "redoc", "queue/join", "queue/data", "queue/status"),
    *("gradio_api/info", "gradio_api/openapi.json", "gradio_api/startup-events", "gradio_api/runs"),
    *("gradio_api/queue/join", "gradio_api/queue/data", "gradio_api/upload", "gradio_api/call/x"),
    *("gradio_api/run/predict", "gradio_api/api/predict", "gradio_api/component_server"),
    *("gradio_api/file=/etc/passwd", "file=/etc/passwd", "gradio_api/proxy=http://localhost"),
    *("gradio_api/vibe-edit/", "gradio_api/deep_link", "gradio_api/heartbeat/x"),
    *("monitoring", "monitoring/summary", "login", "login_check", "robots.txt", "arena.sqlite"),
    *(".git/config", ".env", "mcp", "gradio_api/mcp/sse"),
)
"""Gradio's and a web server's usual doors, none of which a rater needs."""

TRAVERSALS = tuple(
    f"{folder}/{way}"
    for folder in ("static", "assets", "svelte", "face/x", "battle/x", "battle")
    for way in (
        *("../../../../etc/passwd", "..%2f..%2f..%2f..%2fetc%2fpasswd", "%2e%2e/%2e%2e/etc/passwd"),
        *("....//....//etc/passwd", "..%5c..%5cetc%5cpasswd", "/etc/passwd", "%2fetc%2fpasswd"),
        *("..%252f..%252fetc%252fpasswd", "%00", "left%00.png", "../arena.sqlite"),
    )
)

PROVOCATIONS: tuple[Any, ...] = (
    *(None, [], "left", 7, {}, {"choice": "left"}, {"choice": "left", "token": None}),
    *({"choice": "undo", "token": "nobody's"}, {"choice": "report", "token": "x", "side": "up"}),
    {"choice": "left", "token": "'; SELECT model FROM entry; --"},
    {"choice": "left", "token": "x" * 5000, "seconds": "soon"},
    {"choice": ["left"], "token": {"a": 1}},
)
"""Answers that no page sends, in the hope of an error message that tells."""


@dataclass(frozen=True)
class Heard:
    """One answer of the server."""

    method: str
    path: str
    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    seconds: float = 0.0

    @property
    def text(self) -> str:
        """The body as text, and the headers."""
        lines = "\n".join(f"{k}: {v}" for k, v in self.headers)
        return f"{lines}\n{self.body.decode('utf-8', 'replace')}"


@dataclass(frozen=True)
class Seen:
    """One battle that was shown, with both pictures as they were sent at first and again."""

    battle: Battle
    first: dict[str, Heard]
    again: dict[str, Heard]
    order: tuple[str, str]
    """The side that was asked for first, and the other."""

    def of(self, side: str) -> str:
        """Return the model behind a side."""
        return (self.battle.left if side == "left" else self.battle.right).model

    def source(self, side: str) -> str:
        """Return the stored picture behind a side."""
        return str((self.battle.left if side == "left" else self.battle.right).image)


@dataclass
class Evidence:
    """What was said, to whom."""

    shell: list[Heard] = field(default_factory=list)
    stages: list[Heard] = field(default_factory=list)
    battles: list[Seen] = field(default_factory=list)
    doors: list[Heard] = field(default_factory=list)
    traversals: list[Heard] = field(default_factory=list)
    errors: list[Heard] = field(default_factory=list)
    strangers: list[Heard] = field(default_factory=list)
    """What another browser, and one without a cookie, got for a rater's own addresses."""

    def all(self) -> Iterator[Heard]:
        """Yield every answer."""
        for found in (self.shell, self.stages, self.doors, self.traversals, self.errors):
            yield from found
        yield from self.strangers
        for seen in self.battles:
            yield from (*seen.first.values(), *seen.again.values())


class Listener:
    """Goes through a study as raters do, and asks besides what no rater asks."""

    def __init__(
        self,
        browser: Callable[[], httpx.AsyncClient],
        find: Callable[[str], Battle | None],
        *,
        votes: bool,
        seed: int = 0,
        link: Callable[[], str] = lambda: "./",
    ) -> None:
        self._browser, self._find, self._votes, self._link = browser, find, votes, link
        self._rng = random.Random(f"listener {seed}")
        self.evidence = Evidence()

    async def listen(self, battles: int, raters: int = 3) -> Evidence:
        """Have so many battles shown to a few raters in turn, then ask as a script."""
        share = -(-battles // raters)
        for _ in range(raters):
            async with self._browser() as http:
                await self._take_part(Visitor(http, tries=5), min(share, self._left(battles)))
        async with self._browser() as http:
            await self._pry(http)
        return self.evidence

    def _left(self, battles: int) -> int:
        return battles - len(self.evidence.battles)

    async def _take_part(self, visitor: Visitor, battles: int) -> None:
        http, done = visitor.http, 0
        await self._ask(http, "GET", self._link())
        for path in SHELL if not self.evidence.shell else ("",):
            self.evidence.shell.append(await self._ask(http, "GET", path or "./"))
        stage = await self._stage(http, "GET", "stage")
        while not stage.over and done < battles:
            battle = self._find(stage.token) if stage.token else None
            if stage.token and battle is None:
                raise StudyError(
                    "The page shows battles that this database does not have. Name the database "
                    "that the page was started with."
                )
            if battle is None or "skip" not in stage.choices:
                stage = await self._go_on(http, stage, battle)
                continue
            self.evidence.battles.append(await self._watch(http, stage, battle))
            choice = "left" if self._votes and done % 3 == 2 else "skip"
            await asyncio.sleep(stage.pause + _A_MOMENT if choice == "left" and stage.pause else 0)
            stage = await self._act(http, choice, stage.token)
            done += 1
        if self._votes and done:
            await self._act(http, "undo", stage.token)

    async def _go_on(self, http: httpx.AsyncClient, stage: Stage, battle: Battle | None) -> Stage:
        """Agree, read, and answer the training as it should be, so that battles follow."""
        if battle is None:
            return await self._act(http, str(stage.onward), "")
        await asyncio.sleep(stage.pause + _A_MOMENT if stage.pause else 0)
        stage = await self._act(http, battle.expected or "left", stage.token)
        return stage if stage.token != battle.token else await self._stage(http, "GET", "stage")

    async def _watch(self, http: httpx.AsyncClient, stage: Stage, battle: Battle) -> Seen:
        order = self._rng.sample(SIDES, 2)
        of = {side: path for side in SIDES for path in stage.pictures if path.endswith(f"/{side}")}
        if set(of) != set(SIDES):
            raise StudyError(f"The page names its pictures {stage.pictures}: no two sides.")
        first = {side: await self._ask(http, "GET", of[side]) for side in order}
        again = {side: await self._ask(http, "GET", of[side]) for side in order}
        return Seen(battle, first, again, (order[0], order[1]))

    async def _pry(self, http: httpx.AsyncClient) -> None:
        evidence = self.evidence
        known = {h.path for seen in evidence.battles[-3:] for h in seen.first.values()}
        known |= {"stage"} if evidence.stages else set()
        for path in sorted(known):  # before this browser has a cookie
            evidence.strangers.append(await self._ask(http, "GET", path))
        for path in (self._link(), "stage"):
            await self._ask(http, "GET", path)
        for path in sorted(known - {"stage"}):
            evidence.strangers.append(await self._ask(http, "GET", path))
        for seen in evidence.battles[-3:]:
            said = {"choice": "left", "token": seen.battle.token}
            evidence.strangers.append(await self._ask(http, "POST", "answer", json=said))
        for path in DOORS:
            for method in ("GET", "POST"):
                evidence.doors.append(await self._ask(http, method, path))
        for path in TRAVERSALS:
            evidence.traversals.append(await self._ask(http, "GET", path))
        for said in PROVOCATIONS:
            evidence.errors.append(await self._ask(http, "POST", "answer", json=said))
        for body in (b"\xff\xfe", b"{", b"[" * 2000):
            evidence.errors.append(await self._ask(http, "POST", "answer", content=body))
        for method in ("PUT", "DELETE", "PATCH", "OPTIONS"):
            evidence.errors.append(await self._ask(http, method, "answer"))

    async def _stage(self, http: httpx.AsyncClient, method: str, path: str, **what: Any) -> Stage:
        heard = await self._ask(http, method, path, **what)
        self.evidence.stages.append(heard)
        return Stage.read(heard.body.decode("utf-8", "replace"))

    async def _act(self, http: httpx.AsyncClient, choice: str, token: str) -> Stage:
        return await self._stage(http, "POST", "answer", json={"choice": choice, "token": token})

    async def _ask(self, http: httpx.AsyncClient, method: str, path: str, **what: Any) -> Heard:
        import httpx

        url = httpx.URL(str(http.base_url) + path.removeprefix("./"))
        try:
            while True:
                started = time.perf_counter()
                async with asyncio.timeout(PATIENCE):
                    answer = await http.request(method, url, **what)
                if answer.status_code != _TOO_MANY:
                    break
                await asyncio.sleep(float(answer.headers.get("retry-after", 1)))
        except TimeoutError:  # a stream of Gradio's that goes on for ever is an open door too
            return Heard(method, path, 200, (), b"", time.perf_counter() - started)
        except httpx.TransportError as error:
            raise StudyError(f"Nothing answers at {url}: {error}. Is the page running?") from error
        seconds = time.perf_counter() - started
        headers = tuple(answer.headers.items())
        return Heard(method, path, answer.status_code, headers, answer.content, seconds)
