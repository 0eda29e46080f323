"""The errors a user can cause or cure; anything else that is raised is a bug.

* EvalkitError
  + UnknownNameError        a model, scorer, suite or study that does not exist
  + SuiteError              a prompt suite that cannot be read or is wrong
  + RunError                a run folder that cannot be created, opened or resumed
  + ImageError              a picture that is missing, corrupt or unreadable
  + WeightsError            a checkpoint that is missing, wrong, gated or incomplete
  + SpecError               a model specification that makes no sense
  + ClusterError            a Ray cluster that cannot be joined, is full, or loses every worker
  + ServiceError            a paid service that refuses the key, or does not answer
  + MissingPackageError     an optional package that is not installed
  + VotesError              votes that cannot be read or are wrong
  + StoreError              a database that cannot be opened, or refuses a change
  + StudyError              a study that is wrong, empty or closed
  + BundleError             an archive of a study that is damaged, newer, or not one
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class EvalkitError(Exception):
    """State the fact, the offending value and the next step, in one message for the user."""


MANY = 20
"""So many names are told in full; of more, the nearest few."""
LISTED_BY = {"model": "evalkit models list"}
"""What lists all names of a kind that has many."""


class UnknownNameError(EvalkitError):
    """Name something that does not exist, with the nearest names that do."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        names = sorted(known)
        near = _nearest(name, names)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        listing = f"Known: {', '.join(names) or 'none'}."
        if len(names) > MANY:
            told = f"Nearest: {', '.join(near)}, of {len(names)}" if near else f"{len(names)} known"
            listed = f"; '{LISTED_BY[kind]}' lists all." if kind in LISTED_BY else "."
            listing = told + listed
        super().__init__(f"Unknown {kind} {name!r}.{hint} {listing}")


def _nearest(name: str, names: Iterable[str]) -> list[str]:
    """Return the few names most like this one, whatever their capitals."""
    folded: dict[str, str] = {}
    for known in names:
        folded.setdefault(known.casefold(), known)
    return [folded[n] for n in difflib.get_close_matches(name.casefold(), folded, n=5)]


class SuiteError(EvalkitError):
    """A prompt suite that cannot be read or is wrong."""


class RunError(EvalkitError):
    """A run folder that cannot be created, opened or resumed."""


class ImageError(EvalkitError):
    """A picture that is missing, corrupt or unreadable."""


class WeightsError(EvalkitError):
    """A checkpoint that is missing, wrong, gated or incomplete."""


class SpecError(EvalkitError):
    """A model specification that makes no sense."""


class ClusterError(EvalkitError):
    """A Ray cluster that cannot be joined, is full, or loses every worker."""


class ServiceError(EvalkitError):
    """A paid service that refuses the key, asks for money, or does not answer."""


class VotesError(EvalkitError):
    """Votes that cannot be read or are wrong."""


class StoreError(EvalkitError):
    """A database that cannot be opened, or refuses a change."""


class StudyError(EvalkitError):
    """A study that is wrong, empty or closed."""


class BundleError(EvalkitError):
    """An archive of a study that is damaged, newer, or not one."""


class MissingPackageError(EvalkitError):
    """An optional package that is not installed, with the command that installs it."""

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        super().__init__(
            f"{purpose} needs the package {package!r}, which is not installed. "
            f"Install it with: pip install 'evalkit[{extra}]'"
        )
