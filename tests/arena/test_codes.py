"""Columns of any kind become the codes that a dictionary would give them."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arena import codes
from arena.codes import factorise, occurrences, smallest

NAMES = st.sampled_from(["a", "b", "", " ", "模型 é", "a\0b", "rater-17"])
MISSING = st.sampled_from([None, float("nan"), pd.NA])
KINDS = ("object", "str", "string[python]", "category")


@pytest.fixture(params=[1 << 18, 3])
def chunk(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """Cut columns of a few rows also."""
    monkeypatch.setattr(codes, "CHUNK", request.param)
    return int(request.param)


def naive(column: pd.Series[Any]) -> list[object]:
    return [None if pd.isna(value) else value for value in column]


def decoded(column: pd.Series[Any]) -> list[object]:
    numbers, values = factorise(column)
    assert len(numbers) == len(column)
    if len(numbers):
        assert set(numbers) - {-1} == set(range(len(values)))
    return [None if n < 0 else values[n] for n in numbers.tolist()]


def own(name: object) -> object:
    """Return an equal string that is another object."""
    return "".join(list(name)) if isinstance(name, str) and len(name) > 1 else name


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [1 << 18, 3])
@given(rows=st.lists(st.one_of(NAMES, MISSING), max_size=30), fresh=st.booleans())
def test_every_kind_of_column_is_decoded_to_itself(
    kind: str, size: int, rows: list[object], fresh: bool
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(codes, "CHUNK", size)
        column = pd.Series([own(row) for row in rows] if fresh else rows, dtype=object)
        assert decoded(column.astype(kind)) == naive(column)


@given(rows=st.lists(st.one_of(st.integers(-3, 3), st.booleans(), st.text(max_size=2), MISSING)))
def test_objects_of_all_types_are_told_apart_as_pandas_does(rows: list[object]) -> None:
    column = pd.Series(rows, dtype=object)
    expected, values = pd.factorize(column.to_numpy(dtype=object))
    numbers, found = factorise(column)
    again = pd.factorize(np.where(numbers < 0, None, numbers.astype(object)))[0]
    assert again.tolist() == expected.tolist()
    assert len(found) == len(values)


@given(rows=st.lists(st.integers(-5, 5), min_size=1))
def test_numbers_are_values(rows: list[int]) -> None:
    assert decoded(pd.Series(rows)) == rows
    assert decoded(pd.Series(rows, dtype="Int64")) == rows


def test_arrow_strings_are_values() -> None:
    column = pd.Series(["b", None, "a", "b"], dtype="string[pyarrow]")
    assert decoded(column) == ["b", None, "a", "b"]


def test_equal_strings_of_different_objects_are_one_value(chunk: int) -> None:
    column = pd.Series([own("rater-1"), own("rater-1"), "rater-2"] * 4, dtype=object)
    numbers, values = factorise(column)
    assert list(values) == ["rater-1", "rater-2"]
    assert numbers.tolist() == [0, 0, 1] * 4


def test_a_column_of_a_table_of_objects_is_read_by_its_strides() -> None:
    table = np.array([["a", "x"], ["b", "y"], ["a", "z"]], dtype=object)
    assert decoded(pd.Series(table[:, 0], copy=False)) == ["a", "b", "a"]
    frame = pd.DataFrame(table, dtype=object)
    assert decoded(frame[1]) == ["x", "y", "z"]
    assert decoded(frame[1][::-1]) == ["z", "y", "x"]


def test_objects_are_neither_kept_nor_lost(chunk: int) -> None:
    name = own("a name of its own")
    column = pd.Series([name, "b"] * 5, dtype=object)
    before = sys.getrefcount(name)
    factorise(column)
    assert sys.getrefcount(name) == before


def test_categories_that_no_row_has_are_dropped() -> None:
    kind = pd.CategoricalDtype(["z", "a", "y", "b"])
    numbers, values = factorise(pd.Series(["b", None, "a"], dtype=kind))
    assert list(values) == ["a", "b"]
    assert numbers.tolist() == [1, -1, 0]


@given(rows=st.lists(st.integers(0, 9)))
def test_occurrences_are_counted_in_pieces(rows: list[int]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(codes, "CHUNK", 4)
        found = occurrences(np.array(rows, dtype=np.int8), 10)
    assert found.tolist() == [rows.count(n) for n in range(10)]


@pytest.mark.parametrize("values", [0, 1, 127, 128, 32767, 32768, 2**31 - 1, 2**31])
def test_the_smallest_type_holds_every_code(values: int) -> None:
    assert np.iinfo(smallest(values)).max >= max(values - 1, 0)
    assert np.iinfo(smallest(values)).min < 0
