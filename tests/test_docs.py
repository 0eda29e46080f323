"""The documents name what there is, and the README's commands run."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path

import pytest
from typer.main import get_command

from evalkit import registry
from tests import forked

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
NOT_RUN = (
    "arena serve", "evalkit import", "evalkit reference", "evalkit sets", "pip install", "make ",
)  # fmt: skip
"""Serving does not end; imports need pictures, whole sets weights; CI itself installs and makes."""


def commands(app):
    """Yield the words of every command of a typer app."""

    def walk(command, words):
        inner = getattr(command, "commands", None)
        if inner is None:
            yield " ".join(words)
        else:
            for name, sub in inner.items():
                yield from walk(sub, [*words, name])

    yield from walk(get_command(app), [])


def documented():
    """Yield the command lines of the README's shell blocks, without comments."""
    for block in re.findall(r"```bash\n(.*?)```", README, re.DOTALL):
        for line in block.splitlines():
            if line := line.partition("  #")[0].strip():
                yield line


@pytest.mark.parametrize("package", ["evalkit", "arena"])
def test_every_command_is_in_the_readme(package):
    module = __import__(f"{package}.cli", fromlist=["app"])
    patterns = {c: rf"{package} +" + c.replace(" ", " +") for c in commands(module.app)}
    missing = [c for c, pattern in patterns.items() if not re.search(rf"{pattern}\b", README)]
    assert not missing


@pytest.mark.parametrize("name", sorted(registry.SCORERS))
def test_every_scorer_is_in_the_readme(name):
    assert f"| `{name}` |" in README


PAGES = sorted(
    page.relative_to(ROOT).as_posix()
    for where in ("*.md", "docs/**/*.md")
    for page in ROOT.glob(where)
)


def anchors(page):
    """Return the anchors that GitHub gives to a page's headings."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", h.lower()).replace(" ", "-") for h in headings}


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_somewhere(page):
    text = (ROOT / page).read_text()
    for link, anchor in re.findall(r"\]\((?!https?:)([^)#\s]*)#?([^)\s]*)\)", text):
        target = (ROOT / page).parent / link if link else ROOT / page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), anchor


@pytest.mark.parametrize("page", PAGES)
def test_every_file_and_module_that_is_named_is_there(page):
    text = (ROOT / page).read_text()
    # A name that begins with _ is made when the package is built.
    files = r"`((?:arena|benchmarks|evalkit|prompts|tests)/(?!_)[\w/.-]+\.\w+)`"
    modules = r"python -m ((?:arena|benchmarks|evalkit)[\w.]*\w)"
    named = [*re.findall(files, text), *(m.replace(".", "/") for m in re.findall(modules, text))]
    places = {name: (ROOT / name, ROOT / f"{name}.py") for name in named}
    assert not [name for name, found in places.items() if not any(p.exists() for p in found)]


@pytest.mark.parametrize("package", ["evalkit", "arena"])
def test_every_module_has_its_place_in_the_architecture(package):
    rows = (ROOT / "docs/architecture.md").read_text()
    part = rows.partition(f"\n## {package}\n")[2].partition("\n## ")[0]
    files = [path.name for path in (ROOT / package).glob("*.py") if path.stem != "__init__"]
    folders = [f"{path.parent.name}/" for path in (ROOT / package).glob("*/__init__.py")]
    assert not [name for name in (*files, *folders) if f"`{name}`" not in part]


@pytest.mark.slow
def test_the_readmes_commands_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ran = 0
    for line in documented():
        if line.startswith(NOT_RUN) or "votes  import" in line:
            continue
        done = forked.run(*shlex.split(line))
        assert done.returncode == 0, f"{line}\n{done.stderr}"
        ran += 1
        if (
            line.startswith("arena load") and "study.sqlite" in line
        ):  # the demo's raters stand for those of the page
            simulate = "arena simulate --raters 4 --votes 60 --run results/runs/mine"
            where = "--database study.sqlite --study pilot"
            assert forked.run(*shlex.split(f"{simulate} {where}")).returncode == 0
    assert ran >= 12


def test_the_documents_speak_of_the_project_alone():
    tracked = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.splitlines()
    if not tracked:
        pytest.skip("this is not a git checkout")
    leaks = [
        name
        for name in tracked
        if (ROOT / name).suffix in {".py", ".md", ".toml", ".yml"}
        and re.search(r"(?<![\w/.])/(home|root|work)/", (ROOT / name).read_text())
    ]
    assert not leaks
