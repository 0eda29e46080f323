"""Names beside points cover neither each other nor a point, and stay where they were."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit import canvas, labels


def boxes(points, names, size=6.5):
    figure, axes = canvas.axes(8, 5)
    axes.plot(*zip(*points, strict=True), "o", ms=4)
    axes.margins(0.15)
    labels.place(axes, points, names, size=size)
    figure.draw_without_rendering()
    renderer = figure._get_renderer()
    shown = [text for text in axes.texts if text.get_text()]
    assert sorted(t.get_text() for t in shown) == sorted(names)
    return [text.get_window_extent(renderer) for text in shown]


@settings(max_examples=15)
@given(
    st.lists(
        st.tuples(st.integers(0, 20), st.integers(900, 1100)), min_size=2, max_size=8, unique=True
    )
)
def test_no_name_covers_another(points):
    found = boxes(points, [f"model-{i}" for i in range(len(points))])
    assert not any(one.overlaps(other) for one, other in itertools.combinations(found, 2))


def test_names_are_placed_alike_each_time():
    points = [(0.1, 1000), (0.11, 1001), (0.12, 999), (3, 950)]
    first, again = (boxes(points, list("abcd")) for _ in range(2))
    assert [b.bounds for b in first] == [b.bounds for b in again]


@pytest.mark.parametrize("names", [["a"], []])
def test_one_point_or_none(names):
    _, axes = canvas.axes(4, 3)
    labels.place(axes, [(1.0, 2.0)][: len(names)], names, size=7)
    assert len(axes.texts) == len(names)


def test_a_dollar_is_no_formula_and_a_long_name_keeps_both_ends():
    assert canvas.short("$x_1$") == r"\$x_1\$"
    cut = canvas.short("a" * 40 + "-4-steps")
    assert (len(cut), cut[-8:]) == (canvas.LONGEST, "-4-steps")
