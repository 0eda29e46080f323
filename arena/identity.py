"""People behind a panel's numbers: what is kept of them are keyed hashes; the key is never kept."""

from __future__ import annotations

import base64
import hmac
import json
import os

from evalkit.errors import StudyError

VARIABLE = "ARENA_SECRET"
"""Where the secret comes from: one for all processes of a study, as long as the study lasts."""

LEAST = 32
"""Characters of a secret; a shorter one could be guessed from a hash and a known number."""


class Keyring:
    """The keyed hashes of one study (HMAC, RFC 2104, with SHA-256).

    The study's name is part of every hash: a person's hashes in two studies have nothing in common.
    """

    def __init__(self, secret: str, study: str) -> None:
        self._secret = secret.encode()
        self._study = study

    @classmethod
    def of_environment(cls, study: str) -> Keyring:
        """Take the secret from the environment; raise StudyError where it is missing or short."""
        secret = os.environ.get(VARIABLE, "")
        if len(secret) < LEAST:
            is_now = f"has {len(secret)} characters" if secret else "is not set"
            raise StudyError(
                f"The study {study!r} has a panel, whose people are kept as keyed hashes, and "
                f"{VARIABLE} {is_now}. Put {LEAST} or more random characters there (openssl rand "
                "-hex 32), the same for every process and until the study has ended."
            )
        return cls(secret, study)

    @property
    def check(self) -> str:
        """Return what tells this secret from another, and nothing else."""
        return self._hash("check", "")

    def person(self, number: str) -> str:
        """Return what is known of a person by the panel's number."""
        return self._hash("person", number)

    def submission(self, number: str) -> str:
        """Return what is known of a submission, or of an assignment, by the panel's number."""
        return self._hash("submission", number)

    def seal(self, text: str) -> str:
        """Sign a text that a browser keeps for the server."""
        body = base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")
        return f"{body}.{self._hash('seal', body)}"

    def unseal(self, sealed: str) -> str | None:
        """Return the text that was signed here; None for anything else."""
        body, _, mark = sealed.partition(".")
        if not hmac.compare_digest(mark.encode(), self._hash("seal", body).encode()):
            return None
        return base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)).decode()

    def _hash(self, of: str, text: str) -> str:
        message = json.dumps([of, self._study, text]).encode()
        digest = hmac.digest(self._secret, message, "sha256")
        return base64.urlsafe_b64encode(digest).decode().rstrip("=")
