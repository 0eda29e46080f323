"""Which code and which packages made a thing, so that it can be made again."""

from __future__ import annotations

import platform
import subprocess
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path


def packages(names: Iterable[str]) -> dict[str, str]:
    """Return the version of Python, and of those of the packages that are installed."""
    found = {"python": platform.python_version()}
    for name in names:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def code_revision() -> str:
    """Return the checkout's commit, or the installed version where there is no checkout."""
    here = Path(__file__).parent
    git = ["git", "-C", str(here), "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        found = subprocess.run(git, capture_output=True, text=True, check=True, timeout=10)  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return f"evalkit {version('evalkit')}"
    return found.stdout.strip()
