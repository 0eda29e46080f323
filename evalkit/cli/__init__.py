"""The ``evalkit`` command: thin, so that every rule is in the module it belongs to."""

from __future__ import annotations

import typer

from evalkit.cli import checking, drawing, listing, measuring, moving, reporting, scoring
from evalkit.commands import end_well

app = typer.Typer(
    help="Draw prompts with text-to-image models, score the pictures, and report what is known.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for part in (listing, drawing, moving, scoring, measuring, reporting, checking):
    app.add_typer(part.app)


def main() -> None:
    """Run the command."""
    end_well(app, "evalkit", "The same command goes on where it was.")
