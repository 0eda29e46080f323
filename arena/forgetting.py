"""A rater who asks to be forgotten is erased; what is left says that somebody was, and not who."""

from __future__ import annotations

from dataclasses import dataclass

from arena.clock import now
from arena.store import Store
from evalkit.errors import StudyError


@dataclass(frozen=True)
class Forgotten:
    """What was done."""

    studies: tuple[str, ...]
    kept: int
    """Votes that are nobody's now, those undone among them."""
    removed: int


def forget(store: Store, label: str, *, votes: bool = False) -> Forgotten:
    """Erase a rater in all studies of a database: all of it, or nothing if it fails.

    The votes stay as nobody's; with ``votes`` they are removed, and the kept counts follow.
    """
    at = now()
    with store.writing() as facts:
        names = facts.studies()
        keys = {facts.study(name, lock=True)[0]: name for name in names}
        who = facts.rater_labelled(label)
        if who is None:
            raise StudyError(f"No rater is called {label!r}. See them all with: arena raters")
        erasure = facts.erasure(who)
        known = erasure.studies()
        for key in known:
            for battle in facts.open_battles(key, who):
                facts.add_event(key, "release", at=at, of=battle)
        removed = erasure.remove_votes(at) if votes else 0
        kept = erasure.untie()
        for key in known:
            if votes:
                facts.recount(key)
            facts.add_event(key, "forget", at=at, detail={"votes": "removed" if votes else "kept"})
    return Forgotten(tuple(keys[key] for key in known), kept, removed)
