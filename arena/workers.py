"""The page of one study in several processes, which share a port and a database."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from arena.limits import Limits

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from arena.store import Store

HEALTH_SECONDS = 60
"""How long a process may be silent before it is taken for hung: it imports for a while first."""


@dataclass(frozen=True)
class Page:
    """All that a process needs to build the page for itself; nothing of it is open yet."""

    database: str
    study: str
    limits: Limits
    proxies: str | None = None
    root_path: str = ""
    metrics: bool = False
    log_json: bool = False

    def __call__(self) -> Any:
        """Build the page in the process that will serve it."""
        from arena import app, logs
        from arena.store import Store

        if self.log_json:
            logs.as_json(sys.stderr)
        web = self.build(Store.open(self.database))
        return app.behind(web, self.proxies) if self.proxies else web

    def build(self, store: Store) -> ASGIApp:
        """Build the page on a database that is open."""
        from arena import app

        root_path, metrics = self.root_path, self.metrics
        return app.build(store, self.study, self.limits, root_path=root_path, metrics=metrics)


def serve(
    page: Page, *, host: str, port: int, workers: int, announce: Callable[[str], None]
) -> None:
    """Serve a study by so many processes until interrupted; one that dies is started anew.

    They share no memory: what a rater's next request needs is in the database, and the limits
    count for each process.
    """
    from uvicorn import Config
    from uvicorn.supervisors import Multiprocess

    from arena import app

    with app.listening(host, port, announce) as listener:
        config = Config(
            page,
            factory=True,
            workers=workers,
            **app.told(log_json=page.log_json),
            timeout_worker_healthcheck=HEALTH_SECONDS,
        )
        Multiprocess(config, sockets=[listener]).run()
