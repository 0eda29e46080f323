"""Every stage is killed at random moments, twenty times, and ends as if nothing had happened."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time

import pytest

from evalkit.runs import Run

KILLS = 20
SUITE = ("--suite", "miniature", "--limit", "30", "--seeds", "2")
MODELS = ("--model", "sketch-exact", "--model", "sketch-faulty-40")


def command(package, *arguments):
    return [sys.executable, "-m", f"{package}.cli", *map(str, arguments)]


def run_whole(*line):
    started = time.monotonic()
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return time.monotonic() - started


def kill_often(line, duration, seed):
    """Start the command again and again and kill it within its usual time; then let it finish."""
    rng = random.Random(seed)
    killed = 0
    for _ in range(KILLS):
        process = subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            process.wait(timeout=rng.uniform(0.2, 1.0) * duration)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
            killed += 1
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
    """A run and the time that each stage took."""
    folder = tmp_path_factory.mktemp("undisturbed") / "run"
    drawing = run_whole(*command("evalkit", "generate", "--run", folder, *SUITE, *MODELS))
    scoring = run_whole(
        *command("evalkit", "score", "--run", folder, "--scorer", "clip-score=miniature")
    )
    return folder, drawing, scoring


@pytest.mark.slow
def test_drawing_survives(undisturbed, tmp_path):
    folder, duration, _ = undisturbed
    line = command("evalkit", "generate", "--run", tmp_path / "run", *SUITE, *MODELS)
    assert kill_often(line, duration, seed=1) > 0
    assert generations(tmp_path / "run") == generations(folder)
    assert not list(Run.open(tmp_path / "run").damaged())


@pytest.mark.slow
def test_scoring_survives(undisturbed, tmp_path):
    folder, _, duration = undisturbed
    run = tmp_path / "run"
    run_whole(*command("evalkit", "generate", "--run", run, *SUITE, *MODELS))
    line = command(
        "evalkit", "score", "--run", run, "--scorer", "clip-score=miniature", "--batch", 4
    )
    assert kill_often(line, duration, seed=2) > 0
    assert scores(run) == scores(folder)
