"""Does the page tell a rater, or a script, which model made a picture? Tried, and said in words."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from arena import leaks
from arena.exposure import expose
from arena.leaks import Check, Secrets, few, place
from arena.listening import SIDES, Evidence, Heard, Listener, Seen
from arena.records import Battle
from arena.store import Store
from arena.tells import POWER, Tell, tell
from evalkit.errors import ImageError, StudyError

if TYPE_CHECKING:
    import httpx

ALPHA = 0.001
"""A study has several numbers to be tested, and an audit that cries wolf is not read."""

BATTLES = 60

_TELLING = ("etag", "last-modified", "content-disposition", "content-location", "x-sendfile")
_CHANGING = ("date", "content-length", "age", "x-request-id", "set-cookie")


@dataclass(frozen=True)
class Blindness:
    """What an audit tried and found."""

    study: str
    checks: tuple[Check, ...]

    @property
    def leaks(self) -> tuple[str, ...]:
        """The names of the checks that found something."""
        return tuple(c.name for c in self.checks if not c.passed)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        checks = [
            {"name": c.name, "passed": c.passed, "tried": c.tried, "found": list(c.found)}
            for c in self.checks
        ]
        return {"study": self.study, "blind": not self.leaks, "checks": checks}

    def lines(self) -> list[str]:
        """Say it in words, a line for each check and one for each thing found."""
        lines = [f"Study: {self.study}"]
        for check in self.checks:
            lines.append(f"{'ok  ' if check.passed else 'LEAK'}  {check.name}: {check.tried}")
            lines += [f"      {found}" for found in check.found]
        return lines


async def listen(
    browser: Callable[[], httpx.AsyncClient],
    store: Store,
    *,
    votes: bool,
    battles: int = BATTLES,
    seed: int = 0,
    link: Callable[[], str] = lambda: "./",
) -> Evidence:
    """Take part in a study at its page, and ask besides what no rater asks.

    With ``votes`` some battles are answered and one undone; else all are passed over. Each rater
    comes by a ``link`` of their own.
    """

    def find(token: str) -> Battle | None:
        with store.reading() as facts:
            return facts.battle(token)

    heard = await Listener(browser, find, votes=votes, seed=seed, link=link).listen(battles)
    if not heard.battles:
        raise StudyError(
            "The page showed no battle, so nothing was learned. Is the study closed, or full?"
        )
    return heard


def judge(study: str, evidence: Evidence, secrets: Secrets) -> Blindness:
    """Search what was heard for everything that tells."""
    seen = evidence.battles
    checks = (
        leaks.names(evidence, secrets),
        leaks.shell(evidence),
        leaks.doors(evidence),
        leaks.traversals(evidence),
        leaks.addresses(evidence),
        leaks.strangers(evidence),
        leaks.errors(evidence),
        _headers(seen),
        *_files(seen),
        _twins(seen),
        _lengths(seen),
        *_timing(seen),
    )
    return Blindness(study, checks)


def _sent(seen: Iterable[Seen]) -> list[tuple[Seen, str, Heard]]:
    return [(s, side, of[side]) for s in seen for of in (s.first, s.again) for side in SIDES]


def _headers(seen: Sequence[Seen]) -> Check:
    found, alike = [], defaultdict(set)
    for _, _, heard in _sent(seen):
        for name, value in heard.headers:
            if name.lower() in _TELLING:
                found.append(f"{name}: {value} of {place(heard)}")
            elif name.lower() not in _CHANGING:
                alike[name.lower()].add(value)
    found += [
        f"{name} differs: {', '.join(sorted(v)[:3])}" for name, v in alike.items() if len(v) > 1
    ]
    words = f"{len(_sent(seen))} answers: no ETag, date or name of a file, the others alike"
    return Check("headers of pictures", words, few(found))


def _files(seen: Sequence[Seen]) -> list[Check]:
    forms: dict[str, set[str]] = defaultdict(set)
    told: list[str] = []
    for one, side, heard in _sent(seen):
        try:
            exposed = expose(heard.body)
        except ImageError as error:
            told.append(f"{place(heard)}, status {heard.status}: {error}")
            continue
        forms[exposed.form].add(one.of(side))
        told += [f"{name} in {place(heard)}" for name in exposed.metadata]
    differ = [f"{form}: {', '.join(sorted(of))}" for form, of in forms.items()]
    number = len(_sent(seen))
    return [
        Check("metadata", f"EXIF, colour profiles, text and comments of {number} files", few(told)),
        Check(
            "form and dimensions",
            f"format, size, mode and compression of {number} files",
            few(differ) if len(forms) > 1 else (),
        ),
    ]


def _twins(seen: Sequence[Seen]) -> Check:
    """Look for files that are the same in two battles, by which a picture knows itself again."""
    of_source: dict[str, set[int]] = defaultdict(set)
    of_bytes: dict[str, set[int]] = defaultdict(set)
    for one in seen:
        for side in SIDES:
            of_source[one.source(side)].add(one.battle.id)
            of_bytes[one.first[side].body.hex()].add(one.battle.id)
    back = sum(len(b) > 1 for b in of_source.values())
    same = sum(len(b) > 1 for b in of_bytes.values())
    words = f"{back} of {len(of_source)} pictures came back in other battles, in other bytes"
    if not back:
        words = "no picture came back, so nothing could be compared"
    return Check("equal files", words, (f"{same} files are equal in two battles",) if same else ())


def _lengths(seen: Sequence[Seen]) -> Check:
    gaps = [float(len(s.first["left"].body) - len(s.first["right"].body)) for s in seen]
    if not any(gaps):
        words = f"both files of each of {len(seen)} battles have one length"
        return Check("lengths", words)
    found = _told(gaps, seen)
    return Check("lengths", _powered(found, "bytes", 1), _caught(found, "bytes", 1))


def _timing(seen: Sequence[Seen]) -> Iterable[Check]:
    for name, which in (("time of a first answer", "first"), ("time of a second answer", "again")):
        gaps = _without_order([_gap(getattr(s, which)) for s in seen], [s.order[0] for s in seen])
        found = _told(gaps, seen)
        yield Check(name, _powered(found, "ms", 1000), _caught(found, "ms", 1000))


def _gap(of: Mapping[str, Heard]) -> float:
    return of["left"].seconds - of["right"].seconds


def _without_order(gaps: Sequence[float], first: Sequence[str]) -> list[float]:
    """Take out what it costs to be asked for first, which says nothing of models."""
    sign = [1.0 if side == "left" else -1.0 for side in first]
    cost = sum(s * g for s, g in zip(sign, gaps, strict=True)) / max(1, len(gaps))
    return [g - s * cost for s, g in zip(sign, gaps, strict=True)]


def _told(gaps: Sequence[float], seen: Sequence[Seen]) -> Tell:
    return tell(gaps, [s.of("left") for s in seen], [s.of("right") for s in seen], alpha=ALPHA)


def _powered(found: Tell, unit: str, scale: float) -> str:
    if found.visible is None:
        return f"{found.battles} battles, too few to see any difference between models"
    return (
        f"{found.battles} battles, p = {found.p:.3g}; a model {scale * found.visible:.3g} {unit} "
        f"from the others would be noticed {POWER:.0%} of the time, a smaller difference less often"
    )


def _caught(found: Tell, unit: str, scale: float) -> tuple[str, ...]:
    if found.p > ALPHA:
        return ()
    return (f"{found.model} differs by {scale * found.most:.3g} {unit} on average",)
