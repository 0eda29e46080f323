"""Simulated raters: pure, seeded, marked, and able to go on after a kill."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arena import studies, votes
from arena.battles import Arena
from arena.records import Outcome
from arena.simulation import Character, Crowd, answer, by_scores, by_truth, look, simulate
from arena.simulation import judge as judge_of
from arena.store import Store
from evalkit.errors import StudyError, UnknownNameError
from evalkit.records import Generation, Score, ScorerCard
from evalkit.runs import Run
from tests import forked
from tests.arena.conftest import MODELS, make_run

SURE = Character(noise=0.0, taste=0.0)
FAULTS = st.lists(st.sampled_from(["colour", "count", "position", "blur"]), max_size=4)


def judge(left: list[str], right: list[str], character: Character = SURE, n: int = 0) -> Outcome:
    lost = Counter(left), Counter(right)
    return answer(*lost, rater="r", seed=0, ordinal=n, character=character)


def scored(
    run: Run,
    value: Callable[[Generation], float | None],
    name: str = "alike",
    *,
    version: int = 1,
    higher_is_better: bool = True,
) -> ScorerCard:
    """Score a run's pictures by a rule."""
    card = ScorerCard(name=name, version=version, title=name, higher_is_better=higher_is_better)
    rows = [(g, value(g)) for g in run.generations()]
    run.add_scores(
        card,
        [
            Score(
                generation_id=g.id,
                scorer=name,
                version=version,
                value=v,
                reason="unreadable" if v is None else None,
            )
            for g, v in rows
        ],
    )
    return card


def rank(generation: Generation) -> float:
    """Prefer the first model, then the second."""
    return -float(MODELS.index(generation.model))


def forget(run: Run) -> Run:
    """Take from a run what it knows of its pictures' faults."""
    (run.path / "truths.jsonl").unlink()
    return run


def test_without_noise_the_picture_with_fewer_faults_wins() -> None:
    assert judge([], ["count"]) is Outcome.LEFT
    assert judge(["count", "blur"], ["count"]) is Outcome.RIGHT
    assert judge([], []) is Outcome.TIE
    assert judge(["count"], ["colour"]) is Outcome.TIE
    assert judge(["count", "blur"], ["colour", "position"]) is Outcome.BOTH_BAD


@given(left=FAULTS, right=FAULTS)
def test_without_noise_sides_do_not_matter(left: list[str], right: list[str]) -> None:
    assert judge(left, right).mirrored is judge(right, left)


def test_an_answer_is_a_function_of_its_arguments() -> None:
    moody = Character()
    once = [judge(["blur"], ["count"], moody, n) for n in range(50)]
    assert once == [judge(["blur"], ["count"], moody, n) for n in range(50)]
    assert len(set(once)) > 1


def test_noise_errs_at_times_and_more_faults_lose_more_often() -> None:
    counts = [
        Counter(judge([], ["count"] * faults, Character(), n) for n in range(1000))
        for faults in range(4)
    ]
    wins = [c[Outcome.LEFT] for c in counts]
    assert wins == sorted(wins)
    assert 0 < counts[1][Outcome.RIGHT] < counts[1][Outcome.LEFT]
    assert abs(counts[0][Outcome.LEFT] - counts[0][Outcome.RIGHT]) < 120


def test_tastes_differ_between_raters() -> None:
    tasteful = Character(noise=0.0, taste=1.0, tie_width=0.0)
    answers = {
        answer({"blur": 1}, {"count": 1}, rater=f"r{i}", seed=0, ordinal=0, character=tasteful)
        for i in range(30)
    }
    assert answers == {Outcome.LEFT, Outcome.RIGHT}


def test_simulated_votes_are_marked_and_rank_the_models_truly(arena: Arena, run: Run) -> None:
    store = arena._store
    assert list(simulate(arena, look(run), raters=6, votes=60))[-1] == 60
    standing = studies.standing_votes(store, "s")
    assert len(standing) == 60
    assert all(v.simulated for v in standing)
    assert {v.rater for v in standing} == {f"simulated-0-{i:03d}" for i in range(6)}
    decisive = [v for v in standing if v.winner in ("left", "right")]
    won = Counter(v.left if v.winner == "left" else v.right for v in decisive)
    assert won["alpha-model"] > won["beta-model"] > won["gamma-model"]


def test_a_second_simulation_adds_only_what_is_missing(arena: Arena, run: Run) -> None:
    assert list(simulate(arena, look(run), raters=3, votes=9)) == list(range(1, 10))
    assert list(simulate(arena, look(run), raters=3, votes=9)) == []
    assert list(simulate(arena, look(run), raters=3, votes=12)) == [10, 11, 12]


def test_more_votes_than_pairs_are_refused(arena: Arena, run: Run) -> None:
    with pytest.raises(StudyError, match="after 12 of 13 votes"):
        list(simulate(arena, look(run), raters=1, votes=13))


def test_pictures_of_unknown_truth_are_refused(arena: Arena) -> None:
    with pytest.raises(StudyError, match="Nothing is known of the truth of generation"):
        list(simulate(arena, by_truth({}), raters=1, votes=1))


def test_raters_who_follow_scores_rank_the_models_by_them(arena: Arena, run: Run) -> None:
    """The truth of this run ranks alpha, beta, gamma; the score says the opposite."""
    scored(run, lambda g: -rank(g))
    assert list(simulate(arena, look(run, ["alike"]), raters=6, votes=60))[-1] == 60
    standing = studies.standing_votes(arena._store, "s")
    assert all(v.simulated for v in standing)
    decisive = [v for v in standing if v.winner in ("left", "right")]
    won = Counter(v.left if v.winner == "left" else v.right for v in decisive)
    assert won["alpha-model"] < won["beta-model"] < won["gamma-model"]


def test_a_score_of_which_less_is_better_is_turned_round(run: Run) -> None:
    up = by_scores(run, [scored(run, rank, "up")]).lost
    down = by_scores(run, [scored(run, lambda g: -rank(g), "down", higher_is_better=False)]).lost
    assert [v["up"] for v in up.values()] == pytest.approx([v["down"] for v in down.values()])


def test_scores_are_measured_by_what_they_differ_between_pictures_of_one_prompt(run: Run) -> None:
    """However far apart prompts are, and in whatever unit, three even models lie 1 apart."""
    sight = by_scores(run, [scored(run, lambda g: 50 * int(g.prompt_id) + 7 * rank(g))])
    of = {(g.model, g.prompt_id): sight.of(g.id)["alike"] for g in run.generations()}
    for _, prompt in of:
        values = [of[model, prompt] for model in MODELS]
        assert [b - a for a, b in pairwise(values)] == pytest.approx([1, 1])
    assert sum(of.values()) == pytest.approx(0)


def test_scores_share_the_vote_and_a_missing_one_leaves_it_to_the_others(run: Run) -> None:
    one = scored(run, rank, "one")
    two = scored(run, lambda g: None if g.prompt_id == "00000" else rank(g), "two")
    sight = by_scores(run, [one, two])
    for g in run.generations():
        lost = sight.of(g.id)
        assert set(lost) == ({"one"} if g.prompt_id == "00000" else {"one", "two"})
        assert sum(lost.values()) == pytest.approx(MODELS.index(g.model) - 1)


def test_a_score_that_never_differs_calls_all_pictures_equal(arena: Arena, run: Run) -> None:
    scored(run, lambda _: 0.5)
    noiseless = Character(noise=0.0)
    list(simulate(arena, look(run, ["alike"]), raters=2, votes=8, character=noiseless))
    assert {v.winner for v in studies.standing_votes(arena._store, "s")} == {"tie"}


def test_the_truth_comes_first_then_all_scores_of_their_newest_version(run: Run) -> None:
    scored(run, rank, "b")
    scored(run, lambda _: 0.0, "a")
    scored(run, rank, "a", version=2)
    assert look(run).by == ()
    assert look(run, ["b", "b"]).by == ("b",)
    sight = look(forget(run))
    assert sight.by == ("a", "b")
    first = run.generations()[0]
    assert sight.of(first.id) == pytest.approx({"a": -0.5, "b": -0.5})


def test_truths_of_some_pictures_alone_are_not_mixed_with_scores(run: Run) -> None:
    kept = dict(list(run.truths().items())[:3])
    forget(run).add_truths(kept)
    with pytest.raises(
        StudyError, match=r"faults of 3 of the 12 pictures .* no scores.*evalkit score"
    ):
        look(run)
    scored(run, rank)
    assert look(run).by == ("alike",)


def test_what_cannot_be_followed_is_refused(arena: Arena, run: Run) -> None:
    with pytest.raises(StudyError, match=r"The faults of 0 of the 12 pictures .* evalkit score"):
        look(forget(run))
    scored(run, lambda g: None if g.model == MODELS[0] else rank(g))
    with pytest.raises(UnknownNameError, match=r"Unknown score of this run 'alik'.*'alike'"):
        look(run, ["alik"])
    with pytest.raises(StudyError, match="Nothing is known by alike of generation"):
        list(simulate(arena, look(run), raters=1, votes=12))


def test_the_study_keeps_what_its_simulated_raters_followed(arena: Arena, run: Run) -> None:
    scored(run, rank)
    for _ in range(2):
        list(simulate(arena, look(run, ["alike"]), raters=1, votes=3, seed=1))
    list(simulate(arena, look(run), raters=1, votes=3, seed=2))
    assert arena.noted("simulate") == [{"seed": 1, "by": ["alike"]}, {"seed": 2, "by": []}]
    with pytest.raises(StudyError, match=r"seed 1 .*by alike, not by the truth.*another --seed"):
        list(simulate(arena, look(run), raters=1, votes=6, seed=1))


@pytest.mark.parametrize("by", [(), ("--by", "alike")], ids=["truth", "scores"])
def test_a_killed_simulation_ends_as_an_undisturbed_one(
    tmp_path: Path, by: tuple[str, ...]
) -> None:
    run = make_run(tmp_path / "runs" / "r", prompts=6)
    scored(run, rank)

    def prepare(name: str) -> list[str]:
        database = str(tmp_path / name)
        store = Store.open(database, create=True)
        studies.load(store, run, studies.describe("s", seed=5))
        store.close()
        where = ["--database", database, "--study", "s", "--run", str(run.path)]
        return ["arena", "simulate", *where, "--votes", "60", "--raters", "4", *by]

    def result(name: str) -> str:
        store = Store.open(str(tmp_path / name))
        text = votes.to_csv(studies.standing_votes(store, "s"))
        store.close()
        return text

    assert forked.run(*prepare("calm.sqlite")).returncode == 0
    command = prepare("killed.sqlite")
    for stop_after in (3, 17, 30):
        _kill_after(command, tmp_path / "killed.sqlite", stop_after)
    assert forked.run(*command).returncode == 0
    assert result("killed.sqlite") == result("calm.sqlite")
    assert result("calm.sqlite").count("\n") == 61


def _kill_after(command: list[str], database: Path, enough: int) -> None:
    process = forked.start(*command)
    store = Store.open(str(database))
    while process.is_alive() and len(studies.standing_votes(store, "s")) < enough:
        pass
    process.kill()
    process.join()
    store.close()


def test_raters_follow_another_score_where_another_criterion_is_asked(run):
    scored(run, rank, "a")
    scored(run, lambda g: -rank(g), "b")
    sight = look(run, ["a", "alignment=b"])
    assert sight.sources == ("a", "b (alignment)")
    first = next(iter(run.generations()))
    assert sight.of(first.id, "quality") == sight.of(first.id) != sight.of(first.id, "alignment")
    only = look(run, ["alignment=b"])
    assert only.sources == ("b (alignment)",)
    with pytest.raises(StudyError, match="Nothing is known"):
        only.of(first.id, "quality")
    with pytest.raises(UnknownNameError, match="'c'"):
        look(run, ["alignment=c"])


def test_raters_may_look_at_some_faults_alone(run: Run) -> None:
    sight = look(run, ["quality=faults:count", "alignment=faults:colour,count"])
    gamma = next(g.id for g in run.generations() if g.model == "gamma-model")
    assert sight.of(gamma, "quality") == {"count": 1}
    assert sight.of(gamma, "alignment") == {"colour": 1, "count": 1}
    assert sight.sources == ()
    with pytest.raises(UnknownNameError, match="fog"):
        look(run, ["faults:fog"])
    scored(run, lambda g: 1.0)
    with pytest.raises(StudyError, match="not both"):
        look(run, ["faults:count", "alike"])


def test_faults_that_nobody_knows_are_no_truth(run: Run) -> None:
    (run.path / "truths.jsonl").unlink()
    with pytest.raises(StudyError, match="The faults of 0 of the 12 pictures"):
        look(run, ["faults:count"])


def test_careless_raters_answer_by_lot_and_the_others_as_before(arena: Arena, run: Run) -> None:
    """Of 200 raters who look at nothing a quarter give each answer: 100 of 400 within 4 sigma."""
    arena.open(person := arena.enter_as("r"))
    battle = arena.open(person)
    assert battle is not None
    sight, outcomes = by_truth(run.truths()), tuple(Outcome)
    blind = [
        judge_of(battle, sight, outcomes, rater=f"r{i}", seed=0, character=Crowd(1, 0, 1).of(0))
        for i in range(400)
    ]
    assert all(65 < n < 135 for n in Counter(blind).values())
    assert len(set(blind)) == 4
    lost = (sight.of(battle.left.generation_id), sight.of(battle.right.generation_id))
    seen = judge_of(battle, sight, outcomes, rater="r", seed=0, character=Character())
    how = {"rater": "r", "seed": 0, "ordinal": battle.ordinal}
    assert seen is answer(*lost, character=Character(), **how)  # type: ignore[arg-type]


@given(FAULTS, FAULTS, st.integers(0, 50))
def test_an_answer_that_a_study_does_not_take_is_never_given(
    left: list[str], right: list[str], n: int
) -> None:
    both = (Outcome.LEFT, Outcome.RIGHT)
    assert judge(left, right, Character().within(both), n) in both
    assert judge(left, right, Character().within((*both, Outcome.TIE)), n) is not Outcome.BOTH_BAD
