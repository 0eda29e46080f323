"""The nouns of an evaluation: frozen, validated, and without any input or output."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

SCHEMA_VERSION = 1


_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def digest(value: Any) -> str:
    """Return the sha256 of a JSON value's canonical text (sorted keys, no spaces)."""
    return hashlib.sha256(_CANONICAL.encode(value).encode()).hexdigest()


class Record(BaseModel):
    """A frozen fact; an unknown field is an error, so that a newer file is refused, not misread."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class Clause(Record):
    """One demand of a GenEval prompt: so many of a class, perhaps in a colour or a place."""

    class_name: str = Field(alias="class")
    count: int = Field(ge=1)
    color: str | None = None
    position: tuple[str, int] | None = None
    """(relation, index of the include clause that it is relative to)."""


class Requirements(Record):
    """What a picture must and must not show: a line of GenEval's metadata without its prompt."""

    tag: str
    include: tuple[Clause, ...]
    exclude: tuple[Clause, ...] = ()

    @classmethod
    def parse(cls, line: Requirements | Mapping[str, Any]) -> Requirements:
        """Accept a line of ``evaluation_metadata.jsonl``; its ``prompt`` is not a requirement."""
        if isinstance(line, Requirements):
            return line
        return cls.model_validate({k: v for k, v in line.items() if k != "prompt"})


class Question(Record):
    """What a judge is asked about a picture of one prompt, and the right answer."""

    id: str
    text: str = Field(min_length=1)
    answer: str = "Yes"
    skill: str = ""
    """What it asks for: object, count, entity - whole."""
    parents: tuple[str, ...] = ()
    """Questions without whose yes this one's means nothing."""


class Prompt(Record):
    """One text to draw."""

    id: str = Field(min_length=1)
    suite: str
    text: str
    category: str = ""
    requirements: Requirements | None = None
    questions: tuple[Question, ...] | None = None


class ModelSpec(Record):
    """All that decides what a model draws, and nothing that does not (batch size, device)."""

    name: str = Field(min_length=1)
    generator: str
    weights: str | None = None
    """A hub id, a local folder, or ``miniature/<name>`` for what the package carries."""
    revision: str | None = None
    """A hub commit, or ``sha256:...`` of a local folder's content once it is resolved."""
    steps: int | None = Field(default=None, ge=1)
    guidance: float | None = Field(default=None, ge=0)
    width: int | None = Field(default=None, ge=8)
    height: int | None = Field(default=None, ge=8)
    dtype: str | None = None
    options: dict[str, Any] = Field(default_factory=dict)
    """What the generator alone understands: scheduler, sigmas, LoRA files, fault rates."""

    @property
    def fingerprint(self) -> str:
        """Digest of what decides the pictures: not the name, nor where equal weights lie."""
        facts = self.model_dump(mode="json", exclude={"name"})
        if (self.revision or "").startswith("sha256:"):
            del facts["weights"]
        return digest(facts)[:16]


class About(Record):
    """What people should know of a model, and what decides no picture."""

    title: str = Field(min_length=1)
    licence: str = ""
    gated: bool = False
    """Whether the hub asks for an account that has accepted the terms."""
    source: str = ""
    """Where the recipe is from: a model card, a paper, or official code."""
    notes: str = ""
    tags: tuple[str, ...] = ()
    schedule: tuple[float, ...] = ()
    """The timesteps of the recipe at its own size, as its source has them."""
    evaluations: int | None = None
    """Runs of the denoiser for one picture; guidance counts twice."""
    rewards: tuple[str, ...] = ()
    """Scores that the model was trained to raise, such as ``geneval``; they measure it no more."""
    price: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    """US dollars a picture, where a service draws."""
    run_on_weights: bool = False
    """Whether somebody has drawn with the real weights; else only the recipe's call is tested."""


class Generation(Record):
    """One attempt to draw one prompt with one model and one seed."""

    id: str
    prompt_id: str
    model: str
    seed: int
    image: str | None
    """sha256 of the picture's PNG file, its name in the image store."""
    seconds: float | None = None
    """Wall time of the picture's batch divided by the batch's size; None where nobody measured."""
    peak_memory_mb: float | None = None
    error: str | None = None

    @model_validator(mode="after")
    def _picture_or_reason(self) -> Generation:
        if (self.image is None) != (self.error is not None):
            raise ValueError("a generation has either an image or an error, never both or neither")
        return self

    @staticmethod
    def id_for(spec: ModelSpec, prompt: Prompt, seed: int) -> str:
        """Derive the id from content, so that the same work is never done twice."""
        return Generation.id_of(spec.fingerprint, prompt, seed)

    @staticmethod
    def id_of(fingerprint: str, prompt: Prompt, seed: int) -> str:
        """Derive the id where the model's fingerprint is known already, for thousands of them."""
        return digest([fingerprint, prompt.suite, prompt.id, prompt.text, seed])[:24]


class Cost(Record):
    """What drawing with one model took, in batches of one size, by the protocol of `bench`.

    Seconds are medians per picture, memory and sizes MB of 10^6 bytes.
    """

    model: str
    fingerprint: str
    batch: int
    warmup: int
    repeats: int
    seconds: float | None = None
    """Wall time of a batch over its size: texts encoded, denoised and decoded to pixels."""
    seconds_p95: float | None = None
    parts: dict[str, float] = Field(default_factory=dict)
    """The same of the text encoders, the denoiser and the decoder alone."""
    load_seconds: float | None = None
    peak_memory_mb: float | None = None
    memory_of: Literal["accelerator", "process"] | None = None
    """What the accelerator's allocator held at most, or all that the process had in memory."""
    weights_mb: float | None = None
    disk_mb: float | None = None
    """The files of the weights and adapters."""
    evaluations: int | float | None = None
    """Runs of the denoiser for one picture; guidance counts as two."""
    error: str | None = None
    """Why there are no seconds."""
    device: dict[str, Any]
    packages: dict[str, str]
    measured_at: str
    """UTC, ISO 8601."""


class WeightsInfo(Record):
    """Which checkpoint a number was made with."""

    id: str
    revision: str | None = None
    digest: str | None = None
    """``sha256:...`` over the names and contents of the files that were loaded."""


class SetFigure(Record):
    """What one measure says of all of a model's pictures together; no picture has a part in it."""

    model: str
    metric: str
    """fid, kid, cmmd, precision or recall, against a reference; diversity, among seeds."""
    version: int
    value: float | None = None
    low: float | None = None
    high: float | None = None
    """95 % interval by prompt, of diversity alone."""
    spread: float | None = None
    """Of KID: the standard deviation over the draws, which is no error of the figure."""
    reason: str | None = None
    count: int
    """Pictures that were seen."""
    total: int
    """Pictures that the model was to draw."""
    pictures: str
    """Digest of the pictures' digests: a set that has changed has no figure yet."""
    reference: str = ""
    reference_digest: str = ""
    reference_count: int | None = None
    reference_kept: int | None = None
    """Reference pictures whose vectors there are; all but FID are against these."""
    resize: str = ""
    weights: tuple[WeightsInfo, ...]
    packages: dict[str, str]
    measured_at: str
    """UTC, ISO 8601."""


class Score(Record):
    """What one scorer says of one generation."""

    generation_id: str
    scorer: str
    version: int
    value: float | None = Field(allow_inf_nan=False)
    reason: str | None = None
    detail: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _value_or_reason(self) -> Score:
        if (self.value is None) != (self.reason is not None):
            raise ValueError("a score has either a value or a reason for its absence")
        return self


class ScorerCard(Record):
    """What a scorer's numbers mean; written once beside them."""

    name: str
    """The name in reports: ``image-reward``, or ``image-reward-miniature`` with those weights."""
    version: int
    title: str
    unit: str = ""
    low: float | None = None
    high: float | None = None
    higher_is_better: bool = True
    headline: Literal["mean", "mean of category means"] = "mean"
    weights: tuple[WeightsInfo, ...] = ()
    options: dict[str, Any] = Field(default_factory=dict)

    @property
    def key(self) -> str:
        """Name and version, as used for the file of its scores."""
        return f"{self.name}@{self.version}"


class Manifest(Record):
    """What a run is: its suite, models and seeds, and what it ran on."""

    schema_version: int = SCHEMA_VERSION
    run_id: str
    status: Literal["started", "complete"]
    suite: str
    suite_digest: str
    models: tuple[ModelSpec, ...]
    seeds: tuple[int, ...]
    created_at: str
    """UTC, ISO 8601."""
    code_revision: str
    packages: dict[str, str]
    device: dict[str, Any]
    realised: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """Per model, what the generator found when it ran: timesteps, sigmas, weights, evaluations."""
    about: dict[str, About] = Field(default_factory=dict)
    """Per model, what the catalogue said of it when it was drawn."""
