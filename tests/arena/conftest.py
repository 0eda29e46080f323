"""Databases of both kinds, small runs, and studies made of them."""

from __future__ import annotations

import asyncio
import itertools
import uuid
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from starlette.types import ASGIApp

from arena import studies
from arena.battles import Arena
from arena.limits import Limits
from arena.store import Store
from evalkit.prompts import Suite
from evalkit.records import Generation, Manifest, ModelSpec, Prompt
from evalkit.runs import Run
from tests.arena.postgres import Postgres

MODELS = ("alpha-model", "beta-model", "gamma-model")


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """Return the URL of the databases of a private PostgreSQL."""
    with server() as url:
        yield url


@contextmanager
def server() -> Iterator[str]:
    """Start a private PostgreSQL, and stop it."""
    found = Postgres()
    found.start()
    try:
        yield found.url
    finally:
        found.stop()


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Name a fresh database: every test that takes it runs on both kinds."""
    if request.param == "sqlite":
        return str(tmp_path / "arena.sqlite")
    url: str = request.getfixturevalue("postgres")
    return fresh_postgres(url)


def fresh_postgres(url: str) -> str:
    """Make an empty database on the test's server and return its URL."""
    import psycopg

    name = f"test_{uuid.uuid4().hex}"
    plain = url.format(name="postgres").replace("+psycopg", "")
    with psycopg.connect(plain, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return url.format(name=name)


@pytest.fixture
def store(database: str) -> Iterator[Store]:
    """Open a fresh database of either kind."""
    opened = Store.open(database, create=True, durable=False)
    yield opened
    opened.close()


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Make a small run: three models, four prompts, one seed."""
    return make_run(tmp_path / "runs" / "small")


@pytest.fixture
def arena(store: Store, run: Run) -> Arena:
    """Open a study of the small run."""
    studies.load(store, run, studies.describe("s", seed=7))
    return Arena(store, "s")


def built(store: Store, name: str, limits: Limits | None = None, **how: Any) -> ASGIApp:
    """Build the page inside a loop: outside one, Gradio opens its own and never closes them."""
    from arena import app

    async def build() -> ASGIApp:
        return app.build(store, name, limits, **how)

    with ThreadPoolExecutor(1) as pool:  # this thread's loop may be playwright's
        return pool.submit(lambda: asyncio.run(build())).result()


def make_run(
    folder: Path,
    models: Sequence[str] = MODELS,
    prompts: int = 4,
    seeds: Sequence[int] = (0,),
    size: tuple[int, int] = (64, 64),
) -> Run:
    """Make a run of flat pictures, each of a colour of its own; generation k has k % 3 faults."""
    suite = Suite("t", tuple(_prompt(i) for i in range(prompts)))
    specs = tuple(ModelSpec(name=m, generator="sketch", options={"of": m}) for m in models)
    run = Run.create(folder, _manifest(suite, specs, tuple(seeds)), suite)
    generations, truths = [], {}
    for number, (spec, prompt, seed) in enumerate(itertools.product(specs, suite.prompts, seeds)):
        colour = (number * 7 % 256, number // 36 * 40 % 256, models.index(spec.name) * 50 % 256)
        made = Generation(
            id=Generation.id_for(spec, prompt, seed),
            prompt_id=prompt.id,
            model=spec.name,
            seed=seed,
            image=run.images.put(Image.new("RGB", size, colour)),
        )
        generations.append(made)
        truths[made.id] = ("colour", "count")[: models.index(spec.name) % 3]
    run.add(generations)
    run.add_truths(truths)
    return run


def _prompt(number: int) -> Prompt:
    return Prompt(id=f"{number:05d}", suite="t", text=f"a photo of <i>{number}</i> & more")


def _manifest(suite: Suite, specs: tuple[ModelSpec, ...], seeds: tuple[int, ...]) -> Manifest:
    return Manifest(
        run_id="r",
        status="started",
        suite="t",
        suite_digest=suite.digest,
        models=specs,
        seeds=seeds,
        created_at="2026-01-01T00:00:00+00:00",
        code_revision="unknown",
        packages={},
        device={},
    )
