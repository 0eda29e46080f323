"""The engine that works on a Ray cluster, or on this machine's cores and GPUs through Ray.

A worker is a Ray actor that loads its weights once and takes pieces one by one, with the next one
already on its way. Only the process that called ``map`` writes. A worker that dies, alone or with
its node, costs the pieces it had: they go to others, and a new worker takes its place where there
is room for one.
"""

from __future__ import annotations

import importlib.util
import socket
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Generic, TypeVar

from evalkit.engine import Lost
from evalkit.errors import ClusterError, MissingPackageError

B = TypeVar("B")
R = TypeVar("R")

AHEAD = 2
"""Pieces that a worker has at most: the one it does, and the next, so that it never waits."""
DEATHS = 3
"""Workers that may die of one piece before it is given up."""
KNOCK = 10.0
"""Seconds in which a cluster that is named by host and port must take a connection."""
PATIENCE = 600.0
"""Seconds to wait for room for a first worker; a cluster that grows on demand takes minutes."""


@dataclass(frozen=True)
class Ray:
    """Run on a Ray cluster.

    ``address`` is a cluster's (``auto``, ``host:port``, ``ray://host:10001``); None starts Ray on
    this machine for as long as this process lives. A worker takes ``gpus`` of a GPU, so that 0.5
    puts two on each; None is a whole one where the cluster has any. ``workers`` is their number;
    None fills the cluster. The package must be installed on every node.
    """

    address: str | None = None
    workers: int | None = None
    gpus: float | None = None
    patience: float = PATIENCE

    def map(
        self, make: Callable[[], Callable[[B], R]], pieces: Iterable[B]
    ) -> Iterator[tuple[B, R | Lost]]:
        """Yield each piece with its result, in the order in which they are done."""
        todo = deque(_Piece(work) for work in pieces)
        if not todo:
            return
        with self._crew(make, len(todo)) as crew:
            while todo or crew.busy:
                crew.hand_out(todo)
                for piece, result in crew.collect():
                    if isinstance(result, Lost) and piece.deaths < DEATHS:
                        todo.appendleft(piece)
                    else:
                        yield piece.work, result

    def _crew(self, make: Callable[[], Callable[[B], R]], pieces: int) -> _Crew[B, R]:
        _join(self.address)
        import ray

        has: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
        gpus = self.gpus if self.gpus is not None else float(has.get("GPU", 0) >= 1)
        room = has.get("GPU", 0) / gpus if gpus else has.get("CPU", 1)
        if gpus and room < 1:
            raise ClusterError(
                f"A worker asks for {gpus:g} GPUs and the cluster has {has.get('GPU', 0):g}. "
                "Ask for less with --gpus, or 0 to work on its CPUs."
            )
        number = min(self.workers or int(room), pieces)
        # A worker on a CPU takes one core, by threads too: else every one would use them all.
        return _Crew(make, number, {"num_gpus": gpus, "num_cpus": 0 if gpus else 1}, self.patience)


def _join(address: str | None) -> None:
    if importlib.util.find_spec("ray") is None:
        raise MissingPackageError("ray", "ray", "The engine 'ray'")
    import ray

    if ray.is_initialized():
        return
    _knock(address)
    try:
        ray.init(
            address=address or "local",
            log_to_driver=False,
            include_dashboard=False if address is None else None,
            configure_logging=False,
        )
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise ClusterError(
            f"No Ray cluster can be joined at {address or 'this machine'}: {error}. "
            "Start one with: ray start --head"
        ) from error


def _knock(address: str | None) -> None:
    """See whether anybody is at home: Ray itself would try for minutes."""
    host, colon, port = (address or "").rpartition("//")[2].rpartition(":")
    if not colon or not port.isdecimal():
        return
    try:
        socket.create_connection((host, int(port)), timeout=KNOCK).close()
    except OSError as error:
        raise ClusterError(
            f"Nobody answers at {address} ({error}). Start a cluster there with: ray start --head"
        ) from error


@dataclass
class _Piece(Generic[B]):
    work: B
    deaths: int = 0


@dataclass
class _Worker(Generic[B]):
    actor: Any
    ready: bool = False
    dead: bool = False
    pieces: dict[Any, _Piece[B]] = field(default_factory=dict)
    """What it has, by the reference to the result to come."""

    @property
    def alone(self) -> bool:
        """Whether it does a piece of which a worker has died: no other may be with it."""
        return any(p.deaths for p in self.pieces.values())


class _Hand:
    """What runs in a worker's process."""

    def __init__(self, make: Callable[[], Callable[[Any], Any]]) -> None:
        self._make = make
        self._work: Callable[[Any], Any] | None = None

    def load(self) -> None:
        """Build the worker here and not at birth, so that its errors keep their class."""
        self._work = self._make()

    def do(self, piece: Any) -> Any:
        """Do one piece."""
        return self._work and self._work(piece)


class _Crew(Generic[B, R]):
    """The workers, what each of them has, and who takes the place of the dead."""

    def __init__(
        self,
        make: Callable[[], Callable[[B], R]],
        number: int,
        needs: dict[str, float],
        patience: float,
    ) -> None:
        import ray

        self._hand = ray.remote(_Hand).options(**needs)
        self._make = ray.put(make)
        self._patience = patience
        self._patient_until = DEATHS * (number + 1)
        self._deaths = 0  # since something was last done
        self._workers: list[_Worker[B]] = []
        self._loading: dict[Any, _Worker[B]] = {}
        for _ in range(number):
            self._start()

    def __enter__(self) -> _Crew[B, R]:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        import ray

        for worker in self._workers:
            ray.kill(worker.actor)

    @property
    def busy(self) -> bool:
        """Whether any worker has a piece."""
        return any(w.pieces for w in self._workers)

    def _start(self) -> None:
        worker: _Worker[B] = _Worker(self._hand.remote(self._make))
        self._workers.append(worker)
        self._loading[worker.actor.load.remote()] = worker

    def hand_out(self, todo: deque[_Piece[B]]) -> None:
        """Give every loaded worker what it can hold; a suspect piece only to one that is idle."""
        for held in range(AHEAD):
            for worker in self._workers:
                if todo and worker.ready and len(worker.pieces) <= held and not worker.alone:
                    if todo[0].deaths and worker.pieces:
                        continue
                    piece = todo.popleft()
                    worker.pieces[worker.actor.do.remote(piece.work)] = piece

    def collect(self) -> Iterator[tuple[_Piece[B], R | Lost]]:
        """Wait until something is done, and yield the pieces that are, or that were lost."""
        import ray

        waiting = [*self._loading, *(ref for w in self._workers for ref in w.pieces)]
        timeout = None if any(w.ready for w in self._workers) else self._patience
        done, _ = ray.wait(waiting, num_returns=1, timeout=timeout)
        if not done:
            raise ClusterError(
                f"For {self._patience:g} s no worker found room; the cluster has "
                f"{_free()} free. Ask for less, or free some."
            )
        for ref in done:
            if worker := self._loading.pop(ref, None):
                self._welcome(worker, ref)
            else:
                yield self._take(ref)

    def _welcome(self, worker: _Worker[B], ref: Any) -> None:
        import ray

        try:
            ray.get(ref)
            worker.ready = True
        except ray.exceptions.RayTaskError as error:
            raise error.cause from None
        except ray.exceptions.RayError as error:
            self._bury(worker, error)

    def _take(self, ref: Any) -> tuple[_Piece[B], R | Lost]:
        import ray

        worker = next(w for w in self._workers if ref in w.pieces)
        piece = worker.pieces.pop(ref)
        try:
            result: R = ray.get(ref)
        except ray.exceptions.RayTaskError as error:
            raise error.cause from None
        except ray.exceptions.RayError as error:
            piece.deaths += 1
            self._bury(worker, error)
            return piece, Lost(f"{piece.deaths} workers died of it: {_first_line(error)}")
        self._deaths = 0
        return piece, result

    def _bury(self, worker: _Worker[B], error: Exception) -> None:
        """Start another in a dead worker's place; the dead one goes with its last piece."""
        if not worker.pieces:
            self._workers.remove(worker)
        if worker.dead:
            return
        worker.dead, worker.ready = True, False
        self._deaths += 1
        if self._deaths > self._patient_until:
            raise ClusterError(
                f"Workers keep dying: {_first_line(error)} What is done is kept; mend the cause "
                "and run the same command again."
            ) from error
        self._start()


def _free() -> str:
    import ray

    found: dict[str, float] = ray.available_resources()  # type: ignore[no-untyped-call]
    return ", ".join(f"{found.get(k, 0):g} {k}" for k in ("CPU", "GPU"))


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0]
