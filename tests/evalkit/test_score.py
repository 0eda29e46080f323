"""Scoring goes on past what cannot be scored, and never counts it as zero."""

from __future__ import annotations

import json
import math

import pytest

from evalkit import journal
from evalkit.engine import Local, Lost
from evalkit.errors import EvalkitError, RunError, UnknownNameError
from evalkit.generate import generate, open_or_create
from evalkit.score import geneval_rows, plan, results_summary, score
from evalkit.scorers import Verdict
from evalkit.summary import summarise
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


def test_a_new_version_leaves_other_scores_as_they_were(drawn):
    class Blueness(Redness):
        @property
        def card(self):
            return super().card.model_copy(update={"name": "blueness"})

    score(drawn, Redness(), Local())
    score(drawn, Blueness(), Local())
    kept = {p.name: p.read_bytes() for p in (drawn.path / "scores").glob("blueness@*")}
    again, newer = Blueness(), Redness()
    newer.version = 2
    assert len(score(drawn, newer, Local())) == 24
    assert score(drawn, again, Local()) == []
    assert again.calls == 0
    assert kept == {p.name: p.read_bytes() for p in (drawn.path / "scores").glob("blueness@*")}


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


def test_what_has_a_reason_is_judged_again_when_asked_for(drawn):
    broken = drawn.generations()[3]
    path = drawn.images.path(broken.image)
    whole = path.read_bytes()
    path.unlink()
    score(drawn, Redness(), Local())
    path.write_bytes(whole)
    assert score(drawn, Redness(), Local()) == []
    again = score(drawn, Redness(), Local(), retry_failures=True)
    assert [s.generation_id for s in again] == [broken.id]
    kept = drawn.scores(Redness().card)
    assert len(kept) == 24
    assert all(s.value is not None for s in kept)


def test_a_picture_drawn_since_is_judged_without_being_asked_for(tmp_path, suite, noise):
    spec = noise(fails=["a photo of thing 2"])
    run = open_or_create(tmp_path / "r", suite, [spec], [0])
    generate(run, Local())
    score(run, Redness(), Local())
    assert plan(run, Redness().card) == []
    failed = next(g for g in run.generations() if g.image is None)
    other = next(g for g in run.generations() if g.image)
    drawn = failed.model_copy(update={"image": other.image, "error": None})
    journal.append(run.path / "generations.jsonl", [drawn.model_dump_json()])
    assert [s.generation_id for s in score(run, Redness(), Local())] == [failed.id]


def test_rows_of_another_score_are_refused(drawn):
    score(drawn, Redness(), Local())
    with pytest.raises(UnknownNameError, match="GenEval score"):
        list(geneval_rows(drawn, "plain", "redness"))


@pytest.mark.parametrize("metadata", [None, 3.5, True, ["a"]])
def test_a_row_that_names_no_prompt_is_refused(tmp_path, metadata):
    path = tmp_path / "results.jsonl"
    path.write_text(json.dumps({"tag": "colors", "correct": True, "metadata": metadata}))
    with pytest.raises(EvalkitError, match="line 1: metadata is"):
        results_summary(path)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_scorer_that_returns_no_number_gives_a_reason(drawn, value):
    class Odd(Redness):
        def _one(self, text, image):
            return Verdict(value)

    score(drawn, Odd(), Local())
    kept = drawn.scores(Odd().card)
    assert {(s.value, s.reason) for s in kept} == {(None, f"The scorer returned {value}.")}


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_a_score_on_disk_that_is_no_number_is_refused_by_its_line(drawn, value):
    made = score(drawn, Redness(), Local())
    path = drawn.path / "scores" / "redness@1.jsonl"
    text = path.read_text().replace(f'"value":{made[1].value}', f'"value":{value}', 1)
    path.write_text(text)
    with pytest.raises(RunError, match=r"line 2 is damaged \(Input should be a finite number"):
        drawn.scores(Redness().card)


def test_other_weights_under_the_same_name_are_refused(drawn):
    score(drawn, Redness("a"), Local())
    later = Redness("b")
    (drawn.path / "scores" / "redness@1.jsonl").unlink()
    with pytest.raises(RunError, match="already scored"):
        score(drawn, later, Local())


class Deadly(Local):
    """Lose the second piece, as a cluster does whose workers died of it."""

    def map(self, make, pieces):
        for i, (piece, found) in enumerate(super().map(make, pieces)):
            yield piece, Lost("3 workers died of it: out of memory") if i == 1 else found


def test_what_kills_its_worker_is_a_reason_and_the_others_are_scored(drawn):
    made = score(drawn, Redness(), Deadly(), batch=5)
    lost = [s for s in made if s.value is None]
    assert (len(made), len(lost)) == (24, 5)
    assert {s.reason for s in lost} == {"3 workers died of it: out of memory"}
    found = summarise(Redness().card, drawn.suite.by_id(), drawn.generations(), made)
    assert sum(s.headline.scored for s in found) == 19
    assert sum(s.headline.total for s in found) == 24
    assert {r for s in found for r in s.reasons} == {"3 workers died of it: out of memory"}


def test_others_results_are_summed_up_as_the_authors_do_with_intervals(tmp_path):
    rows = [
        ("colors", True, "a"),
        ("colors", False, "a"),
        ("colors", False, "b"),
        ("colors", False, "b"),
        ("position", True, "c"),
    ]
    path = tmp_path / "results.jsonl"
    lines = [json.dumps({"tag": t, "correct": c, "metadata": m}) for t, c, m in rows]
    path.write_text("\n".join(lines))
    found = results_summary(path)
    assert found.image_mean == pytest.approx(0.4)
    assert found.prompt_best == pytest.approx(2 / 3)
    assert {t: one.value for t, one in found.categories.items()} == {"colors": 0.25, "position": 1}
    assert (found.headline.value, found.headline.total) == (pytest.approx(0.625), 5)
    assert found.headline.prompts == 3
    assert 0 <= found.headline.low < 0.625 < found.headline.high <= 1


def test_a_results_file_and_the_run_it_is_of_give_the_same_intervals(tmp_path, drawn):
    prompts, card = drawn.suite.by_id(), Redness().card
    card = card.model_copy(update={"headline": "mean of category means"})
    made = [
        s.model_copy(update={"value": float(s.value > 0.5)})
        for s in score(drawn, Redness(), Local())
    ]
    (ours, _) = summarise(card, prompts, drawn.generations(), made)
    by_id = {g.id: g for g in drawn.generations() if g.model == ours.model}
    lines = [
        json.dumps({
            "tag": prompts[by_id[s.generation_id].prompt_id].category,
            "correct": bool(s.value),
            "metadata": by_id[s.generation_id].prompt_id,
        })
        for s in made
        if s.generation_id in by_id
    ]  # fmt: skip
    (tmp_path / "results.jsonl").write_text("\n".join(lines))
    theirs = results_summary(tmp_path / "results.jsonl")
    assert (theirs.headline, theirs.categories) == (ours.headline, ours.categories)
    assert (theirs.image_mean, theirs.prompt_best) == (ours.image_mean, ours.prompt_best)
