import json

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from evalkit.errors import EvalkitError  # noqa: E402
from evalkit.miniature import annotated, detector, vae  # noqa: E402
from evalkit.miniature.data import cached, lot, mixed, pictures, prompted  # noqa: E402
from evalkit.miniature.scenes import HELD_OUT, MOST  # noqa: E402
from evalkit.miniature.training import Plan, fit, keep, rate_at  # noqa: E402


class Line(torch.nn.Module):
    """y = 3x, to be learned."""

    def __init__(self):
        super().__init__()
        self.slope = torch.nn.Parameter(torch.zeros(1))

    def loss(self, generator):
        x = torch.randn(8, generator=generator)
        return ((self.slope * x - 3 * x) ** 2).mean()


def plan(tmp_path, steps, **given):
    return Plan("line", 1, steps=steps, work=tmp_path, rate=0.1, warm_up=5, **given)


def trained(tmp_path, steps, **given):
    model = Line()
    curve = fit(
        model,
        model.loss,
        lambda: {"slope": float(model.slope.detach())},
        plan(tmp_path, steps, **given),
    )
    return float(model.slope.detach()), curve


def test_fit_learns_and_tells_its_curve(tmp_path):
    slope, curve = trained(tmp_path, 200)
    assert slope == pytest.approx(3, abs=0.05)
    assert curve[-1]["step"] == 200
    assert curve[-1]["loss"] < 2
    assert curve[-1]["slope"] == pytest.approx(slope, abs=1e-4)


class KilledError(Exception):
    pass


def test_a_killed_run_ends_as_an_undisturbed_one(tmp_path):
    whole, _ = trained(tmp_path / "a", 60)
    model, calls = Line(), []

    def loss(generator):
        calls.append(1)
        if len(calls) > 25:
            raise KilledError
        return model.loss(generator)

    with pytest.raises(KilledError):
        fit(model, loss, dict, plan(tmp_path / "b", 60, save_seconds=0))
    resumed, curve = trained(tmp_path / "b", 60, save_seconds=0)
    assert resumed == whole
    assert [r["step"] for r in curve][:60] == list(range(1, 61))


def test_two_processes_do_not_train_the_same_part_at_once(tmp_path):
    model = Line()

    def second(generator):
        with pytest.raises(EvalkitError, match="Another process is training line with seed 0"):
            trained(tmp_path, 3)
        return model.loss(generator)

    fit(model, second, dict, plan(tmp_path, 1))


def test_a_loss_that_is_not_finite_stops_the_run(tmp_path):
    model = Line()
    with pytest.raises(FloatingPointError, match="line is nan at step 0"):
        fit(model, lambda _: model.slope.sum() * float("nan"), dict, plan(tmp_path, 5))


def test_the_rate_rises_holds_and_falls(tmp_path):
    held = plan(tmp_path, 100, hold=0.5)
    rates = [rate_at(held, s, s / 100) for s in range(100)]
    assert rates[0] == pytest.approx(0.02)
    assert rates[10] == rates[49] == pytest.approx(0.1)
    assert rates[50:] == sorted(rates[50:], reverse=True)
    assert 0 < rates[-1] < 0.005


def test_keep_writes_how_the_weights_came_to_be(tmp_path):
    _, curve = trained(tmp_path, 20)
    told = plan(tmp_path, 20)
    assert told.checkpoint.exists()
    keep(tmp_path, told, {"width": 1}, curve)
    facts = json.loads((tmp_path / "training.json").read_text())
    assert facts["steps"] == 20
    assert facts["config"] == {"width": 1}
    assert facts["curve"] == curve
    assert str(tmp_path) not in json.dumps(facts)
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")
    assert not told.checkpoint.exists()


def test_the_moving_average_is_what_is_validated_and_returned(tmp_path):
    model, path = Line(), []

    def loss(generator):
        path.append(float(model.slope.detach()))
        return model.loss(generator)

    seen = []

    def validate():
        seen.append(float(model.slope.detach()))
        return {}

    fit(model, loss, validate, plan(tmp_path, 40, average=0.9, save_seconds=0))
    kept = float(model.slope.detach())
    assert kept == seen[-1]
    assert path[0] == 0 < path[10] < path[39]
    for value, latest in zip(seen[1:-1], path[2:], strict=True):  # what follows lags behind
        assert 0 < value < latest
    steady = trained(tmp_path / "b", 40)[0]
    assert kept < steady


def test_the_average_is_of_all_weights_so_far_weighed_to_the_latest(tmp_path):
    """Weights that stand still after a jump: the average comes to them at its decay."""
    model, decay, steps = Line(), 0.8, 60
    seen = []
    held = Plan(
        "line", 1, steps=steps, work=tmp_path, rate=0.0, average=decay, save_seconds=0,
        weight_decay=0.0,
    )  # fmt: skip

    def loss(generator):
        if len(seen) == 50:
            model.slope.data.fill_(1.0)
        return model.loss(generator)

    def validate():
        seen.append(float(model.slope.detach()))
        return {}

    fit(model, loss, validate, held)
    assert seen[:50] == [0.0] * 50
    expected = [1 - decay**n for n in range(1, 11)]
    assert seen[50:60] == pytest.approx(expected, abs=1e-5)


def test_no_average_returns_the_weights_themselves(tmp_path):
    model, seen = Line(), []
    fit(
        model,
        model.loss,
        lambda: seen.append(float(model.slope.detach())) or {},
        plan(tmp_path, 12),
    )
    assert seen[-1] == float(model.slope.detach())


class Two(torch.nn.Module):
    """Two slopes that learn alike, and one that does not learn."""

    def __init__(self):
        super().__init__()
        self.fast, self.slow, self.still = Line(), Line(), Line()
        self.still.requires_grad_(False)

    def loss(self, generator):
        x = torch.randn(8, generator=generator)
        return sum(((m.slope * x - 3 * x) ** 2).mean() for m in (self.fast, self.slow, self.still))

    def slopes(self):
        return tuple(float(m.slope.detach()) for m in (self.fast, self.slow, self.still))


def paced(tmp_path, steps, loss=None, **given):
    model = Two()
    settings = {"weight_decay": 0.0, "clip": 1e9, "pace": {"fast": 2.0}} | given
    fit(model, loss(model) if loss else model.loss, dict, plan(tmp_path, steps, **settings))
    return model.slopes()


def test_pace_scales_the_learning_rate(tmp_path):
    fast, slow, still = paced(tmp_path, 1)  # Adam's first step is the rate itself
    assert slow == pytest.approx(0.1 / 5, rel=1e-3)
    assert fast == pytest.approx(2 * slow, rel=1e-3)
    assert still == 0


def test_what_does_not_learn_is_not_averaged_away(tmp_path):
    model = Two()
    model.still.slope.data.fill_(7.0)
    fit(model, model.loss, dict, plan(tmp_path, 30, average=0.99))
    assert model.slopes()[2] == 7


@pytest.mark.parametrize("killed", [1, 13, 29])
def test_a_killed_run_with_average_and_pace_ends_as_an_undisturbed_one(tmp_path, killed):
    given = {"average": 0.95, "clip": 1.0, "save_seconds": 0}
    whole = paced(tmp_path / "a", 30, **given)

    def mortal(model):
        calls = []

        def loss(generator):
            calls.append(1)
            if len(calls) > killed:
                raise KilledError
            return model.loss(generator)

        return loss

    with pytest.raises(KilledError):
        paced(tmp_path / "b", 30, mortal, **given)
    assert paced(tmp_path / "b", 30, **given) == whole


def test_a_run_that_was_over_gives_its_average_again(tmp_path):
    first = paced(tmp_path, 20, average=0.9)
    assert paced(tmp_path, 20, average=0.9) == first


def test_keep_tells_pace_and_average(tmp_path):
    told = plan(tmp_path, 3, pace={"fast": 2.0}, average=0.9)
    keep(tmp_path, told, {}, [{"step": 3, "seconds": 1.0, "loss": 0.1}])
    facts = json.loads((tmp_path / "training.json").read_text())["plan"]
    assert facts["pace"] == {"fast": 2.0}
    assert facts["average"] == 0.9


def test_splits_and_purposes_share_no_lot():
    draws = {lot(s, i, p).random() for s in ("train", "test") for i in range(9) for p in "ab"}
    assert len(draws) == 36
    assert lot("train", 3, "a").random() == lot("train", 3, "a").random()
    assert mixed("train", 4) == mixed("train", 4) != mixed("test", 4)
    assert prompted("train", 0)[0].tag == "single_object"


def test_training_pictures_are_cached_and_hide_held_out_pairs(tmp_path):
    first = pictures("train", 6, 32, work=tmp_path)
    assert first.shape == (6, 32, 32, 3)
    assert np.array_equal(first, pictures("train", 6, 32, work=tmp_path))
    for i in range(60):
        for scene in (mixed("train", i), annotated.scene_at("train", i)):
            assert not HELD_OUT & {(o.class_name, o.color) for o in scene.objects}


def test_a_data_set_that_fails_half_way_is_not_kept(tmp_path):
    def fail():
        raise RuntimeError("out of ink")

    with pytest.raises(RuntimeError, match="out of ink"):
        cached(tmp_path / "x.npy", fail)
    assert not (tmp_path / "x.npy").exists()
    assert cached(tmp_path / "x.npy", lambda: np.zeros(3, np.uint8)).shape == (3,)


def test_annotated_examples_say_whose_each_pixel_is(tmp_path):
    table, names = annotated.examples("train", 12, work=tmp_path), annotated.labels("train", 12)
    assert table.shape == (12, annotated.SIDE, annotated.SIDE, 4)
    for owners, row in zip(table[..., 3], names, strict=True):
        there = (row >= 0).sum()
        assert set(np.unique(owners)) - {0} <= set(range(1, there + 1))
        assert there <= annotated.MOST
    assert MOST <= annotated.MOST


@pytest.mark.slow
def test_a_short_training_lowers_the_autoencoder_s_loss(tmp_path, monkeypatch):
    monkeypatch.setattr(vae, "PICTURES", {"train": 64, "validation": 8})
    out = tmp_path / "vae"
    out.mkdir()
    vae.train(out, 1, steps=15, work=tmp_path)
    facts = json.loads((out / "training.json").read_text())
    assert facts["curve"][-1]["psnr"] > 10
    model = vae.build()
    x = vae.tensor(pictures("validation", 8, vae.SIDE, work=tmp_path))
    before = float(vae.loss(model, x, torch.Generator().manual_seed(0)).detach())
    after = float(vae.loss(vae.load(out), x, torch.Generator().manual_seed(0)).detach())
    assert after < 0.8 * before


@pytest.mark.slow
def test_a_short_training_lowers_the_detector_s_loss(tmp_path, monkeypatch):
    monkeypatch.setattr(detector, "EXAMPLES", {"train": 64, "validation": 8})
    out = tmp_path / "detector"
    out.mkdir()
    detector.train(out, 1, steps=20, work=tmp_path)
    data, names = annotated.examples("train", 64, work=tmp_path), annotated.labels("train", 64)
    batch = detector.batch(data, names, torch.Generator().manual_seed(1))
    from transformers import Mask2FormerForUniversalSegmentation

    after = Mask2FormerForUniversalSegmentation.from_pretrained(out)
    torch.manual_seed(0)
    with torch.no_grad():
        first, last = (float(detector.loss(m.eval(), *batch)) for m in (detector.build(), after))
    assert last < 0.9 * first
    assert json.loads((out / "preprocessor_config.json").read_text())["size"]["shortest_edge"] == 96


def test_sharpening_multiplies_the_logits():
    torch.manual_seed(0)
    model = detector.build().eval()
    pixels = np.random.default_rng(0).integers(0, 255, (2, 96, 96, 4), dtype=np.uint8)
    classes, masks = detector.logits(model, pixels)
    detector.sharpen(model, classes=2.0, masks=3.0)
    sharper, surer = detector.logits(model, pixels)
    torch.testing.assert_close(sharper, 2 * classes, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(surer, 3 * masks, rtol=1e-3, atol=1e-3)
