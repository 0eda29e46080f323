"""The whole way of a rater in a browser: by mouse, by keys, by fingers, in every language."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, expect

from arena import identity, studies
from arena.languages import Language
from arena.protocol import Protocol
from arena.store import Store
from tests.arena.conftest import MODELS, make_run
from tests.arena.visitor import Visitor, served

pytestmark = [pytest.mark.browser, pytest.mark.slow]

LANGUAGES = ("en", "ko", "ja")
PHONE = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}
KEYS = {"left": "ArrowLeft", "right": "ArrowRight", "tie": "t", "both_bad": "b"} | {
    "skip": "s",
    "undo": "u",
}


def in_each(text: str) -> dict[str, str]:
    return {tag: f"**{text}** {tag} <script>alert(1)</script>" for tag in LANGUAGES}


def example(use: str) -> dict[str, object]:
    better, worse = ({"model": m, "prompt": "00000", "seed": 0} for m in MODELS[:2])
    return {
        "use": use,
        "criterion": "alignment",
        "better": better,
        "worse": worse,
        "why": {tag: f"because {tag}" for tag in LANGUAGES},
    }


RULES = {
    "languages": LANGUAGES,
    "raters": {"quota": 5, "break_after": 3, "minimum_seconds": 0.1},
    "consent": in_each("consent"),
    "instructions": in_each("instructions"),
    "examples": [example("example"), example("training")],
    "training": {"attempts": 99},
    "panel": {"kind": "prolific", "done": {"code": "C0DE"}},
}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    folder: Path = tmp_path_factory.mktemp("path")
    run = make_run(folder / "runs" / "r", prompts=8, size=(96, 64))
    store = Store.open(str(folder / "arena.sqlite"), create=True, durable=False)
    question, hint = studies.usual_words("alignment", LANGUAGES) or ("", "")
    asked = {"id": "alignment", "question": question, "hint": hint}
    rules = Protocol.model_validate(RULES | {"criteria": [asked]})
    studies.load(store, run, studies.plan("path", rules, seed=7))
    yield store
    store.close()


@pytest.fixture(scope="module")
def address(files: Store) -> Iterator[str]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(identity.VARIABLE, "s" * 64)
        with served(files, "path") as found:
            yield found


class Hand:
    """How a rater answers."""

    def __init__(self, visitor: Visitor) -> None:
        self.visitor, self.page = visitor, visitor.page

    def press(self, choice: str) -> None:
        self.page.click(f"[data-choice={choice}]")

    def look(self) -> None:
        """See both pictures."""

    def report(self) -> None:
        self.page.click("[data-tool=report]")
        self.page.check("input[value=offensive]")
        self.page.fill("textarea", "a note")
        self.page.click("button[value=send]")


class Keys(Hand):
    """Nothing but a keyboard."""

    def press(self, choice: str) -> None:
        if choice in KEYS:
            self.page.keyboard.press(KEYS[choice])
        elif choice == "continue":
            self.page.keyboard.press("Enter")
        else:
            self.tab_to(f"[data-choice={choice}]")
            self.page.keyboard.press("Enter")

    def tab_to(self, selector: str) -> None:
        for _ in range(12):
            self.page.keyboard.press("Tab")
            if self.page.evaluate("s => document.activeElement.matches(s)", selector):
                return
        raise AssertionError(f"no way by Tab to {selector}")

    def report(self) -> None:
        keyboard = self.page.keyboard
        keyboard.press("r")
        expect(self.page.locator("input[value=broken]")).to_be_focused()
        keyboard.press("Escape")
        expect(self.page.locator("dialog")).to_be_hidden()
        keyboard.press("r")
        for _ in range(8):  # the focus stays inside
            keyboard.press("Tab")
            found = self.page.evaluate(
                "document.activeElement.closest('dialog') || document.activeElement.tagName"
            )
            assert found not in ("BUTTON", "SELECT", "A", "BLOCKQUOTE"), "behind the dialog"
        self.page.locator("input[value=broken]").focus()
        keyboard.press("ArrowDown")
        keyboard.press("Tab")
        keyboard.type("a note")
        self.tab_to("button[value=send]")
        keyboard.press("Enter")


class Fingers(Hand):
    """A phone."""

    def press(self, choice: str) -> None:
        self.page.tap(f"[data-choice={choice}]")

    def look(self) -> None:
        self.page.tap("[data-show=right]")

    def report(self) -> None:
        self.page.tap("[data-tool=report]")
        self.page.tap("label:has(input[value=offensive])")
        self.page.fill("textarea", "a note")
        self.page.tap("button[value=send]")


@pytest.mark.parametrize("tag", LANGUAGES)
@pytest.mark.parametrize(
    ("kind", "how"), [(Hand, {}), (Keys, {"color_scheme": "dark"}), (Fingers, PHONE)]
)
def test_from_the_link_to_the_code(
    browser: Browser, address: str, files: Store, kind: type[Hand], how: dict[str, object], tag: str
) -> None:
    visitor = Visitor(browser, address, files, "path", locale=tag, **how)
    hand, page, language = kind(visitor), visitor.page, Language(tag)
    audited: list[str] = []

    def heading(message: str) -> None:
        expect(page.locator("h1")).to_have_text(language.gettext(message))
        audit(message)

    def audit(where: str) -> None:
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), where
        if kind is Keys:  # dark, where contrast is harder
            return
        found = Axe().run(page)
        assert found.violations_count == 0, f"{where}: {found.generate_report()}"
        audited.append(where)

    def turn(choice: str, then: str = ".stage") -> None:
        _turn(visitor, lambda: hand.press(choice), then)

    def vote(choice: str, then: str = ".stage.ready[data-token]") -> None:
        hand.look()
        page.wait_for_selector(".stage.awake")
        turn(choice, then)

    page.goto(f"{address}?PROLIFIC_PID={kind.__name__}{tag}&STUDY_ID=y&SESSION_ID={tag}")
    heading("Before you begin")
    assert page.evaluate("document.documentElement.lang") == tag
    expect(page.locator(".prose")).to_contain_text(f"consent {tag} <script>")
    turn("consent")
    heading("What you are asked to do")
    turn("start", ".stage.ready[data-token]")
    audit("training")
    vote("left", ".stage.ready:not([data-token])")
    expect(page.locator(".feedback")).to_contain_text(f"because {tag}")
    assert page.locator(".left img").evaluate("e => e.naturalWidth") > 0
    assert page.evaluate("getComputedStyle(document.querySelector('.pair img')).opacity") != "0"
    audit("feedback")
    turn("continue")
    _pass_training(visitor, turn, vote)
    audit("battle")
    vote("left")
    vote("tie")
    turn("undo", ".stage.ready[data-token]")
    expect(page.locator(".notice")).to_have_text(
        language.gettext("Undone. Please answer this one again.")
    )
    vote("tie")
    turn("skip", ".stage.ready[data-token]")
    if kind is Hand:
        page.click("[data-tool=report]")
        audit("report")
        page.click(".report button[value='']")
    _turn(visitor, hand.report, ".stage.ready[data-token]")
    expect(page.locator(".notice")).to_have_text(language.gettext("Reported. Thank you."))
    vote("both_bad", ".stage.end")
    heading("Time for a pause")
    turn("continue", ".stage.ready[data-token]")
    vote("right")
    vote("left", ".stage.end")
    heading("That was all. Thank you!")
    expect(page.locator(".code")).to_have_text("C0DE")
    assert "cc=C0DE" in str(page.get_attribute(".actions a", "href"))
    assert visitor.problems == []
    assert (kind is Keys) or len(audited) >= 7
    _check_facts(files, tag)
    visitor.context.close()


def _turn(visitor: Visitor, act: Callable[[], object], then: str) -> None:
    turn = visitor.page.get_attribute(".stage", "data-turn")
    act()
    visitor.page.wait_for_selector(f'{then}:not([data-turn="{turn}"])')


def _pass_training(visitor: Visitor, turn: Callable[..., None], vote: Callable[..., None]) -> None:
    """Answer the training item until chance has put the better picture on the left."""
    while True:
        visitor.page.wait_for_selector(".stage.ready[data-token]")
        if visitor.page.locator("[data-choice=skip]").count():
            return
        vote("left", ".stage.ready:not([data-token])")
        turn("continue")


def _check_facts(files: Store, tag: str) -> None:
    with files.reading() as facts:
        key, _ = facts.study("path")
        spoken = [v.language for v in facts.votes(key, checks=True)][-5:]
        (*_, report) = facts.events(key, "report")
    assert spoken == [tag] * 5
    assert report.detail == {"side": "both", "reason": "offensive", "note": "a note"}
