"""Simulated raters at a running page: they come by HTTP as browsers do, and go a study's whole way.

The page is blind, so this program keeps the study's database beside it. There it looks up which
pictures are behind a battle's name, and there it marks its raters before they come; the page offers
no way to do either.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from arena import panels, phases
from arena.battles import Arena
from arena.identity import Keyring
from arena.records import COUNTED, Battle, Outcome, PhaseKind, Purpose, Rater
from arena.simulation import Crowd, Sight, judge, sign
from arena.store import Store
from arena.visiting import Stage, Visitor, client
from evalkit.errors import StudyError

if TYPE_CHECKING:
    import httpx

TOGETHER = 16
"""Raters who are at the page at one time, unless told otherwise."""

ENDS = (PhaseKind.DONE, PhaseKind.SCREENED_OUT, PhaseKind.CLOSED)


@dataclass(frozen=True)
class Promise:
    """One vote that the page said it has."""

    rater: str
    token: str
    outcome: Outcome
    wait: float
    """Seconds from the answer until the next pair's pictures were there."""


@dataclass(frozen=True)
class Manner:
    """How raters come, and how long they stay."""

    together: int = TOGETHER
    think: float = 0.0
    """Mean seconds before an answer, exponential; never less than the study asks for."""
    votes: int | None = None
    """Of each; None: until the page has no more."""


@dataclass
class Attendance:
    """What came of it, as the raters saw it and as the database has it."""

    promises: list[Promise] = field(default_factory=list)
    endings: Counter[str] = field(default_factory=Counter)
    """Where the raters left: a kind of phase, and how many."""
    languages: Counter[str] = field(default_factory=Counter)
    said_again: int = 0
    """Requests that were lost or refused for haste, and repeated."""
    seconds: float = 0.0
    kept: int = 0
    """Votes of these raters in the database, of earlier visits too."""
    lost: tuple[Promise, ...] = ()
    """Promised, and not in the database as they were said."""

    def wait(self, share: float) -> float | None:
        """Return the wait that so many votes did not exceed; None without votes."""
        waits = sorted(p.wait for p in self.promises)
        return waits[min(len(waits) - 1, int(share * len(waits)))] if waits else None

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "acknowledged": len(self.promises),
            "kept": self.kept,
            "lost": len(self.lost),
            "endings": dict(self.endings),
            "languages": dict(self.languages),
            "said_again": self.said_again,
            "seconds": self.seconds,
            "wait_median": self.wait(0.5),
            "wait_p95": self.wait(0.95),
        }

    def lines(self) -> Iterator[str]:
        """Say it in words."""
        votes, median, late = len(self.promises), self.wait(0.5), self.wait(0.95)
        rate = f", {votes / self.seconds:.1f} a second" if self.seconds else ""
        yield f"{votes} votes acknowledged in {self.seconds:.0f} s{rate}."
        if median is not None and late is not None:
            yield (
                f"From a vote to the next pair with its pictures: median {1000 * median:.0f} ms, "
                f"95 % within {1000 * late:.0f} ms."
            )
        ends = ", ".join(f"{n} {kind}" for kind, n in sorted(self.endings.items()))
        yield f"The raters' last pages: {ends}; {self.said_again} requests were said again."
        yield f"In the database: {self.kept} votes of these raters; {len(self.lost)} lost."


def attend(
    address: str,
    store: Store,
    name: str,
    sight: Sight,
    crowd: Crowd,
    manner: Manner = Manner(),
    *,
    voted: Callable[[], object] = lambda: None,
) -> Attendance:
    """Have a crowd take part in the study that is served at an address; see what was kept of it.

    Whoever has answered before goes on where they were: a killed attendance can be held again.
    """
    arena = Arena(store, name)
    if manner.votes is None and phases.quota(arena.study.protocol, arena.pairs) is None:
        raise StudyError(
            f"The study {name!r} asks of each rater as many votes as there are pairs. Say --votes."
        )
    sign(arena, sight, crowd.seed)
    hall = _Hall(address, store, arena, sight, crowd, manner, voted)
    found = asyncio.run(hall.hold())
    found.kept, found.lost = _kept(store, name, hall.people, found.promises)
    return found


@dataclass
class _Hall:
    """The raters of one attendance."""

    address: str
    store: Store
    arena: Arena
    sight: Sight
    crowd: Crowd
    manner: Manner
    voted: Callable[[], object]
    people: list[Rater] = field(default_factory=list)

    async def hold(self) -> Attendance:
        """Have all come, so many at a time."""
        import httpx

        found, started = Attendance(), time.perf_counter()
        lines = 3 * self.manner.together + 10  # an answer, two pictures
        limits = httpx.Limits(max_connections=lines, max_keepalive_connections=lines)
        doors = asyncio.Semaphore(self.manner.together)
        async with httpx.AsyncHTTPTransport(limits=limits) as transport:
            try:
                async with asyncio.TaskGroup() as group:
                    for number in range(self.crowd.raters):
                        group.create_task(self._come(number, found, doors, transport))
            except ExceptionGroup as problems:
                raise problems.exceptions[0] from None  # the others left because of it
        found.seconds = time.perf_counter() - started
        return found

    async def _come(
        self,
        number: int,
        found: Attendance,
        doors: asyncio.Semaphore,
        transport: httpx.AsyncBaseTransport,
    ) -> None:
        async with doors:
            person, key, link = await asyncio.to_thread(self._invite, number)
            self.people.append(person)
            languages = self.arena.study.protocol.languages
            tongue = languages[number % len(languages)]
            http = client(
                self.address,
                transport=transport,
                timeout=60,
                headers={"Accept-Language": tongue},
            )
            guest = Visitor(http, None if link else key)
            kind = await _Rater(self, number, person, guest, found.promises).take_part(link)
            found.endings[kind.value] += 1
            found.languages[tongue] += 1
            found.said_again += guest.retried

    def _invite(self, number: int) -> tuple[Rater, str, str]:
        """Mark a rater in the database; return the secret behind the cookie, or a panel's link."""
        study, seed = self.arena.study, self.crowd.seed
        label = f"simulated-{study.name}-{seed}-{number:03d}"
        # Guessed, it would open no more than a rater whose votes count as simulated.
        said = f"{study.name}/{study.created_at}/{study.seed}/{label}"
        secret = hashlib.sha256(said.encode()).hexdigest()
        panel = study.protocol.panel
        if panel is None:
            return self.arena.make_up(label, secret), secret, ""
        keyring = Keyring.of_environment(study.name)
        self.arena.bind(keyring.check)
        key = keyring.person(secret)
        return self.arena.make_up(label, key), key, panels.link(panel, secret)

    def find(self, token: str) -> Battle | None:
        """Look behind a battle's name."""
        with self.store.reading() as facts:
            return facts.battle(token)


@dataclass
class _Rater:
    """One rater on the way through the study."""

    hall: _Hall
    number: int
    person: Rater
    visitor: Visitor
    promises: list[Promise]

    async def take_part(self, link: str) -> PhaseKind:
        """Go the whole way, from the link to the page with which it ends; say which that is."""
        votes = (await asyncio.to_thread(self.hall.arena.progress, self.person)).done
        stage = await self.visitor.come(link)
        await self.visitor.look(stage.pictures)
        while not stage.over and (self.hall.manner.votes is None or votes < self.hall.manner.votes):
            if not stage.token:
                stage = await self.visitor.act(str(stage.onward))
                await self.visitor.look(stage.pictures)
                continue
            stage, counted = await self._answer(stage)
            votes += counted
        if not stage.over:
            return PhaseKind.BATTLE
        kind = (await asyncio.to_thread(self.hall.arena.phase, self.person)).kind
        if kind not in ENDS:
            raise StudyError(
                f"The page at {self.visitor.http.base_url} does not let {self.person.label} in, "
                f"who is at {kind.value}. Is it of this study, and does its cookie need https?"
            )
        return kind

    async def _answer(self, stage: Stage) -> tuple[Stage, bool]:
        """Answer what is shown; the next pair is fetched while this one is looked at."""
        battle = self._own(await asyncio.to_thread(self.hall.find, stage.token))
        fetching = asyncio.create_task(self.visitor.look(stage.upcoming))
        began = time.perf_counter()
        await asyncio.sleep(self._thought(battle))
        outcome, said = self._judge(battle), time.perf_counter()
        after = await self.visitor.act(outcome.value, stage.token, seconds=said - began)
        await fetching
        await self.visitor.look([p for p in after.pictures if p not in stage.upcoming])
        if after.token == stage.token:
            raise StudyError(f"The page refused a vote of {self.person.label}: {after.notice}")
        counted = battle.purpose in COUNTED
        if counted:
            wait = time.perf_counter() - said
            self.promises.append(Promise(self.person.label, stage.token, outcome, wait))
            self.hall.voted()
        return after, counted

    def _own(self, battle: Battle | None) -> Battle:
        """Return the battle if it is this rater's, whose mark is in this database."""
        if battle is None or battle.rater != self.person:
            raise StudyError(
                f"The page does not know {self.person.label} as this database does, so nothing "
                "was voted. Name the database, and the secret, that the page was started with."
            )
        return battle

    def _thought(self, battle: Battle) -> float:
        think, least = self.hall.manner.think, self.hall.arena.study.protocol.raters.minimum_seconds
        chance = random.Random(f"{self.hall.crowd.seed}/{self.number}/{battle.ordinal}/think")
        return max(least, chance.expovariate(1 / think) if think else 0.0)

    def _judge(self, battle: Battle) -> Outcome:
        if battle.purpose is Purpose.TRAINING and battle.expected is not None:
            return battle.expected  # whoever is told what is right gives it, careless or not
        return judge(
            battle,
            self.hall.sight,
            self.hall.arena.study.protocol.outcomes,
            rater=self.person.label,
            seed=self.hall.crowd.seed,
            character=self.hall.crowd.of(self.number),
        )


def _kept(
    store: Store, name: str, people: Sequence[Rater], promises: Sequence[Promise]
) -> tuple[int, tuple[Promise, ...]]:
    """Count the votes of raters in the database, and find the promises that are not among them."""
    votes: dict[str, Mapping[str | None, Outcome]] = {}
    with store.reading() as facts:
        key, _ = facts.study(name)
        for person in people:
            answers = facts.answers(key, person, *COUNTED)
            votes[person.label] = {b.token: v.outcome for b, v in answers}
    lost = tuple(p for p in promises if votes[p.rater].get(p.token) is not p.outcome)
    return sum(map(len, votes.values())), lost
