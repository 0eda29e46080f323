"""Take the pictures of README.md and docs/rater.md of both studies: make screenshots."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

HERE = Path(__file__).parent
IMAGES, STUDY = HERE / "images", HERE / "rater.toml"
WAYS = (
    ("en", "light", 1280, 800, ("instructions", "battle")),
    ("ko", "light", 360, 740, ("consent", "feedback", "battle", "report")),
    ("ja", "dark", 1280, 800, ("battle", "report")),
)
FLAGS = [
    "--no-sandbox",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    """Return once the server answers; end if it has died."""
    for _ in range(240):
        if process.poll() is not None:
            sys.exit(f"the arena ended with code {process.returncode}")
        try:
            urllib.request.urlopen(url, timeout=2).close()  # noqa: S310 - our own server
        except (urllib.error.URLError, OSError):
            time.sleep(0.25)
        else:
            return
    sys.exit(f"nothing answers at {url}")


def leaderboard(page: Page, report: Path, name: str) -> None:
    """Picture the top of a leaderboard page."""
    page.set_viewport_size({"width": 1280, "height": 1080})
    page.goto((report / "leaderboard.html").resolve().as_uri())
    page.screenshot(path=IMAGES / f"{name}.png")


def evidence(page: Page, name: str) -> None:
    """Picture what stands behind the ratings of the page that is open."""
    page.locator("section:visible", has=page.get_by_text("How sure is this?")).screenshot(
        path=IMAGES / f"{name}.png"
    )


@contextmanager
def served(database: str, study: str) -> Iterator[str]:
    """Serve a study, as its holder would."""
    port = free_port()
    command = [
        "-m",
        "arena.cli",
        "serve",
        "--database",
        database,
        "--study",
        study,
        "--port",
        str(port),
    ]
    process = subprocess.Popen([sys.executable, *command])  # noqa: S603 - ourselves
    try:
        wait_for(f"http://127.0.0.1:{port}/", process)
        yield f"http://127.0.0.1:{port}/"
    finally:
        process.terminate()
        process.wait(timeout=20)


def arena(page: Page, database: str, study: str) -> None:
    """Picture the arena's page as a rater sees it."""
    with served(database, study) as address:
        page.set_viewport_size({"width": 1280, "height": 1080})
        page.goto(address)
        page.wait_for_selector(".stage.awake")
        page.wait_for_timeout(400)  # the pictures fade in
        page.screenshot(path=IMAGES / "arena.png")


def rater(browser: Browser, run: str) -> None:
    """Picture a rater's way in three languages."""
    with tempfile.TemporaryDirectory() as folder:
        database = f"{folder}/study.sqlite"
        load = ["load", "--database", database, "--study", str(STUDY), "--run", run]
        subprocess.run([sys.executable, "-m", "arena.cli", *load], check=True)  # noqa: S603
        with served(database, "tongues") as address:
            for language, scheme, width, height, names in WAYS:
                size = {"width": width, "height": height}
                page = browser.new_page(locale=language, color_scheme=scheme, viewport=size)
                page.goto(address)
                _walk(page, language, names)
                page.close()


def _walk(page: Page, language: str, names: Sequence[str]) -> None:
    """Go from the consent to the first battle, and picture what is on the way."""

    def picture(name: str) -> None:
        page.mouse.move(0, 0)
        page.wait_for_timeout(400)  # what fades, faded
        if name in names:
            page.screenshot(path=IMAGES / f"rater-{language}-{name}.png")

    for name, button in (("consent", "consent"), ("instructions", "start")):
        page.wait_for_selector(f"[data-choice={button}]")
        page.wait_for_function("[...document.images].every(i => i.complete)")
        picture(name)
        page.click(f"[data-choice={button}]")
    while _see(page) and not page.locator("[data-choice=skip]").count():
        page.click("[data-choice=left]")
        page.wait_for_selector("[data-choice=continue]")
        picture("feedback")
        page.click("[data-choice=continue]")
    picture("battle")
    page.click("[data-tool=report]")
    picture("report")


def _see(page: Page) -> bool:
    page.wait_for_selector(".stage.ready[data-token]")
    for side in ("right", "left"):
        if page.locator(".tabs").is_visible():
            page.click(f"[data-show={side}]")
    page.wait_for_selector(".stage.awake")
    return True


def main(demo: str, rehearsal: str, database: str, study: str, run: str) -> None:
    """Take all pictures."""
    chromium = shutil.which("chromium") or sys.exit("chromium is not installed")
    IMAGES.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        page = browser.new_page()
        leaderboard(page, Path(demo), "leaderboard")
        leaderboard(page, Path(rehearsal), "rehearsal")
        evidence(page, "evidence")
        arena(page, database, study)
        rater(browser, run)
        browser.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
