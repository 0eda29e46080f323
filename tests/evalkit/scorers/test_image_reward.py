"""ImageReward: the authors' rewards, and no weights but theirs."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from evalkit.errors import EvalkitError, MissingPackageError, WeightsError
from evalkit.records import WeightsInfo
from evalkit.scorers.image_reward import ImageReward, Tokens, read_state
from evalkit.scorers.reward_net import UNUSED, from_official, geometry_of, to_official
from evalkit.weights import Weights, resolve

ROOT = Path(__file__).parents[3]
GOLDEN = ROOT / "tests" / "golden" / "imagereward"

OCEAN = "a painting of an ocean with clouds and birds, day time, low depth field effect"
README = (0.5811622738838196, 0.2745276093482971, -1.4131819009780884, -2.029569625854492)


def parity() -> Any:
    path = ROOT / "benchmarks" / "imagereward_parity.py"
    spec = importlib.util.spec_from_file_location("imagereward_parity", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def state(checkpoints: Any) -> dict[str, torch.Tensor]:
    return read_state(checkpoints.reward / "ImageReward.pt")


@pytest.fixture
def med_config(checkpoints: Any) -> dict[str, Any]:
    return json.loads((checkpoints.reward / "med_config.json").read_text())


def test_the_rewards_are_those_of_the_authors_package() -> None:
    script = parity()
    rewards = json.loads((GOLDEN / "rewards.json").read_text())
    assert len({round(r, 5) for r in rewards}) > len(script.PROMPTS)
    assert script.ours(GOLDEN) < 1e-5


def test_the_four_rewards_of_the_readme() -> None:
    """https://github.com/zai-org/ImageReward, README: assets/images/1.webp to 4.webp."""
    weights = os.environ.get("EVALKIT_IMAGEREWARD")
    pictures = os.environ.get("EVALKIT_IMAGEREWARD_PICTURES")
    if not weights or not pictures:
        pytest.skip("EVALKIT_IMAGEREWARD and EVALKIT_IMAGEREWARD_PICTURES name no folders")
    images = [Image.open(Path(pictures) / f"{n}.webp") for n in range(1, 5)]
    verdicts = ImageReward(weights, device="cpu").score([OCEAN] * 4, images)
    assert [v.value for v in verdicts] == pytest.approx(README, abs=1e-3)


def test_the_remap_is_total_and_goes_both_ways(
    state: dict[str, torch.Tensor], med_config: dict[str, Any]
) -> None:
    net = from_official(state, med_config)
    back = to_official(net)
    assert back.keys() == state.keys()
    assert all(torch.equal(back[k], state[k]) for k in state)
    learnt = {*net.state_dict()}
    assert len(learnt) == len(state)
    assert not net.training


def test_the_geometry_is_read_off_the_shapes(
    state: dict[str, torch.Tensor], med_config: dict[str, Any]
) -> None:
    geometry = geometry_of(state, med_config)
    assert geometry.vision_width == 32
    assert geometry.vision_depth == 2
    assert (geometry.patch_size, geometry.image_size) == (8, 32)
    assert geometry.head == (16, 8, 8, 4, 1)


def test_the_unused_tensors_may_be_there(
    state: dict[str, torch.Tensor], med_config: dict[str, Any]
) -> None:
    extra = {key: torch.zeros(3) for key in UNUSED}
    from_official({**state, **extra}, med_config)


@pytest.mark.parametrize(
    "key",
    [
        "mlp.layers.6.bias",
        "blip.visual_encoder.blocks.1.attn.proj.weight",
        "blip.text_encoder.encoder.layer.0.crossattention.self.key.weight",
        "blip.visual_encoder.cls_token",
    ],
)
def test_a_missing_tensor_is_named(
    state: dict[str, torch.Tensor], med_config: dict[str, Any], key: str
) -> None:
    del state[key]
    with pytest.raises(WeightsError, match=key):
        from_official(state, med_config)


def test_a_tensor_too_many_is_named(
    state: dict[str, torch.Tensor], med_config: dict[str, Any]
) -> None:
    state["blip.text_encoder.pooler.dense.weight"] = torch.zeros(2)
    with pytest.raises(WeightsError, match=r"unknown in the weights: blip.text_encoder.pooler"):
        from_official(state, med_config)


def test_a_wrong_shape_is_named(state: dict[str, torch.Tensor], med_config: dict[str, Any]) -> None:
    state["mlp.layers.7.bias"] = torch.zeros(2)
    with pytest.raises(WeightsError, match=r"mlp.layers.7.bias \(2,\) instead of \(1,\)"):
        from_official(state, med_config)


def test_another_text_encoder_is_refused(
    state: dict[str, torch.Tensor], med_config: dict[str, Any]
) -> None:
    with pytest.raises(WeightsError, match="of the wrong shape"):
        from_official(state, {**med_config, "intermediate_size": 64})
    with pytest.raises(WeightsError, match="missing from"):
        from_official(state, {**med_config, "num_hidden_layers": 3})
    with pytest.raises(WeightsError, match="unknown in"):
        from_official(state, {**med_config, "num_hidden_layers": 1})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"vision_num_attention_heads": 5}, "width 32 cannot have 5 attention heads"),
        ({"vision_num_attention_heads": None}, "vision_num_attention_heads"),
        ({"hidden_size": "24"}, "hidden_size is '24'"),
        ({"num_attention_heads": 0}, "num_attention_heads is 0"),
        ({"num_attention_heads": 5}, "hidden_size 24 is no multiple of 5"),
    ],
)
def test_a_med_config_that_makes_no_sense_is_refused(
    state: dict[str, torch.Tensor], med_config: dict[str, Any], change: Any, message: str
) -> None:
    with pytest.raises(WeightsError, match=message):
        from_official(state, {**med_config, **change})


def test_a_width_of_many_64_needs_no_statement(med_config: dict[str, Any]) -> None:
    shapes = {
        "blip.visual_encoder.cls_token": (1, 1, 192),
        "blip.visual_encoder.pos_embed": (1, 197, 192),
        "blip.visual_encoder.patch_embed.proj.weight": (192, 3, 16, 16),
        "blip.visual_encoder.blocks.0.mlp.fc1.weight": (768, 192),
        **{f"mlp.layers.{i}.weight": (4, 4) for i in (0, 2, 4, 6, 7)},
    }
    del med_config["vision_num_attention_heads"]
    geometry = geometry_of({k: torch.empty(s) for k, s in shapes.items()}, med_config)
    assert (geometry.vision_heads, geometry.image_size) == (3, 224)


def test_a_file_is_as_good_as_its_folder(checkpoints: Any) -> None:
    picture = Image.effect_noise((40, 30), 80)
    folder = ImageReward(checkpoints.reward).score(["a red cat"], [picture])
    file = ImageReward(checkpoints.reward / "ImageReward.pt")
    assert file.score(["a red cat"], [picture]) == folder
    assert [w.id for w in file.card.weights] == ["ImageReward.pt", "med_config.json", "vocab.txt"]


@pytest.mark.parametrize("name", ["ImageReward.pt", "med_config.json"])
def test_a_part_that_is_not_there_is_named(checkpoints: Any, tmp_path: Path, name: str) -> None:
    folder = tmp_path / "some"
    shutil.copytree(checkpoints.reward, folder)
    (folder / name).unlink()
    with pytest.raises(WeightsError, match=name):
        _ = ImageReward(folder).card


def test_without_a_vocabulary_berts_is_fetched(
    checkpoints: Any, tmp_path: Path, monkeypatch: Any
) -> None:
    folder, hub = tmp_path / "mine", tmp_path / "hub"
    shutil.copytree(checkpoints.reward, folder)
    hub.mkdir()
    (folder / "vocab.txt").rename(hub / "vocab.txt")

    def from_hub(weights: str, *, files: Any) -> Weights:
        if weights != "google-bert/bert-base-uncased":
            return resolve(weights, files=files)
        assert files == ["vocab.txt"]
        return Weights(hub, WeightsInfo(id=weights, revision="abc"))

    monkeypatch.setattr("evalkit.scorers.image_reward.resolve", from_hub)
    scorer, own = ImageReward(folder), ImageReward(checkpoints.reward)
    picture = Image.effect_noise((40, 30), 80)
    assert scorer.score(["a red cat"], [picture]) == own.score(["a red cat"], [picture])
    assert scorer.card.weights[1].id == "google-bert/bert-base-uncased"


def test_a_package_that_is_not_there_is_said(checkpoints: Any, monkeypatch: Any) -> None:
    monkeypatch.setitem(sys.modules, "evalkit.scorers.reward_net", None)
    with pytest.raises(MissingPackageError, match=r"pip install 'evalkit\[models\]'"):
        ImageReward(checkpoints.reward).load()


@pytest.mark.parametrize("content", [b"", b"\x80\x02nonsense", b"PK\x03\x04"])
@pytest.mark.parametrize("name", ["ImageReward.pt", "ImageReward.safetensors"])
def test_a_corrupt_file_is_named(tmp_path: Path, content: bytes, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=name):
        read_state(path)


def test_a_file_that_runs_code_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "ImageReward.pt"
    torch.save({"a": Path("x")}, path)
    with pytest.raises(WeightsError, match="cannot be read as weights"):
        read_state(path)


@pytest.mark.parametrize("value", [[1, 2], {"a": 1}, {"model": {"a": torch.zeros(1)}}])
def test_what_is_no_state_dict_is_refused(tmp_path: Path, value: Any) -> None:
    path = tmp_path / "ImageReward.pt"
    torch.save(value, path)
    with pytest.raises(WeightsError, match="plain state dict"):
        read_state(path)


def test_the_35th_token_is_the_last_that_is_read(checkpoints: Any) -> None:
    scorer = ImageReward(checkpoints.reward)
    picture = Image.effect_noise((40, 30), 80)
    full, cut, same = scorer.score(
        ["cat " * 33, "cat " * 33 + "dog", "cat " * 33 + "red red"], [picture] * 3
    )
    assert (full.detail["tokens"], full.detail["truncated"]) == (35, False)
    assert (cut.detail["tokens"], cut.detail["truncated"]) == (36, True)
    assert cut.value == pytest.approx(full.value, abs=1e-6)
    assert same.value == pytest.approx(full.value, abs=1e-6)


def test_blips_tokens_are_known_where_the_network_has_room(checkpoints: Any) -> None:
    vocabulary = checkpoints.reward / "vocab.txt"
    words = vocabulary.read_text().split()
    roomy = Tokens(vocabulary, len(words) + 2, 48)
    assert roomy.encode("[DEC] [ENC]")[0][1:-1] == [len(words), len(words) + 1]
    assert max(Tokens(vocabulary, len(words), 48).encode("[DEC] [ENC]")[0]) < len(words)


def test_a_vocabulary_that_does_not_fit_is_refused(checkpoints: Any, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="but the network only 5"):
        Tokens(checkpoints.reward / "vocab.txt", 5, 48)
    (tmp_path / "vocab.txt").write_text("[PAD]\ncat\n")
    with pytest.raises(WeightsError, match=r"has no \[UNK\], \[CLS\], \[SEP\]"):
        Tokens(tmp_path / "vocab.txt", 50, 48)


def test_nan_is_a_reason(checkpoints: Any, tmp_path: Path) -> None:
    folder = tmp_path / "nan"
    shutil.copytree(checkpoints.reward, folder)
    state = read_state(folder / "ImageReward.pt")
    state["mlp.layers.7.bias"][:] = float("nan")
    torch.save(state, folder / "ImageReward.pt")
    (verdict,) = ImageReward(folder).score(["a cat"], [Image.new("RGB", (8, 8))])
    assert verdict.value is None
    assert "returned nan" in str(verdict.reason)


def test_a_lone_surrogate_is_a_reason(checkpoints: Any) -> None:
    (verdict,) = ImageReward(checkpoints.reward).score(["cat \ud800"], [Image.new("RGB", (8, 8))])
    assert "not valid Unicode at character 4" in str(verdict.reason)


def test_cuda_that_is_not_there_is_said(checkpoints: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(EvalkitError, match="Device 'cuda:0' was asked for"):
        ImageReward(checkpoints.reward, device="cuda:0").load()
