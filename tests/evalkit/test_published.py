"""Published figures: every one has its source, and none is ranked with what is measured."""

from __future__ import annotations

import csv
import io
import json
import math

import pytest

from evalkit import beside, catalogue, pages, registry, report
from evalkit.board import Cell
from evalkit.errors import EvalkitError
from evalkit.geneval import TASKS
from evalkit.published import Figure, load, path
from tests.fakes import row_of

FIGURE = {
    "model": "SDXL-Turbo",
    "steps": 4,
    "metric": "geneval",
    "value": 0.55,
    "unit": "share",
    "catalogue": "sdxl-turbo",
    "scorer": "geneval",
    "factor": 1,
    "suite": "geneval",
    "source": "a paper",
    "read": "primary",
    "measured_by": "its authors",
}


def figure(**changes):
    return Figure.model_validate(FIGURE | changes)


def row(score="geneval", steps=4, value=0.6, model="sdxl-turbo"):
    cell = Cell(value=value, low=0.58, high=0.62, scored=8, total=8)
    return row_of(
        model,
        None,
        steps=steps,
        metrics={score: cell},
        categories={score: {"counting": cell}},
    )


def test_every_figure_has_a_source_and_a_maker_and_no_row_is_twice():
    figures = load()
    assert len(figures) > 500
    assert len(set(figures)) == len(figures)
    assert all(f.source and f.measured_by and math.isfinite(f.value) for f in figures)
    assert {f.part for f in figures} - {""} == set(TASKS)


def test_what_a_figure_stands_for_exists():
    known = catalogue.entries()
    for f in load():
        assert not f.catalogue or f.catalogue in known, f
        assert not f.catalogue or f.steps in (None, known[f.catalogue].steps, 50), f
        assert bool(f.scorer) == (f.factor is not None), f
        assert f.metric != "geneval" or 0 <= f.value <= 1, f
    assert {"geneval", "image-reward"} <= {f.scorer for f in load()} & set(registry.SCORERS)


def test_the_headlines_of_task_rows_are_their_means():
    """Each published GenEval row with its tasks adds up, to the digits it was printed with."""
    rows = {}
    for f in load():
        if f.metric == "geneval":
            rows.setdefault((f.model, f.steps, f.source), {})[f.part] = f.value
    whole = [r for r in rows.values() if len(r) == 7]
    assert len(whole) == 28
    off = [abs(sum(r[t] for t in TASKS) / 6 - r[""]) for r in whole]
    assert max(off) < 0.011


def test_both_reviews_stay_and_are_flagged():
    two = [f for f in load() if "contradict each other" in f.disputed]
    assert {f.source.split()[0] for f in two} >= {"Korean", "Japanese"}
    assert all(f.read == "secondary" for f in two if "review" in f.source)


def test_the_copied_row_is_known_for_what_it_is():
    copied = [f for f in load() if f.model == "SD3.5-L" and "depth 38, 512 px" in f.copied_from]
    assert {(f.source, f.part) for f in copied} >= {("Flow-GRPO, table 1", "")}
    assert all(f.measured_by == "the SD3 paper" for f in copied)


def test_a_difference_is_told_in_half_widths():
    (found,) = beside.beside([row()], "geneval", [figure()])
    assert found.difference == pytest.approx(0.05)
    assert found.half_widths == pytest.approx(2.5)
    assert found.notes == ()


def test_other_prompts_give_no_difference():
    (found,) = beside.beside([row()], "mine", [figure()])
    assert (found.difference, found.half_widths) == (None, None)
    assert "published on geneval, measured on mine" in found.notes[0]


def test_a_factor_brings_the_published_figure_into_the_scores_unit():
    (found,) = beside.beside([row("hps-v2")], "s", [figure(scorer="hps-v2", factor=100, suite="s")])
    assert found.published == pytest.approx(55)


@pytest.mark.parametrize(
    ("measured", "changes"),
    [
        ({"model": "other"}, {}),
        ({"steps": 8}, {}),
        ({"score": "geneval-miniature"}, {}),
        ({}, {"scorer": "", "factor": None}),
        ({}, {"part": "position"}),
    ],
)
def test_what_is_not_the_same_is_not_set_beside(measured, changes):
    assert not list(beside.beside([row(**measured)], "geneval", [figure(**changes)]))


def test_the_other_detector_and_doubtful_sources_are_named():
    doubtful = figure(copied_from="X", read="secondary", disputed="Y", part="counting")
    (found,) = beside.beside([row("geneval-hf")], "geneval", [doubtful])
    text = "; ".join(found.notes)
    for words in (beside.OTHER_JUDGE, "known to be copied: X", "second-hand", "disputed: Y"):
        assert words in text


def test_no_interval_gives_no_half_widths():
    one = row()
    bare = one.metrics["geneval"].model_copy(update={"low": None, "high": None})
    (found,) = beside.beside(
        [one.model_copy(update={"metrics": {"geneval": bare}})], "geneval", [figure()]
    )
    assert found.difference is not None
    assert found.half_widths is None


def test_the_section_is_in_every_form_and_changes_no_order(drawn, tmp_path):
    board = report.build(drawn)
    assert board.published == ()
    assert "Measured beside published" not in pages.html(board) + pages.markdown(board)
    assert "published.csv" not in pages.write(board, tmp_path / "without")
    found = beside.beside([row()], "geneval", [figure(disputed="a | b <i>")])
    more = board.model_copy(update={"published": tuple(found)})
    paths = pages.write(more, tmp_path / "with")
    html, text = paths["html"].read_text(), paths["md"].read_text()
    assert "disputed: a | b &lt;i&gt;" in html
    assert "disputed: a \\| b <i>" in text
    assert "+2.5" in html
    assert "+2.5" in text
    (line,) = csv.DictReader(io.StringIO(paths["published.csv"].read_text()))
    assert float(line["half_widths"]) == pytest.approx(2.5)
    assert json.loads(paths["json"].read_text())["published"][0]["figure"]["source"] == "a paper"
    assert [r.model for r in more.rows] == [r.model for r in board.rows]


@pytest.mark.parametrize(
    ("column", "value"), [("value", "much"), ("read", "rumour"), ("steps", "four")]
)
def test_a_wrong_line_is_named(tmp_path, column, value):
    first, second = path().read_text().splitlines()[:2]
    cells = dict(zip(first.split(","), next(csv.reader([second])), strict=True)) | {column: value}
    stream = io.StringIO()
    csv.writer(stream).writerow(cells.values())
    (tmp_path / "p.csv").write_text(f"{first}\n{stream.getvalue()}")
    with pytest.raises(EvalkitError, match=rf"p\.csv, line 2: {column}"):
        load(tmp_path / "p.csv")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(EvalkitError, match="cannot be read"):
        load(tmp_path / "none.csv")
