"""Studies made of runs."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from arena import studies
from arena.battles import Arena
from arena.store import Store
from evalkit.errors import ImageError, StudyError, UnknownNameError
from evalkit.prompts import Suite
from evalkit.records import Generation, Prompt
from evalkit.runs import Run
from tests.arena.conftest import make_run


def entries(store: Store, name: str) -> list[str]:
    with store.reading() as facts:
        key, _ = facts.study(name)
        return [e.model for e in facts.entries(key)]


def test_a_run_s_pictures_become_entries_once(store: Store, run: Run) -> None:
    first = studies.load(store, run, studies.describe("s"))
    assert (first.new, first.entries, first.failed) == (12, 12, 0)
    again = studies.load(store, run, studies.describe("s"))
    assert (again.new, again.entries) == (0, 12)
    assert again.study.seed == first.study.seed


def test_an_entry_keeps_all_that_the_page_and_the_reports_need(store: Store, run: Run) -> None:
    studies.load(store, run, studies.describe("s"))
    with store.reading() as facts:
        key, study = facts.study("s")
        entry = facts.entries(key)[0]
    made = run.generations()[0]
    assert (entry.generation_id, entry.image, entry.seed) == (made.id, made.image, 0)
    assert entry.prompt == run.suite.prompts[0].text
    assert entry.fingerprint == run.manifest.models[0].fingerprint
    assert (study.width, study.height, study.suite) == (512, 512, "t")


def test_generations_without_a_picture_are_counted_not_shown(store: Store, run: Run) -> None:
    failed = Generation(
        id="f", prompt_id="00000", model="alpha-model", seed=9, image=None, error="out of memory"
    )
    run.add([failed])
    loaded = studies.load(store, run, studies.describe("s"))
    assert (loaded.new, loaded.failed) == (12, 1)


def test_a_run_without_pictures_is_refused(store: Store, tmp_path: Path) -> None:
    empty = make_run(tmp_path / "runs" / "empty", prompts=0)
    with pytest.raises(StudyError, match="has no pictures"):
        studies.load(store, empty, studies.describe("s"))


def test_a_second_run_beside_the_first_adds_its_models(
    store: Store, run: Run, tmp_path: Path
) -> None:
    studies.load(store, run, studies.describe("s"))
    more = make_run(tmp_path / "runs" / "more", models=("delta-model",))
    assert studies.load(store, more, studies.describe("s")).entries == 16
    assert Arena(store, "s").pairs == 4 * 6


def test_a_run_elsewhere_is_refused_for_its_pictures_are_elsewhere(
    store: Store, run: Run, tmp_path: Path
) -> None:
    studies.load(store, run, studies.describe("s"))
    lonely = make_run(tmp_path / "elsewhere" / "runs" / "r", models=("delta-model",))
    with pytest.raises(ImageError, match="side by side in one folder named runs"):
        studies.load(store, lonely, studies.describe("s"))
    assert len(entries(store, "s")) == 12, "nothing of the refused load is kept"


def test_a_folder_that_moved_is_named_and_found_again(
    store: Store, run: Run, tmp_path: Path
) -> None:
    studies.load(store, run, studies.describe("s"))
    (tmp_path / "new").mkdir()
    for name in ("runs", "images"):
        shutil.move(tmp_path / name, tmp_path / "new" / name)
    with pytest.raises(ImageError, match=r"should be in .*images, which does not exist"):
        store.images(Arena(store, "s").study)
    studies.load(store, Run.open(tmp_path / "new" / "runs" / "small"), studies.describe("s"))
    assert store.images(Arena(store, "s").study).root.resolve() == tmp_path / "new" / "images"


def test_a_database_and_its_pictures_can_move_together(run: Run, tmp_path: Path) -> None:
    store = Store.open(str(tmp_path / "a.sqlite"), create=True)
    studies.load(store, run, studies.describe("s"))
    store.close()
    moved = tmp_path.with_name(tmp_path.name + "-moved")
    tmp_path.rename(moved)
    store = Store.open(str(moved / "a.sqlite"))
    study = Arena(store, "s").study
    assert study.images == "images"
    assert store.images(study).root.is_dir()
    store.close()
    moved.rename(tmp_path)


def test_a_missing_picture_is_named(store: Store, run: Run) -> None:
    digest = run.generations()[3].image
    assert digest
    run.images.path(digest).unlink()
    with pytest.raises(ImageError, match=digest):
        studies.load(store, run, studies.describe("s"))
    with store.reading() as facts:
        assert facts.studies() == []


def test_one_study_asks_one_question(store: Store, run: Run) -> None:
    studies.load(store, run, studies.describe("s", "quality"))
    with pytest.raises(StudyError, match="asks for quality, not alignment"):
        studies.load(store, run, studies.describe("s", "alignment"))
    assert studies.criterion_of(store, "s") == "quality"
    assert studies.criterion_of(store, "none") is None


def test_two_models_of_one_name_are_refused(store: Store, run: Run, tmp_path: Path) -> None:
    studies.load(store, run, studies.describe("s"))
    other = make_run(tmp_path / "runs" / "other", prompts=0)
    spec = other.manifest.models[0].model_copy(update={"steps": 4})
    manifest = other.manifest.model_copy(update={"models": (spec,)})
    other = Run(other.path, manifest, run.suite)
    other.add([run.generations()[0].model_copy(update={"id": "x"})])
    with pytest.raises(StudyError, match=r"model 'alpha-model' with another fingerprint"):
        studies.load(store, other, studies.describe("s"))


def test_two_texts_of_one_prompt_id_are_refused(store: Store, run: Run) -> None:
    studies.load(store, run, studies.describe("s"))
    changed = Suite("t", (Prompt(id="00000", suite="t", text="other"), *run.suite.prompts[1:]))
    run.add([run.generations()[0].model_copy(update={"id": "x"})])
    with pytest.raises(StudyError, match="prompt '00000' with another text"):
        studies.load(store, Run(run.path, run.manifest, changed), studies.describe("s"))


def test_every_criterion_has_words_and_others_need_some() -> None:
    for criterion, (question, _) in studies.QUESTIONS.items():
        assert studies.describe("s", criterion).protocol.criteria[0].question == question
        assert question.endswith("?")
    with pytest.raises(StudyError, match="--question"):
        studies.describe("s", "typography")
    plan = studies.describe("s", "typography", question="Which text is spelled right?")
    asked = plan.protocol.criteria[0]
    assert (asked.question, asked.hint) == ("Which text is spelled right?", "")
    with pytest.raises(StudyError, match="needs a name"):
        studies.describe("  ")


def test_the_seed_is_drawn_unless_it_is_given() -> None:
    assert len({studies.describe("s").seed for _ in range(5)}) == 5
    assert studies.describe("s", seed=0).seed == 0


def test_the_only_study_needs_no_name(store: Store) -> None:
    with pytest.raises(StudyError, match="0 studies: none"):
        studies.only_study(store, None)
    with store.writing() as facts:
        facts.add_study(studies.describe("one"))
    assert studies.only_study(store, None) == "one"
    assert studies.only_study(store, "one") == "one"
    with pytest.raises(UnknownNameError, match="Did you mean 'one'"):
        studies.only_study(store, "oen")
    with store.writing() as facts:
        facts.add_study(studies.describe("two"))
    with pytest.raises(StudyError, match=r"2 studies: one, two\. Name one with --study"):
        studies.only_study(store, None)
