"""Studies draw by the rule that their file names, and serve refuses rules it would not keep."""

from __future__ import annotations

from collections import Counter

import pytest

from arena import app, studies
from arena.battles import Arena
from arena.protocol import Protocol
from arena.records import Outcome
from arena.store import Store
from evalkit.errors import StudyError
from evalkit.runs import Run
from tests.arena.conftest import make_run

QUESTION = {"id": "overall", "question": "Which?"}
TWICE = {"en": "Which?", "eo": "Kiu?"}
MODELS = ("a", "b", "c", "d")


def held(store: Store, run: Run, **rules: object) -> Arena:
    protocol = Protocol.model_validate({"criteria": [QUESTION], **rules})
    studies.load(store, run, studies.plan("s", protocol, seed=3))
    return Arena(store, "s")


def drawn(store: Store, run: Run, rule: str, votes: int = 240) -> Counter[tuple[str, str]]:
    """Let raters prefer a and b to c and d, and neither of a and b to the other."""
    arena, met = held(store, run, draws={"rule": rule}), Counter[tuple[str, str]]()
    for n in range(votes):
        rater = arena.enter_as(f"rater-{n % 12}")
        battle = arena.open(rater)
        assert battle is not None
        assert battle.token is not None
        left, right = battle.left.model, battle.right.model
        if left in "ab" and right in "ab":
            outcome = Outcome.LEFT if n % 2 else Outcome.RIGHT
        else:
            outcome = Outcome.LEFT if left < right else Outcome.RIGHT
        arena.cast(battle.token, rater, outcome)
        if n >= votes // 2:
            met[min(left, right), max(left, right)] += 1
    return met


@pytest.mark.slow
def test_a_study_that_is_focused_on_the_top_asks_about_the_top(store: Store, tmp_path) -> None:
    run = make_run(tmp_path / "runs" / "wide", models=MODELS, prompts=40)
    met = drawn(store, run, "top-focused")
    assert met["a", "b"] > 2 * met["c", "d"]
    assert met["a", "b"] == max(met.values())
    assert len(met) == 6, "the floor still asks about every two models"


@pytest.mark.slow
def test_a_balanced_study_asks_about_all_alike(store: Store, tmp_path) -> None:
    run = make_run(tmp_path / "runs" / "wide", models=MODELS, prompts=40)
    met = drawn(store, run, "balanced")
    assert max(met.values()) - min(met.values()) <= 2


@pytest.mark.parametrize(
    ("rules", "words"),
    [
        ({"languages": ["en", "eo"], "criteria": [QUESTION | {"question": TWICE}]}, "words in eo"),
    ],
)
def test_rules_that_the_page_would_not_keep_are_refused(
    store: Store, run: Run, rules: dict[str, object], words: str
) -> None:
    held(store, run, **rules)
    with pytest.raises(StudyError, match=words):
        app.build(store, "s")
