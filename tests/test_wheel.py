"""A built wheel works where there is no checkout, and the arena where there is no torch."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """Unpack a freshly built wheel, as pip would install it."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-build-isolation", "--no-deps"]
    subprocess.run([*build, "--wheel-dir", folder, ROOT], check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def python(code, site, cwd):
    env = {**os.environ, "PYTHONPATH": str(site)}
    done = subprocess.run(
        [sys.executable, "-P", "-c", code],
        cwd=cwd,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_suites_catalogue_templates_and_weights_are_in_the_wheel(installed, tmp_path):
    code = """
import evalkit
from evalkit import catalogue, prompts, published, weights
from jinja2 import Environment, PackageLoader
print(evalkit.__file__)
assert prompts.folder().parent.samefile(evalkit.__path__[0]), prompts.folder()
assert len(prompts.load("geneval")) == 553
assert published.path().parent.samefile(evalkit.__path__[0])
assert len(published.load()) > 500
assert "sketch-exact" in catalogue.entries()
assert "<html" in PackageLoader("evalkit").get_source(Environment(), "report.html.j2")[0]
for name in ("detector", "clip", "image-reward", "vae", "sd3", "flash-4"):
    weights.resolve(f"miniature/{name}")
"""
    assert str(installed) in python(code, installed, tmp_path)


def test_the_wheel_holds_nothing_else(installed):
    top = {p.name for p in installed.iterdir() if not p.name.endswith(".dist-info")}
    assert top == {"evalkit", "arena"}
    assert not [p for p in installed.rglob("*") if p.suffix in {".sqlite", ".pyc", ".pt", ".part"}]


BLOCKED = """
import sys
for name in ("torch", "torchvision", "diffusers", "transformers", "open_clip"):
    sys.modules[name] = None
"""


def test_hosting_the_arena_needs_no_torch(installed, tmp_path):
    code = (
        BLOCKED
        + """
from arena import app
from arena.cli import main
for arguments in (
    ["load", "--run", "runs/r"],
    ["simulate", "--run", "runs/r", "--raters", "3", "--votes", "18"],
    ["rate", "--json"],
    ["report", "--run", "runs/r", "--out", "out"],
):
    sys.argv = ["arena", arguments[0], "--database", "s.sqlite", "--study", "s", *arguments[1:]]
    try:
        main()
    except SystemExit as stop:
        assert not stop.code, stop.code
"""
    )
    draw = (
        BLOCKED
        + """
sys.argv = ["evalkit", "generate", "--run", "runs/r", "--suite", "miniature", "--limit", "6",
            "--seeds", "1", "--model", "sketch-exact", "--model", "sketch-faulty-40"]
from evalkit.cli import main
main()
"""
    )
    python(
        draw.replace(
            "main()\n", "try:\n    main()\nexcept SystemExit as stop:\n    assert not stop.code\n"
        ),
        installed,
        tmp_path,
    )
    assert '"ratings"' in python(code, installed, tmp_path)
    assert (tmp_path / "out" / "leaderboard.html").is_file()
