"""The leaderboard says what the run says, in every form, and fetches nothing."""

from __future__ import annotations

import csv
import io
import json
import re

import pytest

from evalkit import pages, report
from evalkit.board import Human, HumanCell, WinRates
from evalkit.engine import Local
from evalkit.errors import EvalkitError
from evalkit.generate import generate, open_or_create
from evalkit.runs import Run
from evalkit.score import score
from tests.fakes import Redness


@pytest.fixture
def scored(drawn):
    score(drawn, Redness(bad=["a photo of thing 1"]), Local())
    return drawn


@pytest.fixture
def human():
    cells = {
        "plain": HumanCell(
            rating=980.4, low=950, high=1010, rank_low=1, rank_high=2, battles=40, status="ok"
        ),
        "fancy": HumanCell(rating=None, battles=40, status="not identified: never lost"),
    }
    rates = WinRates(
        models=("plain", "fancy"), rate=((None, 0.25), (0.75, None)), battles=((0, 40), (40, 0))
    )
    return Human(
        study="s",
        question="Which <b>picture</b> is better?",
        method="clustered by rater",
        ratings=cells,
        win_rates=rates,
        votes=40,
        simulated_votes=40,
        raters=4,
    )


def test_figures_are_those_of_the_summary(scored):
    board = report.build(scored)
    cell = {r.model: r for r in board.rows}["plain"].metrics["redness"]
    assert (cell.scored, cell.total, cell.reasons) == (10, 12, {"not a number": 2})
    assert cell.low < cell.value < cell.high


def test_rows_come_in_order_of_the_first_metric(scored):
    values = [r.metrics["redness"].value for r in report.build(scored).rows]
    assert values == sorted(values, reverse=True)


def test_rated_models_come_first_and_the_unrated_say_why(scored, human):
    board = report.build(scored, human)
    assert [r.model for r in board.rows] == ["plain", "fancy"]
    page = pages.html(board)
    assert "not identified: never lost" in page
    assert "980" in page


def test_simulated_votes_are_declared_on_every_form(scored, human):
    board = report.build(scored, human)
    for text in (pages.html(board), pages.markdown(board), board.model_dump_json()):
        assert "simulated raters" in text


def test_the_page_is_self_contained_and_escapes(scored, human):
    page = pages.html(report.build(scored, human, title="<script>alert(1)</script>"))
    assert "<script>alert" not in page
    assert "Which &lt;b&gt;picture" in page
    assert not re.search(r"""(src|href)=["'](?!data:|#)""", page)
    assert not re.search(r"url\((?!#)|@import", page)


def test_markdown_says_how_its_intervals_were_made(scored, human):
    assert "Ratings: clustered by rater." in pages.markdown(report.build(scored, human))
    assert "Ratings" not in pages.markdown(report.build(scored))


def test_every_form_is_written_and_readable(scored, human, tmp_path):
    paths = pages.write(report.build(scored, human), tmp_path / "out")
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        f"leaderboard.{form}" for form in ("csv", "html", "json", "md")
    ]
    board = json.loads(paths["json"].read_text())
    assert board["schema_version"] == 1
    table = list(csv.DictReader(io.StringIO(paths["csv"].read_text())))
    assert [r["model"] for r in table] == ["plain", "fancy"]
    assert float(table[0]["redness"]) == board["rows"][0]["metrics"]["redness"]["value"]
    assert table[1]["rating"] == ""


def test_a_run_without_scores_still_has_a_page(drawn):
    page = pages.html(report.build(drawn))
    assert page.count("<img") == 12
    assert "0.250" in page


def test_a_missing_picture_is_told_on_the_sheet(scored):
    for made in scored.generations():
        scored.images.path(made.image).unlink(missing_ok=True)
    assert "is missing" in pages.html(report.build(scored))


def test_a_failed_picture_is_counted(tmp_path, suite, noise):
    run = open_or_create(tmp_path / "r", suite, [noise(fails=["a photo of thing 2"])], [0])
    generate(run, Local())
    assert "1 of 6 not drawn" in pages.html(report.build(run))


def test_only_the_newest_version_of_a_score_is_shown(scored):
    newer = Redness()
    newer.version = 2
    score(scored, newer, Local())
    (card,) = report.build(scored).metrics
    assert card.version == 2


def test_an_empty_run_is_refused(tmp_path, suite, noise):
    run = open_or_create(tmp_path / "r", suite, [noise()], [0])
    with pytest.raises(EvalkitError, match="no pictures yet"):
        report.build(run)


def test_a_report_that_cannot_be_written_is_told(scored, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(EvalkitError, match="could not be written"):
        pages.write(report.build(scored), tmp_path / "file")


def test_the_same_run_gives_the_same_figures(scored):
    first, again = (report.build(Run.open(scored.path)) for _ in range(2))
    assert first.rows == again.rows
    assert first.sheet == again.sheet
