"""A copy of a study without its votes, served on a port of its own: the study stays as it is."""

from __future__ import annotations

import asyncio
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import TYPE_CHECKING, Any

from arena import panels
from arena.blindness import BATTLES, Blindness, judge, listen
from arena.database import versions
from arena.leaks import Secrets
from arena.limits import Limits
from arena.store import Store
from arena.visiting import client
from evalkit.errors import StudyError

if TYPE_CHECKING:
    import httpx

CELLS = 12
"""Prompts and seeds that a copy keeps unless told otherwise: few, so that pictures come back."""


def audit(store: Store, name: str, *, url: str | None = None, battles: int = BATTLES) -> Blindness:
    """Audit the page of a study: that of a copy, or one that is running at an address.

    At a running page nothing is voted; its raters pass over what they are shown.
    """
    if url is not None:
        return _audit(store, name, url, votes=False, battles=battles)
    with copied(store, name) as copy, served(copy, name) as address:
        with copy.reading() as facts:
            reveals = facts.study(name)[1].protocol.reveal
        return _audit(copy, name, address, votes=not reveals, battles=battles)


def _audit(store: Store, name: str, address: str, *, votes: bool, battles: int) -> Blindness:
    def browser() -> httpx.AsyncClient:
        return client(address)

    with store.reading() as facts:
        panel = facts.study(name)[1].protocol.panel

    def link() -> str:
        return panels.link(panel, secrets.token_hex(12)) if panel else "./"

    heard = asyncio.run(listen(browser, store, votes=votes, battles=battles, link=link))
    return judge(name, heard, Secrets.of(store, name))


@contextmanager
def copied(store: Store, name: str, *, cells: int | None = CELLS) -> Iterator[Store]:
    """Copy a study's rules and pictures, but no rater, battle or vote, for as long as the block."""
    with store.snapshot() as facts:
        key, study = facts.study(name)
        tables = facts.dump(key)
        kept = {table: list(tables[table]) for table in ("study", "protocol", "entry")}
    kept["entry"] = _of_few_cells(kept["entry"], cells)
    images = store.images(study)
    with tempfile.TemporaryDirectory(prefix="arena-") as folder:
        made = Store.of_facts(Path(folder) / "copy.sqlite", versions()[-1], name, kept)
        try:
            with made.writing() as facts:
                key, _ = facts.study(name)
                size = study.width or 1, study.height or 1
                facts.place_study(key, made.place(images), size, study.suite or "")
            yield made
        finally:
            made.close()


def _of_few_cells(entries: list[dict[str, Any]], cells: int | None) -> list[dict[str, Any]]:
    """Keep the entries of the first prompts and seeds, and those of no generation (examples)."""
    found = dict.fromkeys(_cell(e) for e in entries if e["generation_id"] is not None)
    few = set(list(found)[:cells])
    return [e for e in entries if e["generation_id"] is None or _cell(e) in few]


def _cell(entry: dict[str, Any]) -> tuple[Any, Any]:
    return entry["prompt_id"], entry["seed"]


@contextmanager
def served(store: Store, name: str, limits: Limits | None = None) -> Iterator[str]:
    """Serve a study in a thread on any free port and give its address."""
    import uvicorn

    from arena import app

    found: dict[str, Any] = {}
    ready = Event()

    async def hold() -> None:
        try:
            # Built inside the loop: outside one, Gradio opens its own and never closes it.
            config = uvicorn.Config(
                app.build(store, name, limits),
                port=0,
                log_level="error",
                lifespan="off",
                server_header=False,
            )
            found["server"] = server = uvicorn.Server(config)
            serving = asyncio.create_task(server.serve())
            while not server.started and not serving.done():
                await asyncio.sleep(0.005)
        except BaseException as error:
            found["error"] = error
            raise
        finally:
            ready.set()
        await serving

    thread = Thread(target=lambda: asyncio.run(hold()), daemon=True)
    thread.start()
    ready.wait(60)
    server = found.get("server")
    if server is None or not server.started:
        raise StudyError(f"The copy of {name!r} cannot be served: {found.get('error')}.")
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/"
    finally:
        server.should_exit = server.force_exit = True
        thread.join(30)
