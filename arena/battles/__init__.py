"""The rules of a study: raters go its way, the server opens battles, each is answered once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from arena.battles.answers import Answers
from arena.battles.people import People
from arena.battles.showing import Phases


class Arena(People, Phases, Answers):
    """One study being held: the only way to change it. Safe for threads and several processes."""

    def close(self) -> None:
        """Take no more answers, until the study is opened again."""
        self._mark("close")

    def reopen(self) -> None:
        """Take answers again."""
        self._mark("reopen")

    def _mark(self, kind: str) -> None:
        with self._store.writing() as facts:
            key, _ = facts.study(self._name, lock=True)
            facts.add_event(key, kind, at=self._clock())

    def note(self, kind: str, detail: Mapping[str, Any]) -> None:
        """Write something about the whole study into it; the same again is written once."""
        with self._store.writing() as facts:
            key, _ = facts.study(self._name, lock=True)
            if detail not in [e.detail for e in facts.events(key, kind)]:
                facts.add_event(key, kind, at=self._clock(), detail=detail)

    def noted(self, kind: str) -> list[dict[str, Any]]:
        """Return what was noted about the study, oldest first."""
        with self._store.reading() as facts:
            key, _ = facts.study(self._name)
            return [e.detail for e in facts.events(key, kind)]
