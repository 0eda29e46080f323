"""Take the README's two pictures from the demo's results: ``make screenshots``."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

IMAGES = Path(__file__).parent / "images"
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


def leaderboard(page: Page, report: Path) -> None:
    """Picture the top of the leaderboard page."""
    page.set_viewport_size({"width": 1280, "height": 1080})
    page.goto(report.resolve().as_uri())
    page.screenshot(path=IMAGES / "leaderboard.png")


def arena(page: Page, database: str, study: str) -> None:
    """Picture the arena's page as a rater sees it."""
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
        page.set_viewport_size({"width": 1280, "height": 1080})
        page.goto(f"http://127.0.0.1:{port}/", wait_until="networkidle")
        page.wait_for_function(
            "[...document.images].length > 1 && [...document.images].every(i => i.complete)"
        )
        page.wait_for_timeout(1500)  # the buttons wake after a moment
        page.screenshot(path=IMAGES / "arena.png")
    finally:
        process.terminate()
        process.wait(timeout=20)


def main(report: str, database: str, study: str) -> None:
    """Take both pictures."""
    chromium = shutil.which("chromium") or sys.exit("chromium is not installed")
    IMAGES.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        page = browser.new_page()
        leaderboard(page, Path(report))
        arena(page, database, study)
        browser.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
