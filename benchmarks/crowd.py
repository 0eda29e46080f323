"""Raters who vote at once through the page's own door, and a ledger of what they were promised."""

from __future__ import annotations

import asyncio
import random
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import sqlalchemy as sa

from arena import tables
from arena.facts.raters import key_digest
from arena.records import Outcome
from arena.visiting import Stage, Visitor, client
from evalkit.errors import StudyError


@dataclass(frozen=True)
class Ack:
    """One vote that the server said it has: whose, on what, and the wait for the next pair."""

    rater: str
    token: str
    outcome: str
    seconds: float


@dataclass
class Crowd:
    """So many raters; each thinks for a while, answers, and waits for the next pair's pictures."""

    address: str
    raters: int = 100
    think: float = 1.0
    """Mean seconds between a pair and its answer, exponential; 0 answers at once."""
    seed: int = 0
    acks: list[Ack] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    retried: int = 0
    """Requests that had to be said again: none where nothing was killed."""

    async def vote(self, enough: Callable[[], bool]) -> None:
        """Let all vote until it is enough; each ends with an answer, never in the middle of one."""
        async with asyncio.TaskGroup() as group:
            for number in range(self.raters):
                group.create_task(self._take_part(number, enough))

    async def _take_part(self, number: int, enough: Callable[[], bool]) -> None:
        rng = random.Random(f"{self.seed}/{number}")
        # A pool of connections each, as browsers have: a common one is searched at each request.
        async with client(self.address, timeout=60, verify=False) as http:
            visitor = Visitor(http, secrets.token_hex(16))
            try:
                await asyncio.sleep(rng.random() * self.think)  # nobody begins in step
                stage = await self._arrive(visitor)
                while not enough() and not stage.over:
                    stage = await self._turn(visitor, stage, rng)
            except StudyError as error:
                self.errors.append(str(error))
            self.retried += visitor.retried

    async def _arrive(self, visitor: Visitor) -> Stage:
        stage = await visitor.come()
        while stage.onward:
            stage = await visitor.act(stage.onward)
        await visitor.look(stage.pictures)
        return stage

    async def _turn(self, visitor: Visitor, stage: Stage, rng: random.Random) -> Stage:
        """Answer one battle; the next pair's pictures are fetched while this one is looked at."""
        fetching = asyncio.create_task(visitor.look(stage.upcoming))
        if self.think:
            await asyncio.sleep(rng.expovariate(1 / self.think))
        outcome = rng.choice([c for c in stage.choices if c in set(Outcome)])
        started = time.perf_counter()
        after = await visitor.act(outcome, stage.token)
        await fetching
        seconds = time.perf_counter() - started
        if after.notice or after.token == stage.token:
            self.refused.append(f"{outcome} on {stage.token}: {after.notice}")
        else:
            key = str(visitor.http.cookies["rater"])
            self.acks.append(Ack(key_digest(key), stage.token, outcome, seconds))
        return after


@dataclass(frozen=True)
class Settled:
    """What the database has of what was promised."""

    promised: int
    kept: int
    lost: int
    """Promised, and not there or there with another answer or rater."""
    doubled: int
    unasked: int
    """There, and promised to nobody."""
    miscounted: int
    """Counts beside the votes that are not theirs."""

    @property
    def sound(self) -> bool:
        """Every promised vote is there exactly once, and nothing else is."""
        return not (self.lost or self.doubled or self.unasked or self.miscounted)


def settle(url: str, acks: list[Ack]) -> Settled:
    """Compare the ledger with the votes in a database, read by plain SQL."""
    engine = sa.create_engine(url if "://" in url else f"sqlite:///{url}")
    query = (
        sa.select(tables.rater.c.key_digest, tables.battle.c.token, tables.vote.c.outcome)
        .select_from(tables.vote)
        .join(tables.battle, tables.battle.c.id == tables.vote.c.battle_id)
        .join(tables.rater, tables.rater.c.id == tables.battle.c.rater_id)
    )
    with engine.connect() as connection:
        found = [tuple(row) for row in connection.execute(query)]
        counted = connection.scalar(sa.select(sa.func.sum(tables.tally.c.votes))) or 0
    engine.dispose()
    promised = {(a.rater, a.token, a.outcome) for a in acks}
    return Settled(
        promised=len(acks),
        kept=len(found),
        lost=len(promised - set(found)),
        doubled=len(found) - len({token for _, token, _ in found}),
        unasked=len(set(found) - promised),
        miscounted=abs(int(counted) - len(found)),
    )
