"""Columns of names to small numbers: where the time of a rating goes, so done by identity."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Codes: TypeAlias = NDArray[np.integer[Any]]

CHUNK = 1 << 18
"""Rows at a time: their 64-bit intermediates stay in the cache and out of the peak of memory."""


def factorise(column: pd.Series[Any]) -> tuple[Codes, pd.Index]:
    """Return codes (-1 where missing) and the distinct values that occur in a column.

    The codes are of the smallest type that holds them: widen them before any arithmetic.
    """
    if isinstance(column.dtype, pd.CategoricalDtype):
        return _used(column.cat.codes.to_numpy(), column.cat.categories)
    strings = isinstance(column.dtype, pd.StringDtype) and column.dtype.storage == "python"
    if strings or column.dtype == object:
        return _by_identity(column.to_numpy(dtype=object))
    codes, values = pd.factorize(column)
    return codes.astype(smallest(len(values))), pd.Index(values)


def chunks(length: int, least: int = 0) -> Iterator[slice]:
    """Cut rows into pieces whose intermediates fit the cache."""
    size = max(CHUNK, least)
    return (slice(start, start + size) for start in range(0, length, size))


def occurrences(codes: Codes, size: int) -> NDArray[np.int64]:
    """Count how often each code from 0 occurs; all at once numpy would copy them to 64 bits."""
    total = np.zeros(size, dtype=np.int64)
    for some in chunks(len(codes), size):
        total += np.bincount(codes[some], minlength=size)
    return total


def smallest(values: int) -> type[np.signedinteger[Any]]:
    """Return the smallest type that numbers so many values, and -1."""
    return next(t for t in (np.int8, np.int16, np.int32, np.int64) if values <= np.iinfo(t).max)


def _used(codes: Codes, values: pd.Index) -> tuple[Codes, pd.Index]:
    """Drop the categories that no row has."""
    used = occurrences(codes + 1, len(values) + 1)[1:] > 0
    if used.all():
        return codes, values
    number = np.append(np.cumsum(used) - 1, -1).astype(codes.dtype)
    return number[codes], values[used]


def _by_identity(objects: NDArray[np.object_]) -> tuple[Codes, pd.Index]:
    """Number objects by their address first and by their value then.

    A table's few names are a few objects, met a million times. Hashing an address is ten times
    faster than asking an object for its hash and comparing; only one object of each address is
    asked. Where most rows have an object of their own that gains nothing, and all are asked.
    """
    address, own = np.asarray(_Addresses(objects)), False
    codes = np.empty(len(objects), dtype=np.int32)
    rows = np.arange(min(CHUNK, len(objects)))
    found = []
    for some in chunks(len(objects)):
        if not own:
            codes[some], addresses = pd.factorize(address[some])
            own = 2 * len(addresses) > CHUNK
        if own:
            codes[some], names = pd.factorize(objects[some])
        else:
            one = np.empty(len(addresses), dtype=np.intp)
            one[codes[some]] = rows[: len(codes[some])]
            names = objects[some][one]
        found.append(names)
    return _joined(codes, found)


def _joined(codes: Codes, found: list[NDArray[np.object_]]) -> tuple[Codes, pd.Index]:
    """Number values throughout that ``codes`` number chunk by chunk, -1 where missing."""
    numbers, values = pd.factorize(np.concatenate([np.empty(0, dtype=object), *found]))
    kind = smallest(len(values))
    number, out, start = numbers.astype(kind), np.empty(len(codes), dtype=kind), 0
    for some, names in zip(chunks(len(codes)), found, strict=True):
        # A missing value is numbered -1, and -1 is the place of what is appended.
        part = np.append(number[start : start + len(names)], kind(-1))
        np.take(part, codes[some], out=out[some], mode="wrap")
        start += len(names)
    return out, pd.Index(values, dtype=object)


class _Addresses:
    """An array of objects seen as the addresses it is made of; numpy has no view for that."""

    def __init__(self, objects: NDArray[np.object_]) -> None:
        self._objects = objects  # holds the memory, and with it the objects at the addresses
        found = objects.__array_interface__
        self.__array_interface__ = {name: found[name] for name in ("shape", "strides", "version")}
        self.__array_interface__ |= {"typestr": np.dtype(np.intp).str}
        self.__array_interface__ |= {"data": (found["data"][0], True)}  # to read only
