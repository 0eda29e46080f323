"""GenEval's language: its words, the sentence of a requirement, and its random sample of both."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from evalkit.errors import SuiteError
from evalkit.records import Clause, Requirements

if TYPE_CHECKING:
    import numpy as np

GENEVAL_SEED = 43
GENEVAL_SAMPLES = 100
"""Draws per task; GenEval removes duplicates afterwards, which leaves 553 prompts."""

# COCO's order; GenEval respells three: computer mouse, tv remote, computer keyboard.
CLASSES: tuple[str, ...] = tuple(
    "person,bicycle,car,motorcycle,airplane,bus,train,truck,boat,traffic light,fire hydrant,"
    "stop sign,parking meter,bench,bird,cat,dog,horse,sheep,cow,elephant,bear,zebra,giraffe,"
    "backpack,umbrella,handbag,tie,suitcase,frisbee,skis,snowboard,sports ball,kite,baseball bat,"
    "baseball glove,skateboard,surfboard,tennis racket,bottle,wine glass,cup,fork,knife,spoon,bowl,"
    "banana,apple,sandwich,orange,broccoli,carrot,hot dog,pizza,donut,cake,chair,couch,"
    "potted plant,bed,dining table,toilet,tv,laptop,computer mouse,tv remote,computer keyboard,"
    "cell phone,microwave,oven,toaster,sink,refrigerator,book,clock,vase,scissors,teddy bear,"
    "hair drier,toothbrush".split(",")
)
COLORS: tuple[str, ...] = tuple(
    "red orange yellow green blue purple pink brown black white".split()
)
POSITIONS: tuple[str, ...] = ("left of", "right of", "above", "below")
NUMBER_WORDS: tuple[str, ...] = tuple(
    "zero one two three four five six seven eight nine ten".split()
)
TASKS: tuple[str, ...] = (
    "single_object",
    "two_object",
    "counting",
    "colors",
    "position",
    "color_attr",
)


def article(words: str) -> str:
    """Put GenEval's article before a noun phrase: "an" before a vowel letter, else "a"."""
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"


def plural(noun: str) -> str:
    """Form GenEval's plural, ungrammatical at times ("knifes", "sheeps") but part of the suite."""
    return noun + ("es" if noun.endswith("s") else "s")


def caption(requirements: Requirements) -> str:
    """Write the sentence that GenEval's template gives for these requirements."""
    first, *others = (_noun_phrase(c) for c in requirements.include)
    if requirements.tag == "position" and requirements.include[-1].position:
        # The object that is placed comes last among the clauses and first in the sentence.
        return f"a photo of {others[-1]} {requirements.include[-1].position[0]} {first}"
    return "a photo of " + " and ".join([first, *others])


def _noun_phrase(clause: Clause) -> str:
    if clause.count > 1:
        return f"{NUMBER_WORDS[clause.count]} {plural(clause.class_name)}"
    return article(f"{clause.color} {clause.class_name}" if clause.color else clause.class_name)


def sample(
    classes: Sequence[str] = CLASSES, *, count: int = GENEVAL_SAMPLES, seed: int = GENEVAL_SEED
) -> list[tuple[str, Requirements]]:
    """Draw prompts of the six GenEval tasks, in GenEval's order and from its random stream.

    With the defaults these are the official 553 prompts (djghosh13/geneval, arXiv 2310.11513
    §3.1): one PCG64 stream, ``count`` draws per task, the first of equal samples kept.
    """
    import numpy as np

    if len(set(classes) - {"person"}) < 2 or len(set(classes)) != len(classes):
        raise SuiteError(
            f"Cannot sample from the classes {list(classes)}: two-object prompts need at least two "
            "different classes besides person, each named once."
        )
    rng = np.random.default_rng(seed)
    drawn = [r for task in TASKS for r in _SAMPLERS[task](classes, count, rng)]
    unique = dict.fromkeys(drawn)  # equal samples are equal keys; the first one's place is kept
    return [(caption(r), r) for r in unique]


def _clause(name: str, count: int = 1, **more: Any) -> Clause:
    return Clause.model_validate({"class": name, "count": count, **more})


def _without_person(
    classes: Sequence[str], rng: np.random.Generator, size: int | None = None
) -> Any:
    """Draw class indices; where there is a person, GenEval never colours one."""
    if "person" not in classes:
        return rng.choice(len(classes), size=size, replace=False)
    shift = classes.index("person") + 1
    return (rng.choice(len(classes) - 1, size=size, replace=False) + shift) % len(classes)


def _single(
    classes: Sequence[str], _count: int, rng: np.random.Generator
) -> Iterator[Requirements]:
    for i in rng.choice(len(classes), size=len(classes), replace=False):
        yield Requirements(tag="single_object", include=(_clause(classes[i]),))


def _two(classes: Sequence[str], count: int, rng: np.random.Generator) -> Iterator[Requirements]:
    for _ in range(count):
        a, b = rng.choice(len(classes), size=2, replace=False)
        yield Requirements(tag="two_object", include=(_clause(classes[a]), _clause(classes[b])))


def _counting(
    classes: Sequence[str], count: int, rng: np.random.Generator
) -> Iterator[Requirements]:
    for _ in range(count):
        name = classes[rng.choice(len(classes))]
        k = int(rng.integers(2, 4, endpoint=True))
        yield Requirements(
            tag="counting", include=(_clause(name, k),), exclude=(_clause(name, k + 1),)
        )


def _colors(classes: Sequence[str], count: int, rng: np.random.Generator) -> Iterator[Requirements]:
    for _ in range(count):
        name = classes[_without_person(classes, rng)]
        color = COLORS[rng.choice(len(COLORS))]
        yield Requirements(tag="colors", include=(_clause(name, color=color),))


def _position(
    classes: Sequence[str], count: int, rng: np.random.Generator
) -> Iterator[Requirements]:
    for _ in range(count):
        a, b = rng.choice(len(classes), size=2, replace=False)
        relation = POSITIONS[rng.choice(len(POSITIONS))]
        placed = _clause(classes[a], position=(relation, 0))
        yield Requirements(tag="position", include=(_clause(classes[b]), placed))


def _color_attr(
    classes: Sequence[str], count: int, rng: np.random.Generator
) -> Iterator[Requirements]:
    for _ in range(count):
        a, b = _without_person(classes, rng, 2)
        x, y = rng.choice(len(COLORS), size=2, replace=False)
        clauses = _clause(classes[a], color=COLORS[x]), _clause(classes[b], color=COLORS[y])
        yield Requirements(tag="color_attr", include=clauses)


_SAMPLERS: Mapping[str, Callable[..., Iterator[Requirements]]] = {
    "single_object": _single,
    "two_object": _two,
    "counting": _counting,
    "colors": _colors,
    "position": _position,
    "color_attr": _color_attr,
}
