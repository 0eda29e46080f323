"""Malformed calls change and break nothing; one battle answered by many at once is one vote."""

from __future__ import annotations

import asyncio
import json

import pytest
import sqlalchemy as sa

from arena import tables
from arena.identity import VARIABLE
from arena.keeper import VARIABLE as KEEPER
from arena.protocol import Panel
from arena.rehearsal import served
from arena.store import Store
from arena.visiting import Stage, Visitor, client
from benchmarks.arena_fuzz import NO_LIMITS, PROLIFIC, begin, fuzz, load
from benchmarks.malformed import Malformer, Victim, digest, routes
from evalkit.runs import Run
from tests.arena.conftest import built

CALLS = 380
"""To each of two studies on each of two databases; benchmarks/arena_fuzz.py makes 10,000."""


@pytest.fixture(autouse=True)
def secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "0123456789abcdef" * 2)
    monkeypatch.setenv(KEEPER, "fedcba9876543210" * 2)


@pytest.mark.parametrize("panel", [None, PROLIFIC], ids=["open", "panel"])
def test_malformed_calls_change_nothing(store: Store, run: Run, panel: Panel | None) -> None:
    found = fuzz(store, load(store, run, panel), CALLS, seed=1)
    assert not [(status, call.first) for status, call in found.outcomes.failed]
    assert not found.changed
    assert found.works
    assert not found.raised
    assert sum(found.outcomes.statuses.values()) == CALLS
    assert found.outcomes.statuses[200] > CALLS / 10, "many reach the handlers"


def test_calls_repeat_from_their_seed_and_none_is_a_vote() -> None:
    victims = [Victim(f"rater={n}", f"token-{n}" * 3) for n in range(3)]
    calls = list(Malformer(victims, ["/a/{b}"], seed=3).calls(2000))
    assert calls == list(Malformer(victims, ["/a/{b}"], seed=3).calls(2000))
    for call in calls:
        head, _, body = call.raw.partition(b"\r\n\r\n")
        for victim in victims:
            if f"Cookie: {victim.cookie}\r\n".encode() in head + b"\r\n" and b"token-" in body:
                said = json.loads(body)
                assert said["token"] != victim.token or said["choice"] != "left"


def test_a_change_anywhere_is_seen(store: Store, run: Run) -> None:
    name = load(store, run, None)
    before = digest(store)
    assert digest(store) == before
    with store.writing() as facts:
        facts.add_rater("one more")
    after = digest(store)
    assert after != before
    with store.writing() as facts:
        facts.add_event(facts.study(name)[0], "close", at="2026")
    assert digest(store) not in (before, after)


def test_the_doors_are_those_of_the_page_and_of_gradio(store: Store, run: Run) -> None:
    found = routes(built(store, load(store, run, None)))
    wanted = {"/answer", "/stage", "/battle/{token}/{side}", "/gradio_api/queue/join"}
    assert wanted <= set(found), found
    assert len(found) > 40


@pytest.mark.parametrize("choices", [("left",), ("left", "right", "tie", "skip")])
def test_one_battle_answered_fifty_times_at_once_by_http_is_one_vote(
    store: Store, run: Run, choices: tuple[str, ...]
) -> None:
    name = load(store, run, None)
    with served(store, name, NO_LIMITS) as address:
        victim = asyncio.run(begin(address, name, 0))
        answers = asyncio.run(answer_at_once([address], victim, choices))
    with store._engine.connect() as connection:
        query = sa.select(tables.vote.c.outcome).join(tables.battle)
        votes = connection.scalars(query.where(tables.battle.c.token == victim.token)).all()
        kinds = connection.scalars(sa.select(tables.event.c.kind)).all()
    assert len(votes) + kinds.count("skip") == 1
    taken = votes[0] if votes else "skip"
    for choice, stage in answers:
        assert stage.token not in ("", victim.token)
        if choice == taken == "left":
            assert not stage.notice
        if choice != taken:
            assert stage.notice


async def answer_at_once(
    addresses: list[str], victim: Victim, choices: tuple[str, ...], count: int = 50
) -> list[tuple[str, Stage]]:
    """Say so many answers to one battle, each by a connection of its own."""

    async def one(number: int) -> tuple[str, Stage]:
        choice, address = choices[number % len(choices)], addresses[number % len(addresses)]
        async with client(address, verify=False, headers={"Cookie": victim.cookie}) as http:
            return choice, await Visitor(http, tries=1).act(choice, victim.token)

    return await asyncio.gather(*map(one, range(count)))
