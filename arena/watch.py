"""What machines ask of a page in use: is it well, how much, how fast; a line for each request.

Nothing here names anybody: no address, no cookie, no query (a panel's link holds the person's
number), and of a battle not even the token.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route, Router

from arena.clock import before, now
from arena.guard import client, too_many
from arena.overview import AT_WORK_MINUTES
from evalkit.errors import EvalkitError

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from arena.keeper import Keeper
    from arena.limits import Gate
    from arena.store import Store

HEALTH, METRICS = "/healthz", "/metrics"

_LOG = logging.getLogger(__name__)
_ROUTES = {
    "": "/",
    "stage": "/stage",
    "answer": "/answer",
    "battle": "/battle/{token}/{side}",
    "admin": "/admin",
    "healthz": HEALTH,
    "health": "/health",
    "metrics": METRICS,
    "config": "/config",
    **dict.fromkeys(("assets", "face", "static", "svelte"), "files"),
}
_METHODS = ("GET", "HEAD", "POST")
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class Watch:
    """The counts of one process, and the two doors by which machines read them."""

    def __init__(self, store: Store, study: str) -> None:
        self._store, self._study = store, study
        self._registry = CollectorRegistry()
        self._answers = Counter(
            "arena_answers", "Clicks that were taken, by what they said.", ["choice"],
            registry=self._registry,
        )  # fmt: skip
        self._refusals = Counter(
            "arena_refusals", "Clicks that the rules refused, by the reason.", ["reason"],
            registry=self._registry,
        )  # fmt: skip
        self._requests = Histogram(
            "arena_request_seconds", "Time to answer a request.", ["route", "method", "status"],
            buckets=_SECONDS, registry=self._registry,
        )  # fmt: skip
        self._errors = Counter(
            "arena_errors", "Requests that this program failed (status 500 and above).",
            registry=self._registry,
        )  # fmt: skip
        self._registry.register(_Standing(store, study))

    def answered(self, choice: str) -> None:
        """Count a click that was taken."""
        self._answers.labels(choice).inc()

    def refused(self, reason: str) -> None:
        """Count a click that was refused."""
        self._refusals.labels(reason).inc()

    def around(self, app: ASGIApp) -> ASGIApp:
        """Time and count what an application answers."""

        async def watched(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "http":
                await app(scope, receive, send)
                return
            began, status = time.perf_counter(), 0

            async def noted(part: Message) -> None:
                nonlocal status
                if part["type"] == "http.response.start":
                    status = part["status"]
                await send(part)

            try:
                await app(scope, receive, noted)
            except BaseException:
                status = status or 500
                raise
            finally:
                self._note(scope, status, time.perf_counter() - began)

        return watched

    def _note(self, scope: Scope, status: int, seconds: float) -> None:
        said = scope["method"]
        method, route = said if said in _METHODS else "other", route_of(scope["path"])
        self._requests.labels(route, method, str(status)).observe(seconds)
        if status >= 500:
            self._errors.inc()
        facts = {"route": route, "method": method, "status": status, "seconds": round(seconds, 4)}
        _LOG.info("request", extra={"facts": facts})

    def health(self) -> ASGIApp:
        """Return what says whether a vote could be kept now."""

        def well(_: Request) -> Response:
            try:
                with self._store.reading() as facts:
                    facts.survey.alive()
            except EvalkitError:
                _LOG.exception("The database does not answer")
                return JSONResponse({"status": "the database does not answer"}, 503)
            return JSONResponse({"status": "ok"})

        return Router([Route(HEALTH, well)])

    def metrics(self, allowed: Callable[[Request], Response | None]) -> ASGIApp:
        """Return the counts in Prometheus's text format, unless ``allowed`` answers otherwise."""

        def read(request: Request) -> Response:
            return allowed(request) or Response(
                generate_latest(self._registry), media_type=CONTENT_TYPE_LATEST
            )

        return Router([Route(METRICS, read)])


def bearer(keeper: Keeper, gate: Gate) -> Callable[[Request], Response | None]:
    """Let in who sends the keeper's secret as ``Authorization: Bearer``; wrong ones are limited."""

    def check(request: Request) -> Response | None:
        scheme, _, said = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            challenge = {"WWW-Authenticate": "Bearer"}
            return PlainTextResponse("Say the keeper's secret.", 401, headers=challenge)
        if wait := gate.wait_as_keeper(client(request)):
            return too_many(wait)
        if not keeper.is_secret(said):
            return PlainTextResponse("This is not the keeper's secret.", 403)
        gate.was_keeper(client(request))
        return None

    return check


def route_of(path: str) -> str:
    """Name the kind of an address: few words, and nothing that was said in it."""
    return _ROUTES.get(path.split("/", 2)[1] if path.startswith("/") else path, "other")


class _Standing(Collector):
    """What the database says at the moment when it is asked: the same from every process."""

    def __init__(self, store: Store, study: str) -> None:
        self._store, self._study = store, study

    def describe(self) -> Iterable[Metric]:
        """Name nothing beforehand, so that nothing is asked of the database at the start."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Count votes and raters; leave them out where the database does not answer."""
        up = GaugeMetricFamily("arena_database_up", "Whether the database answers.")
        votes = GaugeMetricFamily("arena_votes", "Votes that stand.", labels=["criterion"])
        at_work = GaugeMetricFamily(
            "arena_raters_at_work", f"Raters who did something within {AT_WORK_MINUTES} minutes."
        )
        try:
            with self._store.reading() as facts:
                key, study = facts.study(self._study)
                for question in study.protocol.criteria:
                    counts = facts.counts(key, criterion=question.id)
                    votes.add_metric([question.id], sum(c.votes for c in counts))
                since = before(now(), minutes=AT_WORK_MINUTES)
                at_work.add_metric([], facts.survey.at_work(key, since))
        except EvalkitError:
            up.add_metric([], 0)
            yield up
            return
        up.add_metric([], 1)
        yield from (up, votes, at_work)
