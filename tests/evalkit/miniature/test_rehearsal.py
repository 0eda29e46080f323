"""From nothing to a student in a minute or two, by the command: the loss falls, colours come."""

import json

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

torch = pytest.importorskip("torch")
diffusers = pytest.importorskip("diffusers")
pytest.importorskip("peft")

from evalkit.miniature import students, teacher, train  # noqa: E402
from evalkit.miniature.scenes import CLASSES  # noqa: E402

app = typer.Typer()
app.command()(train.main)


def redness(pipe, color, **call):
    """How much more red than blue there is in pictures of things of a colour, in levels."""
    images = pipe(
        [f"a photo of a {color} {name}" for name in CLASSES[:9]],
        latents=torch.randn(9, 8, 16, 16, generator=torch.Generator().manual_seed(0)),
        max_sequence_length=1,
        output_type="np",
        **call,
    ).images
    return 255 * (images[..., 0] - images[..., 2]).mean(axis=(1, 2))


def apart(pipe, **call):
    """The same pictures' redness where red was asked for, less that where blue was."""
    return redness(pipe, "red", **call) - redness(pipe, "blue", **call)


def loaded(folder):
    pipe = diffusers.StableDiffusion3Pipeline.from_pretrained(folder)
    pipe.set_progress_bar_config(disable=True)
    return pipe


@pytest.mark.slow
def test_a_rehearsal_learns_a_colour(small, small_folder, monkeypatch, tmp_path):
    monkeypatch.setattr(teacher, "SHORT", 320)  # a third of the transformer takes a few more
    out = tmp_path / "weights"
    for part in ("teacher", "flash-2"):
        arguments = [part, "--short", "--out", str(out), "--work", str(tmp_path / "work")]
        done = CliRunner().invoke(app, arguments)
        assert done.exit_code == 0, done.output

    facts = json.loads((out / "sd3" / "training.json").read_text())
    errors = [row["error"] for row in facts["curve"]]
    assert errors[-1] < 1.4  # of noise less picture: about 2 where nothing was learned
    assert facts["curve"][-1]["loss"] < facts["curve"][0]["loss"]

    pipe, many = loaded(out / "sd3"), {"num_inference_steps": 6, "guidance_scale": 3.0}
    untrained = apart(loaded(small_folder), **many)
    learned = apart(pipe, **many)
    assert np.abs(untrained).mean() < 5
    assert learned.mean() > 20
    assert (learned > 0).mean() > 0.8

    told = json.loads((out / "flash-2" / "training.json").read_text())
    assert [p["lesson"] for p in told["phases"]] == ["guide", "shared", "split"]
    assert len(told["merge"]) == 5
    pipe.load_lora_weights(out / "flash-2", weight_name=students.LORA)
    few = {"num_inference_steps": 2, "sigmas": [1.0, 0.5], "guidance_scale": 1.0}
    assert apart(pipe, **few).mean() > 10
