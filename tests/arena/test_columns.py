"""The table read by columns is that of the records, cell by cell."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from arena import columns, importing, studies, votes
from arena.battles import Arena
from arena.records import Outcome
from arena.store import Store
from evalkit.errors import UnknownNameError
from tests.arena.test_battles import token

IMPORTED = {
    "left": ["ŕ", "b", "a", "b"],
    "right": ["b", "a", "ŕ", "a"],
    "winner": ["left", "tie", "both_bad", "right"],
    "rater": ["ann", None, "zoë", "ann"],
    "prompt": ["1", None, "2", "1"],
    "category": ["x", "y", None, None],
    "seconds": [1.5, None, 0.0, 2.0],
    "simulated": [True, False, False, True],
}


def same(store: Store, study: str) -> pd.DataFrame:
    """Check the table with and without the checks on raters."""
    for checks in (False, True):
        found = columns.standing(store, study, checks=checks)
        rows = studies.standing_votes(store, study, checks=checks)
        pd.testing.assert_frame_equal(found, votes.table(rows))
    return found


def test_imported_votes_with_gaps_are_the_same_table(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    importing.import_votes(store, studies.describe("i"), pd.DataFrame(IMPORTED), "1")
    importing.import_votes(store, studies.describe("other"), pd.DataFrame(IMPORTED), "1")
    for rows in (1, 3, 500):
        monkeypatch.setattr(columns, "PART", rows)
        assert len(same(store, "i")) == 4


def test_votes_of_the_page_are_the_same_table_without_what_was_undone(
    arena: Arena, store: Store
) -> None:
    rater = arena.enter("secret")
    for outcome in (Outcome.LEFT, Outcome.TIE, Outcome.BOTH_BAD):
        battle = arena.open(rater)
        assert battle is not None
        arena.cast(token(battle), rater, outcome)
    arena.undo(rater)
    assert len(same(store, "s")) == 2


def test_a_study_without_votes_is_an_empty_table_with_all_columns(
    arena: Arena, store: Store
) -> None:
    assert same(store, "s").empty
    with pytest.raises(UnknownNameError, match="Known: s"):
        columns.standing(store, "t")


def test_a_word_that_many_votes_give_is_one_object(store: Store, tmp_path: Path) -> None:
    importing.import_votes(store, studies.describe("i"), pd.DataFrame(IMPORTED), "1")
    with pd.option_context("mode.string_storage", "python"):  # Arrow has no objects of its own
        found = columns.standing(store, "i")
    for name in ("left", "rater", "criterion"):
        cells = [one for one in found[name] if isinstance(one, str)]
        assert len({id(one) for one in cells}) == len(set(cells)), name
