"""Sentences for pictures: true ones in several wordings, and near misses with one thing wrong."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from evalkit.geneval import NUMBER_WORDS, article, plural
from evalkit.miniature.facts import OPPOSITE, Facts, of_text
from evalkit.miniature.layout import stands
from evalkit.miniature.scenes import (
    CLASSES,
    MOST,
    NATURAL,
    POSITIONS,
    Pairs,
    Scene,
    colors_for,
    text_for,
    truths,
)
from evalkit.records import Clause, Requirements

OPENINGS = ("a photo of ", "a picture of ", "an image of ", "a drawing of ", "")
TAG_WEIGHTS = {
    "single_object": 1.0,
    "two_object": 1.0,
    "counting": 3.0,
    "colors": 2.0,
    "position": 4.0,
    "color_attr": 3.0,
}
"""How often a true sentence of each task is chosen: the harder to learn, the more."""


@dataclass(frozen=True)
class Sentence:
    """A text and what it asks for; ``any_class`` where it only speaks of "an object"."""

    text: str
    requirements: Requirements
    any_class: bool = False

    @property
    def facts(self) -> Facts:
        """What the sentence claims."""
        return of_text(self.requirements, any_class=self.any_class)


def say(scene: Scene, rng: random.Random, count: int = 1) -> list[Sentence]:
    """Choose true sentences about a scene by lot, the telling kinds more often."""
    options: dict[str, list[Requirements]] = {}
    for truth in truths(scene):
        options.setdefault(truth.tag, []).append(truth)
    tags = list(options)
    chosen = rng.choices(tags, [TAG_WEIGHTS[t] for t in tags], k=count)
    return [word(rng.choice(options[t]), rng) for t in chosen]


def word(requirements: Requirements, rng: random.Random) -> Sentence:
    """Word what is asked for: mostly in GenEval's template, sometimes otherwise."""
    text = text_for(requirements)
    clause = requirements.include[0]
    if requirements.tag == "colors" and clause.color and rng.random() < 0.5:
        return _colored(requirements, clause.color, rng)
    if rng.random() < 0.2:
        text = rng.choice(OPENINGS) + text.removeprefix(OPENINGS[0])
    return Sentence(text, requirements)


def _colored(requirements: Requirements, color: str, rng: random.Random) -> Sentence:
    """Use one of the three wordings of GenEval's colour classifier, its article always "a"."""
    name = requirements.include[0].class_name
    phrase = rng.choice((f"{color} {name}", f"{color}-colored {name}", f"{color} object"))
    return Sentence(f"{OPENINGS[0]}a {phrase}", requirements, phrase == f"{color} object")


def miss(sentence: Sentence, rng: random.Random, *, pairs: Pairs = "train") -> Sentence:
    """Make a sentence wrong in one thing: class, colour, number, relation, or who has which."""
    wanted = sentence.requirements
    include = list(wanted.include)
    at = rng.randrange(len(include))
    if wanted.tag == "position":
        include = _moved(include, rng)
    elif wanted.tag == "counting":
        others = [n for n in range(2, MOST + 1) if n != include[0].count]
        return _reworded(sentence, exactly(include[0], rng.choice(others)))
    elif wanted.tag == "color_attr" and rng.random() < 0.7:
        include = _exchanged(include)
    elif wanted.tag in ("colors", "color_attr"):
        include[at] = _recolored(include[at], [c.color for c in include], pairs, rng)
    else:
        taken = [c.class_name for c in include]
        name = rng.choice([c for c in CLASSES if c not in taken])
        include[at] = include[at].model_copy(update={"class_name": name})
    wrong = wanted.model_copy(update={"include": tuple(include)})
    return _reworded(sentence, wrong)


def exactly(clause: Clause, count: int) -> Requirements:
    """Ask for so many of a class and no more, as GenEval's counting task does."""
    more = clause.model_copy(update={"count": count + 1})
    wanted = clause.model_copy(update={"count": count})
    return Requirements(tag="counting", include=(wanted,), exclude=(more,))


def _moved(include: Sequence[Clause], rng: random.Random) -> list[Clause]:
    """Turn "a left of b" into "a right of b" or into "b left of a"."""
    other, placed = include
    relation = placed.position[0] if placed.position else ""
    if rng.random() < 0.5:
        return [other, placed.model_copy(update={"position": (OPPOSITE[relation], 0)})]
    first = placed.model_copy(update={"position": None})
    return [first, other.model_copy(update={"position": (relation, 0)})]


def _exchanged(include: Sequence[Clause]) -> list[Clause]:
    a, b = include
    return [a.model_copy(update={"color": b.color}), b.model_copy(update={"color": a.color})]


def _recolored(
    clause: Clause, taken: Sequence[str | None], pairs: Pairs, rng: random.Random
) -> Clause:
    others = [c for c in colors_for(clause.class_name, pairs) if c not in taken]
    return clause.model_copy(update={"color": rng.choice(others)})


def _reworded(sentence: Sentence, wrong: Requirements) -> Sentence:
    """Keep the wording: put the wrong claim into the same template."""
    old, new = text_for(sentence.requirements), text_for(wrong)
    opening = OPENINGS[0]
    if wrong.tag == "colors" and sentence.text != old:
        before, after = sentence.requirements.include[0].color, wrong.include[0].color
        text = sentence.text.replace(f" a {before}", f" a {after}", 1)
        if text != sentence.text:
            return Sentence(text, wrong, sentence.any_class)
    if sentence.text.endswith(old.removeprefix(opening)):
        start = sentence.text.removesuffix(old.removeprefix(opening))
        return Sentence(start + new.removeprefix(opening), wrong)
    return Sentence(new, wrong)


def describe(scene: Scene, rng: random.Random) -> str:
    """Say all that a scene shows, in GenEval's templates or with more said at once.

    Every object is named; an object of another colour than its natural one mostly has it said.
    """
    names = [o.class_name for o in scene.objects]
    text = _kinds(scene, rng) if len(set(names)) > 1 else _kind(scene, rng)
    opening = OPENINGS[0] if rng.random() < 0.8 else rng.choice(OPENINGS)
    return opening + text


def _kind(scene: Scene, rng: random.Random) -> str:
    """Describe one object, or several of a kind."""
    first, count = scene.objects[0], len(scene.objects)
    plain = rng.random() < (0.4 if first.color == NATURAL[first.class_name] else 0.15)
    if count > 1:
        color = "" if plain or rng.random() < 0.5 else f"{first.color} "
        return f"{NUMBER_WORDS[count]} {color}{plural(first.class_name)}"
    if plain:
        return article(first.class_name)
    return article(f"{first.color} {first.class_name}")


def _kinds(scene: Scene, rng: random.Random) -> str:
    """Describe two objects of different kinds: their names, colours, places, or all of these."""
    a, b = rng.sample(scene.objects, 2)
    plain = a.color == NATURAL[a.class_name] and b.color == NATURAL[b.class_name]
    colored = rng.random() < (0.4 if plain else 0.6)
    first, second = (
        article(f"{o.color} {o.class_name}" if colored else o.class_name) for o in (a, b)
    )
    relations = [r for r in POSITIONS if stands(a, b, r)]
    if relations and rng.random() < 0.55:
        return f"{first} {rng.choice(relations)} {second}"
    return f"{first} and {second}"
