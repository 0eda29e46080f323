"""The ``arena`` command: thin, so that every rule is in the module it belongs to."""

from __future__ import annotations

import typer

from arena.cli import checking, holding, keeping, moving, planning, rating, rehearsing
from evalkit.commands import end_well

app = typer.Typer(
    help="Ask people which of two pictures is better, blind, and rate the models that made them.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for part in (holding, rehearsing, rating, checking, planning, moving, keeping):
    app.add_typer(part.app)


def main() -> None:
    """Run the command."""
    end_well(app, "arena", "Every answer that was acknowledged is saved.")
