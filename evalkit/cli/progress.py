"""What a command shows while it works: bars and sentences, beside what it prints."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def bar(total: int, label: str, quiet: bool) -> Iterator[Any]:
    """Show how far the work is, on a terminal; the block calls what it is given."""
    from tqdm import tqdm

    disable = True if quiet else None  # None: shown on a terminal only
    with tqdm(total=total, desc=label, unit="img", file=sys.stderr, disable=disable) as bar:
        yield bar.update


def say(text: str) -> None:
    """Say something to the user, apart from what the command prints."""
    print(text, file=sys.stderr)
