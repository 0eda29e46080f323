"""Soft-TIFA and DPG-Bench: hand-made answers, the originals' faults, and the command."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from evalkit import registry
from evalkit.engine import Local
from evalkit.generate import generate, open_or_create
from evalkit.prompts import load
from evalkit.records import Prompt, Question
from evalkit.runs import Run
from evalkit.scorers import Verdict
from evalkit.scorers.by_question import YES
from evalkit.scorers.judge import Asked
from evalkit.scorers.soft_tifa import spellings
from tests import forked
from tests.evalkit.test_questions import row, write_csv


class Told:
    """A judge who answers what he was told; (P(yes), P(no)) or the one answer's probability."""

    max_tokens = 100

    def __init__(self, **answers: tuple[float, ...]) -> None:
        self.answers, self.asked = answers, []

    def prepare(self, image: Any, words: str, frame: str, answers: Any) -> Asked:
        self.asked.append((frame.replace("{}", words), answers))
        return Asked(words.encode(), {}, answers, 10)

    def answer(self, asked: list[Asked]) -> list[tuple[float, ...]]:
        return [self.answers[one.key.decode()] for one in asked]


def told(name: str, prompt: Prompt | str, batch: int = 4, **answers: Any) -> Verdict:
    scorer: Any = registry.scorer(name, "miniature", batch_size=batch)
    scorer._judge = Told(**answers)
    first, last = scorer.score([prompt, prompt], [Image.new("RGB", (8, 8))] * 2)
    assert first == last
    return first


def prompt(*questions: Question) -> Prompt:
    return Prompt(id="p7", suite="s", text="a red cat", questions=questions or None)


def ask(name: str, *parents: str, **more: Any) -> Question:
    return Question(id=name, text=name, parents=parents, **more)


CHAIN = prompt(
    ask("cat", skill="entity - whole"),
    ask("red", "cat", skill="attribute - color"),
    ask("dark", "red", skill="attribute - color"),
    ask("dog", skill="entity - whole"),
)
SURE, NEVER = (0.9, 0.05), (0.01, 0.8)


@pytest.mark.parametrize("batch", [1, 3, 16])
def test_dpg_is_the_share_of_yes_below_no_no(batch: int) -> None:
    verdict = told("dpg", CHAIN, batch, cat=NEVER, red=SURE, dark=SURE, dog=SURE)
    assert verdict.value == 1 / 4
    given = {a["id"]: (a["yes"], a["counted"]) for a in verdict.detail["answers"]}
    assert given == {
        "cat": (False, False), "red": (True, False), "dark": (True, False), "dog": (True, True),
    }  # fmt: skip
    assert verdict.detail["categories"] == {"entity": 1 / 2, "attribute": 1.0}


def test_dpg_zeroes_down_whatever_the_order() -> None:
    """ELLA's script zeroes in the file's order: there "dark" before "red" would count."""
    backwards = prompt(*reversed(CHAIN.questions or ()))
    verdict = told("dpg", backwards, cat=NEVER, red=SURE, dark=SURE, dog=SURE)
    assert verdict.value == 1 / 4


def test_dpg_takes_yes_where_it_is_likelier_than_no() -> None:
    one = prompt(ask("cat"), ask("dog"), ask("bus"))
    verdict = told("dpg", one, cat=(0.02, 0.01), dog=(0.4, 0.5), bus=(0.3, 0.3))
    assert [a["yes"] for a in verdict.detail["answers"]] == [True, False, False]


def test_dpg_all_no_is_zero_and_not_missing() -> None:
    assert told("dpg", prompt(ask("cat")), cat=NEVER).value == 0


@pytest.mark.parametrize("name", ["dpg", "soft-tifa", "soft-tifa-gm"])
@pytest.mark.parametrize("asked", [prompt(), "a red cat", Prompt(id="p7", suite="s", text="x")])
def test_without_questions_there_is_a_reason_and_no_zero(name: str, asked: Prompt | str) -> None:
    verdict = told(name, asked)
    assert verdict.value is None
    assert "has no questions" in str(verdict.reason)


@pytest.mark.parametrize(
    ("questions", "reason"),
    [
        ([ask("red", "cat")], "hangs on question cat"),
        ([ask("a", "b"), ask("b", "a")], "in a circle"),
        ([ask("a"), ask("a")], "have the id a"),
        ([ask("how many", answer="two")], "no question of yes or no"),
    ],
)
def test_dpg_says_what_is_wrong_with_questions(questions: list[Question], reason: str) -> None:
    """ELLA's script drops such a file in silence."""
    assert reason in str(told("dpg", prompt(*questions)).reason)


@pytest.mark.parametrize("name", ["dpg", "soft-tifa"])
def test_one_answer_that_is_nan_leaves_the_picture_without_a_value(name: str) -> None:
    answers = {"cat": (0.5, 0.1)[: 2 if name == "dpg" else 1]}
    verdict = told(name, prompt(ask("cat"), ask("dog")), **answers, dog=(math.nan,) * 2)
    assert verdict.value is None
    assert "The network returned nan" in str(verdict.reason)


def test_soft_tifa_is_the_mean_of_the_right_answers() -> None:
    two = prompt(ask("cat", skill="object"), ask("count", answer="two", skill="count"))
    verdict = told("soft-tifa", two, cat=(0.9,), count=(0.4,))
    assert verdict.value == pytest.approx(0.65)
    assert verdict.detail["geometric"] == pytest.approx(0.6)
    assert verdict.detail["answers"][1] == {"id": "count", "skill": "count", "probability": 0.4}
    assert told("soft-tifa-gm", two, cat=(0.9,), count=(0.4,)).value == pytest.approx(0.6)
    assert told("soft-tifa-gm", two, cat=(0.9,), count=(0.0,)).value == 0
    assert told("soft-tifa", two, cat=(1 + 1e-9,), count=(1.0,)).value == 1


def test_the_judge_is_asked_in_the_originals_words() -> None:
    scorer: Any = registry.scorer("soft-tifa", "miniature")
    scorer._judge = Told(cat=(0.5,))
    scorer.score([prompt(ask("cat"))], [Image.new("RGB", (8, 8))])
    assert scorer._judge.asked == [("cat Answer in one word.", (YES,))]


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("Yes", {"Yes", "yes", " Yes", " yes"}),
        ("three", {"three", "Three", "3", " three", " Three", " 3"}),
        ("3", {"three", "Three", "3", " three", " Three", " 3"}),
        ("red", {"red", "Red", " red", " Red"}),
    ],
)
def test_an_answer_has_its_spellings(answer: str, expected: set[str]) -> None:
    assert set(spellings(answer)) == expected
    assert len(spellings(answer)) == len(expected)


def test_a_suite_of_dpg_from_its_file_to_its_scores(
    checkpoints: Any, tmp_path: Path, noise: Any
) -> None:
    rows = [
        row("a", 1, "0", "Is there a cat ?"),
        row("a", 2, "1", "Is there a red cat ?"),
        row("b", 1, "0", "Is there a dog ?"),
        row("c", 1, "7", "Is there a bus ?"),
    ]
    suite = load(write_csv(tmp_path / "dpg_bench.csv", *rows))
    run = open_or_create(tmp_path / "run", suite, [noise()], range(2))
    generate(run, Local())
    judges = [f"{name}={checkpoints.judge}" for name in ("dpg", "soft-tifa", "soft-tifa-gm")]
    options = [part for judge in judges for part in ("--scorer", judge)]
    done = forked.run("evalkit", "score", "--run", run.path, *options, "--json")
    assert done.returncode == 0, done.stderr
    facts = {f["scorer"].split("-judge-")[0]: f for f in json.loads(done.stdout)}
    assert facts["dpg"]["scored"] == facts["soft-tifa"]["scored"] == 6
    assert facts["dpg"]["without_value"] == 2
    assert facts["soft-tifa"]["without_value"] == 0
    found = Run.open(run.path)
    scores = {c.name.split("-judge-")[0]: found.scores(c) for c in found.cards()}
    assert {s.value for s in scores["dpg"]} <= {None, 0.0, 0.5, 1.0}
    means = [s.detail["geometric"] for s in scores["soft-tifa"]]
    assert [s.value for s in scores["soft-tifa-gm"]] == means
