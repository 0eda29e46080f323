"""A study's votes as a table, read by columns: a name is one object, met as often as it stands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from arena.facts import Facts
from arena.store import Store
from arena.votes import OPTIONAL, REQUIRED

Objects: TypeAlias = NDArray[np.object_]

PART = 500
"""Rows of the database in memory at a time: more of them wake the garbage collector, which takes
most of the time then."""
SPOKEN = ("winner", "criterion", "purpose", "gold", "language")
"""Columns whose few words the database repeats in every row."""


def standing(store: Store, study: str, *, checks: bool = False) -> pd.DataFrame:
    """Return the votes of a study that were not undone, shaped like votes.csv.

    The table is that of ``arena.votes.table``; ``checks`` adds the answers that rate no model. The
    database sends keys, and what they stand for is looked up in arrays.
    """
    with store.reading() as facts:
        key, _ = facts.study(study)
        lookup = _Lookup(facts, key)
        parts = [lookup.columns(part) for part in facts.vote_keys(key, PART, checks=checks)]
    names = [name for name in (*REQUIRED, *OPTIONAL) if name != "side_swapped"]
    parts = parts or [dict.fromkeys(names, np.zeros(0, dtype=object))]
    kinds = dict.fromkeys(names, "str") | {"seconds": "float64", "simulated": "bool"}
    return pd.DataFrame(
        {n: pd.Series(np.concatenate([part[n] for part in parts]), dtype=kinds[n]) for n in names}
    )


class _Lookup:
    """What the keys of a study's votes stand for."""

    def __init__(self, facts: Facts, study_id: int) -> None:
        self._words: dict[str | None, str | None] = {}
        entries = facts.entry_names(study_id)
        self._entries = {key: place for place, key in enumerate(entries)}
        columns = ("model", "prompt", "category", "generation")
        rows = zip(*entries.values(), strict=True) if entries else [()] * len(columns)
        self._of = {name: _objects(row) for name, row in zip(columns, rows, strict=True)}
        self._raters, self._protocols = facts.rater_labels(study_id), facts.digests(study_id)

    def columns(self, part: Mapping[str, Sequence[Any]]) -> dict[str, NDArray[Any]]:
        """Put names in the place of keys."""
        left, right = (
            np.array([self._entries[key] for key in part[side]]) for side in ("left", "right")
        )
        category = self._of["category"][left]
        return {
            "left": self._of["model"][left],
            "right": self._of["model"][right],
            "prompt": self._of["prompt"][left],
            "category": np.where(category == "", None, category),
            "left_generation": self._of["generation"][left],
            "right_generation": self._of["generation"][right],
            "rater": _objects([self._raters.get(key) for key in part["rater"]]),
            "protocol": _objects([self._protocols.get(key) for key in part["protocol"]]),
            "seconds": np.array(part["seconds"], dtype=float),  # None becomes NaN
            "simulated": np.array(part["simulated"], dtype=bool),
            **{n: _objects([self._words.setdefault(w, w) for w in part[n]]) for n in SPOKEN},
        }


def _objects(values: Sequence[object]) -> Objects:
    found: Objects = np.empty(len(values), dtype=object)
    found[:] = values
    return found
