"""What is wrong with a model is known before its weights are read: files, memory, the hub."""

from __future__ import annotations

import shutil
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file, save_file

from evalkit import catalogue
from evalkit.errors import SpecError, WeightsError
from evalkit.generators import Checkable, checking
from evalkit.generators.checking import Room, check
from evalkit.generators.pipelines import Diffusers
from evalkit.generators.recipe import parse
from tests.evalkit.generators.adapter_files import write
from tests.evalkit.generators.conftest import NUMPY_GRUMBLE

pytestmark = NUMPY_GRUMBLE
AMPLE = Room(10**12, 10**12)


def looked(spec, room=AMPLE):
    return check(spec, parse(spec), room)


def loaded_bytes(spec):
    generator = Diffusers(spec)
    generator.load()
    return sum(generator.realised()["weight_bytes"].values())


@pytest.fixture
def told(monkeypatch):
    """Catch how many bytes the check counts, where they are compared with what is free."""
    counted = {}

    def note(_model, _parts, needed, _free, where, _dtype):
        counted[where] = needed

    monkeypatch.setattr(checking, "_refuse", note)
    return counted


@pytest.mark.parametrize("family", ["sdxl", "sd3", "sana", "flux-dev"])
@pytest.mark.parametrize("dtype", [None, "bfloat16"])
def test_the_bytes_that_it_foresees_are_those_that_are_loaded(model, told, family, dtype):
    spec = model(family, dtype=dtype)
    looked(spec)
    assert told["in memory"] == pytest.approx(loaded_bytes(spec), rel=0.02)


def test_of_packed_weights_an_accelerator_holds_less_than_memory(told):
    spec = catalogue.spec("mini-sd3")
    packed = spec.model_copy(
        update={"options": {**spec.options, "precision": {"transformer": "q4_0"}}}
    )
    looked(packed)
    assert told["in memory"] == pytest.approx(loaded_bytes(spec), rel=0.02)
    assert told["on the accelerator"] == pytest.approx(loaded_bytes(packed), rel=0.05)
    assert told["on the accelerator"] < 0.5 * told["in memory"]


@pytest.mark.parametrize(("offload", "most"), [(None, 1.0), ("model", 0.95), ("sequential", 0.0)])
def test_what_is_offloaded_need_not_fit(model, told, offload, most):
    looked(model("sd3", **({"offload": offload} if offload else {})))
    assert told["on the accelerator"] <= most * told["in memory"]


def test_too_little_memory(model):
    needed = loaded_bytes(model("sd3"))
    with pytest.raises(WeightsError, match=r"of weights as float32 \(.* alone .*free in memory"):
        looked(model("sd3"), Room(needed // 2))
    with pytest.raises(WeightsError, match="free on the accelerator"):
        looked(model("sd3"), Room(10 * needed, needed // 2))
    looked(model("sd3", dtype="bfloat16"), Room(int(0.6 * needed)))
    with pytest.raises(WeightsError):
        looked(model("sd3"), Room(0, 0))


def test_what_is_dropped_takes_no_room(model, told):
    looked(model("sd3"))
    whole = told["in memory"]
    looked(model("sd3", drop=["text_encoder_3", "tokenizer_3"]))
    assert told["in memory"] < whole


def test_a_file_that_is_cut_short(model, broken):
    folder = broken("sdxl")
    file = folder / "unet" / "diffusion_pytorch_model.safetensors"
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(WeightsError, match="may be cut short"):
        looked(model("sdxl", weights=folder))


def test_a_denoiser_of_another_model(model, checkpoints, tmp_path):
    file = tmp_path / "unet.safetensors"
    given = {"kind": "denoiser", "weights": str(tmp_path), "file": file.name}
    shutil.copy(checkpoints / "sd3" / "transformer" / "diffusion_pytorch_model.safetensors", file)
    with pytest.raises(WeightsError, match=r"no denoiser for this pipeline: \d+ names or shapes"):
        looked(model("sdxl", adapters=[given]))
    state = load_file(checkpoints / "sdxl" / "unet" / "diffusion_pytorch_model.safetensors")
    name = next(iter(state))
    save_file({**state, name: torch.zeros(3, 5)}, file)
    with pytest.raises(WeightsError, match="2 names or shapes differ, such as"):
        looked(model("sdxl", adapters=[given]))
    save_file(state, file)
    assert "of weights as float32" in looked(model("sdxl", adapters=[given]))


@pytest.mark.parametrize("kind", ["lora", "peft"])
def test_an_adapter_that_is_cut_short(model, checkpoints, tmp_path, kind):
    given = {"kind": kind, **({"file": "it.safetensors"} if kind == "lora" else {})}
    given = write(given, "sdxl", checkpoints / "sdxl", tmp_path)
    looked(model("sdxl", adapters=[given]))
    (file,) = tmp_path.glob("*.safetensors")
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(WeightsError, match="may be cut short"):
        looked(model("sdxl", adapters=[given]))


def test_an_adapter_that_is_not_there(model, tmp_path):
    given = {"kind": "lora", "weights": str(tmp_path), "file": "no.safetensors"}
    (tmp_path / "other").write_text("")
    with pytest.raises(WeightsError, match="has no file at"):
        looked(model("sdxl", adapters=[given]))


def test_a_schedule_that_the_scheduler_does_not_take(model):
    with pytest.raises(SpecError, match="takes no explicit timesteps"):
        looked(model("sdxl", scheduler={"class": "DDIMScheduler"}, timesteps=[999, 499]))


def test_the_variants_files_are_counted_and_no_others(tmp_path):
    names = ["model.safetensors", "model.fp16.safetensors", "big-00001-of-00002.safetensors",
             "big.fp16-00001-of-00002.safetensors"]  # fmt: skip
    for name in names:
        (tmp_path / name).touch()
    chosen = {v: {p.name for p in checking._files(tmp_path, v)} for v in (None, "fp16", "int8")}
    assert chosen["fp16"] == {names[1], names[3]}
    assert chosen[None] == chosen["int8"] == {names[0], names[2]}


@pytest.mark.parametrize(
    ("text", "words"), [("{", "cannot be read as JSON"), ("[1]", "holds list, not a JSON object")]
)
def test_a_component_whose_configuration_is_damaged(model, checkpoints, tmp_path, text, words):
    shutil.copytree(checkpoints / "sd3", tmp_path / "sd3")
    (tmp_path / "sd3" / "transformer" / "config.json").write_text(text)
    spec = model("sd3").model_copy(update={"weights": str(tmp_path / "sd3")})
    with pytest.raises(WeightsError, match=rf"transformer/config\.json {words}"):
        looked(spec)


# --- the hub ------------------------------------------------------------------------------------


@pytest.fixture
def online(monkeypatch, checkpoints):
    """A hub that has the small checkpoint, of which nothing but the index is fetched."""
    import huggingface_hub
    from huggingface_hub import constants

    asked = []

    def download(hub_id, *, revision, allow_patterns, dry_run=False):
        asked.append((hub_id, tuple(allow_patterns), dry_run))
        if not dry_run:
            assert allow_patterns == ["model_index.json"]
            return str(checkpoints / "sd3")
        if hub_id == "owner/other":
            return []
        return [SimpleNamespace(file_size=3 * 10**9, will_download=n < 2) for n in range(3)]

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    return asked


def test_what_is_to_be_fetched_is_told_and_not_fetched(model, online):
    spec = model("sd3").model_copy(update={"weights": "owner/it"})
    told = looked(spec)
    assert told.startswith("6.0 GB of weights to be fetched from the hub")
    assert "whether they fit into memory can be told only when they are here" in told
    assert [dry for *_, dry in online] == [False, True]


def test_what_is_to_be_fetched_must_fit_on_the_disk(model, online, monkeypatch, tmp_path):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "not" / "yet"))
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=5 * 10**9))
    spec = model("sd3").model_copy(update={"weights": "owner/it"})
    with pytest.raises(WeightsError, match=r"6\.0 GB of weights to be fetched.* 5\.0 GB are free"):
        looked(spec)


def test_a_file_that_the_hub_does_not_have(model, online):
    given = [{"kind": "lora", "weights": "owner/other", "file": "it.safetensors"}]
    with pytest.raises(WeightsError, match=r"owner/other has no file it\.safetensors on the hub"):
        looked(model("sd3", adapters=given))


def test_a_gated_adapter(model, monkeypatch, online):
    import huggingface_hub
    from huggingface_hub.errors import GatedRepoError

    def refuse(*args, **kwargs):
        raise GatedRepoError("403", response=SimpleNamespace(headers={}, request=None))

    monkeypatch.setattr(huggingface_hub, "snapshot_download", refuse)
    for spec in (
        model("sd3").model_copy(update={"weights": "owner/gated"}),
        model("sd3", adapters=[{"kind": "peft", "weights": "owner/gated"}]),
    ):
        with pytest.raises(WeightsError, match=r"owner/gated is gated.*set HF_TOKEN"):
            looked(spec)


def test_without_a_network_what_is_not_here_is_told(model):
    with pytest.raises(WeightsError, match="owner/elsewhere is not on this machine"):
        looked(model("sd3").model_copy(update={"weights": "owner/elsewhere"}))


def test_the_room_of_this_machine(model):
    assert isinstance(Diffusers(model("sd3")), Checkable)
    assert "of weights as float32" in Diffusers(model("sd3")).check()
