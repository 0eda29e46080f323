"""Who comes to a study: known again by a secret, sent by a panel, or made up."""

from __future__ import annotations

import secrets
from collections.abc import Callable

from arena.battles.held import Held
from arena.clock import before
from arena.facts import Facts
from arena.records import Rater
from evalkit.errors import StudyError

LANGUAGE = "language"
"""The kind of event that says in which language a rater reads the page."""

MADE_UP = "made_up"
"""The kind of event that says of a rater that a program answers: who keeps the database says so."""


class People(Held):
    """The raters of a study being held."""

    def enter(self, key: str) -> Rater:
        """Return the rater behind a secret, on the first visit a new one."""
        return self._enter(lambda facts: facts.rater(key), _new_label(), key)

    def known(self, key: str) -> Rater | None:
        """Return the rater behind a secret, if there is one."""
        with self._store.reading() as facts:
            return facts.rater(key)

    def enter_as(self, label: str) -> Rater:
        """Return the rater of a public name that no secret opens: a program, or an import."""
        return self._enter(lambda facts: facts.rater_labelled(label), label, None)

    def _enter(self, find: Callable[[Facts], Rater | None], label: str, key: str | None) -> Rater:
        with self._store.reading() as facts:
            known = find(facts)
        if known is not None:
            return known
        with self._store.writing() as facts:
            facts.study(self._name, lock=True)  # two first requests of one browser make one rater
            return find(facts) or facts.add_rater(label, key)

    def arrive(self, person: str, submission: str) -> Rater:
        """Return the rater whom a panel sent, the same on every device; note the submission."""
        rater = self.enter(person)
        with self._store.writing() as facts:
            key, _ = facts.study(self._name, lock=True)
            facts.visits.add(key, rater, submission, at=self._clock())
        return rater

    def bind(self, check: str) -> None:
        """Keep to one secret: under another, everybody would come back as somebody new."""
        with self._store.writing() as facts:
            key, _ = facts.study(self._name, lock=True)
            known = facts.visits.secret(key)
            if known is None:
                facts.visits.keep_secret(key, check)
            elif known != check:
                raise StudyError(
                    f"The people of the study {self._name!r} are kept under another secret than "
                    "the one in the environment: whoever came before would be somebody new. Put "
                    "the earlier secret back."
                )

    def make_up(self, label: str, key: str) -> Rater:
        """Return the simulated rater of a secret, marked before the first visit.

        Every vote under this secret counts as simulated, whichever door it comes by.
        """
        with self._store.writing() as facts:
            study, _ = facts.study(self._name, lock=True)
            rater = facts.rater(key)
            if rater is None and facts.rater_labelled(label):
                raise StudyError(
                    f"A rater called {label!r} has voted here, and not by the page. Take other "
                    "raters with another --seed."
                )
            rater = rater or facts.add_rater(label, key)
            if not facts.path(study, rater, MADE_UP):
                facts.add_event(study, MADE_UP, at=self._clock(), by=rater)
        return rater

    def labelled(self, label: str) -> Rater:
        """Return the rater of a public name; raise StudyError if there is none."""
        with self._store.reading() as facts:
            found = facts.rater_labelled(label)
        if found is None:
            raise StudyError(f"No rater is called {label!r}. See them all with: arena raters")
        return found

    def idle(self, minutes: float) -> list[Rater]:
        """Return the raters who left battles open and did nothing for so long."""
        with self._store.reading() as facts:
            key, _ = facts.study(self._name)
            return facts.idle_since(key, before(self._clock(), minutes=minutes))

    def language(self, rater: Rater) -> str | None:
        """Return the language in which a rater read the page last; None: not yet."""
        with self._store.reading() as facts:
            return _language(facts, facts.study(self._name)[0], rater)

    def speak(self, rater: Rater, language: str) -> None:
        """Record in which language a rater reads the page from now on; twice is once."""
        if self.language(rater) == language:
            return
        with self._store.writing() as facts:
            key, _ = facts.study(self._name, lock=True)
            if _language(facts, key, rater) != language:
                detail = {"language": language}
                facts.add_event(key, LANGUAGE, at=self._clock(), by=rater, detail=detail)


def is_made_up(facts: Facts, key: int, rater: Rater) -> bool:
    """Say whether a program answers in this rater's name."""
    return bool(facts.path(key, rater, MADE_UP))


def _language(facts: Facts, key: int, rater: Rater) -> str | None:
    chosen = facts.path(key, rater, LANGUAGE)
    return chosen[-1].detail.get("language") if chosen else None


def _new_label() -> str:
    """Make up a public name that says nothing of the person or of the order of arrival."""
    return f"rater-{secrets.token_hex(5)}"
