"""What the two commands share: how they end, what they print, and options of one meaning."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated, Any

import typer

from evalkit.errors import EvalkitError
from evalkit.names import visible

RunFolder = Annotated[Path, typer.Option("--run", help="The run's folder.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")]
HistoryFolder = Annotated[
    Path | None,
    typer.Option("--history", help="Also keep it here under its date, with an index of all."),
]
Quiet = Annotated[bool, typer.Option("--quiet", help="Show no progress bar.")]


def end_well(app: Callable[[], Any], name: str, stopped: str) -> None:
    """Run a command; a user's error is a sentence, a bug keeps its traceback."""
    try:
        app()
    except EvalkitError as error:
        print(visible(f"{name}: {error}"), file=sys.stderr)
        sys.exit(1)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(141)
    except KeyboardInterrupt:
        print(f"{name}: stopped. {stopped}", file=sys.stderr)
        sys.exit(130)


def print_lines(lines: Iterable[str]) -> None:
    """Print lines for a terminal, which names from elsewhere cannot drive."""
    print("\n".join(map(visible, lines)))


def print_json(value: Any) -> None:
    """Print one JSON document; a value that JSON has no word for is a bug, not a NaN."""
    print(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False))
