import json
import math
from dataclasses import replace

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("diffusers")

from evalkit.miniature import sd3, teacher  # noqa: E402
from evalkit.miniature.scenes import CLASSES, COLORS  # noqa: E402
from evalkit.miniature.teacher import Teacher  # noqa: E402
from evalkit.miniature.training import Plan  # noqa: E402


@pytest.fixture
def model(pipeline_folder):
    transformer, texts = sd3.load(pipeline_folder)
    return Teacher(transformer, texts).eval()


@pytest.fixture
def lesson():
    generator = torch.Generator().manual_seed(3)
    latents, noise = torch.randn(2, 2, 8, 16, 16, generator=generator)
    return latents, noise, torch.tensor([0.3, 0.8])


@torch.no_grad()
def test_the_error_is_of_noise_less_picture_between_the_two(model, lesson):
    latents, noise, time = lesson
    ids = model.ids(["a cup", "a red apple"])
    error, answers = model(latents, noise, time, ids)
    t = time.view(-1, 1, 1, 1)
    found = model.velocity((1 - t) * latents + t * noise, time, ids)
    assert float(error) == pytest.approx(float(((found - noise + latents) ** 2).mean()), rel=1e-5)
    assert answers.shape == (2, sd3.PATCHES, len(CLASSES) + len(COLORS) + 2)


@torch.no_grad()
def test_an_untrained_teacher_knows_that_it_knows_nothing(lesson):
    latents, noise, time = lesson
    fresh = Teacher()
    error, _ = fresh(latents, noise, time, fresh.ids(["", "a cup"]))
    assert float(error) == pytest.approx(float(((noise - latents) ** 2).mean()), rel=1e-5)


def test_the_hint_teaches_the_early_blocks_and_the_readers(model, lesson):
    model.requires_grad_(True)
    _, answers = model(*lesson, model.ids(["a cup", "a red apple"]))
    answers.square().mean().backward()
    touched = {n for n, p in model.named_parameters() if p.grad is not None and p.grad.any()}
    assert {
        "head.weight",
        "texts.encoders.0.text_model.embeddings.token_embedding.weight",
    } < touched
    assert any(n.startswith("transformer.transformer_blocks.0.") for n in touched)
    assert not any(n.startswith("transformer.transformer_blocks.5.") for n in touched)


def test_a_tenth_of_the_captions_is_left_out_whole(model):
    ids = model.ids(["a photo of a red apple"]).expand(4000, -1)
    before = ids.clone()
    left = model.left_out(ids, torch.Generator().manual_seed(0))
    assert torch.equal(ids, before)
    same, empty = (left == ids).all(dim=1), (left == model.ids([""])).all(dim=1)
    assert (same ^ empty).all()
    assert 0.08 < float(empty.float().mean()) < 0.12


def test_training_meets_one_silent_token_and_the_pipelines_256(model):
    counts, ids = [], model.ids(["a cup"])
    for seed in range(300):
        model.left_out(ids, torch.Generator().manual_seed(seed))
        counts.append(round(math.exp(float(model.attention.bias[0, 0, 0, -1]))))
    assert 0.5 < counts.count(1) / 300 < 0.7
    assert 0.17 < counts.count(256) / 300 < 0.33
    assert 1 <= min(counts) < max(counts) < 512


def test_the_check_is_the_same_whatever_was_trained_on_last(model, made_up):
    check = teacher._Check(model, made_up(4), 4)
    with torch.no_grad():
        first = check.errors()
        model.attention.stand_for(300)
        assert check.errors() == first
        assert teacher._Check(model, made_up(4), 4).errors() == first


@pytest.fixture
def quick(small, monkeypatch, made_up):
    """Train on made-up scenes, two at a time."""
    monkeypatch.setattr(teacher, "BATCH", 2)
    monkeypatch.setattr(teacher, "data_for", lambda work, *, short=False: (made_up(), made_up(3)))
    monkeypatch.setattr(teacher._Check.__init__, "__defaults__", (3,))


def test_what_is_saved_is_a_pipeline_without_the_hint(quick, tmp_path):
    out = tmp_path / "sd3"
    teacher.train(out, 0, steps=4, work=tmp_path)
    model, _ = sd3.load(out)
    names = {n for n, _ in model.named_parameters()}
    assert names == {n for n, _ in sd3.transformer().named_parameters()}
    facts = json.loads((out / "training.json").read_text())
    assert (facts["part"], facts["steps"], facts["plan"]["average"]) == ("teacher", 4, 0.999)
    assert (out / "curve.png").is_file()
    assert not list((tmp_path / "checkpoints").glob("*.pt"))


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_the_fewest_steps_are_enough_to_train(quick, tmp_path, steps):
    out = tmp_path / "sd3"
    teacher.train(out, 0, steps=steps, work=tmp_path)
    assert json.loads((out / "training.json").read_text())["steps"] == steps
    assert (out / "model_index.json").is_file()


def test_the_same_seed_teaches_the_same(quick, made_up, tmp_path):
    def taught(seed, folder):
        torch.manual_seed(seed)
        model = Teacher()
        plan = Plan("teacher", 0, seed, 2, tmp_path / folder, rate=1e-3, average=0.9)
        curve = teacher.learn(model, plan, made_up(), made_up(3))
        weights = torch.cat([p.detach().ravel() for p in model.parameters()])
        return weights, [r["error"] for r in curve]

    first, again, other = taught(1, "a"), taught(1, "b"), taught(2, "c")
    assert torch.equal(first[0], again[0])
    assert first[1] == again[1]
    assert not torch.equal(first[0], other[0])


class KilledError(Exception):
    pass


@pytest.fixture
def mortal(monkeypatch):
    """Return a function that lets the next training die after so many steps, each of them kept."""
    fitted = teacher.fit

    def dies_after(count):
        left = [count]

        def fit(model, loss, validate, plan):
            def fatal(generator):
                left[0] -= 1
                if left[0] < 0:
                    raise KilledError
                return loss(generator)

            return fitted(model, fatal, validate, replace(plan, save_seconds=0))

        monkeypatch.setattr(teacher, "fit", fit)

    return dies_after


@pytest.mark.parametrize("count", [2, 7])
def test_a_teacher_killed_in_either_stage_ends_as_an_undisturbed_one(
    quick, mortal, tmp_path, count
):
    def train(name):
        teacher.train(tmp_path / name, 0, steps=8, work=tmp_path / f"work-{name}")
        return (tmp_path / name / "transformer/diffusion_pytorch_model.safetensors").read_bytes()

    mortal(100)
    whole = train("whole")
    mortal(count)
    with pytest.raises(KilledError):
        train("killed")
    mortal(100)
    assert train("killed") == whole


def test_a_rehearsal_leaves_a_real_training_alone(quick, mortal, monkeypatch, tmp_path):
    monkeypatch.setattr(teacher, "SHORT", 4)
    mortal(5)
    with pytest.raises(KilledError):
        teacher.train(tmp_path / "real", 0, steps=8, work=tmp_path)
    mortal(100)
    (real,) = (tmp_path / "checkpoints").glob("*.pt")
    kept = real.read_bytes()
    teacher.train(tmp_path / "short", 0, work=tmp_path, short=True)
    assert real.read_bytes() == kept
    facts = json.loads((tmp_path / "short" / "training.json").read_text())
    assert facts["steps"] == 4
