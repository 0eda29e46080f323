"""A rater at a real browser: many share one server and one browser, each in a context."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Thread

import uvicorn
from playwright.sync_api import Browser, BrowserContext, Page

from arena import studies
from arena.facts.votes import VoteRow
from arena.guard import COOKIE
from arena.store import Store
from tests.arena.conftest import built

FLAGS = (
    "--no-sandbox",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-sync",
    "--no-first-run",
)


@contextmanager
def served(store: Store, name: str) -> Iterator[str]:
    """Serve a study on a port of its own."""
    config = uvicorn.Config(built(store, name), port=0, log_level="error", lifespan="off")
    server = uvicorn.Server(config)
    thread = Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started and thread.is_alive():
        time.sleep(0)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/"
    server.should_exit = server.force_exit = True
    thread.join(30)


class Visitor:
    """Someone new at the page, and what the database knows of them."""

    def __init__(self, browser: Browser, address: str, store: Store, study: str, **how: object):
        how = {"viewport": {"width": 1280, "height": 800}} | how
        self.context: BrowserContext = browser.new_context(**how)  # type: ignore[arg-type]
        self.context.set_default_timeout(20_000)
        self.page: Page = self.context.new_page()
        self.address, self.problems, self.requests = address, [], []  # type: ignore[var-annotated]
        self._store, self._study = store, study
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.page.on(
            "console", lambda m: self.problems.append(m.text) if m.type == "error" else None
        )
        self.page.on("request", lambda r: self.requests.append(f"{r.url} {r.post_data or ''}"))

    def come(self, query: str = "") -> Visitor:
        """Follow the link, and wait until both pictures are there."""
        self.page.goto(self.address + query)
        self.ready()
        return self

    def ready(self) -> None:
        """Wait until an answer can be given."""
        self.page.wait_for_selector(".stage.ready[data-token]")

    @property
    def token(self) -> str:
        """The battle that is shown."""
        return str(self.page.get_attribute(".stage", "data-token"))

    def answered(self, act: Callable[[], object]) -> None:
        """Do something and wait for the next battle's pictures."""
        turn = self.page.get_attribute(".stage", "data-turn")
        act()
        self.page.wait_for_selector(f'.stage.ready:not([data-turn="{turn}"])')

    def press(self, *keys: str) -> None:
        """Answer with keys, one battle each."""
        for key in keys:
            self.answered(lambda key=key: self.page.keyboard.press(key))  # type: ignore[misc]

    @property
    def votes(self) -> list[VoteRow]:
        """What this rater's standing votes are."""
        cookies = {c["name"]: c["value"] for c in self.context.cookies()}  # type: ignore[typeddict-item]
        with self._store.reading() as facts:
            rater = facts.rater(cookies[COOKIE])
        rows = studies.standing_votes(self._store, self._study)
        return [v for v in rows if rater is not None and v.rater == rater.label]
