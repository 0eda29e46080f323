"""GenEval's rules: a table by hand, an oracle written another way, and what must always hold."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit.errors import SuiteError
from evalkit.records import Requirements
from evalkit.scorers.geneval import Detection, Options, judge, relations
from evalkit.scorers.geneval_rules import OFFICIAL, overlap, survivors

HERE = (0.0, 0.0, 10.0, 10.0)
RIGHT = (20.0, 0.0, 30.0, 10.0)
BELOW = (0.0, 20.0, 10.0, 30.0)
LOW_RIGHT = (20.0, 20.0, 30.0, 30.0)


def one(score: float = 0.95, box: tuple[float, float, float, float] = HERE) -> Detection:
    return Detection(box, score)


def no_colour(class_name: str, candidates: Any) -> list[str]:
    raise AssertionError("nobody asked for a colour")


def line(tag: str, include: list[Any], exclude: list[Any] | None = None) -> dict[str, Any]:
    base = {"tag": tag, "include": include, "prompt": "a photo"}
    return base if exclude is None else {**base, "exclude": exclude}


def clause(name: str, count: int = 1, **more: Any) -> dict[str, Any]:
    return {"class": name, "count": count, **more}


ONE_CAT = line("single_object", [clause("cat")])
TWO_CATS = line("counting", [clause("cat", 2)], [clause("cat", 3)])
CAT_AND_DOG = line("two_object", [clause("cat"), clause("dog")])
RED_CAT = line("colors", [clause("cat", color="red")])


def dog_is(relation: str) -> dict[str, Any]:
    return line("position", [clause("cat"), clause("dog", position=[relation, 0])])


TABLE: list[tuple[str, dict[str, Any], dict[str, Any], list[str], str]] = [
    ("nothing there", ONE_CAT, {}, [], "expected cat>=1, found 0"),
    ("an empty list", ONE_CAT, {"cat": []}, [], "expected cat>=1, found 0"),
    ("exactly 0.3 is too little", ONE_CAT, {"cat": [one(0.3)]}, [], "expected cat>=1, found 0"),
    (
        "0.3 in float32 is too little",
        ONE_CAT,
        {"cat": [one(np.float32(0.3))]},
        [],
        "expected cat>=1, found 0",
    ),
    ("a bit over 0.3", ONE_CAT, {"cat": [one(0.3001)]}, [], ""),
    ("NaN is no score", ONE_CAT, {"cat": [one(math.nan)]}, [], "expected cat>=1, found 0"),
    ("more than asked for", ONE_CAT, {"cat": [one(), one()], "dog": [one()]}, [], ""),
    (
        "0.9 is too little to count",
        TWO_CATS,
        {"cat": [one(0.9), one(0.95)]},
        [],
        "expected cat>=2, found 1",
    ),
    ("two to count", TWO_CATS, {"cat": [one(0.91), one(0.95), one(0.9)]}, [], ""),
    ("one too many", TWO_CATS, {"cat": [one(), one(), one()]}, [], "expected cat<3, found 3"),
    (
        "the lower threshold counts where the task is another",
        line("two_object", [clause("cat", 2)], [clause("cat", 3)]),
        {"cat": [one(0.4)] * 3},
        [],
        "expected cat<3, found 3",
    ),
    (
        "every fault is named",
        CAT_AND_DOG,
        {"bird": [one()]},
        [],
        "expected cat>=1, found 0\nexpected dog>=1, found 0",
    ),
    ("the colour asked for", RED_CAT, {"cat": [one()]}, ["red"], ""),
    (
        "another colour",
        RED_CAT,
        {"cat": [one()]},
        ["blue"],
        "expected red cat>=1, found 0 red; and 1 blue",
    ),
    (
        "one of two in the colour",
        line("colors", [clause("cat", 2, color="red")]),
        {"cat": [one(), one()]},
        ["red", "black"],
        "expected red cat>=2, found 1 red; and 1 red, 1 black",
    ),
    ("right", dog_is("right of"), {"cat": [one()], "dog": [one(box=RIGHT)]}, [], ""),
    (
        "left instead of right",
        dog_is("left of"),
        {"cat": [one()], "dog": [one(box=RIGHT)]},
        [],
        "expected dog left of target, found right of target",
    ),
    (
        "two relations at once satisfy either",
        dog_is("below"),
        {"cat": [one()], "dog": [one(box=LOW_RIGHT)]},
        [],
        "",
    ),
    (
        "two relations at once contradict a third",
        dog_is("above"),
        {"cat": [one()], "dog": [one(box=LOW_RIGHT)]},
        [],
        "expected dog above target, found right of and below target",
    ),
    (
        "one place",
        dog_is("above"),
        {"cat": [one()], "dog": [one()]},
        [],
        "expected dog above target, found  target",
    ),
    (
        "no target",
        dog_is("above"),
        {"dog": [one()]},
        [],
        "expected cat>=1, found 0\nno target for dog to be above",
    ),
    (
        "only the surest is looked at",
        dog_is("right of"),
        {"cat": [one()], "dog": [one(0.5, RIGHT), one(0.6, BELOW)]},
        [],
        "expected dog right of target, found below target",
    ),
    (
        "a target of the wrong colour is no target",
        line("color_attr", [clause("cat", color="red"), clause("dog", position=["right of", 0])]),
        {"cat": [one()], "dog": [one(box=RIGHT)]},
        ["blue"],
        "expected red cat>=1, found 0 red; and 1 blue\nno target for dog to be right of",
    ),
    (
        "every one of a group must be in its place",
        line("position", [clause("cat", 2), clause("dog", position=["right of", 0])]),
        {"cat": [one(0.9), one(0.8, (60.0, 0.0, 70.0, 10.0))], "dog": [one(box=RIGHT)]},
        [],
        "expected dog right of target, found left of target",
    ),
    (
        "a wrong colour hides a wrong place",
        line("position", [clause("cat"), clause("dog", color="red", position=["left of", 0])]),
        {"cat": [one()], "dog": [one(box=RIGHT)]},
        ["pink"],
        "expected red dog>=1, found 0 red; and 1 pink",
    ),
    ("nothing asked, nothing wrong", line("x", []), {"cat": [one()]}, [], ""),
    ("only an exclusion", {"tag": "x", "exclude": [clause("cat", 1)]}, {}, [], ""),
]


@pytest.mark.parametrize(
    ("asked", "found", "colours", "reason"),
    [case[1:] for case in TABLE],
    ids=[case[0] for case in TABLE],
)
def test_table(asked: Any, found: Any, colours: list[str], reason: str) -> None:
    judgement = judge(asked, found, (lambda *_: colours) if colours else no_colour)
    assert judgement.reason == reason
    assert judgement.correct == (reason == "")


def test_a_colour_is_asked_of_the_surest_only_and_once_per_clause() -> None:
    asked: list[tuple[str, list[float]]] = []

    def colour_of(name: str, candidates: Any) -> list[str]:
        asked.append((name, [d.score for d in candidates]))
        return ["red"] * len(candidates)

    found = {"cat": [one(0.4), one(0.8), one(0.6)], "dog": [one(0.2)]}
    wanted = line("colors", [clause("cat", 2, color="red"), clause("dog", color="red")])
    judge(wanted, found, colour_of)
    assert asked == [("cat", [0.8, 0.6])]


def test_sixteen_of_a_class_are_kept_at_most() -> None:
    crowd = {"cat": [one(0.99)] * 20}
    assert len(survivors(crowd, "counting")["cat"]) == 16
    assert judge(line("counting", [clause("cat", 17)]), crowd, no_colour).reason.endswith(
        "found 16"
    )


def test_of_equal_scores_the_later_comes_first() -> None:
    found = {"cat": [one(0.5, HERE), one(0.9, RIGHT), one(0.5, BELOW)]}
    kept = survivors(found, "position")["cat"]
    assert [d.box for d in kept] == [RIGHT, BELOW, HERE]


def test_overlap_drops_the_weaker_where_it_is_switched_on() -> None:
    shifted = (0.0, 0.0, 10.0, 11.0)
    found = {"cat": [one(0.5), one(0.8, shifted), one(0.4, RIGHT)]}
    assert len(survivors(found, "colors")["cat"]) == 3
    kept = survivors(found, "colors", Options(max_overlap=0.9))["cat"]
    assert [d.score for d in kept] == [0.8, 0.4]
    assert overlap(HERE, shifted) == 11 * 11 / (11 * 12)
    assert overlap(HERE, RIGHT) == 0


def test_an_overlap_of_just_the_limit_is_dropped() -> None:
    limit = overlap(HERE, (0.0, 0.0, 10.0, 11.0))
    found = {"cat": [one(0.5), one(0.8, (0.0, 0.0, 10.0, 11.0))]}
    assert len(survivors(found, "x", Options(max_overlap=limit))["cat"]) == 1


def test_a_record_is_as_good_as_a_line() -> None:
    found = {"cat": [one()]}
    assert judge(Requirements.parse(ONE_CAT), found, no_colour) == judge(ONE_CAT, found, no_colour)


@pytest.mark.parametrize(
    ("bad", "where"),
    [
        ({"include": []}, "tag"),
        (line("x", [{"class": "cat"}]), "include.0.count"),
        (line("x", [clause("cat", 0)]), "include.0.count"),
        (line("x", [clause("cat", colour="red")]), "include.0.colour"),
        (line("x", [clause("cat", position=["above", 0])]), "placed against clause 0"),
        (line("x", [clause("cat"), clause("cat", position=["above", -1])]), "against clause -1"),
    ],
)
def test_requirements_that_make_no_sense_are_refused(bad: Any, where: str) -> None:
    with pytest.raises(SuiteError, match=where):
        judge(bad, {"cat": [one()]}, no_colour)


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        ((2.0, 0.0, 12.0, 10.0), ()),  # shorter by 0.1 * (10 + 10): nothing is left
        ((4.0, 0.0, 14.0, 10.0), ()),  # half of the distance is not more than half
        ((4.01, 0.0, 14.01, 10.0), ("right of",)),
        ((-4.01, 0.0, 5.99, 10.0), ("left of",)),
        ((0.0, 4.01, 10.0, 14.01), ("below",)),
        ((0.0, -4.01, 10.0, 5.99), ("above",)),
        ((30.0, 30.0, 40.0, 40.0), ("right of", "below")),
        ((-40.0, -40.0, -30.0, -30.0), ("left of", "above")),
        (HERE, ()),
    ],
)
def test_relations(box: Any, expected: tuple[str, ...]) -> None:
    assert relations(box, HERE) == expected


def test_relations_take_arrays_and_points() -> None:
    assert relations(np.float32([20, 0, 30, 10, 0.9]), np.float32([0, 0, 10, 10, 0.8])) == (
        "right of",
    )
    assert relations((5, 5, 5, 5), (5, 5, 5, 5)) == ()
    assert relations((5, 5, 5, 5), (5, 5.0005, 5, 5.0005)) == ()
    assert relations((5, 5, 5, 5), (5, 6, 5, 6)) == ("above",)


# The oracle: the same rules by plain loops over tuples, without numpy.


def oracle_relations(a: Any, b: Any, share: float) -> set[str]:
    far = ((a[0] + a[2]) - (b[0] + b[2])) / 2, ((a[1] + a[3]) - (b[1] + b[3])) / 2
    left = []
    for axis in (0, 1):
        sizes = abs(a[axis + 2] - a[axis]) + abs(b[axis + 2] - b[axis])
        rest = abs(far[axis]) - share * sizes
        left.append(math.copysign(rest, far[axis]) if rest > 0 else 0.0)
    if max(abs(left[0]), abs(left[1])) < 1e-3:
        return set()
    length = math.sqrt(far[0] ** 2 + far[1] ** 2)
    named = ((0, -1, "left of"), (0, 1, "right of"), (1, -1, "above"), (1, 1, "below"))
    return {name for axis, sign, name in named if sign * left[axis] / length > 0.5}


def oracle(asked: dict[str, Any], found: Any, colours: Any, options: Options) -> list[str]:
    """Return the kind of every fault, in order."""
    bar = options.counting_threshold if asked["tag"] == "counting" else options.threshold
    best: dict[str, list[int]] = {}
    for name, objects in found.items():
        pool = [(d.score, i) for i, d in enumerate(objects) if d.score > bar]
        best[name] = [i for _, i in sorted(pool, reverse=True)[: options.max_objects]]
    faults, groups = [], []
    for wanted in asked["include"]:
        name, count = wanted["class"], wanted["count"]
        top = best.get(name, [])[:count]
        fault = "" if len(top) == count else "count"
        if not fault and "color" in wanted:
            seen = Counter(colours[name][i] for i in top)
            fault = "" if seen[wanted["color"]] == count else "colour"
        if not fault and "position" in wanted:
            relation, target = wanted["position"]
            boxes = [found[name][i].box for i in top]
            others = groups[target]
            if others is None:
                fault = "target"
            elif not all(
                relation in oracle_relations(box, other, options.position_threshold)
                for box in boxes
                for other in others
            ):
                fault = "place"
        groups.append(None if fault else [found[name][i].box for i in top])
        faults += [fault] * bool(fault)
    for unwanted in asked.get("exclude", []):
        faults += ["excess"] * (len(best.get(unwanted["class"], [])) >= unwanted["count"])
    return faults


def kind(reason: str) -> str:
    if reason.startswith("no target"):
        return "target"
    if reason.endswith(" target"):
        return "place"
    if "<" in reason:
        return "excess"
    return "colour" if ";" in reason else "count"


NAMES = st.sampled_from(["cat", "dog", "car"])
EDGES = st.integers(0, 40).map(float)
BOXES = st.tuples(EDGES, EDGES, st.integers(0, 30), st.integers(0, 30)).map(
    lambda b: (b[0], b[1], b[0] + b[2], b[1] + b[3])
)
SCORES = st.one_of(
    st.sampled_from([0.05, 0.3, 0.30001, 0.9, 0.90001, 1.0]), st.floats(0, 1, width=32)
)
DETECTIONS = st.dictionaries(
    NAMES, st.lists(st.builds(Detection, BOXES, SCORES), max_size=6), max_size=3
)
COLOURS = st.sampled_from(["red", "blue", "white"])
RELATIONS = st.sampled_from(["left of", "right of", "above", "below"])


@st.composite
def lines(draw: Any) -> dict[str, Any]:
    include = []
    for index in range(draw(st.integers(0, 3))):
        wanted = clause(draw(NAMES), draw(st.integers(1, 3)))
        if draw(st.booleans()):
            wanted["color"] = draw(COLOURS)
        if index and draw(st.booleans()):
            wanted["position"] = [draw(RELATIONS), draw(st.integers(0, index - 1))]
        include.append(wanted)
    exclude = draw(st.lists(st.builds(clause, NAMES, st.integers(1, 3)), max_size=2))
    return line(draw(st.sampled_from(["counting", "colors", "position"])), include, exclude)


def by_identity(found: Any, colours: Any) -> Any:
    known = {id(d): colours[name][i] for name in found for i, d in enumerate(found[name])}
    return lambda name, candidates: [known[id(d)] for d in candidates]


def separate(found: Any) -> Any:
    """Give every detection an identity of its own, whatever hypothesis shares."""
    return {n: [Detection(d.box, d.score) for d in ds] for n, ds in found.items()}


@settings(max_examples=600)
@given(
    lines(),
    DETECTIONS,
    st.lists(COLOURS, min_size=6, max_size=6),
    st.sampled_from([OFFICIAL, Options(0.5, 0.7, 2, 1.0, 0.0), Options(max_objects=1)]),
)
def test_the_oracle_agrees(asked: Any, found: Any, palette: list[str], options: Options) -> None:
    found = separate(found)
    colours = dict.fromkeys(found, palette)
    judgement = judge(asked, found, by_identity(found, colours), options=options)
    faults = [kind(r) for r in judgement.reason.split("\n") if r]
    assert faults == oracle(asked, found, colours, options)
    assert judgement.correct == (not faults)


@settings(max_examples=200)
@given(lines(), DETECTIONS, st.lists(COLOURS, min_size=6, max_size=6), st.randoms())
def test_order_and_strangers_do_not_matter(
    asked: Any, found: Any, palette: list[str], shuffler: Any
) -> None:
    unique = {n: list({d.score: d for d in ds}.values()) for n, ds in separate(found).items()}
    known = {id(d): palette[i % 6] for ds in unique.values() for i, d in enumerate(ds)}
    mixed = {n: shuffler.sample(ds, len(ds)) for n, ds in reversed(unique.items())}
    mixed["zebra"] = [one()]

    def colour_of(name: str, candidates: Any) -> list[str]:
        return [known[id(d)] for d in candidates]

    assert judge(asked, unique, colour_of) == judge(asked, mixed, colour_of)


@settings(max_examples=300)
@given(BOXES, BOXES)
def test_relations_turn_round_with_the_objects(a: Any, b: Any) -> None:
    turned = {"left of": "right of", "right of": "left of", "above": "below", "below": "above"}
    assert {turned[r] for r in relations(a, b)} == set(relations(b, a))
    assert set(relations(a, b)) == oracle_relations(a, b, 0.1)
    moved = [tuple(x + 7 for x in box) for box in (a, b)]
    assert relations(*moved) == relations(a, b)


@settings(max_examples=200)
@given(lines(), DETECTIONS)
def test_a_found_object_more_never_hurts_without_exclusions(asked: Any, found: Any) -> None:
    wanted = {
        **asked,
        "exclude": [],
        "include": [clause(c["class"], c["count"]) for c in asked["include"]],
    }
    more = {name: [*found.get(name, []), one(0.99)] for name in ("cat", "dog", "car")}
    assert judge(wanted, more, no_colour).correct >= judge(wanted, found, no_colour).correct
