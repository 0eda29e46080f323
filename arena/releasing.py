"""Battles that nobody comes back to are given back, so that somebody else is asked."""

from __future__ import annotations

from arena.clock import before
from arena.facts import Facts
from arena.protocol import Protocol
from arena.records import Battle, Rater


def expires(protocol: Protocol) -> bool:
    """Say whether a study gives back what was left open."""
    return protocol.raters.expire_after_minutes is not None or _panel_minutes(protocol) is not None


def sweep(facts: Facts, key: int, protocol: Protocol, asks: Rater, at: str) -> None:
    """Give back what others left open for too long; the one who asks keeps what is theirs."""
    for battle in _overdue(facts, key, protocol, at):
        if battle.rater != asks:
            give_back(facts, key, battle, at)


def give_back(facts: Facts, key: int, battle: Battle, at: str) -> bool:
    """Release an open battle, unless its answer came first."""
    facts.battle(battle.token or "", lock=True)
    if facts.vote(battle.id) is not None or facts.happened("skip", battle):
        return False
    facts.add_event(key, "release", at=at, of=battle, by=battle.rater)
    return True


def _overdue(facts: Facts, key: int, protocol: Protocol, at: str) -> list[Battle]:
    """Return battles that waited too long, and those of raters whose time at the panel is over."""
    minutes, panel_minutes = protocol.raters.expire_after_minutes, _panel_minutes(protocol)
    late = facts.stale(key, before(at, minutes=minutes)) if minutes is not None else []
    if panel_minutes is None:
        return late
    gone = facts.visits.timed_out(key, before(at, minutes=panel_minutes))
    known = {battle.id for battle in late}
    waiting = facts.stale(key, at) if gone else []
    theirs = (b for b in waiting if b.rater is not None and b.rater.id in gone)
    return late + [b for b in theirs if b.id not in known]


def _panel_minutes(protocol: Protocol) -> float | None:
    return protocol.panel.timeout_minutes if protocol.panel else None
