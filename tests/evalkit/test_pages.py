"""The page in a browser: nothing is fetched, nothing needs a script, everybody can read it."""

from __future__ import annotations

import itertools
import json

import pytest
from axe_playwright_python.sync_playwright import Axe
from jsonschema import Draft202012Validator

from evalkit import pages, report, schema
from evalkit.board import HumanCell
from evalkit.evidence import Evidence
from tests import boards

LONG = "an-organisation-with-a-long-name/and-a-model-named-for-every-trick-of-its-distillation-4"
NAMES = {
    "two": ("plain", "fancy"),
    "one": ("alone",),
    "twenty": tuple(f"model-{i:02d}" for i in range(20)),
    "long": (LONG, f"{LONG}8", "short"),
    "unicode": ("模型-шаг", "🦊 <b>$x_1$</b> & co", "ne|w\nline"),
}


@pytest.fixture
def visit(browser, tmp_path):
    """Open a leaderboard's page; requests other than for the file are errors."""
    numbers, contexts = itertools.count(), []

    def open_(board, width=1280, *, script=True, **look):
        file = tmp_path / f"{next(numbers)}.html"
        file.write_text(pages.html(board), encoding="utf-8")
        size = {"width": width, "height": 900}
        context = browser.new_context(viewport=size, java_script_enabled=script, **look)
        contexts.append(context)
        page = context.new_page()
        page.asked_for, page.complaints = [], []
        page.on("request", lambda request: page.asked_for.append(request.url))
        page.on("console", lambda message: page.complaints.append(message.text))
        page.on("pageerror", lambda error: page.complaints.append(str(error)))
        page.goto(file.as_uri())
        return page

    yield open_
    for context in contexts:
        context.close()


@pytest.mark.browser
@pytest.mark.parametrize("names", NAMES.values(), ids=NAMES)
@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_any_board_can_be_read_by_everybody(visit, names, width, scheme):
    page = visit(boards.board(names, ("quality", "alignment")), width, color_scheme=scheme)
    for closed in page.locator("details:visible").all():
        closed.evaluate("d => d.open = true")
    found = Axe().run(page)
    told = [(v["id"], [n["html"][:200] for n in v["nodes"]]) for v in found.response["violations"]]
    assert told == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.complaints == []
    assert [url for url in page.asked_for if not url.startswith(("file:", "data:"))] == []


@pytest.mark.browser
def test_without_people_the_scores_have_their_page(visit):
    page = visit(boards.board(("a", "b"), people=False))
    assert Axe().run(page).violations_count == 0
    assert page.locator("tbody th").first.inner_text().startswith("a")
    assert page.get_by_text("What the votes say").count() == 0


@pytest.mark.browser
@pytest.mark.parametrize("script", [True, False])
def test_each_question_has_its_board_with_or_without_script(visit, script):
    page = visit(boards.board(("a", "b"), ("quality", "alignment")), script=script)
    first = page.locator(".board:visible tbody th").first
    assert page.locator(".board:visible").count() == 1
    assert first.inner_text().startswith("a")
    page.get_by_role("radio", name="alignment").check()
    assert page.locator(".board:visible").count() == 1
    assert first.inner_text().startswith("b")
    assert page.get_by_text("Which picture has the better alignment?").first.is_visible()


@pytest.mark.browser
def test_on_paper_every_question_is_there(visit):
    page = visit(boards.board(("a", "b"), ("quality", "alignment")))
    page.emulate_media(media="print")
    assert page.locator(".board:visible").count() == 2
    assert page.locator("select:visible").count() == 0


@pytest.mark.browser
def test_the_table_is_sorted_filtered_and_rated_by_category(visit):
    names = ("a", "b", "c", "d", "e")
    page = visit(boards.board(names, unrated=1))
    models = page.locator(".board tbody tr:visible th")

    def shown():
        return [text.split("\n")[0] for text in models.all_inner_texts()]

    assert shown() == list(names)
    rating = page.get_by_role("button", name="Elo rating")
    rating.click()
    rating.click()
    assert page.locator("th[aria-sort=ascending]").count() == 1
    assert shown() == ["d", "c", "b", "a", "e"]  # the unrated last, whichever way
    page.get_by_label("Budget").select_option("1 step")
    assert shown() == ["a", "e"]
    page.get_by_label("Budget").select_option("")
    page.get_by_label("Ratings over").select_option(index=1)
    assert shown() == ["d", "c", "b", "a", "e"]
    page.get_by_label("Ratings over").select_option(index=0)
    assert "1,070" in page.locator(".board tbody tr").first.inner_text()


@pytest.mark.browser
def test_pictures_are_filtered_by_category_and_prompt(visit):
    made = boards.board(("a", "b"))
    lines = [
        made.sheet[0].model_copy(update={"prompt": f"{kind} {i}", "category": kind})
        for kind in ("food", "cats")
        for i in range(2)
    ]
    page = visit(made.model_copy(update={"sheet": tuple(lines)}))
    shown = page.locator("article:visible .line")

    def prompts():
        return [text.rpartition(" · ")[0].rpartition(" ")[0] for text in shown.all_inner_texts()]

    assert prompts() == ["food 0", "food 1", "cats 0", "cats 1"]
    page.locator("#prompt").select_option("food 1")
    assert prompts() == ["food 1"]
    page.locator("#kind").select_option("cats")
    assert prompts() == ["cats 0", "cats 1"], "another category is not emptied by the old prompt"
    page.locator("#prompt").select_option("cats 1")
    assert prompts() == ["cats 1"]
    page.locator("#kind").select_option("")
    assert len(prompts()) == 4


@pytest.mark.browser
def test_votes_alone_are_a_page_too(visit):
    made = boards.board(("a", "b"), ("quality", "alignment"))
    page = visit(report.of_votes(made.human), 360)
    assert Axe().run(page).violations_count == 0
    assert page.complaints == []
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert page.get_by_text("made of votes alone").is_visible()
    assert page.locator(".board:visible thead th").all_inner_texts()[-1].startswith("Votes")
    assert page.get_by_role("heading", name="Pictures").count() == 0


@pytest.mark.browser
def test_paper_has_what_a_click_would_open_and_every_column(visit, tmp_path):
    page = visit(boards.board(NAMES["twenty"][:8]), 700)
    closed = page.get_by_text("better beyond chance").or_(page.get_by_text("statistically tied"))
    assert not closed.first.is_visible()
    page.emulate_media(media="print")
    assert closed.first.is_visible()
    assert not page.locator("details.long pre").is_visible()
    matrix, body = page.locator(".matrix").bounding_box(), page.locator("body").bounding_box()
    assert matrix["x"] + matrix["width"] <= body["x"] + body["width"] + 1


@pytest.mark.parametrize(("models", "row"), [(1, 1), (8, 8), (9, 5), (12, 6), (17, 6), (20, 7)])
def test_no_picture_stands_alone_on_its_row(models, row):
    names = [f"m{i}" for i in range(models)]
    assert pages.html(boards.board(names)).count(f'style="--row:{row}"') == 1
    assert models <= row or models % row == 0 or models % row >= row - 2


@pytest.mark.browser
def test_keys_alone_reach_every_control(visit):
    page = visit(boards.board(("a", "b"), ("quality", "alignment")))
    reached = set()
    for _ in range(40):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.tagName"))
    assert {"INPUT", "SELECT", "BUTTON", "SUMMARY", "DIV"} <= reached


def test_what_is_missing_is_a_dash_and_never_zero():
    rows = [boards.row(0, "bare", metrics={}, seconds=None, steps=None, weights_mb=None)]
    made = boards.board(("bare",), people=False).model_copy(update={"rows": tuple(rows)})
    cells = pages.html(made).partition("<tbody>")[2].partition("</tbody>")[0]
    assert cells.count("–") == 3
    assert "0" not in cells.replace("number 0", "").replace("Apache-2.0", "")


def test_a_refused_part_says_why_in_a_sentence():
    made = boards.board(("a", "b"))
    whole, *parts = made.human.boards
    refused = Evidence(
        refused={n: f"no {n}." for n in ("fragility", "concordance", "assisted", "line")}
    )
    whole = whole.model_copy(update={"evidence": refused})
    made = made.model_copy(
        update={"human": made.human.model_copy(update={"boards": (whole, *parts)})}
    )
    for text in (pages.html(made), pages.markdown(made)):
        assert all(f"no {name}." in text for name in refused.refused)


def test_a_board_without_any_rating_says_so():
    made = boards.board(("a", "b"), unrated=2)
    made = made.model_copy(update={"rows": tuple(made.rows)})
    assert "not identified: it has no votes" in pages.html(made)


def test_evidence_is_in_the_document_the_table_and_the_text(tmp_path):
    paths = pages.write(boards.board(("a", "b"), ("quality", "alignment")), tmp_path)
    document = json.loads(paths["json"].read_text())
    Draft202012Validator(schema.leaderboard()).validate(document)
    assert document["human"]["boards"][0]["evidence"]["fragility"]["removals"][0]["number"] == 7
    head, first, _ = paths["csv"].read_text().splitlines()
    cells = dict(zip(head.split(","), first.split(","), strict=True))
    assert (cells["assisted_low"], cells["over_line"]) == ("980.0", "120.0")
    assert cells["alignment_rating"] == "1090.0"
    text = paths["md"].read_text()
    assert "| Remove single votes | 7 of 1,800 (0.4 %) | b |" in text
    assert "## alignment: “Which picture has the better alignment?”" in text
    assert "| redness | 70 % [65, 75] |" in text


def test_a_name_cannot_break_a_table(tmp_path):
    made = boards.board(NAMES["unicode"])
    lines = [line for line in pages.markdown(made).splitlines() if line.startswith("| ne")]
    assert lines
    assert all(line.startswith("| ne\\|w line |") for line in lines)


def test_of_many_models_the_foremost_are_paired():
    names = [f"model-{i:03d}" for i in range(90)]
    page = pages.html(boards.board(names))
    assert "show the 40 models rated highest of 90; leaderboard.json has them all" in page
    matrix = page.partition('class="matrix"')[2].partition("</table>")[0]
    assert matrix.count('<th scope="row">') == 40
    assert page.partition('class="board"')[2].partition("</table>")[0].count("<tr data-model") == 90


HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(2)>',
    "';alert(3)//</style></script><svg onload=alert(4)>{{7*7}}",
    "a\u202eb\x1b[31m",
    "w" * 5000,
)


@pytest.mark.browser
def test_names_of_an_enemy_do_nothing(visit):
    made = boards.board(HOSTILE, ("quality", "align<b>ment"))
    line = made.sheet[0].model_copy(update={"prompt": HOSTILE[1], "category": HOSTILE[2]})
    page = visit(made.model_copy(update={"sheet": (line,), "title": HOSTILE[0]}))
    assert page.complaints == []
    assert page.locator("img, script:not(:last-child), svg[onload], .asked b b").count() == 0
    assert [url for url in page.asked_for if not url.startswith("file:")] == []
    assert page.evaluate("document.documentElement.scrollWidth") <= 1280
    assert "\u202e" not in page.content()
    assert "\\u202e" in page.content()
    assert not {"\u202e", "\x1b"} & set(pages.markdown(made))


def test_a_model_that_other_questions_did_not_rate_has_no_figure_there():
    made = boards.board(("a", "b"), ("quality", "alignment"))
    boards_ = list(made.human.boards)
    boards_[3] = boards_[3].model_copy(
        update={"ratings": {"a": HumanCell(rating=1000.0, battles=3, status="rated")}}
    )
    human = made.human.model_copy(update={"boards": tuple(boards_)})
    page = pages.html(made.model_copy(update={"human": human}))
    assert "no votes" in page
