"""The real page in headless Chromium: what is clicked is stored, and nothing names a model."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Response, Route, expect

from arena import studies
from arena.store import Store
from evalkit.runs import Run
from tests.arena.conftest import MODELS, make_run
from tests.arena.visitor import Visitor, served

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return make_run(tmp_path_factory.mktemp("runs") / "r", prompts=8, size=(96, 64))


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory, run: Run) -> Iterator[Store]:
    path = tmp_path_factory.mktemp("store") / "arena.sqlite"
    store = Store.open(str(path), create=True, durable=False)
    studies.load(store, run, studies.describe("s", "alignment", seed=7))
    yield store
    store.close()


@pytest.fixture(scope="module")
def address(files: Store) -> Iterator[str]:
    with served(files, "s") as found:
        yield found


@pytest.fixture
def visit(browser: Browser, address: str, files: Store) -> Iterator[Callable[..., Visitor]]:
    come: list[Visitor] = []

    def make(**how: object) -> Visitor:
        come.append(Visitor(browser, address, files, "s", **how))
        return come[-1]

    yield make
    for visitor in come:
        visitor.context.close()


@pytest.fixture
def rater(visit: Callable[..., Visitor]) -> Visitor:
    return visit().come()


def winners(rater: Visitor) -> list[str]:
    return [v.winner for v in rater.votes]


def test_ten_battles_by_mouse_and_keys_are_ten_rows_and_no_name_reaches_the_browser(
    visit: Callable[..., Visitor], files: Store, run: Run
) -> None:
    rater = visit()
    page = rater.page
    responses: list[Response] = []
    page.on("response", lambda response: responses.append(response))
    rater.come()
    acts: list[tuple[str, Callable[[], None]]] = [
        ("left", lambda: page.click("[data-choice=left]")),
        ("right", lambda: page.click("[data-choice=right]")),
        ("tie", lambda: page.click("[data-choice=tie]")),
        ("both_bad", lambda: page.click("[data-choice=both_bad]")),
        ("left", lambda: page.keyboard.press("ArrowLeft")),
        ("right", lambda: page.keyboard.press("ArrowRight")),
        ("tie", lambda: page.keyboard.press("t")),
        ("tie", lambda: page.keyboard.press("ArrowUp")),
        ("both_bad", lambda: page.keyboard.press("B")),
        ("both_bad", lambda: page.keyboard.press("ArrowDown")),
    ]
    shown = []
    for _, act in acts:
        shown.append(rater.token)
        rater.answered(act)
    assert winners(rater) == [outcome for outcome, _ in acts]
    assert all(v.seconds is not None and v.seconds >= 0 for v in rater.votes)
    assert not any(v.simulated for v in rater.votes)
    expect(page.locator(".count")).to_contain_text("10 answered")
    with files.reading() as facts:
        battles = [facts.battle(name) for name in shown]
    assert [(b.left.model, b.right.model) for b in battles if b] == [
        (v.left, v.right) for v in rater.votes
    ]

    assert rater.problems == []
    assert [u for u in rater.requests if not u.startswith(rater.address)] == []
    heard = [(r.url, repr(r.all_headers()), r.body()) for r in responses if r.status == 200]
    assert sum("/battle/" in url for url, _, _ in heard) >= 20
    assert not any("/gradio_api/" in url for url in rater.requests), "its handlers are shut"
    pictures = {str(g.image) for g in run.generations()}
    secrets = [*MODELS, *pictures, *(g.id for g in run.generations()), str(run.path)]
    seen = [u.encode() + h.encode() + body for u, h, body in heard]
    seen += [u.encode() for u in rater.requests] + [page.content().encode()]
    for secret in secrets:
        assert not any(secret.encode() in text for text in seen), secret
    stored = {run.images.read(digest) for digest in pictures}
    assert not any(body in stored for _, _, body in heard)
    addresses = [url for url, _, _ in heard if "/battle/" in url]
    assert len(addresses) == len(set(addresses)), "each is asked for once"


def test_a_double_click_is_one_vote_on_a_battle(rater: Visitor) -> None:
    page = rater.page
    rater.answered(lambda: page.dblclick("[data-choice=left]"))
    rater.answered(lambda: [page.keyboard.press("ArrowRight") for _ in range(5)])
    rater.ready()
    sent = [r for r in rater.requests if "/answer" in r]
    tokens = [r.split('"token":"')[1].split('"')[0] for r in sent]
    assert len(tokens) == len(set(tokens)) == len(winners(rater))


def test_a_held_key_is_one_vote(rater: Visitor) -> None:
    rater.answered(lambda: [rater.page.keyboard.down("ArrowLeft") for _ in range(8)])
    rater.page.keyboard.up("ArrowLeft")
    assert len(winners(rater)) == 1


def test_keys_with_a_modifier_belong_to_the_browser(rater: Visitor) -> None:
    before = rater.token
    for keys in ("Control+b", "Alt+t", "x", "Enter"):
        rater.page.keyboard.press(keys)
    assert rater.token == before
    assert winners(rater) == []


def test_letters_count_by_their_place_where_an_input_method_is_on(rater: Visitor) -> None:
    press = """([key, code]) =>
        document.body.dispatchEvent(new KeyboardEvent("keydown", {key, code, bubbles: true}))"""
    for key, code in (("ㅅ", "KeyT"), ("Process", "KeyB")):
        rater.answered(lambda key=key, code=code: rater.page.evaluate(press, [key, code]))
    assert winners(rater) == ["tie", "both_bad"]


def test_a_reload_resumes_the_same_battle(rater: Visitor) -> None:
    rater.press("t")
    before = rater.token
    rater.page.reload()
    rater.ready()
    assert rater.token == before
    expect(rater.page.locator(".count")).to_contain_text("1 answered")


def test_another_browser_is_another_rater(rater: Visitor, visit: Callable[..., Visitor]) -> None:
    assert visit().come().token != rater.token


def test_undo_asks_the_same_again_and_skip_passes_over(rater: Visitor) -> None:
    page = rater.page
    rater.press("ArrowLeft", "u")
    expect(page.locator(".notice")).to_contain_text("Undone")
    expect(page.locator(".count")).to_contain_text("0 answered")
    rater.answered(lambda: page.click("[data-choice=right]"))
    rater.answered(lambda: page.click("[data-choice=skip]"))
    rater.press("u", "s")
    assert winners(rater) == ["right"]


def test_no_answer_before_both_pictures_are_there(visit: Callable[..., Visitor]) -> None:
    rater = visit()
    page = rater.page
    held: list[Route] = []
    page.route("**/battle/*/right", lambda route: held.append(route))
    page.goto(rater.address)
    page.wait_for_function("document.querySelector('.left img')?.complete")
    answers = page.locator(".answers button")
    before = answers.first.bounding_box()
    for button in answers.all():
        expect(button).to_be_disabled()
    page.keyboard.press("ArrowLeft")
    page.locator("[data-choice=left]").click(force=True)
    assert winners(rater) == []
    assert page.locator(".left img").evaluate("e => getComputedStyle(e).opacity") == "0"
    held[0].continue_()
    rater.ready()
    for button in answers.all():
        expect(button).to_be_enabled()
    assert answers.first.bounding_box() == before, "nothing moves when the buttons wake"
    page.unroute("**/battle/*/right")
    rater.press("ArrowLeft")
    assert len(winners(rater)) == 1


def test_a_picture_that_does_not_load_can_be_fetched_again_or_skipped_and_is_never_judged(
    visit: Callable[..., Visitor],
) -> None:
    rater = visit()
    page = rater.page
    page.route("**/battle/*/left", lambda route: route.abort())
    page.goto(rater.address)
    trouble = page.locator(".left .trouble")
    expect(trouble).to_contain_text("did not load")
    expect(page.locator("[data-choice=left]")).to_be_disabled()
    expect(page.locator("[data-choice=skip]")).to_be_enabled()
    page.keyboard.press("ArrowLeft")
    page.unroute("**/battle/*/left")
    trouble.get_by_role("button").click()
    rater.ready()
    expect(trouble).to_be_hidden()
    assert winners(rater) == []


def test_a_vote_is_sent_again_until_the_server_has_it(rater: Visitor) -> None:
    page, first = rater.page, rater.token
    rater.context.set_offline(True)
    page.keyboard.press("ArrowLeft")
    expect(page.locator(".notice.alarm")).to_contain_text("Your answer is kept")
    page.keyboard.press("ArrowRight")
    assert rater.token == first
    rater.answered(lambda: rater.context.set_offline(False))
    expect(page.locator(".notice.alarm")).to_have_count(0)
    assert winners(rater) == ["left"]


def test_a_vote_whose_answer_was_lost_is_one_vote(rater: Visitor) -> None:
    page = rater.page
    lost: list[int] = []

    def lose(route: Route) -> None:
        if lost:
            route.continue_()
        else:
            lost.append(route.fetch().status)  # the server has it; the browser never learns
            route.fulfill(status=502, body="bad gateway")

    page.route("**/answer", lose)
    rater.press("t")
    assert lost == [200]
    assert winners(rater) == ["tie"]


def test_a_vote_that_a_reload_interrupts_is_sent_by_the_next_page(rater: Visitor) -> None:
    page, first = rater.page, rater.token
    page.route("**/answer", lambda route: route.abort())
    page.keyboard.press("b")
    expect(page.locator(".notice.alarm")).to_be_visible()
    page.unroute("**/answer")
    page.reload()
    page.wait_for_selector(f'.stage.ready:not([data-token="{first}"])')
    assert winners(rater) == ["both_bad"]


def test_the_keys_are_shown_on_the_page(rater: Visitor) -> None:
    shown = rater.page.locator(".controls kbd")
    assert sorted(shown.all_inner_texts()) == sorted("←TB→USZCFR")
    for box in shown.all():
        assert box.is_visible()


def test_text_is_shown_as_text(rater: Visitor) -> None:
    assert "<i>" in rater.page.inner_text("blockquote")
    assert rater.page.locator("blockquote i").count() == 0


def test_the_end_says_thank_you_and_can_be_undone(browser: Browser, files: Store, run: Run) -> None:
    studies.load(files, run, studies.describe("short", quota=2))
    with served(files, "short") as address:
        rater = Visitor(browser, address, files, "short").come()
        page = rater.page
        rater.press("t")
        expect(page.locator(".count")).to_contain_text("1 of 2 answered")
        page.keyboard.press("t")
        expect(page.locator("h1")).to_have_text("That was all. Thank you!")
        expect(page.locator("h1")).to_be_focused()
        expect(page.locator("[data-choice=left]")).to_have_count(0)
        page.keyboard.press("u")
        rater.ready()
        expect(page.locator(".count")).to_contain_text("1 of 2 answered")
        rater.context.close()


def test_names_are_revealed_only_after_the_vote(browser: Browser, files: Store, run: Run) -> None:
    studies.load(files, run, studies.describe("open", reveal=True))
    with served(files, "open") as address:
        rater = Visitor(browser, address, files, "open").come()
        assert not any(model in rater.page.content() for model in MODELS)
        rater.press("t")
        notice = rater.page.inner_text(".notice")
        assert sum(model in notice for model in MODELS) == 2
        rater.context.close()


# --- looking closely ---


def transforms(rater: Visitor) -> list[str]:
    return rater.page.locator(".pair img").evaluate_all(
        "all => all.map((e) => getComputedStyle(e).transform)"
    )


def scale(rater: Visitor) -> float:
    found = transforms(rater)
    assert found[0] == found[1], "both pictures move together"
    return float(found[0].removeprefix("matrix(").split(",")[0])


def test_zoom_and_pan_move_both_pictures_together_and_never_vote(rater: Visitor) -> None:
    page = rater.page
    box = page.locator(".right .frame").bounding_box()
    assert box
    x, y = box["x"] + box["width"] * 0.25, box["y"] + box["height"] * 0.75
    page.mouse.move(x, y)
    page.mouse.wheel(0, -480)
    page.wait_for_function("document.querySelector('.pair').dataset.near === 'yes'")
    assert scale(rater) > 1.5
    before = transforms(rater)
    page.mouse.down()
    page.mouse.move(x + 60, y - 40, steps=3)
    page.mouse.up()
    assert transforms(rater) != before
    assert scale(rater) > 1.5
    page.keyboard.press("0")
    assert scale(rater) == 1
    page.keyboard.press("+")
    assert scale(rater) == pytest.approx(1.25)
    before = transforms(rater)
    page.keyboard.press("Shift+ArrowRight")
    assert transforms(rater) != before
    page.keyboard.press("-")
    assert scale(rater) == 1
    page.mouse.dblclick(x, y)
    assert scale(rater) == 2.5
    expect(page.locator("[data-tool=zoom]")).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("z")
    assert scale(rater) == 1
    page.click("[data-tool=zoom]")
    rater.press("t")
    assert scale(rater) == 1, "a new pair is seen whole"
    assert winners(rater) == ["tie"]


def test_the_place_under_the_pointer_stays_when_zooming(rater: Visitor) -> None:
    box = rater.page.locator(".left .frame").bounding_box()
    assert box
    rater.page.mouse.dblclick(box["x"] + box["width"] * 0.75, box["y"] + box["height"] * 0.5)
    _, _, _, _, dx, dy = (float(v) for v in transforms(rater)[0][7:-1].split(","))
    assert dx == pytest.approx(-1.5 * 0.75 * box["width"], abs=2)
    assert dy == pytest.approx(-1.5 * 0.5 * box["height"], abs=2)


def test_one_at_a_time_shows_both_in_one_place_and_asks_that_both_be_seen(rater: Visitor) -> None:
    page = rater.page
    page.keyboard.press("c")
    places = [page.locator(f".{side} .frame").bounding_box() for side in ("left", "right")]
    assert places[0] == places[1]
    expect(page.locator(".left .frame")).to_be_visible()
    expect(page.locator(".right .frame")).to_be_hidden()
    rater.press("t")  # switched on in the middle: this pair was seen
    expect(page.locator("[data-choice=left]")).to_be_disabled()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press(" ")
    expect(page.locator(".right .frame")).to_be_visible()
    expect(page.locator("[data-choice=left]")).to_be_enabled()
    rater.press("ArrowLeft")
    page.keyboard.press("Escape")
    expect(page.locator(".left .frame")).to_be_visible()
    expect(page.locator(".right .frame")).to_be_visible()
    assert winners(rater) == ["tie", "left"]


def test_full_screen_by_key(rater: Visitor) -> None:
    rater.page.keyboard.press("f")
    rater.page.wait_for_function("document.fullscreenElement !== null")
    expect(rater.page.locator("[data-tool=full]")).to_have_attribute("aria-pressed", "true")
    rater.page.keyboard.press("f")
    rater.page.wait_for_function("document.fullscreenElement === null")


PHONE = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}


def test_a_phone_shows_one_picture_large_and_a_tap_shows_the_other(
    visit: Callable[..., Visitor],
) -> None:
    rater = visit(**PHONE).come()
    page = rater.page
    box = page.locator(".left .frame").bounding_box()
    assert box
    assert box["width"] >= 330
    page.tap("[data-choice=left]", force=True)
    assert winners(rater) == [], "the right one was not seen"
    page.touchscreen.tap(box["x"] + 50, box["y"] + 50)
    expect(page.locator(".right .frame")).to_be_visible()
    expect(page.locator("[data-choice=left]")).to_be_enabled()
    rater.answered(lambda: page.tap("[data-choice=left]"))
    page.tap("[data-show=right]")
    rater.answered(lambda: page.tap("[data-choice=both_bad]"))
    page.tap("[data-tool=place]")
    expect(page.locator(".left .frame")).to_be_visible()
    expect(page.locator(".right .frame")).to_be_visible()
    page.touchscreen.tap(100, page.locator(".left .frame").bounding_box()["y"] + 20)  # type: ignore[index]
    expect(page.locator(".right .frame")).to_be_hidden()
    assert winners(rater) == ["left", "both_bad"]


# --- any screen, anyone ---

SIZES = [(1280, 800), (360, 740), (768, 1024), (1920, 1080), (800, 400), (3840, 2160)]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_pictures_have_one_size_and_the_page_fits(
    visit: Callable[..., Visitor], scheme: str
) -> None:
    rater = visit(color_scheme=scheme).come()
    page = rater.page
    for width, height in SIZES:
        page.set_viewport_size({"width": width, "height": height})
        left, right = (page.locator(f".{side} img").bounding_box() for side in ("left", "right"))
        assert left
        assert right
        assert (left["width"], left["height"]) == (right["width"], right["height"])
        assert left["width"] >= 130
        assert left["y"] == right["y"]
        assert left["x"] + left["width"] <= right["x"]
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        if height >= 700:
            assert page.evaluate("document.documentElement.scrollHeight") <= height
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (dark == "rgb(21, 22, 23)") is (scheme == "dark")


def test_the_keyboard_alone_reaches_everything_and_keeps_its_place(rater: Visitor) -> None:
    page = rater.page
    names = []
    for _ in range(11):
        page.keyboard.press("Tab")
        names.append(
            page.evaluate(
                "document.activeElement.getAttribute('data-choice') || "
                "document.activeElement.getAttribute('data-tool') || "
                "document.activeElement.tagName"
            )
        )
    wanted = [
        "BLOCKQUOTE",
        "left",
        "tie",
        "both_bad",
        "right",
        "undo",
        "skip",
        "zoom",
        "place",
        "full",
        "report",
    ]
    assert names == wanted
    page.focus("[data-choice=tie]")
    rater.answered(lambda: page.keyboard.press("Enter"))
    assert page.evaluate("document.activeElement.dataset.choice") == "tie"
    rater.answered(lambda: page.keyboard.press("Enter"))
    assert winners(rater) == ["tie", "tie"]
    expect(page.locator(".live[role=status]")).to_contain_text("2 answered")


def overflow(rater: Visitor) -> tuple[bool, float]:
    """Say whether the page is wider than the window, and how wide a picture is."""
    wide = rater.page.evaluate("document.documentElement.scrollWidth > innerWidth")
    box = rater.page.locator(".left .frame").bounding_box()
    assert box
    return wide, box["width"]


HOSTILE = {
    "a long question": "(s) => document.querySelector('h1').textContent = 'What? '.repeat(1700)",
    "one long word": "(s) => document.querySelector('h1').textContent = 'x'.repeat(10000)",
    "a long text": "(s) => document.querySelector('blockquote').textContent = '😀 '.repeat(5000)",
    "large letters": "(s) => document.documentElement.style.fontSize = '200%'",
}


@pytest.mark.parametrize("what", HOSTILE)
@pytest.mark.parametrize("size", [(360, 740), (1280, 800)])
def test_whatever_is_asked_the_pictures_and_the_answers_can_be_reached(
    visit: Callable[..., Visitor], what: str, size: tuple[int, int]
) -> None:
    rater = visit(viewport={"width": size[0], "height": size[1]}).come()
    rater.page.evaluate(HOSTILE[what])
    wide, width = overflow(rater)
    assert not wide
    assert width >= 100
    if rater.page.locator(".tabs").is_visible():
        rater.page.click("[data-show=right]")
    rater.answered(lambda: rater.page.click("[data-choice=tie]"))
    assert winners(rater) == ["tie"]


def test_a_text_from_right_to_left_is_shown_so_and_the_sides_stay(
    visit: Callable[..., Visitor],
) -> None:
    rater = visit().come()
    rater.page.evaluate("document.querySelector('blockquote').textContent = 'صورة قطة 😀'")
    box = rater.page.locator("blockquote")
    assert box.evaluate("e => getComputedStyle(e).direction") == "rtl"
    left, right = (rater.page.locator(f".{s} img").bounding_box() for s in ("left", "right"))
    assert left
    assert right
    assert left["x"] < right["x"]


def test_another_language_keeps_the_pair_and_its_pictures(
    browser: Browser, files: Store, run: Run
) -> None:
    studies.load(files, run, studies.describe("tongues", languages=("en", "ko", "ja")))
    with served(files, "tongues") as address:
        rater = Visitor(browser, address, files, "tongues", locale="fr").come("?lang=ko")
        page, first = rater.page, rater.token
        assert "lang=" not in page.url
        page.focus("[data-language]")
        rater.answered(lambda: page.select_option("[data-language]", "ja"))
        assert (page.evaluate("document.documentElement.lang"), rater.token) == ("ja", first)
        expect(page.locator("[data-language]")).to_be_focused()
        shown = [u for u in rater.requests if f"/battle/{first}/" in u]
        assert len(shown) == len(set(shown)) == 2, "each picture is asked for once"
        page.reload()
        rater.ready()
        assert page.evaluate("document.documentElement.lang") == "ja"
        rater.press("t")
        assert [v.language for v in rater.votes] == ["ja"]
        rater.context.close()
