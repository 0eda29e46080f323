"""A run folder survives what happens to folders."""

from __future__ import annotations

import json
import multiprocessing
import shutil

import pytest

from evalkit.errors import RunError
from evalkit.records import Generation, Score, ScorerCard, WeightsInfo
from evalkit.runs import Run

CARD = ScorerCard(name="s", version=1, title="S", weights=(WeightsInfo(id="w", digest="d"),))


def row(n, **more):
    return Generation(id=f"g{n}", prompt_id="00000", model="plain", seed=n, image="0" * 64, **more)


def test_what_is_written_is_read_again(drawn):
    again = Run.open(drawn.path)
    assert again.generations() == drawn.generations()
    assert again.manifest == drawn.manifest
    assert again.suite == drawn.suite
    assert len(again.generations()) == 24


def test_pictures_lie_beside_runs(drawn):
    assert drawn.images.root == drawn.path.parent.parent / "images"


def test_a_torn_last_line_is_dropped_and_then_cut(drawn):
    path = drawn.path / "generations.jsonl"
    whole = path.read_bytes()
    path.write_bytes(
        whole + b'{"id": "torn',
    )
    assert len(drawn.generations()) == 24
    drawn.reopen()
    drawn.add([row(1)])
    assert path.read_bytes().startswith(whole)
    assert len(drawn.generations()) == 25
    assert b"torn" not in path.read_bytes()


def test_a_damaged_line_in_the_middle_is_named(drawn):
    path = drawn.path / "generations.jsonl"
    lines = path.read_bytes().split(b"\n")
    lines[2] = b'{"id": 1}'
    path.write_bytes(b"\n".join(lines))
    with pytest.raises(RunError, match="line 3 is damaged"):
        drawn.generations()


def test_the_last_row_of_a_generation_counts(drawn):
    drawn.reopen()
    drawn.add([row(7)])
    drawn.add([row(7, seconds=3.0)])
    assert [g.seconds for g in drawn.generations() if g.id == "g7"] == [3.0]


def test_a_complete_run_refuses_an_append(drawn):
    with pytest.raises(RunError, match="is complete"):
        drawn.add([row(1)])


def test_a_folder_with_other_things_is_not_a_run(tmp_path, drawn):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("x")
    with pytest.raises(RunError, match="already holds something"):
        Run.create(tmp_path / "mine", drawn.manifest, drawn.suite)
    with pytest.raises(RunError, match="There is no run"):
        Run.open(tmp_path / "mine")


def test_a_run_that_another_process_has_just_made_is_named_as_one(drawn):
    with pytest.raises(RunError, match=r"There is a run at .* already"):
        Run.create(drawn.path, drawn.manifest, drawn.suite)


def test_a_folder_that_a_killed_attempt_began_is_taken_and_anothers_suite_is_not(drawn, tmp_path):
    begun = tmp_path / "begun"
    shutil.copytree(drawn.path, begun, ignore=lambda *_: {"manifest.json", "generations.jsonl"})
    for name in ("truths.jsonl", "scores", "images"):
        shutil.rmtree(begun / name, ignore_errors=True)
        (begun / name).unlink(missing_ok=True)
    (begun / "tmpx.part").write_text("{")
    assert Run.create(begun, drawn.manifest, drawn.suite).suite == drawn.suite
    (begun / "manifest.json").unlink()
    (begun / "suite.jsonl").write_text("mine\n")
    with pytest.raises(RunError, match="already holds something"):
        Run.create(begun, drawn.manifest, drawn.suite)
    assert (begun / "suite.jsonl").read_text() == "mine\n"


def test_a_newer_run_is_refused_in_words(drawn):
    path = drawn.path / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "schema_version": 99}))
    with pytest.raises(RunError, match="schema version 99"):
        Run.open(drawn.path)


@pytest.mark.parametrize("text", ["", "{", "[]", "\x00"])
def test_a_damaged_manifest_is_refused(drawn, text):
    (drawn.path / "manifest.json").write_text(text)
    with pytest.raises(RunError, match=r"manifest\.json"):
        Run.open(drawn.path)


def test_a_changed_suite_is_noticed(drawn):
    path = drawn.path / "suite.jsonl"
    path.write_text(path.read_text().replace("thing 3", "thing three"))
    with pytest.raises(RunError, match="was changed after"):
        Run.open(drawn.path)


def test_scores_of_other_weights_do_not_mix(drawn):
    drawn.add_scores(CARD, [Score(generation_id="g", scorer="s", version=1, value=1.0)])
    other = CARD.model_copy(update={"weights": (WeightsInfo(id="w", digest="e"),)})
    with pytest.raises(RunError, match="w \\(d\\)"):
        drawn.add_scores(other, [Score(generation_id="h", scorer="s", version=1, value=1.0)])
    assert [s.generation_id for s in drawn.scores(CARD)] == ["g"]


def test_versions_are_kept_apart(drawn):
    drawn.add_scores(CARD, [Score(generation_id="g", scorer="s", version=1, value=1.0)])
    newer = CARD.model_copy(update={"version": 2})
    assert drawn.scores(newer) == []


def test_one_name_is_one_model(drawn, noise):
    with pytest.raises(RunError, match="with other settings"):
        drawn.extend([noise("plain", flavour=3)], range(1))


def _try_to_write(path, answers):
    try:
        with Run.open(path).lock():
            answers.put("wrote")
    except RunError as error:
        answers.put(str(error))


def test_a_second_process_is_refused(drawn):
    context = multiprocessing.get_context("spawn")
    answers = context.Queue()
    with drawn.lock():
        process = context.Process(target=_try_to_write, args=(drawn.path, answers))
        process.start()
        answer = answers.get(timeout=60)
        process.join()
    assert "Another process is writing" in answer


def test_damaged_pictures_are_listed(drawn):
    first = drawn.generations()[0]
    drawn.images.path(first.image).write_bytes(b"")
    (complaint,) = drawn.damaged()
    assert "plain, prompt 00000" in complaint


def test_a_disk_error_names_the_cause(drawn, monkeypatch):
    (drawn.path / "generations.jsonl").chmod(0o400)
    drawn.reopen()
    monkeypatch.setattr("pathlib.Path.open", _full)
    with pytest.raises(RunError, match="No space left"):
        drawn.add([row(1)])


def _full(*_, **__):
    raise OSError(28, "No space left on device")
