"""The admin view over HTTP: nobody without the secret, nothing without the form."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from arena import rehearsal, studies
from arena.battles import Arena
from arena.keeper import VARIABLE
from arena.limits import Limits
from arena.store import Store
from evalkit.errors import StudyError
from evalkit.runs import Run
from tests.arena.conftest import MODELS, built
from tests.arena.test_battles import token

SECRET = "the keeper's secret of a test"


@pytest.fixture
def files(tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    monkeypatch.setenv(VARIABLE, SECRET)
    store = Store.open(str(tmp_path / "arena.sqlite"), create=True, durable=False)
    studies.load(store, run, studies.describe("s", seed=7))
    yield store
    store.close()


@pytest.fixture
def stranger(files: Store) -> Iterator[TestClient]:
    with TestClient(built(files, "s"), base_url="http://localhost") as visitor:
        yield visitor


@pytest.fixture
def keeper(stranger: TestClient) -> TestClient:
    entered = stranger.post("/admin/enter", data={"secret": SECRET})
    assert entered.status_code == 200
    assert entered.url.path == "/admin"
    return stranger


def form_in(html: str) -> str:
    found = re.search(r'name="form" value="(\w+)"', html)
    assert found is not None
    return found[1]


def test_without_a_secret_there_is_no_admin_view(
    files: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(VARIABLE)
    with TestClient(built(files, "s"), base_url="http://localhost") as visitor:
        for path in ("/admin", "/admin/", "/admin/picture/x", "/metrics"):
            assert visitor.get(path, follow_redirects=False).status_code == 404
        assert visitor.post("/admin/enter", data={"secret": ""}).status_code == 404


def test_a_short_secret_stops_the_server(files: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "short")
    with pytest.raises(StudyError, match="ARENA_ADMIN has 5 characters"):
        built(files, "s")


def test_a_stranger_is_asked_for_the_secret_and_told_nothing(stranger: TestClient) -> None:
    shown = stranger.get("/admin")
    assert shown.status_code == 401
    assert not any(model in shown.text for model in MODELS)
    for path in ("leave", "study"):
        assert stranger.post(f"/admin/{path}", data={"do": "close"}).status_code == 403


def test_the_cookie_is_the_keepers_alone(stranger: TestClient) -> None:
    wrong = stranger.post("/admin/enter", data={"secret": SECRET[:-1]})
    assert wrong.status_code == 403
    assert "set-cookie" not in wrong.headers
    right = stranger.post("/admin/enter", data={"secret": SECRET}, follow_redirects=False)
    assert right.status_code == 303
    cookie = right.headers["set-cookie"]
    assert cookie.startswith("keeper=")
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert "Path" not in cookie, "it goes to /admin alone"
    assert SECRET not in cookie


def test_over_https_the_cookie_is_secure(files: Store) -> None:
    with TestClient(built(files, "s"), base_url="https://localhost") as visitor:
        right = visitor.post("/admin/enter", data={"secret": SECRET}, follow_redirects=False)
        assert "Secure" in right.headers["set-cookie"]


def test_wrong_secrets_are_limited_and_then_the_right_one_waits_too(stranger: TestClient) -> None:
    tries = int(Limits().keeper.burst)
    for _ in range(tries):
        assert stranger.post("/admin/enter", data={"secret": "?"}).status_code == 403
    late = stranger.post("/admin/enter", data={"secret": SECRET})
    assert late.status_code == 429
    assert int(late.headers["retry-after"]) > 0


def test_right_secrets_cost_nothing(stranger: TestClient) -> None:
    for _ in range(20):
        assert stranger.post("/admin/enter", data={"secret": SECRET}).status_code == 200


@pytest.mark.parametrize("said", [b"", b"secret", b"\xff\xfe=\xff", b"secret=%ff%00", b"&&&=="])
def test_nonsense_is_a_wrong_secret(stranger: TestClient, said: bytes) -> None:
    assert stranger.post("/admin/enter", content=said).status_code == 403


def test_the_view_has_strict_headers_and_no_script(keeper: TestClient) -> None:
    shown = keeper.get("/admin")
    policy = shown.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src" not in policy
    assert "<script" not in shown.text
    assert shown.headers["cache-control"] == "no-store"
    assert shown.headers["x-frame-options"] == "DENY"


def test_the_view_shows_models_and_escapes_what_raters_wrote(
    keeper: TestClient, files: Store
) -> None:
    arena = Arena(files, "s")
    rater = arena.enter("r" * 20)
    battle = arena.open(rater)
    assert battle is not None
    arena.report(token(battle), rater, "right", "other", "<script>alert(1)</script>")
    shown = keeper.get("/admin").text
    assert all(model in shown for model in MODELS)
    assert "<script" not in shown
    assert "&lt;script&gt;" in shown
    for image in (battle.left.image, battle.right.image):
        assert f"admin/picture/{image}" in shown
        sent = keeper.get(f"/admin/picture/{image}")
        assert sent.headers["content-type"] == "image/jpeg"


def test_pictures_are_for_the_keeper_and_of_the_study(
    stranger: TestClient, files: Store, run: Run
) -> None:
    image = next(g.image for g in run.generations() if g.image)
    assert stranger.get(f"/admin/picture/{image}").status_code == 404
    stranger.post("/admin/enter", data={"secret": SECRET})
    assert stranger.get(f"/admin/picture/{image}").status_code == 200
    for other in ("0" * 64, "..%2F..%2Fetc%2Fpasswd", "x"):
        assert stranger.get(f"/admin/picture/{other}").status_code == 404
    run.images.path(image).unlink()
    assert stranger.get(f"/admin/picture/{image}").status_code == 410


def test_the_study_is_closed_and_opened_by_the_form_alone(keeper: TestClient, files: Store) -> None:
    def closed() -> bool:
        return '<span class="state shut">closed' in keeper.get("/admin").text

    form = form_in(keeper.get("/admin").text)
    assert keeper.get("/admin/study?do=close").status_code == 405
    for wrong in ({"do": "close"}, {"do": "close", "form": "0" * 64}):
        assert keeper.post("/admin/study", data=wrong).status_code == 403
    foreign = {"sec-fetch-site": "cross-site"}
    said = {"do": "close", "form": form}
    assert keeper.post("/admin/study", data=said, headers=foreign).status_code == 403
    assert keeper.post("/admin/study", data={"do": "drop", "form": form}).status_code == 400
    assert not closed()
    assert keeper.post("/admin/study", data=said).status_code == 200
    assert closed()
    keeper.get("/")
    assert "This study is closed" in keeper.get("/stage").text
    keeper.post("/admin/study", data={"do": "reopen", "form": form})
    assert not closed()


def test_leaving_ends_the_session_here(keeper: TestClient) -> None:
    form = form_in(keeper.get("/admin").text)
    assert keeper.post("/admin/leave", data={"form": form}).status_code == 401
    assert keeper.get("/admin").status_code == 401


def test_a_rater_is_no_keeper_and_a_keeper_no_rater(keeper: TestClient, files: Store) -> None:
    keeper.get("/admin")
    with files.reading() as facts:
        assert facts.survey.raters(facts.study("s")[0]) == []
    keeper.cookies.set("keeper", keeper.cookies.get("keeper", default="") + "0", path="/admin")
    assert keeper.post("/admin/study", data={"do": "close"}).status_code == 403


def test_the_page_is_as_blind_with_an_admin_view(files: Store) -> None:
    found = rehearsal.audit(files, "s", battles=20)
    assert not found.leaks
