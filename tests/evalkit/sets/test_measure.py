"""Whole sets are measured once, kept beside the run, and shown without a rank."""

from __future__ import annotations

import pytest

from evalkit import pages, report, setwise, texts
from evalkit.errors import SpecError
from evalkit.sets import reference
from evalkit.sets.measure import measure, plan
from tests.evalkit.sets.conftest import Eye

METRICS = ["fid", "kid", "precision", "recall", "cmmd", "diversity"]


@pytest.fixture
def known(photographs, eyes):
    return reference.make(photographs, eyes)


def test_every_figure_says_what_it_is_of(drawn, known, eyes):
    made = measure(drawn, known, eyes)
    assert [f.metric for f in made] == METRICS * 2
    assert {f.model for f in made} == {"plain", "fancy"}
    for figure in made:
        assert (figure.count, figure.total, figure.reason) == (12, 12, None)
        assert figure.value is not None
        assert figure.weights[0].digest
        against = figure.metric != "diversity"
        assert figure.reference == ("photographs" if against else "")
        assert figure.reference_count == (12 if against else None)
    diversity = made[5]
    assert diversity.low <= diversity.value <= diversity.high


def test_what_is_known_is_not_measured_again(drawn, known, eyes):
    measure(drawn, known, eyes)
    seen = eyes["clip"].seen
    assert measure(drawn, known, eyes) == []
    assert plan(drawn, known, eyes) == []
    assert eyes["clip"].seen == seen
    assert len(measure(drawn, None, {"clip": Eye("other")})) == 2


def test_figures_of_other_pictures_are_not_shown(drawn, known, eyes):
    measure(drawn, known, eyes)
    first = drawn.generations()[0]
    drawn.reopen()
    drawn.add([first.model_copy(update={"image": None, "error": "gone"})])
    left = {f.model for f in drawn.sets()}
    assert first.model not in left
    assert len(left) == 1
    again = measure(drawn, known, eyes)
    assert {(f.model, f.count, f.total) for f in again} == {(first.model, 11, 12)}


def test_unreadable_pictures_are_counted_and_few_are_a_reason(drawn, known, eyes):
    plain = [g for g in drawn.generations() if g.model == "plain"]
    for generation in plain[1:]:
        drawn.images.path(generation.image).unlink()
    made = {f.metric: f for f in measure(drawn, known, eyes) if f.model == "plain"}
    assert {f.count for f in made.values()} == {1}
    assert {f.value for f in made.values()} == {None}
    assert "1 pictures against 12: 2 on both sides" in made["fid"].reason
    assert made["diversity"].reason == "no prompt has pictures of two seeds"
    drawn.images.path(plain[0].image).unlink()
    assert {f.count for f in measure(drawn, None, {"clip": Eye("other")})} == {0, 12}


def test_without_a_reference_there_is_diversity_alone(drawn, eyes):
    assert [f.metric for f in measure(drawn, None, eyes)] == ["diversity"] * 2
    with pytest.raises(SpecError, match="Nothing to see with"):
        measure(drawn, None, {})
    with pytest.raises(SpecError, match="Give --reference"):
        measure(drawn, None, {"inception": eyes["inception"]})


def test_seeds_that_give_one_picture_have_no_diversity(drawn, eyes):
    by_prompt = {g.prompt_id: g for g in drawn.generations() if g.model == "plain"}
    drawn.reopen()
    for g in drawn.generations():
        if g.model == "plain":
            drawn.add([g.model_copy(update={"image": by_prompt[g.prompt_id].image})])
    figures = {f.model: f for f in measure(drawn, None, eyes)}
    assert figures["plain"].value == pytest.approx(0, abs=1e-6)
    assert figures["fancy"].value > 0.01


def test_the_report_shows_them_apart_and_ranks_nothing(drawn, known, eyes):
    order = [r.model for r in report.build(drawn).rows]
    measure(drawn, known, eyes)
    board = report.build(drawn)
    assert [r.model for r in board.rows] == order
    assert board.metrics == ()
    page, text = pages.html(board), texts.markdown(board)
    for told in (page, text):
        assert "Whole sets of pictures" in told
        assert "photographs (12, clean)" in told
        assert "Fewer than 5,000 pictures (12 against 12)" in told
    assert "Whole sets" not in pages.html(board.model_copy(update={"sets": ()}))


def test_a_table_row_of_each_reference_and_reasons_in_their_place(drawn, known, eyes):
    figures = measure(drawn, known, eyes)
    other = [f.model_copy(update={"reference": "b", "reference_digest": "b"}) for f in figures[:5]]
    failed = figures[0].model_copy(update={"value": None, "reason": "too few | odd"})
    rows = list(setwise.lines([failed, *figures[1:], *other], ["plain", "fancy", "absent"]))
    assert [(r[0], r[1].split(" ")[0]) for r in rows] == [
        ("plain", "photographs"), ("plain", "b"), ("fancy", "photographs"),
    ]  # fmt: skip
    assert rows[0][2] == "– (too few | odd)"
    assert rows[1][7] == rows[0][7]
    assert all(len(r) == len(setwise.HEAD) for r in rows)


def test_a_bundle_carries_them(drawn, known, eyes):
    assert "sets.jsonl" not in dict(drawn.texts())
    measure(drawn, known, eyes)
    assert dict(drawn.texts())["sets.jsonl"].count("\n") == 12
