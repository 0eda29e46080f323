import importlib
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from evalkit.errors import EvalkitError
from evalkit.miniature import train
from evalkit.weights import MINIATURE_ROOT

app = typer.Typer()
app.command()(train.main)


@pytest.fixture
def calls(monkeypatch):
    """Replace every part's module by one that only notes how it was called."""
    noted = []

    class Part:
        @staticmethod
        def train(out, minutes, seed, *, steps, work):
            noted.append((out, minutes, seed, steps, work))

    monkeypatch.setattr(train, "import_module", lambda name: Part)
    return noted


def run(*arguments):
    return CliRunner().invoke(app, arguments)


def test_options_reach_the_part(calls, tmp_path):
    pytest.importorskip("torch")
    out = tmp_path / "new" / "folder"
    done = run("vae", "--minutes", "2", "--seed", "3", "--out", str(out), "--work", str(tmp_path))
    assert done.exit_code == 0, done.output
    assert calls == [(out, 2.0, 3, None, tmp_path)]
    assert out.is_dir()


@pytest.mark.parametrize(
    "arguments",
    [("dog",), (), ("vae", "--minutes", "0"), ("vae", "--steps", "-1"), ("vae", "--seed", "x")],
)
def test_what_makes_no_sense_is_a_usage_error(calls, arguments):
    assert run(*arguments).exit_code == 2
    assert calls == []


@pytest.mark.parametrize("part", list(train.Part))
def test_every_part_is_a_module_and_has_its_folder(part):
    assert importlib.util.find_spec(f"evalkit.miniature.{part.value}")
    assert part.folder.parent == MINIATURE_ROOT


def test_the_reward_goes_where_its_scorer_looks():
    assert train.Part.REWARD.folder == Path(MINIATURE_ROOT / "image-reward")


def test_a_part_that_cannot_be_trained_says_why_without_a_traceback(monkeypatch, tmp_path):
    pytest.importorskip("torch")

    class Part:
        @staticmethod
        def train(out, minutes, seed, **_):
            raise EvalkitError("Another process is training vae.")

    monkeypatch.setattr(train, "import_module", lambda name: Part)
    done = run("vae", "--out", str(tmp_path))
    assert done.exit_code == 1
    assert "Another process is training vae." in done.output
    assert isinstance(done.exception, SystemExit)
