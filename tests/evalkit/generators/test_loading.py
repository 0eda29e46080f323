"""A checkpoint that is missing, cut short or of another kind is refused in words, before work."""

from __future__ import annotations

import json
import logging
import shutil
import sys

import pytest
import torch
from safetensors.torch import load_file, save_file

from evalkit.errors import EvalkitError, MissingPackageError, SpecError, WeightsError
from evalkit.generators import pipelines
from evalkit.generators.pipelines import Diffusers
from tests.evalkit.generators.conftest import NUMPY_GRUMBLE, difference, draw, pixels

pytestmark = NUMPY_GRUMBLE
DENOISER = "transformer/diffusion_pytorch_model.safetensors"
ENCODER = "text_encoder/model.safetensors"


def load(spec):
    Diffusers(spec).load()


def rewrite(path, change):
    """Apply a change to a JSON file."""
    data = json.loads(path.read_text(encoding="utf-8"))
    change(data)
    path.write_text(json.dumps(data), encoding="utf-8")


def resave(path, change):
    """Apply a change to a safetensors file's state."""
    state = load_file(path)
    change(state)
    save_file(state, path, metadata={"format": "pt"})


def halve(path):
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])


# --- the folder -------------------------------------------------------------------------------


def test_no_weights(model):
    spec = model("sd3").model_copy(update={"weights": None})
    with pytest.raises(SpecError, match="'sd3' names no weights"):
        load(spec)


def test_a_folder_that_is_not_there(model, tmp_path):
    with pytest.raises(WeightsError, match="No file or folder"):
        load(model("sd3", weights=tmp_path / "nowhere"))


def test_a_folder_that_is_no_pipeline(model, checkpoints):
    with pytest.raises(WeightsError, match=r"holds no model_index\.json"):
        load(model("sd3", weights=checkpoints / "sd3" / "vae"))


def test_a_single_file_is_no_pipeline(model, checkpoints):
    with pytest.raises(WeightsError, match="not a pipeline folder"):
        load(model("sd3", weights=checkpoints / "sd3" / DENOISER))


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", "null", "\ufeff"])
def test_an_index_that_cannot_be_read(model, broken, text):
    folder = broken()
    (folder / "model_index.json").write_text(text, encoding="utf-8")
    with pytest.raises(WeightsError, match=r"model_index\.json"):
        load(model("sd3", weights=folder))


@pytest.mark.parametrize("name", ["vae", "tokenizer", "scheduler", "text_encoder_3"])
def test_a_component_that_is_missing(model, broken, name):
    folder = broken()
    shutil.rmtree(folder / name)
    with pytest.raises(WeightsError, match=f"lacks its component '{name}'"):
        load(model("sd3", weights=folder))


def test_a_dropped_component_need_not_be_there(model, broken, prompts):
    folder = broken()
    dropped = ["text_encoder_3", "tokenizer_3"]
    for name in dropped:
        shutil.rmtree(folder / name)
    with_index, _ = draw(model("sd3", drop=dropped), prompts[:1])
    without, _ = draw(model("sd3", weights=folder, drop=dropped), prompts[:1])
    assert difference(with_index[0], without[0]) == 0


def test_an_unknown_component_cannot_be_dropped(model):
    with pytest.raises(SpecError, match="Did you mean 'text_encoder_3'"):
        load(model("sd3", drop=["text_encoder3"]))


def test_a_tokenizer_without_words(model, broken):
    """The library would load it as an empty one, and every prompt would read alike."""
    folder = broken()
    (folder / "tokenizer" / "tokenizer.json").unlink()
    with pytest.raises(WeightsError, match="has no vocabulary"):
        load(model("sd3", weights=folder))


@pytest.mark.parametrize("name", [DENOISER, ENCODER])
def test_a_model_without_weights(model, broken, name):
    folder = broken()
    (folder / name).unlink()
    with pytest.raises(WeightsError, match="no weights"):
        load(model("sd3", weights=folder))


def test_a_shard_that_is_missing(model, broken):
    folder = broken()
    index = folder / "transformer" / "diffusion_pytorch_model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"a": "part-2.safetensors"}}), encoding="utf-8")
    with pytest.raises(WeightsError, match=r"lacks part-2\.safetensors"):
        load(model("sd3", weights=folder))


@pytest.mark.parametrize("name", [DENOISER, ENCODER, "vae/diffusion_pytorch_model.safetensors"])
def test_a_file_cut_in_the_middle(model, broken, name):
    folder = broken()
    halve(folder / name)
    with pytest.raises(WeightsError, match="could not be loaded as StableDiffusion3Pipeline"):
        load(model("sd3", weights=folder))


@pytest.mark.parametrize("name", [DENOISER, ENCODER, "vae/diffusion_pytorch_model.safetensors"])
def test_a_tensor_that_is_missing_is_never_drawn_at_random(model, broken, name):
    folder = broken()
    resave(folder / name, lambda state: state.pop(sorted(state)[3]))
    with pytest.raises(WeightsError, match="newly initialized"):
        load(model("sd3", weights=folder))


def test_a_tensor_of_another_shape(model, broken):
    folder = broken()
    resave(folder / DENOISER, lambda state: state.update({sorted(state)[3]: torch.zeros(3)}))
    with pytest.raises(WeightsError, match="expected shape"):
        load(model("sd3", weights=folder))


def test_nan_weights_draw_no_picture(model, broken, prompts):
    folder = broken()
    resave(folder / DENOISER, lambda state: state["proj_out.bias"].fill_(float("nan")))
    picture = draw(model("sd3", weights=folder), prompts[:1])[0][0]
    assert picture.image is None
    assert "not finite" in picture.error


def test_a_config_that_cannot_be_read(model, broken):
    folder = broken()
    (folder / "transformer" / "config.json").write_text("{", encoding="utf-8")
    with pytest.raises(WeightsError, match="could not be loaded"):
        load(model("sd3", weights=folder))


def test_a_scheduler_config_that_cannot_be_read(model, broken):
    folder = broken()
    (folder / "scheduler" / "scheduler_config.json").write_text("{", encoding="utf-8")
    with pytest.raises(WeightsError, match="scheduler"):
        load(model("sd3", weights=folder))


def test_a_revision_that_the_folder_no_longer_has(model):
    spec = model("sd3").model_copy(update={"revision": "sha256:" + "0" * 64})
    with pytest.raises(WeightsError, match="have digest sha256:"):
        load(spec)


def test_a_variant_that_is_not_there(model):
    with pytest.raises(WeightsError, match="variant=fp16"):
        load(model("sd3", variant="fp16"))


def test_a_variant_that_is_there(model, broken, prompts):
    folder = broken("sdxl")
    for path in folder.rglob("*.safetensors"):
        path.rename(path.with_suffix(".fp16.safetensors"))
    expected, _ = draw(model("sdxl"), prompts[:1])
    found, _ = draw(model("sdxl", weights=folder, variant="fp16"), prompts[:1])
    assert difference(expected[0], found[0]) == 0


def test_a_subfolder(model, broken, tmp_path, prompts):
    broken("sdxl").rename(tmp_path / "inner")
    (tmp_path / "outer").mkdir()
    (tmp_path / "inner").rename(tmp_path / "outer" / "inner")
    spec = model("sdxl", weights=tmp_path / "outer", subfolder="inner")
    assert draw(spec, prompts[:1])[0][0].error is None


# --- the recipe against the checkpoint --------------------------------------------------------


@pytest.mark.parametrize(
    ("family", "options", "words"),
    [
        ("sd3", {"pipeline": "StableDiffusion3Pipelin"}, "mean 'StableDiffusion3Pipeline'"),
        (
            "sd3",
            {"pipeline": "StableDiffusionXLPipeline"},
            "needs unet, which the StableDiffusion3",
        ),
        ("sdxl", {"pipeline": "SanaSprintPipeline"}, "needs transformer, which"),
        ("sd3", {"pipeline": "DDPMPipeline"}, "does not draw from a text"),
        ("sd3", {"scheduler": {"class": "LCMSheduler"}}, "Did you mean 'LCMScheduler'"),
        ("sd3", {"scheduler": {"shft": 1.0}}, "Did you mean 'shift'"),
        ("sd3", {"scheduler": {"class": 7}}, "unknown scheduler '7'"),
        ("sd3", {"timesteps": [999, 499]}, "takes no 'timesteps'"),
        ("sd3", {"call": {"eta": 0.5}}, "takes no 'eta'"),
        (
            "sdxl",
            {"scheduler": {"class": "LCMScheduler"}, "sigmas": [14.0, 1.0]},
            "LCMScheduler takes no explicit sigmas",
        ),
        ("sdxl", {"scheduler": {"class": "LCMScheduler"}, "timesteps": [1999, 9]}, "schedule"),
        ("sana", {"steps": 4}, "Intermediate timesteps"),
        ("sana", {"steps": 1}, "Intermediate timesteps"),
        ("sana", {"sigmas": [1.5, 1.3]}, "takes no 'sigmas'"),
    ],
)
def test_a_recipe_that_does_not_fit_is_refused_before_the_weights_are_read(
    model, monkeypatch, family, options, words
):
    def never(*args):
        raise AssertionError("the weights were read")

    monkeypatch.setattr("evalkit.generators.loading._from_pretrained", never)
    with pytest.raises(SpecError, match=words):
        load(model(family, **options))


def test_a_pipeline_with_code_of_its_own_is_not_run(model, broken):
    folder = broken()
    index = folder / "model_index.json"
    rewrite(index, lambda data: data.update(_class_name=["pipeline", "MyPipeline"]))
    with pytest.raises(SpecError, match="needs code of its own"):
        load(model("sd3", weights=folder))


def test_an_index_naming_an_unknown_pipeline(model, broken):
    folder = broken()
    index = folder / "model_index.json"
    rewrite(index, lambda data: data.update(_class_name="StableDifusion3Pipeline"))
    with pytest.raises(SpecError, match="Did you mean 'StableDiffusion3Pipeline'"):
        load(model("sd3", weights=folder))


def test_a_package_that_is_not_installed(model, monkeypatch):
    monkeypatch.setattr(pipelines, "find_spec", lambda name: None)
    with pytest.raises(MissingPackageError, match=r"pip install 'evalkit\[models\]'"):
        load(model("sd3"))


def test_progress_bars_and_verbosity_are_as_they_were(model):
    from diffusers.utils import logging as diffusers_log
    from transformers.utils import logging as transformers_log

    before = [
        (log.get_verbosity(), log.is_progress_bar_enabled())
        for log in (diffusers_log, transformers_log)
    ]
    load(model("sd3"))
    after = [
        (log.get_verbosity(), log.is_progress_bar_enabled())
        for log in (diffusers_log, transformers_log)
    ]
    assert before == after


def test_loading_and_drawing_print_nothing(model, prompts, capfd):
    spec = model("sdxl", scheduler={"class": "LCMScheduler"}, timesteps=[999, 749])
    draw(spec, prompts)
    captured = capfd.readouterr()
    assert (captured.out, captured.err) == ("", "")


# --- adapters -----------------------------------------------------------------------------------


def _other_denoiser(checkpoints, part, path):
    """Save a copy of the denoiser with other weights."""
    state = load_file(checkpoints / part / "diffusion_pytorch_model.safetensors")
    torch.manual_seed(1)
    other = {k: v + 0.1 * torch.randn_like(v) for k, v in state.items()}
    if path.suffix == ".safetensors":
        save_file(other, path)
    else:
        torch.save(other, path)


@pytest.mark.parametrize("suffix", [".safetensors", ".bin"])
@pytest.mark.parametrize(("family", "part"), [("sdxl", "unet"), ("sd3", "transformer")])
def test_a_denoiser_file_replaces_the_checkpoint_s_own(
    model, checkpoints, tmp_path, prompts, suffix, family, part
):
    path = tmp_path / f"student{suffix}"
    _other_denoiser(checkpoints, f"{family}/{part}", path)
    adapters = [{"kind": "denoiser", "weights": str(tmp_path), "file": path.name}]
    replaced, generator = draw(model(family, adapters=adapters), prompts[:1])
    own, _ = draw(model(family), prompts[:1])
    assert difference(replaced[0], own[0]) > 1
    described = generator.realised()["adapters"][0]
    assert described["bytes"] == path.stat().st_size
    assert described["digest"].startswith("sha256:")


@pytest.mark.parametrize("damage", ["cut", "other model", "pickle", "empty"])
def test_a_denoiser_file_that_does_not_fit(model, checkpoints, tmp_path, damage):
    path = tmp_path / "student.safetensors"
    _other_denoiser(checkpoints, "sdxl/unet", path)
    if damage == "cut":
        halve(path)
    elif damage == "other model":
        shutil.copy(checkpoints / "sd3" / DENOISER, path)
    else:
        path = path.rename(tmp_path / "student.bin")
        path.write_bytes(b"" if damage == "empty" else b"cos\nsystem\n(S'true'\ntR.")
    adapters = [{"kind": "denoiser", "weights": str(path)}]
    with pytest.raises(WeightsError, match="could not replace the weights of UNet2D"):
        load(model("sdxl", adapters=adapters))


def test_an_adapter_that_is_not_there(model, tmp_path):
    (tmp_path / "other.safetensors").touch()
    adapters = [{"kind": "denoiser", "weights": str(tmp_path), "file": "no.safetensors"}]
    with pytest.raises(WeightsError, match=r"no\.safetensors"):
        load(model("sdxl", adapters=adapters))


def _lora(path, rank=2):
    """Save a LoRA on the first attention's queries, in the layout that diffusers writes."""
    name = "transformer.transformer_blocks.0.attn.to_q"
    torch.manual_seed(2)
    state = {f"{name}.lora_A.weight": torch.randn(rank, 32)}
    state[f"{name}.lora_B.weight"] = torch.randn(32, rank)
    save_file(state, path)


def test_a_lora_needs_peft(model, tmp_path, monkeypatch):
    _lora(tmp_path / "l.safetensors")
    monkeypatch.setattr("evalkit.generators.adapters.find_spec", lambda name: None)
    adapters = [{"kind": "lora", "weights": str(tmp_path / "l.safetensors")}]
    with pytest.raises(MissingPackageError, match="peft"):
        load(model("sd3", adapters=adapters))


def test_a_lora_is_fused_in_at_its_scale(model, tmp_path, prompts):
    pytest.importorskip("peft", reason="LoRA files need peft")
    path = tmp_path / "l.safetensors"
    _lora(path)

    def with_scale(scale):
        adapter = {"kind": "lora", "weights": str(tmp_path), "file": path.name, "scale": scale}
        return draw(model("sd3", adapters=[adapter]), prompts[:1])[0][0]

    own = draw(model("sd3"), prompts[:1])[0][0]
    assert difference(with_scale(0.0), own) <= 1
    half, whole = with_scale(0.125), with_scale(1.0)
    assert 1 < abs(pixels(half) - pixels(own)).mean() < abs(pixels(whole) - pixels(own)).mean()


def test_a_lora_without_text_encoders_is_not_remarked_on(model, tmp_path):
    pytest.importorskip("peft", reason="LoRA files need peft")
    _lora(tmp_path / "l.safetensors")
    said = []
    handler = logging.Handler()
    handler.emit = lambda record: said.append(record.getMessage())
    logging.getLogger("diffusers").addHandler(handler)
    try:
        load(model("sd3", adapters=[{"kind": "lora", "weights": str(tmp_path / "l.safetensors")}]))
    finally:
        logging.getLogger("diffusers").removeHandler(handler)
    assert not [text for text in said if "LoRA" in text]


@pytest.mark.parametrize("prefix", ["transformer.nothing", "unet.down", "nonsense"])
def test_a_lora_of_another_model(model, tmp_path, prefix):
    """Diffusers passes over keys that it does not know, and would draw with the base model."""
    pytest.importorskip("peft", reason="LoRA files need peft")
    path = tmp_path / "l.safetensors"
    save_file({f"{prefix}.lora_{x}.weight": torch.zeros(2, 2) for x in "AB"}, path)
    with pytest.raises(WeightsError, match="does not fit"):
        load(model("sd3", adapters=[{"kind": "lora", "weights": str(path)}]))


def test_a_lora_file_cut_in_the_middle(model, tmp_path):
    pytest.importorskip("peft", reason="LoRA files need peft")
    _lora(tmp_path / "l.safetensors")
    halve(tmp_path / "l.safetensors")
    with pytest.raises(WeightsError, match="does not fit"):
        load(model("sd3", adapters=[{"kind": "lora", "weights": str(tmp_path / "l.safetensors")}]))


# --- the hub, offline ---------------------------------------------------------------------------


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """Fill an empty hub cache with a checkpoint: ``hub("owner/name", folder) -> commit``."""
    from huggingface_hub import constants

    root = tmp_path / "hub"
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(root))

    def fill(hub_id, folder, commit="a" * 40):
        repository = root / f"models--{hub_id.replace('/', '--')}"
        (repository / "refs").mkdir(parents=True)
        (repository / "refs" / "main").write_text(commit)
        shutil.copytree(folder, repository / "snapshots" / commit)
        return commit

    return fill


def test_a_hub_id_is_drawn_from_the_cache(model, hub, checkpoints, prompts):
    commit = hub("owner/tiny", checkpoints / "sdxl")
    spec = model("sdxl").model_copy(update={"weights": "owner/tiny"})
    pictures, generator = draw(spec, prompts[:1])
    assert difference(pictures[0], draw(model("sdxl"), prompts[:1])[0][0]) == 0
    assert generator.realised()["weights"]["id"] == "owner/tiny"
    assert generator.realised()["weights"]["revision"] == commit


def test_a_hub_id_that_is_not_here(model, hub):
    spec = model("sdxl").model_copy(update={"weights": "owner/elsewhere"})
    with pytest.raises(WeightsError, match="owner/elsewhere"):
        load(spec)


def test_a_gated_repository(model, monkeypatch):
    import huggingface_hub
    from huggingface_hub.errors import GatedRepoError

    def refuse(*args, **kwargs):
        raise GatedRepoError("403", response=_Refusal())

    monkeypatch.setattr(huggingface_hub, "snapshot_download", refuse)
    spec = model("sd3").model_copy(update={"weights": "owner/gated"})
    with pytest.raises(WeightsError, match=r"gated\. Accept its terms"):
        load(spec)


class _Refusal:
    status_code, headers, request, text = 403, {}, None, ""


def test_only_what_is_needed_is_fetched(model, monkeypatch, checkpoints):
    asked = []

    def fetch(hub_id, revision=None, allow_patterns=None):
        asked.append((revision, allow_patterns))
        return checkpoints / "sd3"

    import huggingface_hub

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fetch)
    drop = ["text_encoder_3", "tokenizer_3"]
    load(model("sd3", drop=drop).model_copy(update={"weights": "owner/sd3"}))
    assert asked[0] == (None, ["model_index.json"])
    revision, patterns = asked[1]
    assert revision == "sd3"  # the snapshot that the first look found
    assert "transformer/*.safetensors" in patterns
    assert not [p for p in patterns if "_3/" in p or p.endswith(".bin")]


def test_no_torch_before_it_is_needed():
    """Naming and checking a model is light; that is why ``evalkit models list`` starts at once."""
    import subprocess

    code = (
        "import sys; from evalkit import catalogue, registry; "
        "[registry.generator(e.spec) for e in catalogue.entries().values()"
        " if e.generator == 'diffusers']; "
        "print(sorted({'torch', 'diffusers', 'transformers', 'numpy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_refusal_is_for_the_user(model, tmp_path):
    with pytest.raises(EvalkitError) as caught:
        load(model("sd3", weights=tmp_path))
    assert str(caught.value).endswith(".")
