"""Every stage is killed at random moments, twenty times, and ends as if nothing had happened."""

from __future__ import annotations

import random
import shutil
import time

import pytest

from evalkit.runs import Run
from tests import forked

KILLS = 20
SUITE = ("--suite", "miniature", "--limit", "30", "--seeds", "2")
MODELS = ("--model", "sketch-exact", "--model", "sketch-faulty-40")


def run_whole(*line):
    started = time.monotonic()
    done = forked.run(*line)
    assert done.returncode == 0, done.stderr
    return time.monotonic() - started


def kill_often(line, duration, seed):
    """Start the command again and again, kill it ever later in its time; then let it finish."""
    rng = random.Random(seed)
    killed = 0
    for attempt in range(KILLS):
        process = forked.start(*line)
        process.join(rng.uniform(0.5, 1.0) * duration * (attempt + 1) / KILLS)
        if process.is_alive():
            process.kill()
            killed += 1
        process.join()
    run_whole(*line)
    return killed


def generations(folder):
    return {(g.id, g.model, g.prompt_id, g.seed, g.image) for g in Run.open(folder).generations()}


def scores(folder):
    run = Run.open(folder)
    return {
        card.key: {(s.generation_id, round(s.value, 4)) for s in run.scores(card)}
        for card in run.cards()
    }


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """Draw a run in peace, and tell how long it took."""
    folder = tmp_path_factory.mktemp("undisturbed") / "run"
    return folder, run_whole("evalkit", "generate", "--run", folder, *SUITE, *MODELS)


@pytest.mark.slow
def test_drawing_survives(undisturbed, tmp_path):
    folder, duration = undisturbed
    line = ("evalkit", "generate", "--run", tmp_path / "run", *SUITE, *MODELS)
    assert kill_often(line, duration, seed=1) > 0
    assert generations(tmp_path / "run") == generations(folder)
    assert not list(Run.open(tmp_path / "run").damaged())


@pytest.mark.slow
def test_scoring_survives(undisturbed, tmp_path):
    folder, _ = undisturbed
    rough = tmp_path / "run"
    shutil.copytree(folder, rough)
    score = ("--scorer", "clip-score=miniature", "--batch", 4)
    duration = run_whole("evalkit", "score", "--run", folder, *score)
    assert kill_often(("evalkit", "score", "--run", rough, *score), duration, seed=2) > 0
    assert scores(rough) == scores(folder)


def arena(name, database, *arguments):
    return ("arena", name, "--database", database, "--study", "s", *arguments)


def answers(database):
    export = ("arena", "votes", "export", "--database", database, "--study", "s")
    lines = forked.run(*export).stdout.splitlines()
    header, *rows = lines
    names = header.split(",")
    keep = [names.index(n) for n in ("left", "right", "winner", "rater", "prompt")]
    return sorted(tuple(row.split(",")[i] for i in keep) for row in rows)


@pytest.mark.slow
def test_loading_and_voting_survive(undisturbed, tmp_path):
    folder, _ = undisturbed
    load = ("--run", folder, "--seed", 5)
    vote = ("--run", folder, "--raters", 5, "--votes", 100)
    quiet = tmp_path / "quiet.sqlite"
    loading = run_whole(*arena("load", quiet, *load))
    voting = run_whole(*arena("simulate", quiet, *vote))
    rough = tmp_path / "rough.sqlite"
    assert kill_often(arena("load", rough, *load), loading, seed=3) > 0
    assert kill_often(arena("simulate", rough, *vote), voting, seed=4) > 0
    assert len(answers(rough)) == 100
    assert answers(rough) == answers(quiet)
