"""Making studies: their rules, and the pictures of a run that become their entries."""

from __future__ import annotations

import random
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from arena import pictures
from arena.clock import now
from arena.examples import PROMPT, Examples, competes
from arena.facts import Facts
from arena.facts.votes import VoteRow
from arena.languages import SOURCE, Language, message
from arena.protocol import Criterion, Pictures, Protocol, Question, Raters, Text
from arena.records import Entry, Purpose, Study
from arena.store import Store
from evalkit.errors import ImageError, StudyError, UnknownNameError
from evalkit.records import Generation
from evalkit.runs import Run

# Our words for what is asked in the studies of Imagen 3 (arXiv 2408.07009, section 3.1) and of
# Stable Diffusion 3 (arXiv 2403.03206, section 5): preference, visual quality, prompt following.
QUESTIONS: Mapping[str, tuple[str, str]] = {
    "overall": (
        message("Which picture would you rather have?"),
        message("Suppose you had asked for a picture with this text."),
    ),
    "quality": (
        message("Which picture is better made?"),
        message("Judge how it looks: clean, sharp, pleasing, without flaws."),
    ),
    "alignment": (
        message("Which picture shows better what the text says?"),
        message(
            "Judge the content alone. Overlook flaws, and the style unless the text names one."
        ),
    ),
}


@dataclass(frozen=True)
class Loaded:
    """What a load did."""

    study: Study
    new: int
    """Entries added now."""
    entries: int
    """Entries of the study in all."""
    failed: int
    """Generations of the run that have no picture."""


def describe(
    name: str,
    criterion: Criterion = "overall",
    *,
    question: str | None = None,
    hint: str | None = None,
    show_prompt: bool = True,
    reveal: bool = False,
    quota: int | None = None,
    seed: int | None = None,
    languages: Sequence[str] = (SOURCE,),
) -> Study:
    """Describe a new study, with the criterion's usual words where none are given."""
    usual = usual_words(criterion, languages)
    if usual is None and question is None:
        raise StudyError(
            f"No question is known for the criterion {criterion!r}. Give one with --question, or "
            f"use one of: {', '.join(QUESTIONS)}."
        )
    if not name.strip():
        raise StudyError("A study needs a name.")
    words: tuple[Text, Text] = usual or ("", "")
    asked = Question(
        id=criterion,
        question=question or words[0],
        hint=hint if hint is not None else "" if question else words[1],
        show_prompt=show_prompt,
    )
    rules = Protocol(
        criteria=(asked,), reveal=reveal, raters=Raters(quota=quota), languages=tuple(languages)
    )
    return plan(name, rules, seed=seed)


def plan(name: str, protocol: Protocol, *, seed: int | None = None) -> Study:
    """Plan a study by its protocol."""
    return Study(
        name=name,
        protocol=protocol,
        # Drawn, not fixed: whoever knows the seed and the code could foretell the sides.
        seed=secrets.randbelow(2**31) if seed is None else seed,
        created_at=now(),
    )


def usual_words(criterion: str, languages: Sequence[str]) -> tuple[Text, Text] | None:
    """Return the usual question and hint of a criterion, in each language of a study."""
    if criterion not in QUESTIONS:
        return None
    question, hint = QUESTIONS[criterion]
    return _in_each(question, languages), _in_each(hint, languages)


def question_of(criterion: Criterion) -> str:
    """Return words for a question that was asked elsewhere."""
    return QUESTIONS[criterion][0] if criterion in QUESTIONS else f"Which is better: {criterion}?"


def criterion_of(store: Store, name: str) -> Criterion | None:
    """Return what a study asks for first, if there is such a study."""
    with store.reading() as facts:
        return facts.study(name)[1].criteria[0] if name in facts.studies() else None


def load(store: Store, run: Run, plan: Study, *, amend: bool | None = None) -> Loaded:
    """Make the pictures of a run entries of a study; again, or of another run, adds what is new.

    A plan that came from a file sets ``amend``: other rules than those in force are refused, or
    with True put into force for the battles to come. Without a file (None) the rules stay.
    """
    made = _chosen(run, plan.protocol.pictures)
    drawn = [g for g in made if g.image is not None]
    if not drawn:
        raise StudyError(f"The run {run.path} has no pictures. Make some with: evalkit generate")
    sizes = {pictures.size(run.images, str(g.image)) for g in drawn}
    with store.writing() as facts:
        key, study = open_or_add(facts, plan, amend=amend)
        known = facts.entries(key)
        facts.add_entries(key, new := _new_entries(run, drawn, known))
        facts.add_entries(key, _example_entries(plan.protocol, known))
        _check_same_place(run, known, place := store.place(run.images))
        if study.width and study.height:
            sizes.add((study.width, study.height))
        facts.place_study(key, place, pictures.frame(sizes), run.suite.name)
        study = facts.study(plan.name)[1]
        _check_examples(study.protocol, facts.entries(key))
    entries = len(new) + sum(competes(e) for e in known)
    return Loaded(study, len(new), entries, len(made) - len(drawn))


def only_study(store: Store, name: str | None) -> str:
    """Return the study that is meant where the database has only one."""
    with store.reading() as facts:
        names = facts.studies()
    if name is not None:
        if name not in names:
            raise UnknownNameError("study", name, names)
        return name
    if len(names) != 1:
        raise StudyError(
            f"The database has {len(names)} studies: {', '.join(names) or 'none'}. "
            "Name one with --study."
        )
    return names[0]


def standing_votes(store: Store, name: str, *, checks: bool = False) -> list[VoteRow]:
    """Return the votes of a study that were not undone; with ``checks`` those on raters too."""
    with store.reading() as facts:
        key, _ = facts.study(name)
        return list(facts.votes(key, checks=checks))


def timed_votes(
    store: Store, name: str, *, checks: bool = False
) -> tuple[list[VoteRow], list[str]]:
    """Return the votes that stand, and when each was cast."""
    with store.snapshot() as facts:
        key, _ = facts.study(name)
        return list(facts.votes(key, checks=checks)), list(facts.cast_times(key, checks=checks))


def _in_each(words: str, languages: Sequence[str]) -> Text:
    """Say words in every language; plainly where there is only one."""
    said = {tag: Language(tag).gettext(words) for tag in languages}
    return said if len(said) > 1 else next(iter(said.values()), words)


def open_or_add(facts: Facts, plan: Study, *, amend: bool | None = None) -> tuple[int, Study]:
    """Return a study and its key, made where it is new; its rules change only on demand."""
    if plan.name not in facts.studies():
        facts.add_study(plan)
    key, study = facts.study(plan.name, lock=True)
    if amend is not None:
        if study.protocol != plan.protocol:
            _amend(facts, key, study, plan, allowed=amend)
        return key, study
    if not set(plan.criteria) <= set(study.criteria):
        was, now_asked = (", ".join(s.criteria) for s in (study, plan))
        raise StudyError(
            f"The study {plan.name!r} asks for {was}, not {now_asked}. "
            "Ask another question in a study of another name."
        )
    return key, study


def _amend(facts: Facts, key: int, study: Study, plan: Study, *, allowed: bool) -> None:
    """Put other rules into force; the votes given under the earlier ones keep naming them."""
    if not allowed:
        changed = [
            name
            for name in type(plan.protocol).model_fields
            if getattr(plan.protocol, name) != getattr(study.protocol, name)
        ]
        raise StudyError(
            f"The file changes the rules of the study {plan.name!r}: {', '.join(changed)}. "
            "Keep them, name a new study, or put the new rules into force with --amend."
        )
    facts.add_protocol(key, plan.protocol, at=now())


def _chosen(run: Run, wanted: Pictures) -> list[Generation]:
    """Return the generations of a run that take part; refuse a wish that the run cannot meet."""
    if wanted.suite is not None and wanted.suite != run.suite.name:
        raise StudyError(
            f"The study is of the suite {wanted.suite!r}, and {run.path} drew {run.suite.name!r}. "
            "Load a run of the same suite."
        )
    made = run.generations()
    prompts = {g.prompt_id for g in made}
    if missing := sorted(set(wanted.prompts or ()) - prompts):
        raise UnknownNameError("prompt of this run", missing[0], prompts)
    return [
        g
        for g in made
        if (wanted.models is None or g.model in wanted.models)
        and (wanted.prompts is None or g.prompt_id in wanted.prompts)
        and (wanted.seeds is None or g.seed in wanted.seeds)
    ]


def _example_entries(protocol: Protocol, known: Iterable[Entry]) -> list[dict[str, Any]]:
    """Return rows for the pictures that came with the study's file; they compete with no model."""
    have = {(e.image, e.prompt) for e in known if not competes(e)}
    blank: dict[str, Any] = {"generation_id": None, "fingerprint": None, "category": ""}
    rows = {
        (picture.image, example.prompt): {"model": model, "prompt": example.prompt}
        for example in protocol.examples
        for model, picture in (("better", example.better), ("worse", example.worse))
        if picture.image is not None and (picture.image, example.prompt) not in have
    }
    return [
        blank | row | {"prompt_id": PROMPT, "image": image, "seed": None}
        for (image, _), row in rows.items()
    ]


def _check_examples(protocol: Protocol, entries: Sequence[Entry]) -> None:
    numbered = dict(enumerate(protocol.examples))
    examples = Examples(numbered, entries)
    for number, example in numbered.items():
        examples.opening(number, Purpose.EXAMPLE, random.Random(0))
        if example.better == example.worse:
            raise StudyError(f"examples.{number} compares a picture with itself. Name two.")


def _new_entries(
    run: Run, drawn: Iterable[Generation], known: Iterable[Entry]
) -> list[dict[str, Any]]:
    prompts = run.suite.by_id()
    fingerprints = {m.name: m.fingerprint for m in run.manifest.models}
    have = {e.generation_id for e in known}
    texts = {e.prompt_id: e.prompt for e in known if e.image}
    makers = {e.model: e.fingerprint for e in known if e.fingerprint}
    rows = []
    for g in drawn:
        if g.id in have:
            continue
        prompt, fingerprint = prompts[g.prompt_id], fingerprints[g.model]
        _check_same(f"prompt {prompt.id!r}", "text", texts.get(prompt.id), prompt.text)
        _check_same(f"model {g.model!r}", "fingerprint", makers.get(g.model), fingerprint)
        row: dict[str, Any] = {"generation_id": g.id, "model": g.model, "fingerprint": fingerprint}
        row |= {"prompt_id": prompt.id, "prompt": prompt.text, "category": prompt.category}
        rows.append(row | {"seed": g.seed, "image": g.image})
    return rows


def _check_same(what: str, field: str, known: str | None, found: str) -> None:
    if known is not None and known != found:
        raise StudyError(
            f"The study already has a {what} with another {field}: {known!r}, not {found!r}. "
            "Load the run into a study of another name, or rename it."
        )


def _check_same_place(run: Run, known: Iterable[Entry], place: str) -> None:
    """Refuse a second image store beside the one that holds the earlier entries."""
    for entry in known:
        if entry.image is not None and not run.images.has(entry.image):
            raise ImageError(
                f"The study has pictures that are not in {place}, such as those of "
                f"{entry.model!r}. Keep the runs of a study side by side in one folder named runs: "
                "they share one folder of images."
            )
