"""Malformed calls to every door of the page: python -m benchmarks.arena_fuzz [--calls 10000].

They go as bytes over the network to a running page, in the study of an open page and in one that
knows raters by a panel's links, with all limits off. None may end in a 5xx or hang, and no row of
the database may change.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from h11 import LocalProtocolError

from arena import studies
from arena.identity import VARIABLE
from arena.keeper import VARIABLE as KEEPER
from arena.limits import Limits
from arena.protocol import Panel
from arena.rehearsal import served
from arena.store import Store
from arena.visiting import Visitor, client
from benchmarks.malformed import Malformer, Outcomes, Victim, digest, routes, tell
from evalkit.runs import Run
from tests.arena.conftest import built, fresh_postgres, make_run, server

NO_LIMITS = Limits.of(rater=0, address=0, newcomers=0)
VICTIMS = 4
PROLIFIC = Panel.model_validate({"kind": "prolific"} | {e: {"code": e} for e in ("done", "full")})


@dataclass(frozen=True)
class Fuzzed:
    """What came of it."""

    outcomes: Outcomes
    changed: bool
    """Whether any row of any table is another than before."""
    works: bool
    """Whether a rater can still vote afterwards."""
    raised: int
    """How often the server wrote down an error, as it does of every exception."""

    @property
    def sound(self) -> bool:
        """Nothing failed, nothing changed, and the page works."""
        return not (self.outcomes.failed or self.changed or self.raised) and self.works


def load(store: Store, run: Run, panel: Panel | None) -> str:
    """Make a study, with or without a panel, and return its name."""
    name = "panel" if panel else "open"
    plan = studies.describe(name, seed=7)
    if panel:
        plan = plan.model_copy(
            update={"protocol": plan.protocol.model_copy(update={"panel": panel})}
        )
    studies.load(store, run, plan)
    return name


def fuzz(store: Store, name: str, calls: int, seed: int = 0) -> Fuzzed:
    """Serve a study, let some raters begin, and say so many malformed things to it."""
    doors = routes(built(store, name))
    with served(store, name, NO_LIMITS) as address, _errors() as errors:
        victims = [asyncio.run(begin(address, name, number)) for number in range(VICTIMS)]
        before = digest(store)
        made = list(Malformer(victims, doors, seed).calls(calls))
        outcomes = asyncio.run(tell(address, made))
        changed = digest(store) != before
        works = all(asyncio.run(_goes_on(address, victim)) for victim in victims)
    return Fuzzed(outcomes, changed, works, len(errors))


@contextmanager
def _errors() -> Iterator[list[logging.LogRecord]]:
    """Collect what the server's log says of errors.

    Not uvicorn's own of an answer to somebody who has hung up in the middle of a request.
    """
    found: list[logging.LogRecord] = []

    def note(record: logging.LogRecord) -> None:
        if not (record.exc_info and isinstance(record.exc_info[1], LocalProtocolError)):
            found.append(record)

    log, handler = logging.getLogger("uvicorn.error"), logging.Handler(logging.ERROR)
    handler.emit = note  # type: ignore[method-assign]
    log.addHandler(handler)
    try:
        yield found
    finally:
        log.removeHandler(handler)


async def begin(address: str, name: str, number: int) -> Victim:
    """Take part until a battle is open, with one answered before it."""
    link = f"?PROLIFIC_PID=p{number}&STUDY_ID=s&SESSION_ID=n{number}" if name == "panel" else ""
    async with client(address, verify=False) as http:
        visitor = Visitor(http, tries=1)
        if link:
            await http.get(link)
        first = await visitor.see() if link else await visitor.come()
        stage = await visitor.act("left", first.token)
        cookies = "; ".join(f"{key}={value}" for key, value in http.cookies.items())
    return Victim(cookies, stage.token)


async def _goes_on(address: str, victim: Victim) -> bool:
    async with client(address, verify=False, headers={"Cookie": victim.cookie}) as http:
        stage = await Visitor(http, tries=1).act("tie", victim.token)
    return not stage.notice and stage.token not in ("", victim.token)


@contextmanager
def _places(folder: Path, *, postgresql: bool) -> Iterator[Store]:
    if not postgresql:
        with closing(Store.open(str(folder / "study.sqlite"), create=True)) as store:
            yield store
        return
    with server() as url, closing(Store.open(fresh_postgres(url), create=True)) as store:
        yield store


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=10_000, help="to each of the two studies")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--on", choices=("sqlite", "postgresql"), default="sqlite")
    asked = parser.parse_args()
    os.environ |= {VARIABLE: "0123456789abcdef" * 2, KEEPER: "fedcba9876543210" * 2}
    sound = True
    with tempfile.TemporaryDirectory(prefix="fuzz-") as place:
        run = make_run(Path(place) / "runs" / "small", prompts=12)
        with _places(Path(place), postgresql=asked.on == "postgresql") as store:
            for panel in (None, PROLIFIC):
                name = load(store, run, panel)
                found = fuzz(store, name, asked.calls, asked.seed)
                by_status = ", ".join(
                    f"{s}: {n}" for s, n in sorted(found.outcomes.statuses.items())
                )
                print(f"{name} study on {asked.on}: {asked.calls:,} calls; {by_status}")
                print(
                    f"  5xx or hung {len(found.outcomes.failed)}, database changed: {found.changed}"
                )
                print(f"  exceptions {found.raised}, raters go on: {found.works}")
                for status, call in found.outcomes.failed[:10]:
                    print(f"  {status} {call.first}")
                sound = sound and found.sound
    return 0 if sound else 1


if __name__ == "__main__":
    raise SystemExit(main())
