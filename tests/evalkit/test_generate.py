"""Drawing resumes, repeats itself, and records what failed."""

from __future__ import annotations

import pytest

from evalkit.engine import Local
from evalkit.errors import RunError, SpecError, WeightsError
from evalkit.generate import generate, open_or_create, plan, preview, resolved
from evalkit.records import Generation, ModelSpec
from evalkit.runs import Run


def facts(run):
    return {(g.id, g.model, g.seed, g.image, g.error) for g in run.generations()}


def test_a_complete_run_is_sealed_and_has_nothing_left(drawn):
    assert drawn.manifest.status == "complete"
    assert plan(drawn).left == 0
    assert generate(drawn, Local()) == []
    assert drawn.manifest.status == "complete"


def test_results_do_not_depend_on_batches(tmp_path, suite, noise, drawn):
    specs = [noise("plain"), noise("fancy", flavour=1)]
    one = open_or_create(tmp_path / "one", suite, specs, range(2))
    generate(one, Local(), batch=1)
    assert facts(one) == facts(drawn)


class StopError(Exception):
    """Stand for a process that ends."""


def test_an_interrupted_run_goes_on_to_the_same_result(tmp_path, suite, noise, drawn):
    def stop_after(pieces):
        left = [pieces]

        def progress(_):
            left[0] -= 1
            if left[0] == 0:
                raise StopError

        return progress

    specs = [noise("plain"), noise("fancy", flavour=1)]
    run = open_or_create(tmp_path / "torn", suite, specs, range(2))
    for pieces in (1, 2, 3):
        with pytest.raises(StopError):
            generate(run, Local(), batch=2, progress=stop_after(pieces))
        run = Run.open(run.path)
        assert run.manifest.status == "started"
    assert plan(run).done == 12
    generate(run, Local())
    assert facts(run) == facts(drawn)
    assert run.manifest.status == "complete"


def test_a_failure_is_a_row_and_is_retried_only_on_demand(tmp_path, suite, noise):
    run = open_or_create(tmp_path / "r", suite, [noise(fails=["a photo of thing 2"])], [0])
    generate(run, Local())
    (failed,) = [g for g in run.generations() if g.error]
    assert (failed.error, failed.image) == ("the model refused", None)
    assert run.manifest.status == "complete"
    assert plan(run).left == 0
    assert plan(run, retry_failures=True).left == 1


def test_a_lost_picture_is_drawn_again_under_the_same_name(drawn):
    lost = drawn.images.path(drawn.generations()[3].image)
    lost.unlink()
    assert plan(drawn).left == 1
    generate(drawn, Local())
    assert lost.is_file()
    assert len(drawn.generations()) == 24


def test_models_and_seeds_can_be_added(drawn, suite, noise):
    run = open_or_create(drawn.path, suite, [noise("third", flavour=2)], range(3))
    assert plan(run, ["third"], range(3)).left == 18
    generate(run, Local(), ["third"], range(3))
    assert run.manifest.status == "started"  # the first two models lack the third seed
    generate(run, Local())
    assert run.manifest.status == "complete"
    assert len(run.generations()) == 3 * 6 * 3


def test_a_limit_draws_the_first_prompts(tmp_path, suite, noise):
    run = open_or_create(tmp_path / "r", suite, [noise()], range(2))
    generate(run, Local(), limit=2)
    assert {g.prompt_id for g in run.generations()} == {"00000", "00001"}
    assert run.manifest.status == "started"


def test_a_preview_touches_nothing(tmp_path, suite, noise, drawn):
    counts = preview(tmp_path / "new", suite, [noise()], range(4), limit=5)
    assert counts == {"noise": (20, 0)}
    assert not (tmp_path / "new").exists()
    assert preview(drawn.path, suite, [noise("plain")], range(3)) == {"plain": (6, 12)}


def test_another_suite_is_refused(tmp_path, drawn, noise):
    from evalkit.prompts import load

    with pytest.raises(RunError, match="Name another run folder"):
        open_or_create(drawn.path, load("geneval"), [noise()], [0])


@pytest.mark.parametrize(
    ("names", "seeds", "words"),
    [([], [0], "No model"), (["a"], [], "No seed"), (["a", "b"], [0], "under two names")],
)
def test_senseless_plans_are_refused(tmp_path, suite, noise, names, seeds, words):
    with pytest.raises(SpecError, match=words):
        open_or_create(tmp_path / "r", suite, [noise(n) for n in names], seeds)


def test_an_id_depends_on_every_fact_and_not_on_the_name(suite, noise):
    prompt = suite.prompts[0]
    ids = {
        Generation.id_for(noise("a"), prompt, 0),
        Generation.id_for(noise("b"), prompt, 0),
        Generation.id_for(noise("a", flavour=1), prompt, 0),
        Generation.id_for(noise("a"), prompt, 1),
        Generation.id_for(noise("a"), prompt.model_copy(update={"text": "x"}), 0),
        Generation.id_for(noise("a"), prompt.model_copy(update={"suite": "x"}), 0),
    }
    assert len(ids) == 5


def test_truths_and_what_was_realised_are_kept(drawn):
    assert drawn.manifest.realised == {"plain": {"noise": True}, "fancy": {"noise": True}}
    assert sorted(set(drawn.truths().values())) == [(), ("noise",)]


def test_the_manifest_names_versions_and_device(drawn):
    assert drawn.manifest.packages["evalkit"]
    assert drawn.manifest.device["machine"]
    assert drawn.manifest.code_revision


def test_what_is_laid_over_a_model_is_named_by_its_content(tmp_path):
    def spec(weights):
        adapters = [{"kind": "lora", "weights": weights, "file": "lora.safetensors"}]
        return ModelSpec(name="m", generator="diffusers", options={"adapters": adapters})

    lora = tmp_path / "lora.safetensors"
    lora.write_bytes(b"first")
    before = resolved(spec(str(tmp_path)))
    assert before.options["adapters"][0]["revision"].startswith("sha256:")
    assert resolved(before) == before == resolved(spec(str(tmp_path)))
    lora.write_bytes(b"retrained")
    assert resolved(spec(str(tmp_path))).fingerprint != before.fingerprint
    with pytest.raises(WeightsError, match="was asked for"):
        resolved(before)
    on_the_hub = spec("owner/name")
    assert resolved(on_the_hub) == on_the_hub
    wrong = ModelSpec(name="m", generator="diffusers", options={"adapters": ["x", {"weights": 1}]})
    assert resolved(wrong) == wrong
