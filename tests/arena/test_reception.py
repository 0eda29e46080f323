"""Raters whom a panel sends, through HTTP: known on every device, paid once, and never by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient
from starlette.types import ASGIApp

from arena import studies, tables
from arena.battles import Arena
from arena.identity import VARIABLE, Keyring
from arena.protocol import Protocol
from arena.store import Store
from evalkit.errors import StudyError
from evalkit.runs import Run
from tests.arena.conftest import built
from tests.arena.test_app import token_in
from tests.arena.test_battles import rows

SECRET = "0123456789abcdef0123456789abcdef"
PID = "5f0c1d2e3a4b5c6d7e8f9012"
ASKED = {"id": "quality", "question": "Which is better made?"}
CODES = {"done": {"code": "DONE1"}, "declined": {"code": "NO1"}, "full": {"code": "FULL1"}}
PROLIFIC = {"kind": "prolific"} | CODES
MTURK = {"kind": "mturk"} | CODES
LINK = f"/?PROLIFIC_PID={PID}&STUDY_ID=st&SESSION_ID="
TASK = "/?workerId=A1&hitId=H&turkSubmitTo=https%3A%2F%2Fworkersandbox.mturk.com&assignmentId="

Hold = Callable[..., ASGIApp]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(str(tmp_path / "arena.sqlite"), create=True, durable=False)
    yield opened
    opened.close()


@pytest.fixture
def hold(store: Store, run: Run, monkeypatch: pytest.MonkeyPatch) -> Hold:
    monkeypatch.setenv(VARIABLE, SECRET)

    def held(panel: dict[str, Any], quota: int = 2, **rules: Any) -> ASGIApp:
        whole = {"criteria": [ASKED], "panel": panel, "raters": {"quota": quota}} | rules
        studies.load(store, run, studies.plan("s", Protocol.model_validate(whole), seed=1))
        return built(store, "s")

    return held


def browser(web: ASGIApp, link: str | None = None, scheme: str = "https") -> TestClient:
    client = TestClient(web, base_url=f"{scheme}://localhost")
    if link is not None:
        assert client.get(link).status_code == 200
    return client


def answer_all(client: TestClient, count: int = 2) -> str:
    stage = client.get("/stage").text
    for _ in range(count):
        stage = client.post("/answer", json={"choice": "left", "token": token_in(stage)}).text
    return stage


def everything(store: Store) -> str:
    with store._engine.connect() as connection:
        return repr([connection.execute(sa.select(t)).all() for t in tables.METADATA.sorted_tables])


def test_a_panel_s_study_is_not_served_without_a_secret(
    hold: Hold, monkeypatch: pytest.MonkeyPatch, store: Store
) -> None:
    hold(PROLIFIC)
    monkeypatch.delenv(VARIABLE)
    with pytest.raises(StudyError, match=VARIABLE):
        built(store, "s")
    monkeypatch.setenv(VARIABLE, "another secret of thirty-two letters")
    with pytest.raises(StudyError, match="another secret"):
        built(store, "s")


def test_a_link_leaves_the_address_and_a_signed_cookie_stays(hold: Hold) -> None:
    client = browser(hold(PROLIFIC))
    sent = client.get(LINK + "a&lang=ko", follow_redirects=False)
    assert (sent.status_code, sent.headers["location"]) == (303, "./?lang=ko")
    assert sent.headers["cache-control"] == "no-store"
    kept = sent.headers["set-cookie"]
    assert "HttpOnly" in kept
    assert "Secure" in kept
    assert "SameSite=Lax" in kept
    assert PID not in kept
    assert "rater=" not in kept
    assert "data-token" in client.get("/stage").text


def test_nothing_that_names_a_person_reaches_the_database(
    hold: Hold, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    client = browser(hold(PROLIFIC), LINK + "session-9")
    answer_all(client)
    known = everything(store) + caplog.text
    for name in (PID, "session-9"):
        assert name not in known
    with store.snapshot() as facts:
        told = repr({t: list(r) for t, r in facts.dump(facts.study("s")[0]).items()})
    for secret in (PID, "session-9", Keyring(SECRET, "s").person(PID), "visit'"):
        assert secret not in told.replace("'visit': 1", "")


def test_a_person_goes_on_where_they_were_on_another_device(hold: Hold, store: Store) -> None:
    web = hold(PROLIFIC, quota=4)
    first, second = browser(web, LINK + "a"), browser(web, LINK + "a")
    assert token_in(first.get("/stage").text) == token_in(second.get("/stage").text)
    answer_all(first, 2)
    assert "2 of 4" in second.get("/stage").text
    assert rows(store, tables.rater) == 1


def test_two_people_in_one_browser_are_two_raters(hold: Hold, store: Store) -> None:
    client = browser(hold(PROLIFIC), LINK + "a")
    one = token_in(client.get("/stage").text)
    client.get(LINK.replace(PID, "another") + "b")
    assert token_in(client.get("/stage").text) != one
    assert "another rater" in client.post("/answer", json={"choice": "left", "token": one}).text
    assert rows(store, tables.rater) == 2


def test_strangers_are_shown_nothing_and_make_no_rater(hold: Hold, store: Store) -> None:
    client = browser(hold(PROLIFIC))
    assert "set-cookie" not in client.get("/").headers
    for forged in (None, "x" * 43, "e30." + "A" * 43, Keyring(SECRET, "t").seal("{}")):
        client.cookies.clear()
        if forged:
            client.cookies.set("visit", forged)
            client.cookies.set("rater", "y" * 43)
        stage = client.get("/stage").text
        assert "panel" in stage
        assert "data-token" not in stage
        said = {"choice": "consent", "token": ""}
        assert "data-token" not in client.post("/answer", json=said).text
    assert rows(store, tables.rater) == 0


@pytest.mark.parametrize(
    "link",
    [
        "/?PROLIFIC_PID=&SESSION_ID=a",
        "/?PROLIFIC_PID=a",
        "/?SESSION_ID=a",
        "/?STUDY_ID=a",
        "/?PROLIFIC_PID=a&PROLIFIC_PID=b&SESSION_ID=c",
        "/?PROLIFIC_PID=%7B%7B%25PROLIFIC_PID%25%7D%7D&SESSION_ID=a",
        "/?PROLIFIC_PID=%3Cscript%3E&SESSION_ID=a",
        "/?PROLIFIC_PID=%00%ff&SESSION_ID=a",
    ],
)
def test_a_link_that_names_nobody_is_turned_away(hold: Hold, store: Store, link: str) -> None:
    sent = browser(hold(PROLIFIC)).get(link)
    assert sent.status_code == 400
    assert "does not say who you are" in sent.text
    assert "<script>" not in sent.text
    assert "set-cookie" not in sent.headers
    assert rows(store, tables.rater) == 0


def test_the_code_comes_with_the_last_answer_and_not_before(hold: Hold) -> None:
    client = browser(hold(PROLIFIC), LINK + "a")
    seen = [client.get("/stage").text]
    for _ in range(2):
        assert "DONE1" not in seen[-1]
        said = {"choice": "left", "token": token_in(seen[-1])}
        seen.append(client.post("/answer", json=said).text)
    assert "https://app.prolific.com/submissions/complete?cc=DONE1" in seen[-1]
    assert "DONE1" in client.get("/stage").text, "a reload shows it again"


def test_what_was_paid_for_is_not_undone(hold: Hold, store: Store) -> None:
    client = browser(hold(PROLIFIC), LINK + "a")
    end = answer_all(client)
    assert 'data-undo="no"' in end
    client.post("/answer", json={"choice": "undo", "token": ""})
    assert len(studies.standing_votes(store, "s")) == 2


def test_a_second_submission_is_not_paid_for_the_first_one_s_work(hold: Hold) -> None:
    web = hold(PROLIFIC)
    assert "DONE1" in answer_all(browser(web, LINK + "first"))
    again = browser(web, LINK + "second").get("/stage").text
    assert "taken part before" in again
    assert "DONE1" not in again
    assert "DONE1" in browser(web, LINK + "first").get("/stage").text


def test_a_submission_that_was_returned_leaves_its_share_to_the_next(hold: Hold) -> None:
    web = hold(PROLIFIC)
    answer_all(browser(web, LINK + "first"), 1)
    assert "DONE1" in answer_all(browser(web, LINK + "second"), 1)
    assert "DONE1" not in browser(web, LINK + "first").get("/stage").text


def test_who_declines_or_comes_too_late_gets_a_way_out_of_its_own(hold: Hold, store: Store) -> None:
    web = hold(PROLIFIC, consent="You may stop.")
    client = browser(web, LINK + "a")
    assert "NO1" not in client.get("/stage").text
    assert "cc=NO1" in client.post("/answer", json={"choice": "decline"}).text
    Arena(store, "s").close()
    late = browser(web, LINK.replace(PID, "late") + "b").get("/stage").text
    assert "cc=FULL1" in late
    assert "DONE1" not in late


def test_a_study_that_is_full_says_so_with_its_own_code(hold: Hold, store: Store) -> None:
    web = hold(PROLIFIC, quota=50, draws={"votes_per_pair": 1})
    assert "DONE1" in answer_all(browser(web, LINK + "a"), 12)
    late = browser(web, LINK.replace(PID, "late") + "b").get("/stage").text
    assert "all the answers it needs" in late
    assert "cc=FULL1" in late


def test_a_preview_can_look_and_nothing_else(hold: Hold, store: Store) -> None:
    client = browser(hold(MTURK, instructions="Look **closely**."))
    sent = client.get(TASK + "ASSIGNMENT_ID_NOT_AVAILABLE", follow_redirects=False)
    assert sent.status_code == 200
    assert "<strong>closely</strong>" in sent.text
    assert "set-cookie" not in sent.headers
    for choice in ("consent", "start", "left", "skip", "undo"):
        stage = client.post("/answer", json={"choice": choice, "token": "x"}).text
        assert "data-token" not in stage
    assert rows(store, tables.rater) == rows(store, tables.battle) == rows(store, tables.vote) == 0


def test_mechanical_turk_frames_the_page_and_takes_the_work_back(hold: Hold) -> None:
    client = browser(hold(MTURK))
    sent = client.get(TASK + "3ABC", follow_redirects=False)
    assert "SameSite=None; Partitioned; Secure" in sent.headers["set-cookie"]
    policy = sent.headers["content-security-policy"]
    assert "frame-ancestors https://*.mturk.com" in policy
    assert "form-action 'self' https://*.mturk.com" in policy
    assert "x-frame-options" not in sent.headers
    end = answer_all(client)
    assert 'action="https://workersandbox.mturk.com/mturk/externalSubmit"' in end
    assert 'name="assignmentId" value="3ABC"' in end
    assert 'name="code" value="DONE1"' in end
    second = client.get(TASK + "3DEF")
    assert second.status_code == 200
    assert "externalSubmit" not in client.get("/stage").text


def test_other_panels_are_shown_in_no_frame(hold: Hold) -> None:
    headers = browser(hold(PROLIFIC)).get("/").headers
    assert headers["x-frame-options"] == "DENY"
    assert "frame-ancestors 'none'" in headers["content-security-policy"]


def test_pictures_are_sent_to_the_person_they_were_opened_for(hold: Hold) -> None:
    web = hold(PROLIFIC)
    client = browser(web, LINK + "a")
    name = token_in(client.get("/stage").text)
    assert client.get(f"/battle/{name}/left").status_code == 200
    for other in (browser(web), browser(web, LINK.replace(PID, "other") + "b")):
        assert other.get(f"/battle/{name}/left").status_code == 404
