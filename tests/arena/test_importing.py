"""Votes held elsewhere become battles of a study."""

from __future__ import annotations

import pandas as pd
import pytest

from arena import importing, studies
from arena.battles import Arena
from arena.records import Outcome
from arena.store import Store
from evalkit.errors import StudyError
from tests.arena.test_battles import token
from tests.arena.test_studies import entries


def frame(**more: list[object]) -> pd.DataFrame:
    return pd.DataFrame(
        {"left": ["a", "b", "a"], "right": ["b", "c", "c"], "winner": ["left", "tie", "both_bad"]}
        | more
    )


def test_imported_votes_come_out_as_they_went_in(store: Store) -> None:
    votes = frame(
        rater=["x", None, "x"], prompt=["1", "2", None], seconds=[1.5, float("nan"), 0.0],
        simulated=[True, False, False],
    )  # fmt: skip
    assert importing.import_votes(store, studies.describe("i"), votes, "1") == 3
    standing = studies.standing_votes(store, "i")
    assert [(v.left, v.right, v.winner) for v in standing] == [
        ("a", "b", "left"),
        ("b", "c", "tie"),
        ("a", "c", "both_bad"),
    ]
    assert [v.rater for v in standing] == ["x", None, "x"]
    assert [v.prompt for v in standing] == ["1", "2", ""]
    assert [v.seconds for v in standing] == [1.5, None, 0.0]
    assert [v.simulated for v in standing] == [True, False, False]


def test_the_same_file_is_imported_once(store: Store) -> None:
    importing.import_votes(store, studies.describe("i"), frame(), "1")
    with pytest.raises(StudyError, match="already has these votes"):
        importing.import_votes(store, studies.describe("i"), frame(), "1")
    importing.import_votes(store, studies.describe("i"), frame(rater=["x"] * 3), "2")
    importing.import_votes(store, studies.describe("i"), frame(rater=["x"] * 3), "3")
    importing.import_votes(store, studies.describe("other"), frame(), "1")
    assert len(studies.standing_votes(store, "i")) == 9
    assert len(entries(store, "i")) == 3, "an import's models are entries once"


def test_an_import_of_other_questions_is_refused_whole(store: Store) -> None:
    votes = frame(criterion=["overall", "quality", None])
    with pytest.raises(StudyError, match="also answer quality"):
        importing.import_votes(store, studies.describe("i"), votes, "1")
    with store.reading() as facts:
        assert facts.studies() == []


def test_imported_models_are_never_put_before_a_rater(arena: Arena, store: Store) -> None:
    importing.import_votes(store, studies.describe("s"), frame(), "1")
    arena = Arena(store, "s")
    assert arena.pairs == 12
    rater = arena.enter("secret")
    battle = arena.open(rater)
    assert battle is not None
    arena.cast(token(battle), rater, Outcome.LEFT)
    assert len(studies.standing_votes(store, "s")) == 4
