"""The leaderboard says what the run says, in every form, and fetches nothing."""

from __future__ import annotations

import csv
import io
import json
import re

import pytest

from evalkit import pages, plain, report, texts
from evalkit.board import (
    Card,
    Difference,
    Fought,
    Human,
    HumanCell,
    RatingBoard,
    WinRates,
)
from evalkit.engine import Local
from evalkit.errors import EvalkitError
from evalkit.generate import generate, open_or_create
from evalkit.records import About
from evalkit.runs import Run
from evalkit.score import score
from tests.fakes import Redness, row_of


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
    gap = Difference(
        first="plain", second="fancy", difference=20, low=-10, high=50, p=0.2, within=44
    )
    whole = RatingBoard(
        criterion="overall",
        question="Which <b>picture</b> is better?",
        method="clustered by rater",
        votes=40,
        raters=4,
        ratings=cells,
        differences=(gap,),
        win_rates=rates,
    )
    parts = [
        whole.model_copy(update={"category": name, "votes": 20, "win_rates": None})
        for name in ("food", "two <i>words</i>")
    ]
    return Human(
        study="s",
        boards=(whole, *parts),
        votes=40,
        simulated_votes=40,
        raters=4,
        cards=(Card(title="How <b>so</b>", lead="Thus.", points=("one",)),),
    )


def test_a_score_that_a_model_was_trained_to_raise_is_marked(tmp_path, suite, noise):
    specs = [noise("plain"), noise("fancy", flavour=1)]
    about = {"plain": About(title="Plain", rewards=("redness", "geneval"))}
    run = open_or_create(tmp_path / "marked", suite, specs, [0], about)
    generate(run, Local())
    score(run, Redness(), Local())
    board = report.build(run)
    told = "Trained to raise the score, by its source, "
    page, text = pages.html(board), texts.markdown(board)
    assert page.count(plain.TRAINED) == 2  # the cell, and the sentence that explains it
    for form in (page, text):
        assert told in form
        assert "plain (redness)." in form
        assert "plain (redness and geneval)" not in form  # of no score that is not there
    rows = {r["model"]: r for r in csv.DictReader(io.StringIO(texts.table_csv(board)))}
    assert [rows[m]["trained_to_raise"] for m in ("plain", "fancy")] == ["redness geneval", ""]


def test_a_reward_is_its_score_by_any_weights():
    row = row_of("it", None, rewards=("image-reward", "hps-v2"))
    names = ("image-reward", "image-reward-miniature", "hps-v2", "hps-v2.1", "image", "geneval")
    assert [plain.trained_for(row, n) for n in names] == [True, True, True, False, False, False]


def test_a_board_whose_models_chased_no_score_has_no_mark(scored):
    assert plain.TRAINED not in pages.html(report.build(scored))


def test_a_run_that_left_its_recipe_says_so_in_front(tmp_path, suite, noise):
    about = {"noise": About(title="Noise", evaluations=4)}
    run = open_or_create(tmp_path / "left", suite, [noise()], [0], about)
    generate(run, Local())
    run.note_realised("noise", {"evaluations": 8})
    assert "8 evaluations of the denoiser a picture instead of 4" in pages.html(report.build(run))


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


def test_categories_can_be_chosen_and_every_pair_is_told(scored, human):
    page = pages.html(report.build(scored, human))
    assert page.count('<option value="1">food') == page.count('<option value="2">two') == 1
    assert "two &lt;i&gt;words" in page
    assert "statistically tied" in page
    assert "How &lt;b&gt;so" in page


def test_a_page_without_script_hides_nothing(scored, human):
    page = pages.html(report.build(scored, human))
    shown = re.sub(r"<(script|style|template).*?</\1>", "", page, flags=re.DOTALL)
    assert shown.count("980") >= 1
    assert re.findall(r"<div class=\"filters\" hidden>", shown)
    assert not re.search(r"<(tr|article)[^>]* hidden", shown)


def test_pictures_tell_the_battles_they_fought(scored, human):
    made = next(g for g in scored.generations() if g.image)
    board = report.build(scored, human, fought={made.id: Fought(won=3, lost=1, drawn=2)})
    assert pages.html(board).count("won 3, lost 1, tied 2") == 1


def test_the_gallery_has_as_many_prompts_as_asked(scored):
    assert len(report.build(scored, prompts=2).sheet) == 2


def test_what_the_catalogue_says_of_a_model_is_on_every_form(tmp_path, suite, noise):
    about = {noise().name: About(title="Noise", licence="Fair use", gated=True)}
    run = open_or_create(tmp_path / "r", suite, [noise()], [0], about)
    generate(run, Local())
    board = report.build(Run.open(run.path))
    assert (board.rows[0].licence, board.rows[0].gated) == ("Fair use", True)
    assert "Fair use (gated)" in pages.html(board)
    assert "Fair use" in pages.markdown(board)
    assert "Fair use" in pages.table_csv(board)


def test_markdown_says_how_its_intervals_were_made(scored, human):
    assert "Ratings: clustered by rater." in pages.markdown(report.build(scored, human))
    assert "Ratings" not in pages.markdown(report.build(scored))


def test_every_form_is_written_and_readable(scored, human, tmp_path):
    paths = pages.write(report.build(scored, human), tmp_path / "out")
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        f"leaderboard.{form}" for form in ("csv", "html", "json", "md")
    ]
    board = json.loads(paths["json"].read_text())
    assert board["schema_version"] == 2
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
