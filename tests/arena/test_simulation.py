"""Simulated raters: pure, seeded, marked, and able to go on after a kill."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arena import studies, votes
from arena.battles import Arena
from arena.records import Outcome
from arena.simulation import Character, answer, simulate
from arena.store import Store
from evalkit.errors import StudyError
from evalkit.runs import Run
from tests.arena.conftest import make_run

SURE = Character(noise=0.0, taste=0.0)
FAULTS = st.lists(st.sampled_from(["colour", "count", "position", "blur"]), max_size=4)


def judge(left: list[str], right: list[str], character: Character = SURE, n: int = 0) -> Outcome:
    return answer(left, right, rater="r", seed=0, ordinal=n, character=character)


def test_without_noise_the_picture_with_fewer_faults_wins() -> None:
    assert judge([], ["count"]) is Outcome.LEFT
    assert judge(["count", "blur"], ["count"]) is Outcome.RIGHT
    assert judge([], []) is Outcome.TIE
    assert judge(["count"], ["colour"]) is Outcome.TIE
    assert judge(["count", "blur"], ["colour", "position"]) is Outcome.BOTH_BAD


@given(left=FAULTS, right=FAULTS)
def test_without_noise_sides_do_not_matter(left: list[str], right: list[str]) -> None:
    assert judge(left, right).mirrored is judge(right, left)


def test_an_answer_is_a_function_of_its_arguments() -> None:
    moody = Character()
    once = [judge(["blur"], ["count"], moody, n) for n in range(50)]
    assert once == [judge(["blur"], ["count"], moody, n) for n in range(50)]
    assert len(set(once)) > 1


def test_noise_errs_at_times_and_more_faults_lose_more_often() -> None:
    counts = [
        Counter(judge([], ["count"] * faults, Character(), n) for n in range(1000))
        for faults in range(4)
    ]
    wins = [c[Outcome.LEFT] for c in counts]
    assert wins == sorted(wins)
    assert 0 < counts[1][Outcome.RIGHT] < counts[1][Outcome.LEFT]
    assert abs(counts[0][Outcome.LEFT] - counts[0][Outcome.RIGHT]) < 120


def test_tastes_differ_between_raters() -> None:
    tasteful = Character(noise=0.0, taste=1.0, tie_width=0.0)
    answers = {
        answer(["blur"], ["count"], rater=f"r{i}", seed=0, ordinal=0, character=tasteful)
        for i in range(30)
    }
    assert answers == {Outcome.LEFT, Outcome.RIGHT}


def test_simulated_votes_are_marked_and_rank_the_models_truly(arena: Arena, run: Run) -> None:
    store = arena._store
    assert list(simulate(arena, run.truths(), raters=6, votes=60))[-1] == 60
    standing = studies.standing_votes(store, "s")
    assert len(standing) == 60
    assert all(v.simulated for v in standing)
    assert {v.rater for v in standing} == {f"simulated-0-{i:03d}" for i in range(6)}
    decisive = [v for v in standing if v.winner in ("left", "right")]
    won = Counter(v.left if v.winner == "left" else v.right for v in decisive)
    assert won["alpha-model"] > won["beta-model"] > won["gamma-model"]


def test_a_second_simulation_adds_only_what_is_missing(arena: Arena, run: Run) -> None:
    assert list(simulate(arena, run.truths(), raters=3, votes=9)) == list(range(1, 10))
    assert list(simulate(arena, run.truths(), raters=3, votes=9)) == []
    assert list(simulate(arena, run.truths(), raters=3, votes=12)) == [10, 11, 12]


def test_more_votes_than_pairs_are_refused(arena: Arena, run: Run) -> None:
    with pytest.raises(StudyError, match="after 12 of 13 votes"):
        list(simulate(arena, run.truths(), raters=1, votes=13))


def test_pictures_of_unknown_truth_are_refused(arena: Arena) -> None:
    with pytest.raises(StudyError, match="Nothing is known of the truth"):
        list(simulate(arena, {}, raters=1, votes=1))


def test_a_killed_simulation_ends_as_an_undisturbed_one(tmp_path: Path) -> None:
    run = make_run(tmp_path / "runs" / "r", prompts=6)

    def prepare(name: str) -> list[str]:
        database = str(tmp_path / name)
        store = Store.open(database, create=True)
        studies.load(store, run, studies.describe("s", seed=5))
        store.close()
        where = ["--database", database, "--study", "s", "--run", str(run.path)]
        return [
            sys.executable,
            "-m",
            "arena.cli",
            "simulate",
            *where,
            "--votes",
            "60",
            "--raters",
            "4",
        ]

    def result(name: str) -> str:
        store = Store.open(str(tmp_path / name))
        text = votes.to_csv(studies.standing_votes(store, "s"))
        store.close()
        return text

    subprocess.run(prepare("calm.sqlite"), check=True, capture_output=True)
    command = prepare("killed.sqlite")
    for stop_after in (3, 17, 30):
        _kill_after(command, tmp_path / "killed.sqlite", stop_after)
    subprocess.run(command, check=True, capture_output=True)
    assert result("killed.sqlite") == result("calm.sqlite")
    assert result("calm.sqlite").count("\n") == 61


def _kill_after(command: list[str], database: Path, enough: int) -> None:
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    store = Store.open(str(database))
    while process.poll() is None and len(studies.standing_votes(store, "s")) < enough:
        pass
    if process.poll() is None:
        os.kill(process.pid, signal.SIGKILL)
    process.wait()
    store.close()
