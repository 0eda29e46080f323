"""`arena serve` as it runs for raters: a process of its own, which can be killed and started."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import IO

import httpx


class Serving:
    """One ``arena serve``, on the same port after every start."""

    def __init__(self, database: str, study: str, *options: str) -> None:
        self.port = free_port()
        self._words = ("--database", database, "--study", study, "--port", str(self.port), *options)
        self._process: subprocess.Popen[str] | None = None
        self._hearing: Thread | None = None
        self.said: list[str] = []
        """What it wrote to the standard error, line by line."""

    @property
    def address(self) -> str:
        """Where the page is."""
        return f"http://127.0.0.1:{self.port}/"

    def start(self) -> None:
        """Start it and wait until it answers."""
        # A session of its own: to kill it is to kill its workers too.
        self._process = process = subprocess.Popen(
            [sys.executable, "-m", "arena.cli", "serve", *self._words],
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        assert process.stderr
        for line in process.stderr:
            self.said.append(line)
            if re.search(r"http://\S+", line):
                break
        else:
            raise RuntimeError(f"arena serve ended: {''.join(self.said)}")
        self._hearing = Thread(target=self._hear, args=(process.stderr,), daemon=True)
        self._hearing.start()
        httpx.get(f"{self.address}health", timeout=120, trust_env=False).raise_for_status()

    def kill(self) -> None:
        """Kill it by SIGKILL, with all its workers."""
        assert self._process
        os.killpg(self._process.pid, signal.SIGKILL)
        self._ended()

    def stop(self) -> None:
        """Ask it to end, as Ctrl-C does."""
        if self._process and self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
            self._ended()

    def _hear(self, stream: IO[str]) -> None:
        with stream:
            self.said.extend(stream)

    def _ended(self) -> None:
        assert self._process
        self._process.wait(60)
        if self._hearing:
            self._hearing.join(60)

    @property
    def memory(self) -> int:
        """Peak resident bytes of all its processes."""
        assert self._process
        return sum(_peak(pid) for pid in family(self._process.pid))


@contextmanager
def serving(servers: Sequence[Serving]) -> Iterator[None]:
    """Have servers run for as long as the block, whatever happens in it."""
    try:
        for server in servers:
            server.start()
        yield
    finally:
        for server in servers:
            server.stop()


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def family(of: int) -> list[int]:
    """Return a process and all that it started, as far as they still run."""
    try:
        children = Path(f"/proc/{of}/task/{of}/children").read_text().split()
    except FileNotFoundError:
        return []
    return [of, *(pid for child in children for pid in family(int(child)))]


def _peak(pid: int) -> int:
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return int(found.group(1)) * 1024 if found else 0
