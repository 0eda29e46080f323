"""A crowd votes at once: python -m benchmarks.arena_load [--on postgresql] [--kill].

100 raters take part in a study of 8 models, 507 prompts and 4 seeds through the page's own door,
against one ``arena serve`` on SQLite, or two workers on a private PostgreSQL, on this machine.
Afterwards every vote that the server acknowledged must be in the database, once, and no other.
With ``--kill`` the server (and PostgreSQL) is killed by SIGKILL halfway and started again.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
from PIL import Image

from arena import studies
from arena.store import Store
from benchmarks.crowd import Crowd, Settled, settle
from benchmarks.serving import Serving, serving
from evalkit.prompts import Suite
from evalkit.records import Generation, Manifest, ModelSpec, Prompt
from evalkit.runs import Run
from tests.arena.conftest import fresh_postgres
from tests.arena.postgres import Postgres

MODELS, PROMPTS, SEEDS = 8, 507, 4
DISTINCT, SIDE = 32, 512
"""Pictures that differ, and their pixels: what is measured is the server, not the disk."""


def study(folder: Path, prompts: int = PROMPTS, seeds: int = SEEDS) -> Run:
    """Make a run of the size of the paper's study; its pictures repeat."""
    suite = Suite("load", tuple(_prompt(i) for i in range(prompts)))
    specs = tuple(_spec(m) for m in range(MODELS))
    run = Run.create(folder / "runs" / "load", _manifest(suite, specs, seeds), suite)
    rng = np.random.default_rng(0)
    pictures = [run.images.put(_picture(rng)) for _ in range(DISTINCT)]
    cells = itertools.product(specs, suite.prompts, range(seeds))
    run.add(
        [
            Generation(
                id=Generation.id_for(spec, prompt, seed),
                prompt_id=prompt.id,
                model=spec.name,
                seed=seed,
                image=pictures[number % DISTINCT],
            )
            for number, (spec, prompt, seed) in enumerate(cells)
        ]
    )
    return run


def _spec(number: int) -> ModelSpec:
    return ModelSpec(name=f"model-{number}", generator="sketch", options={"number": number})


def _prompt(number: int) -> Prompt:
    return Prompt(id=f"{number:05d}", suite="load", text=f"A picture of {number} things, in oil.")


def _picture(rng: np.random.Generator) -> Image.Image:
    """Draw coarse noise: as many bytes as a photograph."""
    coarse = rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((SIDE, SIDE), Image.Resampling.BICUBIC)


def _manifest(suite: Suite, specs: tuple[ModelSpec, ...], seeds: int) -> Manifest:
    return Manifest(
        run_id="load",
        status="started",
        suite=suite.name,
        suite_digest=suite.digest,
        models=specs,
        seeds=tuple(range(seeds)),
        created_at="2026-01-01T00:00:00+00:00",
        code_revision="unknown",
        packages={},
        device={},
    )


@contextmanager
def placed(run: Run, *, postgresql: bool) -> Iterator[tuple[str, Postgres | None]]:
    """Put a study of a run into a fresh database; give its name and the server, if there is one."""
    with ExitStack() as stack:
        server, database = None, str(run.path.parent.parent / "study.sqlite")
        if postgresql:
            server = Postgres(fsync=True)
            server.start()
            stack.callback(server.stop)
            database = fresh_postgres(server.url)
        store = Store.open(database, create=True)
        studies.load(store, run, studies.describe("load", seed=1))
        store.close()
        yield database, server


async def hold(
    crowd: Crowd,
    enough: Callable[[], bool],
    interrupt: Callable[[], None] | None = None,
    halfway: Callable[[], bool] = lambda: True,
) -> int:
    """Let a crowd vote until it is enough; return what was acknowledged before an interruption."""
    voting = asyncio.create_task(crowd.vote(enough))
    before = 0
    while interrupt and not voting.done():
        await asyncio.sleep(0.05)
        if halfway():
            before = len(crowd.acks)
            await asyncio.to_thread(interrupt)
            break
    await voting
    return before


def crash(server: Serving, database: Postgres | None) -> None:
    """Kill everything, and start it again."""
    server.kill()
    if database:
        database.kill()
        database.start()
    server.start()


def report(crowd: Crowd, found: Settled, seconds: float) -> Iterator[str]:
    """Say what was measured, and whether it is right."""
    waits = sorted(ack.seconds for ack in crowd.acks) or [float("nan")]
    shares = ", ".join(f"p{p} {np.percentile(waits, p) * 1000:.0f} ms" for p in (50, 95, 99))
    rate = len(crowd.acks) / seconds
    yield f"{len(crowd.acks):,} votes acknowledged in {seconds:.0f} s: {rate:.1f} a second"
    yield f"vote to next pair, pictures and all: {shares}, longest {waits[-1] * 1000:.0f} ms"
    yield f"errors {len(crowd.errors)}, refused {len(crowd.refused)}, said again {crowd.retried}"
    yield (
        f"in the database {found.kept:,}: lost {found.lost}, doubled {found.doubled}, "
        f"promised to nobody {found.unasked}, miscounted {found.miscounted}"
    )
    yield from (f"error: {e}" for e in (crowd.errors + crowd.refused)[:5])


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--on", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument("--workers", type=int, help="1 on SQLite, 2 on PostgreSQL")
    parser.add_argument("--raters", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--think", type=float, default=1.0, help="mean seconds; 0: at once")
    parser.add_argument("--kill", action="store_true", help="SIGKILL halfway, and start again")
    return parser.parse_args()


def _measure(asked: argparse.Namespace, database: str, postgres: Postgres | None) -> int:
    workers = asked.workers or (2 if postgres else 1)
    server = Serving(database, "load", *(("--workers", str(workers)) if workers > 1 else ()))
    with serving([server]):
        crowd = Crowd(server.address, asked.raters, asked.think)
        started = time.monotonic()
        kill = (lambda: crash(server, postgres)) if asked.kill else None
        before = asyncio.run(
            hold(
                crowd,
                lambda: time.monotonic() - started >= asked.seconds,
                kill,
                lambda: time.monotonic() - started >= asked.seconds / 2,
            )
        )
        seconds, memory = time.monotonic() - started, server.memory
        found = settle(database, crowd.acks)
    for line in report(crowd, found, seconds):
        print(line)
    print(f"peak memory of the server {memory / 2**20:.0f} MB, {workers} workers")
    if asked.kill:
        print(f"killed after {before:,} votes were acknowledged")
    tracebacks = sum("Traceback" in line for line in server.said)
    print(f"tracebacks of the server {tracebacks}")
    sound = found.sound and not crowd.errors and not crowd.refused
    return 0 if sound and (asked.kill or not (crowd.retried or tracebacks)) else 1


def main() -> int:
    asked = _asked()
    print(f"{asked.raters} raters, think {asked.think:g} s, {asked.on}", flush=True)
    with tempfile.TemporaryDirectory(prefix="load-") as folder:
        run = study(Path(folder))
        with placed(run, postgresql=asked.on == "postgresql") as (database, postgres):
            return _measure(asked, database, postgres)


if __name__ == "__main__":
    raise SystemExit(main())
