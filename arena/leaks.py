"""What a page says that it should not: each check a function of what was heard."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import unescape

from arena.exposure import expose
from arena.listening import Evidence, Heard
from arena.protocol import Protocol
from arena.store import Store
from evalkit.errors import ImageError

_ADDRESS = re.compile(r"battle/[A-Za-z0-9_-]{20,}/(left|right)")
_INSIDES = re.compile(
    r"Traceback|\b[A-Z]\w+(?:Error|Exception)\b|\bFile \"|site-packages|pydantic"
    r"|validation error|sqlalchemy|sqlite3|psycopg|SELECT .* FROM|INSERT INTO|root:x:0"
)


@dataclass(frozen=True)
class Check:
    """One way in which a page could tell, what was tried, and what was found."""

    name: str
    tried: str
    found: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether nothing was found."""
        return not self.found


@dataclass(frozen=True)
class Secrets:
    """What must not be said before a vote."""

    names: tuple[str, ...]
    """Models and their titles: words."""
    marks: tuple[str, ...]
    """Digests, ids, paths: nobody says them by chance."""
    public: str
    """The study's own words, which raters are shown on purpose."""

    @classmethod
    def of(cls, store: Store, study: str) -> Secrets:
        """Collect what a study has to hide."""
        with store.reading() as facts:
            key, found = facts.study(study)
            entries = facts.entries(key)
        marks = {m for e in entries for m in (e.generation_id, e.image, e.fingerprint) if m}
        marks |= {str(found.images)} if found.images and len(found.images) > 8 else set()
        marks |= {str(store.folder)} if store.folder and len(str(store.folder)) > 4 else set()
        words = {e.prompt for e in entries} | {*_texts(found.protocol)}
        names = {e.model for e in entries if e.generation_id is not None}
        return cls(tuple(sorted(names)), tuple(sorted(marks)), " ".join(sorted(words)))

    def searchable(self, *, in_shell: bool) -> list[str]:
        """Return the names that can be looked for: not those which the page says for itself."""
        return [
            name
            for name in self.names
            if not _holds(self.public, name) and not (in_shell and _is_a_word(name))
        ]


def _texts(protocol: Protocol) -> Iterable[str]:
    values = [protocol.consent, protocol.instructions, *(e.why for e in protocol.examples)]
    for question in protocol.criteria:
        values += [question.question, question.hint]
    for value in values:
        yield from (value,) if isinstance(value, str) else value.values()


def _is_a_word(name: str) -> bool:
    """Say whether a name is one that any page may hold by chance."""
    return len(name) <= 8 and name.isalpha()


def _holds(text: str, name: str) -> bool:
    return (
        re.search(rf"(?<![A-Za-z0-9]){re.escape(name)}(?![A-Za-z0-9])", text, re.IGNORECASE)
        is not None
    )


def names(evidence: Evidence, secrets: Secrets) -> Check:
    """Look for what must not be said in everything that was."""
    found, answers = [], 0
    shell = {id(h) for h in evidence.shell}
    for heard in evidence.all():
        answers += 1
        names = secrets.searchable(in_shell=id(heard) in shell)
        text = _readable(heard)
        found += [f"{name!r} in {place(heard)}" for name in names if _holds(text, name)]
        found += [f"{mark!r} in {place(heard)}" for mark in secrets.marks if mark in text]
    left_out = sorted(set(secrets.names) - set(secrets.searchable(in_shell=False)))
    words = f"{len(secrets.names)} models, {len(secrets.marks)} digests, ids and paths were looked "
    words += f"for in {answers} answers and their headers"
    if left_out:
        words += f"; not {', '.join(left_out)}, which the study's own words hold"
    return Check("names", words, few(found))


def _readable(heard: Heard) -> str:
    """Return what can be read of an answer: of a picture, what stands before its pixels."""
    if not _type(heard).startswith("image/"):
        return unescape(heard.text)
    try:
        head = expose(heard.body).visible_head
    except ImageError:
        head = ""
    return "\n".join(f"{k}: {v}" for k, v in heard.headers) + head


def shell(evidence: Evidence) -> Check:
    """Look for handlers, values that wait unseen, and components that are not shown."""
    found: list[str] = []
    components = 0
    for heard in evidence.shell:
        if heard.path != "config":
            continue
        config = json.loads(heard.body)
        found += [f"a handler: {d.get('api_name')}" for d in config.get("dependencies", [])]
        for part in config.get("components", []):
            components += 1
            props = part.get("props", {})
            if part.get("type") == "state" or props.get("visible") is False or props.get("value"):
                found.append(f"a component {part.get('type')!r} holds a value or is hidden")
    words = f"{components} components of /config and its handlers were looked at"
    return Check("hidden components", words, few(found))


def doors(evidence: Evidence) -> Check:
    """Look for doors of Gradio or the server that opened."""
    open_ = [place(h) for h in evidence.doors if h.status < 400]
    words = f"{len(evidence.doors)} calls of /info, /openapi.json, Gradio's handlers and files"
    return Check("doors", words, few(open_))


def traversals(evidence: Evidence) -> Check:
    """Look for ways out of the page's own folders."""
    found = [place(h) for h in evidence.traversals if h.status < 400 or b"root:" in h.body]
    return Check("paths", f"{len(evidence.traversals)} ways out of the page's folders", few(found))


def addresses(evidence: Evidence) -> Check:
    """Look for addresses that say more than a battle and a side, or serve two battles."""
    found, owner = [], defaultdict(set)
    for seen in evidence.battles:
        for heard in seen.first.values():
            owner[heard.path].add(seen.battle.id)
            if not _ADDRESS.fullmatch(heard.path):
                found.append(f"{heard.path} is more than a battle's name and a side")
    found += [
        f"{path} shows pictures of several battles" for path, of in owner.items() if len(of) > 1
    ]
    words = f"{len(owner)} addresses of pictures: opaque, and each of one battle"
    return Check("addresses", words, few(found))


def strangers(evidence: Evidence) -> Check:
    """Look for pictures and battles that others got to see."""
    found = [
        f"{place(h)} was answered with a picture"
        for h in evidence.strangers
        if h.path.startswith("battle/") and h.status < 400
    ]
    found += [
        f"{place(h)} showed another's battle"
        for h in evidence.strangers
        for seen in evidence.battles
        if h.path in ("stage", "answer") and str(seen.battle.token).encode() in h.body
    ]
    words = f"{len(evidence.strangers)} calls for a rater's battles by others, with and without"
    return Check("others' battles", f"{words} a cookie", few(found))


def errors(evidence: Evidence) -> Check:
    """Look for failures, and for messages that speak of the program's insides."""
    asked = [*evidence.errors, *evidence.doors, *evidence.traversals, *evidence.strangers]
    found = [f"status {h.status} of {place(h)}" for h in asked if h.status >= 500]
    found += [
        f"{said.group(0)[:60]!r} in {place(h)}"
        for h in asked
        if (said := _INSIDES.search(h.body.decode("utf-8", "replace")))
    ]
    return Check("error messages", f"{len(asked)} calls that no page makes", few(found))


def place(heard: Heard) -> str:
    """Say which call an answer was to."""
    return f"{heard.method} /{heard.path.removeprefix('./')}"


def _type(heard: Heard) -> str:
    return dict(heard.headers).get("content-type", "")


def few(found: Sequence[str], most: int = 5) -> tuple[str, ...]:
    """Name the first few and count the others."""
    more = len(found) - most
    return (*found[:most], *((f"and {more} more",) if more > 0 else ()))
