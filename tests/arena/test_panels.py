"""Links of panels, read and forged, and the way back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arena import panels
from arena.identity import Keyring
from arena.panels import PREVIEW, Arrival, Visit
from arena.protocol import Panel
from arena.records import Completion
from arena.refusals import Reason, Refusal

RING = Keyring("0123456789abcdef0123456789abcdef", "s")
PID = "5f0c1d2e3a4b5c6d7e8f9012"

PROLIFIC = Panel.model_validate({"kind": "prolific", "done": {"code": "C1"}})
MTURK = Panel.model_validate({"kind": "mturk"})
TEMPLATE = "https://panel.example/end?c={code}&w={worker_id}&s={session_id}"
GENERIC = Panel.model_validate(
    {"kind": "generic", "rater": "pid", "session": "sid", "done": {"code": "C", "url": TEMPLATE}}
)
ONE_NAME = Panel.model_validate({"kind": "generic", "rater": "pid", "done": {"code": "C"}})

PROLIFIC_LINK = [("PROLIFIC_PID", PID), ("STUDY_ID", "st"), ("SESSION_ID", "se")]
MTURK_LINK = [
    ("assignmentId", "3ABC"),
    ("hitId", "3H"),
    ("workerId", "A1B2"),
    ("turkSubmitTo", "https://www.mturk.com"),
]


def changed(link: list[tuple[str, str]], **values: str | None) -> list[tuple[str, str]]:
    kept = [(name, value) for name, value in link if name not in values]
    return kept + [(name, value) for name, value in values.items() if value is not None]


def test_links_name_rater_and_session() -> None:
    assert panels.read(PROLIFIC, PROLIFIC_LINK) == Arrival(PID, "se")
    assert panels.read(MTURK, MTURK_LINK) == Arrival("A1B2", "3ABC", "https://www.mturk.com")
    assert panels.read(GENERIC, [("sid", "9"), ("pid", "me@x.org")]) == Arrival("me@x.org", "9")
    assert panels.read(ONE_NAME, [("pid", "7"), ("utm", "ad")]) == Arrival("7")


FORGED = [
    (PROLIFIC, changed(PROLIFIC_LINK, PROLIFIC_PID=None), "PROLIFIC_PID is missing"),
    (PROLIFIC, changed(PROLIFIC_LINK, PROLIFIC_PID=""), "PROLIFIC_PID is missing"),
    (PROLIFIC, changed(PROLIFIC_LINK, SESSION_ID=None), "SESSION_ID is missing"),
    (PROLIFIC, changed(PROLIFIC_LINK, PROLIFIC_PID="{{%PROLIFIC_PID%}}"), "placeholder"),
    (PROLIFIC, changed(PROLIFIC_LINK, PROLIFIC_PID="x" * 129), "no number"),
    (PROLIFIC, changed(PROLIFIC_LINK, PROLIFIC_PID="a\nb"), "no number"),
    (PROLIFIC, changed(PROLIFIC_LINK, PROLIFIC_PID="<script>"), "no number"),
    (PROLIFIC, changed(PROLIFIC_LINK, PROLIFIC_PID="٣"), "no number"),
    (PROLIFIC, [*PROLIFIC_LINK, ("PROLIFIC_PID", "other")], "there 2 times"),
    (MTURK, changed(MTURK_LINK, workerId=None), "workerId is missing"),
    (MTURK, changed(MTURK_LINK, turkSubmitTo=None), "turkSubmitTo is no address"),
    *(
        (MTURK, changed(MTURK_LINK, turkSubmitTo=address), "turkSubmitTo is no address")
        for address in (
            "http://www.mturk.com",
            "https://evil.example",
            "https://www.mturk.com.evil.example",
            "https://www.mturk.com@evil.example",
            "https://evil.example/https://www.mturk.com",
            "https://www.mturk.com:444",
            "https://www.mturk.com/elsewhere",
            "https://www.mturk.com?x",
            "https://www.mturk.com:port",
            "javascript:alert(1)",
            "//www.mturk.com",
        )
    ),
]


@pytest.mark.parametrize(("panel", "link", "words"), FORGED)
def test_a_forged_link_is_refused_without_naming_anybody(
    panel: Panel, link: list[tuple[str, str]], words: str
) -> None:
    with pytest.raises(Refusal, match=words) as caught:
        panels.read(panel, link)
    assert caught.value.reason is Reason.BAD_LINK
    assert PID not in str(caught.value)


def test_a_preview_is_known_by_its_assignment_whatever_else_the_link_says() -> None:
    assert panels.is_preview(MTURK, [("assignmentId", PREVIEW), ("hitId", "3H")])
    assert panels.is_preview(MTURK, changed(MTURK_LINK, assignmentId=PREVIEW))
    assert panels.is_preview(MTURK, [*MTURK_LINK, ("assignmentId", PREVIEW)])
    assert not panels.is_preview(MTURK, MTURK_LINK)
    assert not panels.is_preview(PROLIFIC, [("SESSION_ID", PREVIEW)])


def test_only_what_the_way_back_needs_is_kept() -> None:
    kept = panels.visit(RING, PROLIFIC, panels.read(PROLIFIC, PROLIFIC_LINK))
    assert kept.fills == {}
    assert PID not in kept.model_dump_json()
    assert kept.person == RING.person(PID)
    assert panels.visit(RING, MTURK, panels.read(MTURK, MTURK_LINK)).fills == {"session_id": "3ABC"}
    link = [("pid", "w 1"[0]), ("sid", "9")]
    fills = panels.visit(RING, GENERIC, panels.read(GENERIC, link)).fills
    assert fills == {"worker_id": "w", "session_id": "9"}


def test_every_parameter_that_names_somebody_leaves_the_address() -> None:
    assert panels.parameters(PROLIFIC) == {"PROLIFIC_PID", "STUDY_ID", "SESSION_ID"}
    assert panels.parameters(MTURK) == {"workerId", "assignmentId", "hitId", "turkSubmitTo"}
    assert panels.parameters(ONE_NAME) == {"pid"}


def test_a_visit_is_read_only_as_it_was_sealed() -> None:
    kept = Visit(person="p", submission="q")
    sealed = panels.seal(RING, kept)
    assert panels.unseal(RING, sealed) == kept
    assert panels.unseal(RING, sealed + "x") is None
    assert panels.unseal(RING, "") is None
    assert panels.unseal(RING, RING.seal('{"person": 1}')) is None


def back(panel: Panel, end: Completion, link: list[tuple[str, str]]) -> Completion:
    return panels.send_back(panel, end, panels.visit(RING, panel, panels.read(panel, link)))


def test_the_ways_back() -> None:
    done = back(PROLIFIC, Completion(code="C1"), PROLIFIC_LINK)
    assert done.url == "https://app.prolific.com/submissions/complete?cc=C1"
    assert done.code == "C1"
    done = back(MTURK, Completion(code="M"), MTURK_LINK)
    assert done.url == "https://www.mturk.com/mturk/externalSubmit"
    assert done.form == {"assignmentId": "3ABC", "code": "M"}
    assert back(MTURK, Completion(), MTURK_LINK).form == {
        "assignmentId": "3ABC",
        "code": "finished",
    }
    done = back(GENERIC, Completion(code="C", url=TEMPLATE), [("pid", "a@b+c"), ("sid", "9")])
    assert done.url == "https://panel.example/end?c=C&w=a%40b%2Bc&s=9"
    assert back(ONE_NAME, Completion(code="C"), [("pid", "7")]) == Completion(code="C")


@given(st.text(max_size=150), st.text(max_size=150))
def test_no_link_ends_in_anything_but_a_rater_or_a_refusal(pid: str, sid: str) -> None:
    try:
        found = panels.read(GENERIC, [("pid", pid), ("sid", sid)])
    except Refusal:
        return
    end = panels.send_back(
        GENERIC, Completion(code="C", url=TEMPLATE), panels.visit(RING, GENERIC, found)
    )
    assert end.url is not None
    assert end.url.startswith("https://panel.example/end?c=C&w=")
    assert end.url.count("&") == 2
