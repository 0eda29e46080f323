"""What a study asks and by which rules: the records of a study's file, frozen and validated."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from evalkit.records import Record

Criterion = Annotated[str, Field(min_length=1, max_length=20)]
"""What is judged: overall, quality or alignment, or a word of the study's own."""

Language = Annotated[str, Field(pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8})?$")]
"""A language's tag, as en, ko or pt-BR."""

Text = str | dict[Language, str]
"""Words in one language, or in several by the language's tag."""

PLACEHOLDERS = ("code", "worker_id", "session_id")
"""What the address at the end of a study may hold in braces."""


class Outcome(StrEnum):
    """What a rater answered, in the sides that were shown."""

    LEFT = "left"
    RIGHT = "right"
    TIE = "tie"
    BOTH_BAD = "both_bad"

    @property
    def mirrored(self) -> Outcome:
        """Return the same answer with the sides exchanged."""
        return _MIRRORED.get(self, self)


_MIRRORED = {Outcome.LEFT: Outcome.RIGHT, Outcome.RIGHT: Outcome.LEFT}


def say(text: Text, language: str) -> str:
    """Return words in a language; else in English, else in the first language there is."""
    if isinstance(text, str):
        return text
    return text.get(language) or text.get("en") or next(iter(text.values()), "")


class Question(Record):
    """One criterion of a study, and the exact words in which it is asked."""

    id: Criterion
    question: Text
    hint: Text = ""
    show_prompt: bool = True


class Pictures(Record):
    """Which pictures of a run take part; None: all of them."""

    suite: str | None = None
    models: tuple[str, ...] | None = None
    prompts: tuple[str, ...] | None = None
    """Ids of prompts."""
    seeds: tuple[int, ...] | None = None


class Raters(Record):
    """What is asked of each rater."""

    quota: int | None = Field(default=None, ge=1)
    """Comparisons asked of each, checks among them; None: as many as there are pairs."""
    max_share: float | None = Field(default=None, gt=0, le=1)
    """The most that one rater may give of all the votes a study is planned to have."""
    minimum_seconds: float = Field(default=0, ge=0, le=60)
    """An answer sooner than this after the pair was shown is refused."""
    break_after: int | None = Field(default=None, ge=1)
    """Answers after which a pause is offered."""
    expire_after_minutes: float | None = Field(default=None, gt=0)
    """A pair left unanswered for so long may be asked of others; None: it waits for its rater."""


class Draws(Record):
    """Which pair is asked next."""

    rule: Literal["balanced", "least-certain", "top-focused"] = "balanced"
    floor: float = Field(default=0.2, gt=0, le=1)
    """Share of uniform draws under a rule that follows the answers."""
    votes_per_pair: int | None = Field(default=None, ge=1)
    """Votes after which a pair of pictures is no longer asked, for each criterion."""
    gold_rate: float = Field(default=0, ge=0, le=0.5)
    """Share of a rater's battles whose answer is known."""
    repeat_rate: float = Field(default=0, ge=0, le=0.5)
    """Share of a rater's battles that ask an earlier pair again, sides swapped."""
    repeat_gap: int = Field(default=10, ge=1)
    """Battles between a pair and its repetition, at least."""


class Picture(Record):
    """One picture of an example: of the run, or a file of its own."""

    model: str | None = None
    prompt: str | None = None
    """The prompt's id."""
    seed: int | None = None
    file: str | None = None
    """Beside the study's file."""
    image: str | None = None
    """The sha256 under which the file's picture is kept, once it is loaded."""

    @model_validator(mode="before")
    @classmethod
    def _a_path_is_a_file(cls, value: Any) -> Any:
        return {"file": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _of_one_place(self) -> Self:
        of_run = self.model is not None and self.prompt is not None
        if of_run == (self.file is not None or self.image is not None):
            raise ValueError("name a file, or a model, a prompt's id and a seed of the run")
        return self


class Example(Record):
    """Two pictures of which one is clearly better: shown, trained with, or asked as a check."""

    use: Literal["example", "training", "gold"]
    criterion: Criterion
    prompt: str = ""
    """The text shown with pictures from files; a run's pictures have their own."""
    better: Picture
    worse: Picture
    why: Text = ""
    """What a rater is told about the answer."""


class Training(Record):
    """When a rater has learned the task."""

    pass_share: float = Field(default=0.75, gt=0, le=1)
    attempts: int = Field(default=2, ge=1)
    """Times that the items may be answered before a rater is thanked and let go."""


class Finish(Record):
    """What a rater takes along at the end: a code, an address that holds it, or both."""

    code: str | None = None
    url: str | None = None

    @field_validator("url")
    @classmethod
    def _leads_somewhere(cls, url: str | None) -> str | None:
        if url is None:
            return url
        if not url.startswith(("https://", "http://")):
            raise ValueError("an address begins with https://")
        unknown = set(re.findall(r"{(\w*)}", url)) - set(PLACEHOLDERS)
        if unknown:
            known = ", ".join(f"{{{name}}}" for name in PLACEHOLDERS)
            raise ValueError(f"it may hold {known}, not {{{min(unknown)}}}")
        return url


class Panel(Record):
    """Where raters come from, and how they are sent back."""

    kind: Literal["prolific", "mturk", "generic"]
    rater: str = ""
    """The parameter of the link that names the rater; the panel's usual one if not given."""
    session: str = ""
    """The parameter that names the submission or assignment."""
    done: Finish = Finish()
    screened_out: Finish = Finish()
    """For those who did not pass the training."""
    declined: Finish = Finish()
    """For those who do not agree to take part."""
    full: Finish = Finish()
    """For those who came when nothing was left to ask, or the study was closed."""
    failed: Finish = Finish()
    """For those who answered all and did not pass the checks; asks for ``gold_pass``."""
    gold_pass: float | None = Field(default=None, gt=0, le=1)
    """Share of the gold pairs that must be answered as expected; None: nobody fails."""
    timeout_minutes: float | None = Field(default=None, gt=0)
    """After so long since the link was followed, what a rater left open is asked of others."""

    @property
    def finishes(self) -> tuple[Finish, ...]:
        """Every way out."""
        return (self.done, self.screened_out, self.declined, self.full, self.failed)

    @property
    def framed(self) -> bool:
        """Whether the panel shows the page in a frame of its own."""
        return self.kind == "mturk"

    @model_validator(mode="before")
    @classmethod
    def _usual_parameters(cls, value: Any) -> Any:
        usual = _PARAMETERS.get(value.get("kind", "")) if isinstance(value, Mapping) else None
        return value if usual is None else {**usual, **value}

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if not self.rater:
            raise ValueError("say which parameter of the link names the rater: rater = 'pid'")
        if self.rater == self.session:
            raise ValueError(f"{self.rater!r} cannot name both the rater and the session")
        if self.kind == "mturk" and not self.session:
            raise ValueError("Mechanical Turk's previews are known by the session: assignmentId")
        if self.kind != "mturk" and not (self.done.code or self.done.url):
            raise ValueError("say how a rater is sent back: [panel.done] with a code or a url")
        return self


_PARAMETERS: Mapping[str, Mapping[str, str]] = {
    "prolific": {"rater": "PROLIFIC_PID", "session": "SESSION_ID"},
    "mturk": {"rater": "workerId", "session": "assignmentId"},
}


class Protocol(Record):
    """Everything of a study that may change a vote; its digest stands beside every one."""

    criteria: tuple[Question, ...] = Field(min_length=1)
    outcomes: tuple[Outcome, ...] = tuple(Outcome)
    languages: tuple[Language, ...] = Field(default=("en",), min_length=1)
    reveal: bool = False
    """Whether the models are named after each vote; names shown make the next vote less blind."""
    pictures: Pictures = Pictures()
    raters: Raters = Raters()
    draws: Draws = Draws()
    consent: Text = ""
    """Markdown, as the instructions."""
    instructions: Text = ""
    examples: tuple[Example, ...] = ()
    training: Training = Training()
    panel: Panel | None = None

    @property
    def text(self) -> str:
        """The whole protocol as canonical JSON: sorted keys, no spaces, every default written."""
        value = self.model_dump(mode="json")
        return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)

    @property
    def digest(self) -> str:
        """The sha256 of that text."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    def question(self, criterion: str) -> Question:
        """Return what is asked under a criterion."""
        return next(q for q in self.criteria if q.id == criterion)

    def examples_for(self, use: str) -> dict[int, Example]:
        """Return the examples of one use by their place in the file."""
        return {i: e for i, e in enumerate(self.examples) if e.use == use}

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        _different("criteria", [q.id for q in self.criteria])
        _different("outcomes", self.outcomes)
        _different("languages", self.languages)
        if not {Outcome.LEFT, Outcome.RIGHT} <= set(self.outcomes):
            raise ValueError("outcomes need left and right; tie and both_bad may be left out")
        if self.draws.gold_rate and not self.examples_for("gold"):
            raise ValueError(
                "draws.gold_rate asks for pairs whose answer is known, and there is no "
                'example with use = "gold"'
            )
        if self.raters.max_share and not self.draws.votes_per_pair:
            raise ValueError("raters.max_share is a share of a plan: set draws.votes_per_pair")
        self._check_examples()
        self._check_languages()
        return self

    def _check_examples(self) -> None:
        known = [q.id for q in self.criteria]
        for number, example in enumerate(self.examples):
            if example.criterion not in known:
                raise ValueError(
                    f"examples.{number}.criterion is {example.criterion!r}; the study asks for "
                    + ", ".join(known)
                )

    def _check_languages(self) -> None:
        texts: dict[str, Text] = {"consent": self.consent, "instructions": self.instructions}
        for q in self.criteria:
            texts |= {f"the question of {q.id}": q.question, f"the hint of {q.id}": q.hint}
        texts |= {f"examples.{i}.why": e.why for i, e in enumerate(self.examples)}
        for what, text in texts.items():
            missing = _lacking(text, self.languages)
            if missing:
                raise ValueError(f"{what} has no words in {', '.join(missing)}")
            if isinstance(text, str) and text.strip() and len(self.languages) > 1:
                said = ", ".join(f'{tag} = "..."' for tag in self.languages)
                raise ValueError(
                    f"{what} is in one language, and the study in {len(self.languages)}: "
                    f"write it as {{ {said} }}"
                )


def _lacking(text: Text, languages: Iterable[str]) -> list[str]:
    """Return the languages in which a text is not said, though it is in others."""
    if isinstance(text, str):
        return []
    return [tag for tag in languages if not text.get(tag, "").strip()]


def _different(what: str, values: Iterable[str]) -> None:
    listed = list(values)
    twice = sorted({v for v in listed if listed.count(v) > 1})
    if twice:
        raise ValueError(f"{what} has {twice[0]!r} twice")
