"""The desk of one study's page: who asks, what they said, and what is shown next."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Annotated, Any

from fastapi import Body, HTTPException, Request, Response
from pydantic import BaseModel, ConfigDict, field_validator

from arena import page, panels, pictures
from arena.battles import Arena
from arena.guard import client, key_of, too_many
from arena.interpreter import Interpreter
from arena.languages import ENGLISH, Language
from arena.limits import Gate
from arena.panels import Visit
from arena.phrases import Notice
from arena.reception import Reception
from arena.records import Objection, Outcome, Phase, PhaseKind, Purpose, Rater
from arena.refusals import Refusal
from arena.store import Store
from arena.watch import Watch
from evalkit.errors import EvalkitError, ImageError, StoreError, StudyError

_LOG = logging.getLogger(__name__)

AHEAD = 1
"""Battles drawn beforehand, so that the next pictures load while this pair is judged."""


class Answer(BaseModel):
    """What the browser sends for a click or a key."""

    model_config = ConfigDict(extra="ignore")

    choice: str
    token: str = ""
    seconds: float | None = None
    side: str = "both"
    reason: str = Objection.OTHER
    note: str = ""
    language: str = ""

    @field_validator("*", mode="before")
    @classmethod
    def _writable(cls, value: Any) -> Any:
        """Replace halves of characters, which JSON can say and no database or page can hold."""
        return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value


@dataclass(frozen=True)
class Guest:
    """Who asks: a rater, and the visit of those whom a panel sent."""

    rater: Rater
    visit: Visit | None = None
    language: Language = ENGLISH


class Desk:
    """The handlers of one study's page."""

    def __init__(self, store: Store, name: str, gate: Gate, watch: Watch) -> None:
        self.arena = Arena(store, name)
        self._watch = watch
        self._gate = gate
        study = self.arena.study
        self._shown = pictures.Shown(store.images(study), study.width or 1, study.height or 1)
        panel = study.protocol.panel
        self.interpreter = Interpreter(self.arena, framed=panel is not None and panel.framed)
        self.reception = Reception(self.arena, panel, self.interpreter, gate) if panel else None

    def show(self, request: Request, response: Response) -> str:
        """Show the open battle of whoever asks: a reload changes nothing."""
        guest = self._guest(request)
        if guest is None:
            return self._stranger(request)
        return self._stage(self._spoken_to(guest, request, response))

    def answer(
        self, request: Request, response: Response, said: Annotated[Any, Body()] = None
    ) -> str:
        """Act on a click or a key, and show what comes next."""
        guest = self._guest(request)
        if guest is None:
            return self._stranger(request)
        try:
            heard = Answer.model_validate(said)
            if heard.choice == "language":
                guest = self._spoken_to(guest, request, response, heard.language)
            if heard.choice in set(Outcome) and self._trains(guest.rater, heard.token):
                return self._lesson(guest, heard)
            notice = self._act(guest, heard)
            self._watch.answered(heard.choice)
            return self._stage(guest, notice)
        except StoreError:
            raise  # the answer is not saved: the page must say it again
        except (EvalkitError, ValueError) as error:
            self._watch.refused(error.reason if isinstance(error, Refusal) else "nonsense")
            return self._stage(guest, _in_words(error))

    def picture(self, token: str, side: str, request: Request) -> Response:
        """Send one picture of a battle to the rater it was opened for."""
        try:
            data = self._encoded(token, side, self._known(request))
        except StudyError:
            return Response("Not found", 404)
        except ImageError as error:
            _LOG.error("%s", error)
            return Response("This picture cannot be shown.", 410)
        headers = {"Cache-Control": "private, max-age=3600"}  # its address is used once
        return Response(data, media_type=pictures.MEDIA_TYPE, headers=headers)

    def _guest(self, request: Request) -> Guest | None:
        """Return who asks; a browser that comes for the first time is a new rater.

        Not so in a panel's study: there only the panel's link makes one.
        """
        language = self.interpreter.of(request)
        if self.reception is None:
            key = key_of(request.headers.get("cookie"))
            return Guest(self._enter(key, request), language=language) if key else None
        visit = self.reception.visit(request)
        rater = self.arena.known(visit.person) if visit else None
        return Guest(rater, visit, language) if rater else None

    def _enter(self, key: str, request: Request) -> Rater:
        known = self.arena.known(key)
        if known is None and (wait := self._gate.wait_as_newcomer(client(request))):
            raise HTTPException(429, headers=dict(too_many(wait).headers))
        return known or self.arena.enter(key)

    def _known(self, request: Request) -> Rater | None:
        if self.reception is not None:
            guest = self._guest(request)
            return guest.rater if guest else None
        key = key_of(request.headers.get("cookie"))
        return self.arena.known(key) if key else None

    def _stranger(self, request: Request) -> str:
        language = self.interpreter.of(request)
        if self.reception is None:
            return page.needs_cookie(language)
        return page.needs_link(language)

    def _spoken_to(
        self, guest: Guest, request: Request, response: Response, wanted: str | None = None
    ) -> Guest:
        """Keep the language with the rater."""
        language = self.interpreter.settle(request, response, guest.rater, wanted)
        return replace(guest, language=language)

    def _act(self, guest: Guest, said: Answer) -> Notice | None:
        rater = guest.rater
        arena, steps = self.arena, self._steps
        if said.choice in steps:
            steps[said.choice](rater)
            return None
        if said.choice == "undo":
            return Notice("undone") if arena.undo(rater, shown=said.token) else None
        if said.choice == "skip":
            arena.skip(said.token, rater)
            return Notice("skipped")
        if said.choice == "report":
            arena.report(said.token, rater, said.side, said.reason, said.note)
            return Notice("reported")
        outcome = Outcome(said.choice)
        arena.cast(said.token, rater, outcome, seconds=said.seconds, language=guest.language.tag)
        return self._revealed(rater, said.token) if arena.study.protocol.reveal else None

    @property
    def _steps(self) -> dict[str, Callable[[Rater], None]]:
        return {
            "consent": self.arena.consent,
            "decline": self.arena.decline,
            "start": self.arena.finish_instructions,
            "continue": self.arena.end_break,
            "language": lambda _: None,
            "show": lambda _: None,
        }

    def _trains(self, rater: Rater, token: str) -> bool:
        return self.arena.find(token, rater).purpose is Purpose.TRAINING

    def _lesson(self, guest: Guest, said: Answer) -> str:
        """Show what was right, beside the pair that was just judged."""
        feedback = self.arena.answer_training(said.token, guest.rater, Outcome(said.choice))
        self._watch.answered("training")
        progress = self.arena.progress(guest.rater)
        phase = Phase(
            kind=PhaseKind.TRAINING,
            progress=progress,
            feedback=feedback,
            training=feedback.item,
        )
        return page.stage(page.View(self.arena.study, phase, guest.language))

    def _revealed(self, rater: Rater, token: str) -> Notice:
        battle = self.arena.find(token, rater)
        return Notice("revealed", {"left": battle.left.model, "right": battle.right.model})

    def _encoded(self, token: str, side: str, rater: Rater | None) -> bytes:
        if rater is None or side not in ("left", "right"):
            raise StudyError("There is no such picture.")
        battle = self.arena.find(token, rater)
        digests = battle.left.image, battle.right.image
        if digests[0] is None or digests[1] is None:
            raise StudyError("There is no such picture.")
        left, right = self._shown.pair(digests[0], digests[1])
        return left if side == "left" else right

    def _stage(self, guest: Guest, notice: Notice | None = None) -> str:
        visit, panel = guest.visit, self.arena.study.protocol.panel
        submission = visit.submission if visit else None
        phase = self.arena.phase(guest.rater, ahead=AHEAD, submission=submission)
        if phase.completion and visit and panel:
            back = panels.send_back(panel, phase.completion, visit)
            phase = phase.model_copy(update={"completion": back})
        return page.stage(page.View(self.arena.study, phase, guest.language, notice))


def _in_words(error: Exception) -> Notice:
    """Say what a rater can use; what a stranger's request got wrong is not repeated to it."""
    if isinstance(error, Refusal):
        return Notice(f"refused.{error.reason.value}", words=str(error))
    return Notice("" if isinstance(error, EvalkitError) else "nonsense", words=str(error))
