"""Our commands in processes of their own that begin at their work: what they import is there.

Each is forked from a server that has imported the packages and has done nothing with them. To
start Python and import torch takes longer than most of what tests ask of a command.
"""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from importlib import import_module
from multiprocessing.process import BaseProcess
from pathlib import Path

_SERVER = multiprocessing.get_context("forkserver")
_SERVER.set_forkserver_preload([
    *("evalkit.cli", "arena.cli", "pandas", "scipy.stats", "sqlalchemy", "alembic", "matplotlib"),
    *("evalkit.scorers.shared", "evalkit.scorers.reward_net", "evalkit.scorers.mask2former"),
])  # fmt: skip


def start(
    *line: object,
    out: str | Path = os.devnull,
    errors: str | Path = os.devnull,
    **environment: str,
) -> BaseProcess:
    """Start a command, ``evalkit`` or ``arena`` with its words, in this folder."""
    words = tuple(map(str, line))
    streams = (str(Path(out).resolve()), str(Path(errors).resolve()))
    around = {**os.environ, **environment}
    process = _SERVER.Process(target=_become, args=(words, str(Path.cwd()), streams, around))
    process.start()
    return process


def run(*line: object, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, and return what it printed."""
    with tempfile.TemporaryDirectory() as folder:
        out, errors = Path(folder, "out"), Path(folder, "errors")
        process = start(*line, out=out, errors=errors, **environment)
        process.join()
        said = (file.read_text(encoding="utf-8") for file in (out, errors))
        return subprocess.CompletedProcess(line, process.exitcode or 0, *said)


def _become(
    line: tuple[str, ...], folder: str, streams: tuple[str, str], environment: Mapping[str, str]
) -> None:
    """Run a command as its script does; the process ends with its code."""
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    for descriptor, path in enumerate(streams, 1):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), descriptor)
    sys.argv = list(line)
    import_module(f"{line[0]}.cli").main()
