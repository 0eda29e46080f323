"""The evalkit command: what it prints, where, and with which exit code."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from evalkit.runs import Run
from tests import forked


def evalkit(*arguments, code=0, **environment):
    done = forked.run("evalkit", *arguments, **environment)
    assert done.returncode == code, done.stderr
    return done


DRAW = ("generate", "--run", "x", "--suite", "geneval", "--model")


@pytest.fixture(scope="module")
def sketched(tmp_path_factory):
    """A run of two sketches, made by the command itself."""
    run = tmp_path_factory.mktemp("cli") / "runs" / "demo"
    draw(run)
    return run


def draw(run, *more, code=0):
    models = ("--model", "sketch-exact", "--model", "sketch-faulty-40")
    common = ("--run", run, "--suite", "miniature", "--seeds", 1, "--limit", 8, *models)
    return evalkit("generate", *common, *more, code=code)


def test_the_main_job(sketched, tmp_path):
    evalkit("score", "--run", sketched, "--scorer", "clip-score=miniature")
    facts = json.loads(evalkit("compare", "--run", sketched, "--models", "sketch-exact",
                               "sketch-faulty-40", "--json").stdout)  # fmt: skip
    assert facts["comparisons"][0]["difference"]["total"] == 8
    words = evalkit("compare", "--run", sketched, "--models", "sketch-exact", "sketch-faulty-40")
    assert "sketch-exact - sketch-faulty-40" in words.stdout
    page = evalkit("report", "--run", sketched, "--out", tmp_path / "out").stdout.strip()
    assert page.endswith("leaderboard.html")
    assert "small judges trained on" in (tmp_path / "out" / "leaderboard.html").read_text()


def test_a_scorer_without_weights_does_not_stop_the_others(sketched):
    missing = ("--scorer", "pick-score=./nowhere", "--scorer", "aesthetic")
    scorers = (*missing, "--scorer", "clip-score=miniature")
    done = evalkit("score", "--run", sketched, *scorers, "--json", code=1)
    assert [f["scorer"] for f in json.loads(done.stdout)] == ["clip-score-miniature@1"]
    assert "pick-score=./nowhere: nothing scored: No file or folder at './nowhere'" in done.stderr
    assert "2 of 3 scorers could not be loaded: pick-score=./nowhere, aesthetic." in done.stderr


def test_a_picture_that_was_away_is_judged_when_it_is_asked_for_again(tmp_path):
    run = tmp_path / "demo"
    draw(run)
    picture = next((run / "images").rglob("*.png"))
    away = picture.rename(picture.with_suffix(".away"))
    command = ("score", "--run", run, "--scorer", "clip-score=miniature", "--json")
    lost = json.loads(evalkit(*command).stdout)[0]
    rows = evalkit("geneval", "rows", "--run", run, "--model", "sketch-exact", code=1)
    assert "Unknown GenEval score of this run" in rows.stderr
    away.rename(picture)
    assert json.loads(evalkit(*command).stdout)[0]["scored"] == 0
    again = json.loads(evalkit(*command, "--retry-failures").stdout)[0]
    assert lost["without_value"] == again["scored"] > 0
    assert again["without_value"] == 0


def test_the_same_command_goes_on(sketched):
    assert "0 drawn, 0 failed, 16 already done" in draw(sketched).stderr


def test_geneval_rows_go_out_and_come_in(sketched, tmp_path):
    found = tmp_path / "detections.jsonl"
    evalkit("score", "--run", sketched, "--scorer", "geneval=miniature", "--export", found)
    rows = evalkit("geneval", "rows", "--run", sketched, "--model", "sketch-exact").stdout
    (tmp_path / "results.jsonl").write_text(rows)
    theirs = json.loads(evalkit("geneval", "summary", tmp_path / "results.jsonl", "--json").stdout)
    evalkit("report", "--run", sketched, "--out", tmp_path)
    board = json.loads((tmp_path / "leaderboard.json").read_text())
    ours = {r["model"]: r["metrics"]["geneval-miniature"] for r in board["rows"]}["sketch-exact"]
    assert theirs["images"] == ours["scored"] == 8
    assert theirs["overall"] == pytest.approx(ours["value"])
    assert found.stat().st_size > 0
    words = evalkit("geneval", "summary", tmp_path / "results.jsonl").stdout
    assert "mean of the tasks" in words


def test_a_dry_run_draws_nothing(tmp_path):
    done = draw(tmp_path / "new", "--dry-run", "--json")
    assert json.loads(done.stdout)["sketch-exact"] == {"to_draw": 8, "done": 0}
    assert not (tmp_path / "new").exists()


def test_a_plan_says_what_it_would_cost_and_needs_no_key(tmp_path):
    paid = ("--run", tmp_path / "new", "--suite", "geneval", "--model", "sd3.5-flash-api")
    done = evalkit("generate", *paid, "--dry-run", STABILITY_API_KEY="")
    assert "2212 to draw,       0 done, about 55.30 dollars" in done.stdout
    told = json.loads(evalkit("generate", *paid, "--dry-run", "--json").stdout)
    assert told["sd3.5-flash-api"] == {"to_draw": 2212, "done": 0, "cost": pytest.approx(55.3)}
    assert "cost" not in json.loads(draw(tmp_path / "new", "--dry-run", "--json").stdout)
    refused = evalkit("generate", *paid, "--limit", 1, code=1)
    assert "no --max-cost allows it" in refused.stderr


def test_json_is_one_document_and_nothing_else(sketched):
    for arguments in (
        ("prompts", "list"),
        ("prompts", "show", "miniature"),
        ("models", "list"),
        ("scorers", "list"),
    ):
        json.loads(evalkit(*arguments, "--json").stdout)
    assert json.loads(draw(sketched, "--json").stdout)["already_done"] == 16


def test_pictures_made_elsewhere(sketched, tmp_path):
    from evalkit import prompts

    run = Run.open(sketched)
    suite = tmp_path / "four.jsonl"
    suite.write_text("\n".join(list(prompts.to_jsonl(run.suite))[:4]))
    for number, made in enumerate(run.generations()[:3]):
        folder = tmp_path / "theirs" / f"{number:05d}" / "samples"
        folder.mkdir(parents=True)
        run.images.open(made.image).save(folder / "0000.png")
    done = evalkit("import", "--run", tmp_path / "r", "--suite", suite, "--model", "theirs",
                   "--images", tmp_path / "theirs")  # fmt: skip
    assert "3 pictures imported, 1 missing" in done.stderr
    assert "missing: no picture of 1 prompts: 00003" in done.stderr
    imported = Run.open(tmp_path / "r").generations()
    assert [g.image for g in imported[:3]] == [g.image for g in run.generations()[:3]]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("prompts", "show", "genevla"), 1, "Did you mean 'geneval'"),
        (("prompts", "export", "geneval", "--format", "yaml"), 1, "Unknown format 'yaml'"),
        (("models", "show", "sketch"), 1, "Unknown model 'sketch'"),
        (("score", "--run", "nowhere", "--scorer", "geneval"), 1, "There is no run at nowhere"),
        (("report", "--run", "nowhere"), 1, "There is no run at nowhere"),
        (("generate", "--run", "x"), 2, "Missing option"),
        ((*DRAW, "sdxxl"), 1, "Did you mean 'sdxl'"),
        ((*DRAW, "sketch-exact", "--engine", "slurm"), 1, "Unknown engine 'slurm'"),
        ((*DRAW, "sketch-exact", "--seeds", "0"), 2, "seeds"),
        (("nonsense",), 2, "No such command"),
    ],
)
def test_errors_go_to_stderr_with_their_code(arguments, code, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = evalkit(*arguments, code=code)
    assert words in done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr


def test_scorers_must_exist_and_weights_be_there(sketched):
    done = evalkit("score", "--run", sketched, "--scorer", "clip_score", code=1)
    assert "Did you mean 'clip-score'" in done.stderr
    done = evalkit("score", "--run", sketched, "--scorer", "image-reward=/nowhere", code=1)
    assert "No file or folder at '/nowhere'" in done.stderr


def test_weights_that_need_the_hub_are_missed_in_words(sketched):
    done = evalkit("score", "--run", sketched, "--scorer", "image-reward", code=1)
    assert "THUDM/ImageReward" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_model_that_is_not_in_the_run(sketched):
    done = evalkit("compare", "--run", sketched, "--models", "sketch-exact", "sdxl", code=1)
    assert "Unknown model of this run 'sdxl'" in done.stderr


def test_validate_names_damaged_pictures(tmp_path):
    draw(tmp_path / "r", "--limit", 1)
    assert "undamaged" in evalkit("validate", "--run", tmp_path / "r").stdout
    run = Run.open(tmp_path / "r")
    run.images.path(run.generations()[0].image).write_bytes(b"")
    done = evalkit("validate", "--run", tmp_path / "r", code=1)
    assert "is corrupt" in done.stdout
    assert "missing or damaged" in done.stderr


def test_nothing_is_begun_where_one_model_cannot_be_drawn_with(tmp_path):
    mine = tmp_path / "mine.toml"
    mine.write_text(
        '[elsewhere]\ntitle = "E"\ngenerator = "diffusers"\nweights = "owner/elsewhere"\n'
        '["gone"]\ntitle = "G"\ngenerator = "diffusers"\nweights = "./gone"\n'
    )
    models = ("--catalogue", mine, "--model", "elsewhere")
    done = draw(tmp_path / "r", *models, code=1)
    assert "1 of 3 models cannot be drawn with, and nothing was begun:" in done.stderr
    assert "elsewhere: owner/elsewhere is not on this machine" in done.stderr
    assert not (tmp_path / "r").exists()
    done = draw(tmp_path / "r", *models, "--model", "gone", "--model", "nobody", code=1)
    assert "2 of 5 models cannot be drawn with" in done.stderr
    assert "gone: No file or folder at './gone'" in done.stderr
    assert "nobody: Unknown model 'nobody'." in done.stderr


def test_validate_says_all_of_every_model_before_it_fails(tmp_path):
    models = ("sdxl", "mini-flash-4", "sketch-exact", "nobody", "sd3.5-flash-api")
    options = [part for name in models for part in ("--model", name)]
    done = evalkit("validate", *options, code=1, STABILITY_API_KEY="")
    lines = [line for line in done.stdout.splitlines() if line.startswith("model ")]
    told = {name: [line for line in lines if line.startswith(f"model {name}: ")] for name in models}
    assert [len(told[name]) for name in models] == [1, 2, 2, 1, 1]
    assert lines.index(told["sd3.5-flash-api"][0]) < lines.index(told["mini-flash-4"][1])
    assert told["mini-flash-4"][1] == "model mini-flash-4: loads"
    assert "of weights as float32" in told["mini-flash-4"][0]
    assert "Set STABILITY_API_KEY" in told["sd3.5-flash-api"][0]
    assert "3 of 5 models fail: sdxl, nobody, sd3.5-flash-api." in done.stderr


def test_a_closed_pipe_is_no_error():
    line = f"{sys.executable} -m evalkit.cli prompts export geneval | head -1"
    done = subprocess.run(line, shell=True, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert done.stdout.count("\n") == 1
