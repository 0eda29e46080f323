"""The real page in headless Chromium: what is clicked is stored, and nothing names a model."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread

import pytest
import uvicorn
from playwright.sync_api import (
    Browser,
    BrowserContext,
    Page,
    Response,
    Route,
    expect,
    sync_playwright,
)

from arena import studies
from arena.store import Store, VoteRow
from evalkit.runs import Run
from tests.arena.conftest import MODELS, built, make_run

pytestmark = [pytest.mark.browser, pytest.mark.slow]

FLAGS = (
    "--no-sandbox",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-sync",
    "--no-first-run",
)


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    with sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=chromium, args=list(FLAGS))
        yield opened
        opened.close()


@pytest.fixture
def larger(tmp_path: Path) -> Run:
    return make_run(tmp_path / "runs" / "r", prompts=8, size=(96, 64))


@pytest.fixture
def files(tmp_path: Path, larger: Run) -> Iterator[Store]:
    store = Store.open(str(tmp_path / "arena.sqlite"), create=True, durable=False)
    studies.load(store, larger, studies.describe("s", "alignment", seed=7))
    yield store
    store.close()


@pytest.fixture
def serve(files: Store) -> Iterator[Callable[[str], str]]:
    """Serve studies for real, each on a port of its own."""
    running: list[tuple[uvicorn.Server, Thread]] = []

    def start(name: str) -> str:
        config = uvicorn.Config(built(files, name), port=0, log_level="error", lifespan="off")
        server = uvicorn.Server(config)
        thread = Thread(target=server.run, daemon=True)
        thread.start()
        while not server.started and thread.is_alive():
            time.sleep(0)
        running.append((server, thread))
        port = server.servers[0].sockets[0].getsockname()[1]
        return f"http://127.0.0.1:{port}/"

    yield start
    for server, thread in running:
        server.should_exit = True
        server.force_exit = True
        thread.join(30)


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    made = browser.new_context(viewport={"width": 1280, "height": 800})
    made.set_default_timeout(60_000)
    yield made
    made.close()


@pytest.fixture
def page(context: BrowserContext, serve: Callable[[str], str]) -> Page:
    """Open the study and wait until both pictures are there."""
    opened = context.new_page()
    opened.goto(serve("s"))
    ready(opened)
    return opened


def ready(page: Page) -> None:
    page.wait_for_selector(".stage.ready[data-token]")


def token_of(page: Page) -> str:
    return str(page.get_attribute(".stage", "data-token"))


def answered(page: Page, act: Callable[[], None]) -> None:
    """Do something and wait for the next battle's pictures."""
    turn = page.get_attribute(".stage", "data-turn")
    act()
    page.wait_for_selector(f'.stage.ready:not([data-turn="{turn}"])')


def standing(store: Store) -> list[VoteRow]:
    return studies.standing_votes(store, "s")


def test_ten_battles_by_mouse_and_keys_are_ten_rows_and_no_name_reaches_the_browser(
    context: BrowserContext, serve: Callable[[str], str], files: Store, larger: Run
) -> None:
    heard: list[tuple[str, str, bytes]] = []

    def listen(response: Response) -> None:
        headers = response.all_headers()
        stream = "event-stream" in headers.get("content-type", "")
        assert not stream or "/heartbeat/" in response.url, "a stream nobody has read"
        body = response.body() if response.status == 200 and not stream else b""
        heard.append((response.url, repr(headers), body))

    page = context.new_page()
    responses: list[Response] = []
    page.on("response", lambda response: responses.append(response))
    requests: list[str] = []
    page.on("request", lambda r: requests.append(f"{r.url} {r.post_data or ''}"))
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda m: problems.append(m.text) if m.type == "error" else None)
    address = serve("s")
    page.goto(address)
    ready(page)
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
        shown.append(token_of(page))
        answered(page, act)
    assert [v.winner for v in standing(files)] == [outcome for outcome, _ in acts]
    assert all(v.seconds is not None and v.seconds >= 0 for v in standing(files))
    assert not any(v.simulated for v in standing(files))
    expect(page.locator(".count")).to_contain_text("10 answered")
    with files.reading() as facts:
        battles = [facts.battle(name) for name in shown]
    assert [(b.left.model, b.right.model) for b in battles if b] == [
        (v.left, v.right) for v in standing(files)
    ]

    assert problems == []
    assert [u for u in requests if not u.startswith(address)] == []
    for response in responses:
        listen(response)
    assert any(url.endswith("/gradio_api/run/predict") for url, _, _ in heard)
    assert sum("/battle/" in url for url, _, _ in heard) >= 20
    pictures = {str(g.image) for g in larger.generations()}
    secrets = [*MODELS, *pictures, *(g.id for g in larger.generations()), str(larger.path)]
    seen = [u.encode() + h.encode() + body for u, h, body in heard]
    seen += [u.encode() for u in requests] + [page.content().encode()]
    for secret in secrets:
        assert not any(secret.encode() in text for text in seen), secret
    stored = {larger.images.read(digest) for digest in pictures}
    assert not any(body in stored for _, _, body in heard)


def test_a_double_click_is_one_vote(page: Page, files: Store) -> None:
    answered(page, lambda: page.dblclick("[data-choice=left]"))
    assert [v.winner for v in standing(files)] == ["left"]
    answered(page, lambda: [page.keyboard.press("ArrowRight") for _ in range(5)])
    ready(page)
    assert [v.winner for v in standing(files)][:2] == ["left", "right"]
    assert len(standing(files)) <= 3, "keys count again only once the next pictures are there"


def test_a_held_key_is_one_vote(page: Page, files: Store) -> None:
    def hold() -> None:
        for _ in range(8):
            page.keyboard.down("ArrowLeft")

    answered(page, hold)
    page.keyboard.up("ArrowLeft")
    assert len(standing(files)) == 1


def test_keys_with_a_modifier_belong_to_the_browser(page: Page, files: Store) -> None:
    before = token_of(page)
    for keys in ("Control+b", "Alt+t", "x", "Enter"):
        page.keyboard.press(keys)
    assert token_of(page) == before
    assert standing(files) == []


def test_a_reload_resumes_the_same_battle(page: Page) -> None:
    answered(page, lambda: page.keyboard.press("t"))
    before = token_of(page)
    page.reload()
    ready(page)
    assert token_of(page) == before
    expect(page.locator(".count")).to_contain_text("1 answered")


def test_another_browser_is_another_rater(page: Page, browser: Browser) -> None:
    with browser.new_context() as other:
        stranger = other.new_page()
        stranger.goto(page.url)
        ready(stranger)
        assert token_of(stranger) != token_of(page)


def test_undo_asks_the_same_again_and_skip_passes_over(page: Page, files: Store) -> None:
    answered(page, lambda: page.keyboard.press("ArrowLeft"))
    answered(page, lambda: page.keyboard.press("u"))
    expect(page.locator(".notice")).to_contain_text("Undone")
    expect(page.locator(".count")).to_contain_text("0 answered")
    answered(page, lambda: page.click("[data-choice=right]"))
    answered(page, lambda: page.click("[data-choice=skip]"))
    answered(page, lambda: page.keyboard.press("z"))
    answered(page, lambda: page.keyboard.press("s"))
    assert [v.winner for v in standing(files)] == ["right"]


def test_undo_with_nothing_to_undo_says_so(page: Page) -> None:
    answered(page, lambda: page.click("[data-choice=undo]"))
    expect(page.locator(".notice")).to_contain_text("There is no answer to undo.")


@pytest.mark.parametrize("size", [(1280, 800), (360, 740), (1920, 1080), (800, 400)])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_pictures_have_one_size_and_the_page_fits(
    browser: Browser, serve: Callable[[str], str], size: tuple[int, int], scheme: str
) -> None:
    width, height = size
    with browser.new_context(
        viewport={"width": width, "height": height}, color_scheme=scheme
    ) as context:
        page = context.new_page()
        page.goto(serve("s"))
        ready(page)
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
        assert (dark == "rgb(22, 23, 24)") is (scheme == "dark")


def test_no_answer_before_both_pictures_are_there(
    context: BrowserContext, serve: Callable[[str], str], files: Store
) -> None:
    page = context.new_page()
    held: list[Route] = []
    page.route("**/battle/*/right", lambda route: held.append(route))
    page.goto(serve("s"))
    page.wait_for_function("document.querySelector('.left img')?.complete")
    buttons = page.locator("[data-choice]")
    for i in range(6):
        expect(buttons.nth(i)).to_be_disabled()
    page.keyboard.press("ArrowLeft")
    page.locator("[data-choice=left]").click(force=True)
    assert standing(files) == []
    assert page.locator(".left img").evaluate("e => getComputedStyle(e).opacity") == "0"
    held[0].continue_()
    ready(page)
    for i in range(6):
        expect(buttons.nth(i)).to_be_enabled()
    page.unroute("**/battle/*/right")
    answered(page, lambda: page.keyboard.press("ArrowLeft"))
    assert len(standing(files)) == 1


def test_a_picture_that_does_not_load_can_be_skipped_only(
    context: BrowserContext, serve: Callable[[str], str], files: Store, larger: Run
) -> None:
    page = context.new_page()
    page.route("**/battle/*/left", lambda route: route.abort())
    page.goto(serve("s"))
    page.wait_for_selector(".stage.broken")
    expect(page.locator("[data-choice=left]")).to_be_disabled()
    expect(page.locator("[data-choice=skip]")).to_be_enabled()
    expect(page.locator(".left figcaption")).to_be_visible()
    before = token_of(page)
    page.unroute("**/battle/*/left")
    answered(page, lambda: page.keyboard.press("s"))
    assert token_of(page) != before
    assert standing(files) == []


def test_a_picture_can_be_enlarged_without_voting(page: Page, files: Store) -> None:
    page.click("[data-zoom=right]")
    lens = page.locator(".lens")
    expect(lens).to_be_visible()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Escape")
    expect(lens).to_be_hidden()
    assert standing(files) == []


def test_the_keys_are_shown_on_the_page(page: Page) -> None:
    shown = page.locator(".controls kbd").all_inner_texts()
    assert sorted(shown) == sorted(["←", "T", "B", "→", "U", "S"])
    for box in page.locator(".controls kbd").all():
        assert box.is_visible()


def test_text_is_shown_as_text(page: Page) -> None:
    assert "<i>" in page.inner_text("blockquote")
    assert page.locator("blockquote i").count() == 0


def test_the_end_says_thank_you_and_can_be_undone(
    context: BrowserContext, serve: Callable[[str], str], files: Store, larger: Run
) -> None:
    studies.load(files, larger, studies.describe("short", quota=2))
    page = context.new_page()
    page.goto(serve("short"))
    ready(page)
    answered(page, lambda: page.keyboard.press("t"))
    expect(page.locator(".count")).to_contain_text("1 of 2 answered")
    page.keyboard.press("t")
    expect(page.locator("h1")).to_have_text("That was all. Thank you!")
    expect(page.locator("[data-choice=left]")).to_be_hidden()
    page.keyboard.press("u")
    ready(page)
    expect(page.locator(".count")).to_contain_text("1 of 2 answered")


def test_names_are_revealed_only_after_the_vote(
    context: BrowserContext, serve: Callable[[str], str], files: Store, larger: Run
) -> None:
    studies.load(files, larger, studies.describe("open", reveal=True))
    page = context.new_page()
    page.goto(serve("open"))
    ready(page)
    assert not any(model in page.content() for model in MODELS)
    answered(page, lambda: page.keyboard.press("t"))
    notice = page.inner_text(".notice")
    assert sum(model in notice for model in MODELS) == 2
