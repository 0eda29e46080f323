"""A private PostgreSQL from Debian's packages, which can be killed and started again."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path

from tests.conftest import needs


class Postgres:
    """A server on a socket of its own; ``fsync`` makes its commits outlive the machine."""

    def __init__(self, *, fsync: bool = False) -> None:
        found = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"))
        needs(found, "PostgreSQL (Debian's package postgresql)")
        self._binaries = found[-1].parent
        # Not pytest's folder: the server refuses to run as root, and a socket's path must be short.
        self.folder = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))
        self._user = _unprivileged()
        if self._user:
            shutil.chown(self.folder, self._user)
        self._data = self.folder / "data"
        self._options = f"-k {self.folder} -c listen_addresses='' -c max_connections=200"
        self._options += "" if fsync else " -c fsync=off"
        made = ("-U", "arena", "--auth=trust", "--no-sync", "-E", "UTF8")
        self._run("initdb", "-D", str(self._data), *made)

    @property
    def url(self) -> str:
        """The URL of its databases; their name is to be filled in."""
        return f"postgresql+psycopg://arena@/{{name}}?host={self.folder}"

    def start(self) -> None:
        """Start it, after a crash too, and wait until it answers."""
        log = str(self.folder / "log")
        self._run("pg_ctl", "-D", str(self._data), "-o", self._options, "-l", log, "-w", "start")

    def kill(self) -> None:
        """Kill the server and everything that it started, as a crash does."""
        first = int((self._data / "postmaster.pid").read_text().split()[0])
        os.kill(first, signal.SIGSTOP)  # so that no more are started meanwhile
        everything = (*_children(first), first)
        for pid in everything:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        while any(map(_alive, everything)):  # their memory must be given back before a new start
            os.sched_yield()
        # A dead process that nobody has waited for yet still has its number.
        for lock in (self._data / "postmaster.pid", self.folder / ".s.PGSQL.5432.lock"):
            lock.unlink()

    def stop(self) -> None:
        """Stop it and remove what it kept."""
        self._run("pg_ctl", "-D", str(self._data), "-m", "immediate", "-w", "stop")
        shutil.rmtree(self.folder, ignore_errors=True)

    def _run(self, *words: str) -> None:
        subprocess.run(
            [str(self._binaries / words[0]), *words[1:]],
            user=self._user,
            cwd=self.folder,
            check=True,
            stdout=subprocess.DEVNULL,
            timeout=120,
        )


def _children(of: int) -> list[int]:
    text = Path(f"/proc/{of}/task/{of}/children").read_text()
    return [int(word) for word in text.split()]


def _alive(pid: int) -> bool:
    """Say whether a process runs; one that ended and was not waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def _unprivileged() -> str | None:
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"
