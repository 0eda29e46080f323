"""Where work runs. A stage names the work; an engine says on what machine it is done."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol, TypeVar

B = TypeVar("B")
R = TypeVar("R")


@dataclass(frozen=True)
class Lost:
    """Instead of a result: what became of a piece whose workers died of it."""

    reason: str


class Engine(Protocol):
    """Run one kind of work over many pieces, each piece on its own and safe to repeat."""

    def map(
        self, make: Callable[[], Callable[[B], R]], pieces: Iterable[B]
    ) -> Iterator[tuple[B, R | Lost]]:
        """Yield each piece with its result as it is done; ``make`` builds a worker, once each.

        What ``make`` or a worker raises ends the work; no work loads no weights.
        """
        ...


class Local:
    """Run in this process, one piece after another."""

    def map(
        self, make: Callable[[], Callable[[B], R]], pieces: Iterable[B]
    ) -> Iterator[tuple[B, R | Lost]]:
        """Build the worker when the first piece arrives."""
        worker: Callable[[B], R] | None = None
        for piece in pieces:
            worker = worker or make()
            yield piece, worker(piece)
