"""Commands that list what the package knows: suites, models, scorers."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from evalkit.commands import AsJson, print_json

app = typer.Typer()
prompts_app = typer.Typer(help="Suites of prompts.", no_args_is_help=True)
models_app = typer.Typer(help="The catalogue of models.", no_args_is_help=True)
scorers_app = typer.Typer(help="The scorers.", no_args_is_help=True)
app.add_typer(prompts_app, name="prompts")
app.add_typer(models_app, name="models")
app.add_typer(scorers_app, name="scorers")


@prompts_app.command("list")
def prompts_list(as_json: AsJson = False) -> None:
    """List the suites that the package carries."""
    from evalkit import prompts

    suites = [prompts.load(name) for name in prompts.names()]
    if as_json:
        print_json([_suite_facts(s) for s in suites])
        return
    for suite in suites:
        shares = ", ".join(f"{n} {c}" for c, n in prompts.categories(suite).items())
        print(f"{suite.name:<12} {len(suite):>4} prompts: {shares}")


def _suite_facts(suite: Any) -> dict[str, Any]:
    from evalkit import prompts

    return {
        "name": suite.name,
        "prompts": len(suite),
        "digest": suite.digest,
        "categories": prompts.categories(suite),
    }


@prompts_app.command("show")
def prompts_show(suite: str, as_json: AsJson = False) -> None:
    """Show a suite's prompts."""
    from evalkit import prompts

    found = prompts.load(suite)
    if as_json:
        print_json({**_suite_facts(found), "texts": {p.id: p.text for p in found.prompts}})
        return
    for prompt in found.prompts:
        print(f"{prompt.id}  {prompt.category:<14} {prompt.text}")


@prompts_app.command("export")
def prompts_export(
    suite: str,
    form: Annotated[
        str, typer.Option("--format", help="jsonl, geneval (its metadata lines), or txt.")
    ] = "jsonl",
) -> None:
    """Print a suite; GenEval's own suite comes out byte for byte."""
    from evalkit import prompts
    from evalkit.errors import UnknownNameError

    forms = {
        "jsonl": prompts.to_jsonl,
        "geneval": prompts.to_geneval,
        "txt": prompts.to_text,
    }
    if form not in forms:
        raise UnknownNameError("format", form, forms)
    sys.stdout.writelines(f"{line}\n" for line in forms[form](prompts.load(suite)))


@models_app.command("list")
def models_list(
    as_json: AsJson = False,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="The table of docs/models.md.")
    ] = False,
) -> None:
    """List the catalogue of models, with their licences and which of them are gated."""
    from evalkit import catalogue, recipes

    entries = catalogue.entries()
    if as_json:
        print_json({name: e.model_dump(mode="json") for name, e in entries.items()})
        return
    for line in (recipes.markdown if markdown else recipes.lines)(entries.values()):
        print(line)


@models_app.command("show")
def models_show(name: str) -> None:
    """Show one model's recipe and where it is from."""
    from evalkit import catalogue

    print_json(catalogue.entry(name).model_dump(mode="json", exclude_none=True))


@scorers_app.command("list")
def scorers_list(as_json: AsJson = False) -> None:
    """List the scorers, without importing any."""
    from evalkit import registry

    known = registry.names("scorer")
    if as_json:
        print_json(known)
        return
    for name, where in known.items():
        print(f"{name:<16} {where}")
