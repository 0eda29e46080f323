"""The links of panels: whom they name, and how a rater is sent back. No input or output here."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote, urlencode, urlsplit

from pydantic import Field, ValidationError

from arena.identity import Keyring
from arena.protocol import Panel
from arena.records import Completion
from arena.refusals import Reason, Refusal
from evalkit.records import Record

PREVIEW = "ASSIGNMENT_ID_NOT_AVAILABLE"
"""MTurk's assignmentId while a worker looks at a task that is not accepted yet."""

SUBMIT_HOSTS = ("www.mturk.com", "workersandbox.mturk.com")
"""Where MTurk takes finished work; a link that names another host is forged."""

_PROLIFIC = "https://app.prolific.com/submissions/complete?cc={code}"
_OTHERS: Mapping[str, tuple[str, ...]] = {
    "prolific": ("STUDY_ID",),
    "mturk": ("hitId", "turkSubmitTo"),
    "generic": (),
}
_NUMBER = re.compile(r"[\w.:@+=~-]{1,128}", re.ASCII)

Query = Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Arrival:
    """What a link says of whoever follows it."""

    rater: str
    session: str = ""
    submit_to: str | None = None


class Visit(Record):
    """Who came by a link, as the visitor's own browser keeps it for the server, signed."""

    person: str
    """A keyed hash: the same for one person on every device."""
    submission: str
    fills: dict[str, str] = Field(default_factory=dict)
    """What the address at the end needs of the link, and nothing else of it."""
    submit_to: str | None = None


def parameters(panel: Panel) -> frozenset[str]:
    """Return the parameters that a panel's link carries, none of which stays in the address."""
    return frozenset({panel.rater, panel.session, *_OTHERS[panel.kind]} - {""})


def link(panel: Panel, number: str) -> str:
    """Write the link by which a panel sends a rater, for programs that come by it."""
    said = {panel.rater: number}
    if panel.session:
        said[panel.session] = f"{number[:32]}-1"
    if panel.kind == "mturk":
        said["turkSubmitTo"] = f"https://{SUBMIT_HOSTS[-1]}"
    return f"?{urlencode(said)}"


def is_preview(panel: Panel, query: Query) -> bool:
    """Say whether somebody looks at the task without having accepted it."""
    return panel.kind == "mturk" and (panel.session, PREVIEW) in query


def read(panel: Panel, query: Query) -> Arrival:
    """Read a panel's link; raise Refusal for one that names nobody, or was tampered with."""
    values = {name: _value(query, name) for name in parameters(panel)}
    for name in filter(None, (panel.rater, panel.session)):
        if not _NUMBER.fullmatch(values[name]):
            raise _unreadable(f"{name} is {_shown(values[name])}")
    submit_to = values.get("turkSubmitTo")
    if submit_to is not None and not _takes_work(submit_to):
        raise _unreadable("turkSubmitTo is no address of Mechanical Turk")
    return Arrival(values[panel.rater], values.get(panel.session, ""), submit_to)


def visit(keyring: Keyring, panel: Panel, arrival: Arrival) -> Visit:
    """Turn what a link says into what may be kept."""
    known = {"worker_id": arrival.rater, "session_id": arrival.session}
    wanted = _placeholders(panel) | ({"session_id"} if panel.kind == "mturk" else set())
    return Visit(
        person=keyring.person(arrival.rater),
        submission=keyring.submission(arrival.session),
        fills={name: known[name] for name in sorted(wanted & known.keys())},
        submit_to=arrival.submit_to,
    )


def seal(keyring: Keyring, of: Visit) -> str:
    """Write a visit for the browser to keep."""
    return keyring.seal(of.model_dump_json())


def unseal(keyring: Keyring, sealed: str) -> Visit | None:
    """Read a visit that was written here; None for anything else."""
    text = keyring.unseal(sealed)
    try:
        return None if text is None else Visit.model_validate_json(text)
    except ValidationError:  # of another release
        return None


def send_back(panel: Panel, end: Completion, of: Visit) -> Completion:
    """Fill in the way back: the panel's own address, or the study's with its braces filled."""
    if end.url is None and panel.kind == "mturk" and of.submit_to is not None:
        fields = {"assignmentId": of.fills["session_id"], "code": end.code or "finished"}
        return Completion(code=None, url=f"{of.submit_to}/mturk/externalSubmit", form=fields)
    template = end.url or (_PROLIFIC if panel.kind == "prolific" else None)
    if template is None:
        return end
    fills = {**of.fills, "code": end.code or ""}
    url = re.sub(r"{(\w+)}", lambda found: quote(fills.get(found[1], ""), safe=""), template)
    return Completion(code=end.code, url=url)


def _placeholders(panel: Panel) -> set[str]:
    addresses = (finish.url or "" for finish in panel.finishes)
    return {name for url in addresses for name in re.findall(r"{(\w+)}", url)}


def _value(query: Query, name: str) -> str:
    """Return the one value of a parameter; two are one too many."""
    found = {value for key, value in query if key == name}
    if len(found) > 1:
        raise _unreadable(f"{name} is there {len(found)} times")
    return next(iter(found), "")


def _shown(value: str) -> str:
    """Say what is wrong with a value without repeating it: it may name a person."""
    if not value:
        return "missing"
    return "a placeholder that nobody filled" if "{" in value else "no number that we can read"


def _takes_work(address: str) -> bool:
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:
        return False
    plain = not (parts.username or parts.password or port or parts.query or parts.fragment)
    return (
        parts.scheme == "https"
        and parts.hostname in SUBMIT_HOSTS
        and plain
        and parts.path in ("", "/")
    )


def _unreadable(what: str) -> Refusal:
    return Refusal(
        Reason.BAD_LINK,
        f"This link does not say who you are: {what}. Open the task from the panel's own page.",
    )
