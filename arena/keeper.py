"""Who may look behind the page: whoever knows the keeper's secret, which the environment holds."""

from __future__ import annotations

import hmac
import json
import os
import secrets
import time
from collections.abc import Callable

from evalkit.errors import StudyError

VARIABLE = "ARENA_ADMIN"
"""Where the secret comes from; where it is not set there is no admin view."""

LEAST = 24
"""Characters of a secret: nobody guesses it in the few tries that are let in."""

SESSION_SECONDS = 12 * 3600


class Keeper:
    """The secret of one study's keeper, and what is signed with it: sessions and forms.

    Nothing of it is stored, so that several processes know the same sessions, and a new secret
    ends them all.
    """

    def __init__(self, secret: str, study: str, clock: Callable[[], float] = time.time) -> None:
        self._secret = secret.encode()
        self._study = study
        self._clock = clock

    @classmethod
    def of_environment(cls, study: str) -> Keeper | None:
        """Take the secret from the environment; None where there is none, refused when short."""
        secret = os.environ.get(VARIABLE, "")
        if not secret:
            return None
        if len(secret) < LEAST:
            raise StudyError(
                f"{VARIABLE} has {len(secret)} characters, too few for a secret that opens the "
                f"admin view. Put {LEAST} or more random ones there (openssl rand -hex 16), or "
                "unset it to have no admin view."
            )
        return cls(secret, study)

    def is_secret(self, said: str) -> bool:
        """Compare in a time that tells nothing of the secret, not even its length."""
        return hmac.compare_digest(self._sign("secret", said), self._own)

    def session(self) -> str:
        """Return what a browser keeps of a log-in that was right."""
        body = f"{int(self._clock()) + SESSION_SECONDS}.{secrets.token_urlsafe(16)}"
        return f"{body}.{self._sign('session', body)}"

    def holds(self, session: str | None) -> bool:
        """Say whether a session was given here and has not run out."""
        body, _, mark = (session or "").rpartition(".")
        if not hmac.compare_digest(mark.encode(), self._sign("session", body).encode()):
            return False
        return int(body.partition(".")[0]) > self._clock()

    def form(self, session: str) -> str:
        """Return what a form of this session must say, which no other site can know."""
        return self._sign("form", session)

    def is_form(self, session: str, said: str) -> bool:
        """Say whether a form was made for this session."""
        return hmac.compare_digest(said.encode(), self.form(session).encode())

    @property
    def _own(self) -> str:
        return self._sign("secret", self._secret.decode())

    def _sign(self, of: str, text: str) -> str:
        message = json.dumps([of, self._study, text]).encode()
        return hmac.digest(self._secret, message, "sha256").hex()
