"""Scoring goes on past what cannot be scored, and never counts it as zero."""

from __future__ import annotations

import pytest

from evalkit.engine import Local
from evalkit.errors import RunError
from evalkit.generate import generate, open_or_create
from evalkit.score import plan, score
from tests.fakes import Redness


def test_every_generation_gets_one_score(drawn):
    scorer = Redness()
    made = score(drawn, scorer, Local(), batch=5)
    assert len(made) == scorer.calls == 24
    assert drawn.scores(scorer.card) == made
    assert plan(drawn, scorer.card) == []


def test_a_second_pass_scores_nothing(drawn):
    score(drawn, Redness(), Local())
    again = Redness()
    assert score(drawn, again, Local()) == []
    assert again.calls == 0


def test_a_new_version_scores_only_itself(drawn):
    score(drawn, Redness(), Local())
    newer = Redness()
    newer.version = 2
    assert len(score(drawn, newer, Local())) == 24
    assert [c.key for c in drawn.cards()] == ["redness@1", "redness@2"]


def test_what_cannot_be_scored_has_a_reason(tmp_path, suite, noise):
    run = open_or_create(tmp_path / "r", suite, [noise(fails=["a photo of thing 2"])], [0])
    generate(run, Local())
    broken = next(g for g in run.generations() if g.prompt_id == "00004")
    run.images.path(broken.image).write_bytes(b"oops")
    made = {s.generation_id: s for s in score(run, Redness(bad=["a photo of thing 1"]), Local())}
    reasons = sorted(s.reason for s in made.values() if s.value is None)
    assert len(made) == 6
    assert len(reasons) == 3
    assert reasons[1] == "no picture: the model refused"
    assert reasons[2] == "not a number"
    assert "corrupt" in reasons[0]


def test_other_weights_under_the_same_name_are_refused(drawn):
    score(drawn, Redness("a"), Local())
    later = Redness("b")
    (drawn.path / "scores" / "redness@1.jsonl").unlink()
    with pytest.raises(RunError, match="already scored"):
        score(drawn, later, Local())
