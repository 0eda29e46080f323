"""The small pipeline is the field's own: saved, it draws without a line of ours."""

import json
import math

import numpy as np
import pytest

torch = pytest.importorskip("torch")
diffusers = pytest.importorskip("diffusers")

from evalkit.miniature import sd3, students, vae  # noqa: E402

PROMPTS = ["a photo of a red apple", "two cups"]


@pytest.fixture(scope="module")
def pipe(small_folder):
    found = diffusers.StableDiffusion3Pipeline.from_pretrained(small_folder)
    found.set_progress_bar_config(disable=True)
    return found


@pytest.fixture
def loaded(small_folder):
    model, texts = sd3.load(small_folder)
    return model, texts, sd3.weigh(model)


@pytest.fixture
def noise():
    return torch.randn(2, 8, 16, 16, generator=torch.Generator().manual_seed(1))


def drawn(pipe, noise, sigmas=(1.0, 0.5), prompt=PROMPTS, **call):
    return pipe(
        prompt=prompt,
        latents=noise,
        sigmas=list(sigmas),
        num_inference_steps=len(sigmas),
        guidance_scale=call.pop("guidance_scale", 1.0),
        output_type="latent",
        **call,
    ).images


def test_the_pipeline_draws_with_a_prompt_and_nothing_else(pipe):
    image = pipe("a photo of a cup", generator=torch.Generator().manual_seed(0)).images[0]
    assert image.size == (64, 64)
    assert np.asarray(image).std() > 0


@torch.no_grad()
def test_the_pipeline_walks_as_students_do(pipe, loaded, noise):
    model, texts, _ = loaded
    schedule = students.times(4)
    ours = students.walk(model, noise, texts(texts.ids(PROMPTS)), schedule)
    theirs = drawn(pipe, noise, schedule[:-1], max_sequence_length=1)
    assert (ours - noise).abs().mean() > 0.1
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_one_weighed_token_stands_for_the_pipelines_own_256(pipe, loaded, noise):
    model, texts, attention = loaded
    text = texts(texts.ids(PROMPTS))
    theirs = drawn(pipe, noise)
    one = students.walk(model, noise, text, students.times(2))
    attention.stand_for(256)
    many = students.walk(model, noise, text, students.times(2))
    assert (one - theirs).abs().max() > 1e-3
    torch.testing.assert_close(many, theirs, rtol=1e-4, atol=1e-4)


@torch.no_grad()
@pytest.mark.parametrize("count", [1, 2, 7])
def test_one_weighed_token_stands_for_any_number_of_equal_ones(loaded, noise, count):
    model, texts, attention = loaded
    time, text = torch.full((2,), 0.7), texts(texts.ids(PROMPTS))
    attention.stand_for(count)
    weighed = sd3.velocity(model, noise, time, *text)
    sd3.weigh(model, sd3.SD3_TOKENS + count)
    counted = sd3.velocity(model, noise, time, *text, text[0].new_zeros(2, count, 192))
    torch.testing.assert_close(weighed, counted, rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_weighing_changes_nothing_where_one_token_counts_as_one(pipeline_folder, noise):
    model, texts = sd3.load(pipeline_folder)
    time, text = torch.full((2,), 0.3), texts(texts.ids(PROMPTS))
    before = sd3.velocity(model, noise, time, *text)
    sd3.weigh(model)
    torch.testing.assert_close(before, sd3.velocity(model, noise, time, *text))


@torch.no_grad()
def test_the_velocity_heeds_time_text_and_latents(loaded, noise):
    model, texts, _ = loaded
    time, text = torch.full((2,), 0.5), texts(texts.ids(PROMPTS))
    first = sd3.velocity(model, noise, time, *text)
    for other in (
        sd3.velocity(model, noise, time / 2, *text),
        sd3.velocity(model, noise, time, *texts(texts.ids(PROMPTS[::-1]))),
        sd3.velocity(model, noise.flip(0), time, *text),
    ):
        assert (first - other).abs().mean() > 1e-3


@torch.no_grad()
def test_an_untrained_transformer_predicts_nothing():
    model, texts = sd3.transformer(), sd3.Texts()
    assert 7.5e6 < sum(p.numel() for p in model.parameters()) < 8e6
    found = sd3.velocity(model, torch.randn(1, 8, 16, 16), torch.ones(1), *texts(texts.ids(["x"])))
    assert not found.any()


@torch.no_grad()
def test_t5_is_silent_until_there_is_one():
    silent, heard = sd3.silent_t5(), sd3.t5(layers=1, heads=6)
    ids = torch.arange(60).view(2, 30)
    assert silent(ids)[0].shape == heard(ids)[0].shape == (2, 30, sum(sd3.TEXT_WIDTHS))
    assert not silent(ids)[0].any()
    assert heard(ids)[0].any()


@torch.no_grad()
def test_texts_are_read_to_their_twentieth_token():
    texts = sd3.Texts()
    long = "a photo of " + "red " * 30
    ids = texts.ids([long + "apple", long + "cup", "a photo of a cup", ""])
    assert ids.shape == (4, sd3.SD3_TOKENS)
    sequence, pooled = texts(ids)
    assert sequence.shape == (4, 20, 192)
    assert pooled.shape == (4, 192)
    assert torch.equal(sequence[0], sequence[1])
    assert not torch.allclose(pooled[1], pooled[2])
    assert not torch.allclose(pooled[2], pooled[3])


def test_the_folder_is_in_half_precision_and_loads_in_full(pipeline_folder, pipe):
    from safetensors.torch import load_file

    files = sorted(pipeline_folder.glob("*/*.safetensors"))
    assert len(files) == 5
    for file in files:
        kinds = {t.dtype for t in load_file(file).values() if t.is_floating_point()}
        assert kinds == {torch.float16}, file.parent.name
    assert sum(f.stat().st_size for f in files) < 20e6
    named = ("transformer", "vae", "text_encoder", "text_encoder_2", "text_encoder_3")
    assert {getattr(pipe, n).dtype for n in named} == {torch.float32}
    index = json.loads((pipeline_folder / "model_index.json").read_text())
    assert index["_class_name"] == "StableDiffusion3Pipeline"
    assert index["transformer"] == ["diffusers", "SD3Transformer2DModel"]
    assert pipe.scheduler.config.shift == 1.0


def test_what_is_loaded_does_not_learn_to_read(loaded):
    _, texts, _ = loaded
    assert not any(p.requires_grad for p in texts.parameters())
    assert not texts.training


def test_saving_leaves_the_autoencoder_as_it_was(pipeline_folder, tmp_path):
    vae.load.cache_clear()
    before = vae.load().dtype
    try:
        sd3.save(tmp_path / "copy", *sd3.load(pipeline_folder))
        assert vae.load().dtype == before
        assert vae.decode(torch.zeros(1, 8, 16, 16)).shape == (1, 64, 64, 3)
    finally:
        vae.load.cache_clear()


def test_saving_again_gives_the_same_bytes(pipeline_folder, tmp_path):
    sd3.save(tmp_path / "copy", *sd3.load(pipeline_folder))
    vae.load.cache_clear()
    for file in pipeline_folder.rglob("*.safetensors"):
        again = tmp_path / "copy" / file.relative_to(pipeline_folder)
        if file.parent.name != "text_encoder_3":  # silent, but its other weights are by lot
            assert file.read_bytes() == again.read_bytes(), file.parent.name


def test_a_weight_of_one_is_no_bias():
    attention = sd3.WeighedAttention(5)
    assert not attention.bias.any()
    attention.stand_for(9)
    assert attention.bias[..., -1] == pytest.approx(math.log(9))
    assert not attention.bias[..., :-1].any()
