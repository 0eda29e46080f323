"""Simulated raters at a running page: the whole way by HTTP, marked, and nothing lost."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from arena import rehearsal, studies, studyfile
from arena.attendance import Manner, attend
from arena.audit import audit
from arena.battles import Arena
from arena.identity import VARIABLE
from arena.records import Outcome, Purpose
from arena.simulation import Crowd, Sight, by_truth
from arena.store import Store
from evalkit.errors import StudyError
from evalkit.runs import Run

STUDY = """
name = "small"
languages = ["en", "ko", "ja"]
consent = { en = "Do you agree?", ko = "동의하십니까?", ja = "同意しますか。" }
instructions = { en = "Look at both.", ko = "둘 다 보십시오.", ja = "両方を見てください。" }

[[criteria]]
id = "quality"

[[criteria]]
id = "alignment"

[raters]
quota = 8
break_after = 5

[draws]
gold_rate = 0.25
repeat_rate = 0.1
repeat_gap = 2

[[examples]]
use = "training"
criterion = "alignment"
better = { model = "alpha-model", prompt = "00000", seed = 0 }
worse = { model = "gamma-model", prompt = "00000", seed = 0 }

[[examples]]
use = "gold"
criterion = "quality"
better = { model = "alpha-model", prompt = "00001", seed = 0 }
worse = { model = "gamma-model", prompt = "00001", seed = 0 }
"""

PANEL = """
[panel]
kind = "generic"
rater = "who"
session = "visit"
[panel.done]
code = "GOODBYE"
"""

CROWD = Crowd(raters=6, careless=2)


@pytest.fixture(autouse=True)
def secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "a secret of more than thirty-two characters")


@pytest.fixture
def sight(run: Run) -> Sight:
    return by_truth(run.truths())


def loaded(store: Store, run: Run, folder: Path, text: str = STUDY) -> Store:
    file = folder / "study.toml"
    file.write_text(text)
    read = studyfile.read(file)
    studies.load(store, run, studies.plan(read.name, read.with_pictures(run.images), seed=1))
    return store


def test_a_whole_study_by_http(store: Store, run: Run, tmp_path: Path, sight: Sight) -> None:
    """Consent, instructions, training, battles with checks, pauses and the end, in 3 languages."""
    loaded(store, run, tmp_path, STUDY + PANEL)
    with rehearsal.served(store, "small") as page:
        found = attend(page, store, "small", sight, CROWD, Manner(together=3))
        assert (found.kept, found.lost, found.endings) == (48, (), Counter(done=6))
        assert len({p.token for p in found.promises}) == len(found.promises) == 48
        assert found.languages == Counter(en=2, ko=2, ja=2)
        again = attend(page, store, "small", sight, CROWD)
    assert (again.kept, again.promises) == (48, [])
    rows = studies.standing_votes(store, "small", checks=True)
    assert all(v.simulated for v in rows)
    assert Counter(v.language for v in rows) == Counter(en=16, ko=16, ja=16)
    assert {v.purpose for v in rows} == {"rating", "gold", "repeat"}
    assert {v.criterion for v in rows} == {"quality", "alignment"}
    assert audit(store, "small").unanswered == 0
    with store.reading() as facts:
        key, _ = facts.study("small")
        trained = [
            facts.answers(key, rater, Purpose.TRAINING)
            for rater in map(facts.rater_labelled, {v.rater or "" for v in rows})
            if rater is not None
        ]
    assert len(trained) == 6
    assert all(v.simulated for answers in trained for _, v in answers)


def test_they_vote_as_they_do_without_the_page(
    store: Store, run: Run, tmp_path: Path, sight: Sight
) -> None:
    """The same raters, shown the same battle, give the same answer by either way."""
    loaded(store, run, tmp_path)
    with rehearsal.served(store, "small") as page:
        attend(page, store, "small", sight, Crowd(3), Manner(votes=6))
    from arena.simulation import judge

    with store.reading() as facts:
        key, _ = facts.study("small")
        for number in range(3):
            rater = facts.rater_labelled(f"simulated-small-0-{number:03d}")
            assert rater is not None
            votes = facts.answers(key, rater, Purpose.RATING)
            assert 0 < len(votes) <= 6
            for battle, vote in votes:
                own = {"rater": rater.label, "seed": 0, "character": Crowd(3).of(number)}
                assert judge(battle, sight, tuple(Outcome), **own) is vote.outcome  # type: ignore[arg-type]


def test_a_vote_by_the_page_cannot_claim_to_be_simulated_or_not(arena: Arena, store: Store) -> None:
    person = arena.enter("a person's secret, of a browser")
    program = arena.make_up("simulated-s-0-000", "a program's secret, of no browser")
    assert arena.enter("a program's secret, of no browser") == program
    for rater, simulated in ((person, False), (program, True)):
        battle = arena.open(rater)
        assert battle is not None
        assert arena.cast(str(battle.token), rater, Outcome.LEFT).simulated is simulated
    assert audit(store, "s").simulated == 1


def test_a_label_that_voted_otherwise_is_refused(arena: Arena) -> None:
    arena.enter_as("simulated-s-0-000")
    with pytest.raises(StudyError, match="another --seed"):
        arena.make_up("simulated-s-0-000", "a program's secret, of no browser")


def test_a_study_without_an_end_needs_a_number(arena: Arena, store: Store, sight: Sight) -> None:
    with pytest.raises(StudyError, match="Say --votes"):
        attend("http://127.0.0.1:1/", store, "s", sight, Crowd(1))


def test_the_page_of_another_database_gets_no_vote(
    store: Store, run: Run, tmp_path: Path, sight: Sight
) -> None:
    loaded(store, run, tmp_path)
    other = Store.open(str(tmp_path / "other.sqlite"), create=True, durable=False)
    try:
        loaded(other, run, tmp_path)
        wrong = pytest.raises(StudyError, match="Name the database")
        with rehearsal.served(other, "small") as page, wrong:
            attend(page, store, "small", sight, Crowd(2))
        assert audit(other, "small").votes == audit(store, "small").votes == 0
    finally:
        other.close()


def test_more_careless_than_there_are_is_refused() -> None:
    with pytest.raises(StudyError, match="3 cannot be careless"):
        Crowd(2, careless=3)
