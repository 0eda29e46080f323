import importlib
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from evalkit.errors import EvalkitError
from evalkit.miniature import train
from evalkit.miniature.data import WORK
from evalkit.weights import MINIATURE_ROOT

app = typer.Typer()
app.command()(train.main)


@pytest.fixture
def calls(monkeypatch):
    """Replace every part's module by one that only notes how it was called."""
    pytest.importorskip("torch")
    noted = []

    def module(name):
        class Part:
            @staticmethod
            def train(*given, **options):
                noted.append((name.rpartition(".")[2], *given, options))
                if name.endswith("teacher"):
                    (given[0] / "model_index.json").touch()

        return Part

    monkeypatch.setattr(train, "import_module", module)
    return noted


def run(*arguments):
    return CliRunner().invoke(app, list(map(str, arguments)))


def modules(calls):
    return [c[0] for c in calls]


def test_options_reach_a_judge(calls, tmp_path):
    out = tmp_path / "new" / "folder"
    done = run("vae", "--minutes", 2, "--seed", 3, "--out", out, "--work", tmp_path)
    assert done.exit_code == 0, done.output
    assert calls == [("vae", out / "vae", 2.0, 3, {"steps": None, "work": tmp_path})]
    assert (out / "vae").is_dir()
    assert str(out / "vae") in done.output


def test_options_reach_the_teacher(calls, tmp_path):
    assert run("teacher", "--out", tmp_path, "--steps", 7, "--compiled").exit_code == 0
    options = {"steps": 7, "work": WORK, "compiled": True, "short": False}
    assert calls == [("teacher", tmp_path / "sd3", 0, 0, options)]


@pytest.mark.parametrize("part", train.JUDGES)
def test_a_recipe_s_own_steps_are_taken_where_nothing_is_said(calls, tmp_path, part):
    assert run(part, "--out", tmp_path).exit_code == 0
    assert calls[0][-1]["steps"] == train.PARTS[part].steps > 0


def test_a_student_and_the_dropout_are_told_their_teacher(calls, tmp_path):
    run("teacher", "--out", tmp_path)
    for part in ("flash-4", "dropout"):
        done = run(part, "--out", tmp_path, "--work", tmp_path / "w", "--seed", 5)
        assert done.exit_code == 0, done.output
    flash, dropout = calls[1:]
    options = {"work": tmp_path / "w", "short": False}
    assert flash == ("distil", "flash-4", tmp_path / "sd3", tmp_path / "flash-4", 5, options)
    assert dropout[:4] == ("dropout", tmp_path / "sd3-t5", 0, 5)
    assert dropout[-1]["teacher"] == tmp_path / "sd3"
    assert dropout[-1]["steps"] == train.PARTS["dropout"].steps


@pytest.mark.parametrize("part", ["flash-2", "dropout"])
def test_without_a_teacher_nothing_is_begun(calls, tmp_path, part):
    done = run(part, "--out", tmp_path / "x")
    assert done.exit_code == 1
    assert "no teacher" in done.output
    assert "train teacher" in done.output
    assert calls == []
    assert not (tmp_path / "x" / train.PARTS[part].folder).exists()


@pytest.mark.parametrize(("group", "count"), [("judges", 4), ("pipelines", 10), ("everything", 14)])
def test_a_group_is_trained_in_an_order_that_works(calls, tmp_path, group, count):
    done = run(group, "--out", tmp_path)
    assert done.exit_code == 0, done.output
    assert len(calls) == count
    order = modules(calls)
    for before, after in (("vae", "clip"), ("vae", "teacher"), ("teacher", "distil")):
        if {before, after} <= set(order):
            assert order.index(before) < order.index(after)
    assert len(list(tmp_path.iterdir())) == count


def test_a_rehearsal_is_of_pipelines_into_another_folder(calls, tmp_path):
    assert run("pipelines", "--short", "--out", tmp_path).exit_code == 0
    assert all(c[-1]["short"] for c in calls)
    assert len(calls) == 10
    calls.clear()
    for arguments, reason in (
        (("pipelines", "--short"), "give --out"),
        (("teacher", "--short", "--out", MINIATURE_ROOT), "give --out"),
        (("vae", "--short", "--out", tmp_path), "pipelines only"),
        (("everything", "--short", "--out", tmp_path), "pipelines only"),
    ):
        done = run(*arguments)
        assert done.exit_code == 1
        assert reason in done.output
    assert calls == []


@pytest.mark.parametrize("limit", [("--minutes", 5), ("--steps", 5)])
@pytest.mark.parametrize("what", [("flash-4",), ("pipelines",), ("teacher", "--short")])
def test_what_counts_its_own_steps_cannot_be_told_others(calls, tmp_path, what, limit):
    done = run(*what, *limit, "--out", tmp_path)
    assert done.exit_code == 1
    assert "--minutes and --steps" in done.output
    assert calls == []


def test_an_unknown_part_is_answered_with_the_known_ones(calls, tmp_path):
    done = run("techer", "--out", tmp_path)
    assert done.exit_code == 1
    assert isinstance(done.exception, SystemExit)
    assert "teacher" in done.output
    assert calls == []
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "arguments", [(), ("vae", "--minutes", "0"), ("vae", "--steps", "-1"), ("vae", "--seed", "x")]
)
def test_what_makes_no_sense_is_a_usage_error(calls, arguments):
    assert run(*arguments).exit_code == 2
    assert calls == []


@pytest.mark.parametrize("name", train.PARTS)
def test_every_part_is_a_module_and_has_its_folder(name):
    part = train.PARTS[name]
    assert importlib.util.find_spec(f"evalkit.miniature.{part.module}")
    assert part.folder == Path(part.folder).name


def test_no_two_parts_share_a_folder():
    assert len({p.folder for p in train.PARTS.values()}) == len(train.PARTS)
    assert not set(train.GROUPS) & set(train.PARTS)


def test_judges_go_where_their_scorers_look():
    for part in train.JUDGES.values():
        assert (MINIATURE_ROOT / part.folder / "training.json").is_file()


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
