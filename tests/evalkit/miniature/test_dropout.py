import json

import pytest

torch = pytest.importorskip("torch")
diffusers = pytest.importorskip("diffusers")

from evalkit.miniature import dropout, sd3, students, teacher  # noqa: E402
from evalkit.miniature.dropout import T5_TOKENS, TwoVoices  # noqa: E402
from evalkit.miniature.words import SD3_TOKENS  # noqa: E402

PROMPTS = ["a photo of a red apple", "two cups"]


@pytest.fixture(scope="module")
def model(pipeline_folder):
    torch.manual_seed(0)
    found = TwoVoices(pipeline_folder).eval()
    with torch.no_grad():
        for weight in found.parameters():  # as it will be saved
            weight.copy_(weight.half())
    return found


@pytest.fixture(scope="module")
def folder(model, tmp_path_factory):
    out = tmp_path_factory.mktemp("dropout") / "sd3-t5"
    sd3.save(out, model.transformer, model.texts, model.third)
    return out


@pytest.fixture
def noise():
    return torch.randn(2, 8, 16, 16, generator=torch.Generator().manual_seed(1))


def silenced(ids, which=slice(None)):
    ids = ids.clone()
    ids[which, SD3_TOKENS:] = -1
    return ids


@torch.no_grad()
@pytest.mark.parametrize("heard", [True, False])
def test_the_pipeline_with_and_without_t5_is_what_training_saw(model, folder, noise, heard):
    given = {} if heard else {"text_encoder_3": None, "tokenizer_3": None}
    pipe = diffusers.StableDiffusion3Pipeline.from_pretrained(folder, **given)
    pipe.set_progress_bar_config(disable=True)
    assert (pipe.text_encoder_3 is not None) == heard
    theirs = pipe(
        prompt=PROMPTS,
        latents=noise,
        sigmas=[1.0, 0.5],
        num_inference_steps=2,
        guidance_scale=1.0,
        max_sequence_length=T5_TOKENS,
        output_type="latent",
    ).images
    ids = model.ids(PROMPTS)
    ours = noise
    for now, then in zip(students.times(2), students.times(2)[1:], strict=False):
        told = ids if heard else silenced(ids)
        ours = ours + (then - now) * model.velocity(ours, torch.full((2,), now), told)
    torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-3)


@torch.no_grad()
def test_silence_is_by_caption_and_leaves_clip_to_speak(model, noise):
    time, ids = torch.full((2,), 0.6), model.ids(PROMPTS)
    heard = model.velocity(noise, time, ids)
    silent = model.velocity(noise, time, silenced(ids))
    mixed = model.velocity(noise, time, silenced(ids, slice(1)))
    torch.testing.assert_close(mixed[0], silent[0])
    torch.testing.assert_close(mixed[1], heard[1])
    assert (heard - silent).abs().mean() > 1e-4
    assert not torch.allclose(silent, model.velocity(noise, time, silenced(ids.flip(0))))


def test_half_of_the_captions_lose_t5_and_a_tenth_their_words(model):
    ids = model.ids(PROMPTS[:1]).expand(2000, -1)
    before = ids.clone()
    left = model.left_out(ids, torch.Generator().manual_seed(0))
    assert torch.equal(ids, before)
    clip, t5 = left[:, :SD3_TOKENS], left[:, SD3_TOKENS:]
    silent = (t5 == -1).all(dim=1)
    assert ((t5 == -1).any(dim=1) == silent).all()
    assert 0.45 < float(silent.float().mean()) < 0.55
    empty = (clip == model.ids([""])[0, :SD3_TOKENS]).all(dim=1)
    assert 0.08 < float(empty.float().mean()) < 0.12
    assert 0.3 < float(silent[empty].float().mean()) < 0.7
    for seed in range(9):  # every token of T5's counts as one
        model.left_out(ids[:1], torch.Generator().manual_seed(seed))
        assert not model.attention.bias.any()


def test_everything_goes_on_learning(model, noise):
    model.velocity(noise, torch.full((2,), 0.5), model.ids(PROMPTS)).square().mean().backward()
    names = ("texts.encoders.0", "texts.encoders.1", "transformer.", "third.")
    for start in names:
        grads = [p.grad for n, p in model.named_parameters() if n.startswith(start)]
        assert any(g is not None and g.any() for g in grads), start
    model.zero_grad()


def test_a_rehearsal_writes_a_pipeline(small, small_folder, monkeypatch, made_up, tmp_path):
    monkeypatch.setattr(teacher, "BATCH", 2)
    monkeypatch.setattr(dropout, "SHORT", 1)
    monkeypatch.setattr(dropout, "data_for", lambda work, *, short=False: (made_up(), made_up(3)))
    monkeypatch.setattr(teacher._Check.__init__, "__defaults__", (3,))
    out = tmp_path / "sd3-t5"
    dropout.train(out, 0, teacher=small_folder, work=tmp_path, short=True)
    facts = json.loads((out / "training.json").read_text())
    assert facts["config"] == {"silent": 0.5, "tokens": T5_TOKENS}
    pipe = diffusers.StableDiffusion3Pipeline.from_pretrained(out)
    with torch.no_grad():
        assert pipe.text_encoder_3(torch.arange(6)[None])[0].any()
