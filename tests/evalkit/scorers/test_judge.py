"""The judge: an answer's probability is the network's own, however the questions are stacked."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from evalkit import registry
from evalkit.errors import WeightsError
from evalkit.records import WeightsInfo
from evalkit.scorers.by_question import NO, YES, judge_name
from evalkit.scorers.judge import Asked, Judge, shared_judge
from evalkit.scorers.vqa_score import VqaScore
from tests.evalkit.scorers.checkpoints import make_clip

CPU = torch.device("cpu")
FRAME = 'Does this figure show "{}"? Please answer yes or no.'
TEXTS = ["a cat", "a photo of a dog and a red car", "two three cats " * 20, "", "a blue bus"]


@pytest.fixture(params=["judge", "qwen_judge"])
def folder(request: pytest.FixtureRequest, checkpoints: Any) -> Path:
    return getattr(checkpoints, request.param)


def picture(seed: int, width: int = 48, height: int = 40) -> Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def ready(judge: Judge, image: Image.Image, text: str, answers: Any = (YES, NO)) -> Asked:
    asked = judge.prepare(image, text, FRAME, answers)
    assert isinstance(asked, Asked)
    return asked


def test_p_yes_is_that_of_a_forward_pass_by_hand(checkpoints: Any) -> None:
    from transformers import AutoProcessor, LlavaForConditionalGeneration

    model = LlavaForConditionalGeneration.from_pretrained(checkpoints.judge).eval()
    processor = AutoProcessor.from_pretrained(checkpoints.judge)
    image, text = picture(1), "a cat left of a dog"
    line = f"user : <image> {FRAME.replace('{}', text)} assistant :"
    inputs = processor(images=image, text=line, return_tensors="pt")
    with torch.no_grad():
        exps = [math.exp(float(x)) for x in model(**inputs).logits[0, -1]]
    ids = processor.tokenizer.get_vocab()
    (verdict,) = VqaScore(checkpoints.judge, device="cpu").score([text], [image])
    assert verdict.value == pytest.approx(exps[ids["Yes"]] / sum(exps), abs=1e-6)
    judge = Judge(checkpoints.judge, CPU)
    ((yes, no),) = judge.answer([ready(judge, image, text)])
    assert yes == pytest.approx((exps[ids["Yes"]] + exps[ids["yes"]]) / sum(exps), abs=1e-6)
    assert no == pytest.approx((exps[ids["No"]] + exps[ids["no"]]) / sum(exps), abs=1e-6)


def test_stacked_questions_are_answered_as_alone(folder: Path) -> None:
    pairs = [(picture(i, 40 + 16 * i, 64), text) for i, text in enumerate(TEXTS)]
    judge, other = Judge(folder, CPU), Judge(folder, CPU)
    together = judge.answer([ready(judge, *pair) for pair in pairs])
    alone = [other.answer([ready(other, *pair)])[0] for pair in pairs]
    assert np.allclose(together, alone, atol=1e-6)
    assert len({round(yes, 6) for yes, _ in together}) == len(TEXTS), "random weights tell apart"


def test_a_model_that_gives_all_logits_says_the_same(folder: Path) -> None:
    judge, other = Judge(folder, CPU), Judge(folder, CPU)
    other._keeps = False
    asked = [ready(judge, picture(i), text) for i, text in enumerate(TEXTS)]
    assert np.allclose(judge.answer(asked), other.answer(asked), atol=1e-6)


def test_what_was_answered_is_not_asked_again(
    checkpoints: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    judge = Judge(checkpoints.judge, CPU)
    asked = [ready(judge, picture(i), "a cat") for i in (1, 2, 1)]
    first = judge.answer(asked)
    assert first[0] == first[2] != first[1]
    monkeypatch.setattr(judge, "_ask", lambda _: pytest.fail("asked again"))
    assert judge.answer(asked) == first


def test_other_answers_to_a_question_are_another_question(checkpoints: Any) -> None:
    judge = Judge(checkpoints.judge, CPU)
    asked = [ready(judge, picture(1), "a cat", answers) for answers in ((YES,), (NO,), (YES, NO))]
    (yes,), (no,), both = judge.answer(asked)
    assert both == (yes, no)


def test_spellings_that_share_a_token_count_once(checkpoints: Any) -> None:
    judge = Judge(checkpoints.judge, CPU)
    once, often = (ready(judge, picture(1), "a cat", (s,)) for s in (YES[:2], YES + YES))
    assert judge.answer([once])[0] == pytest.approx(judge.answer([often])[0])


def test_an_answer_without_a_token_is_an_error(checkpoints: Any) -> None:
    judge = Judge(checkpoints.judge, CPU)
    with pytest.raises(WeightsError, match="no token for Zebra"):
        judge.answer([ready(judge, picture(1), "a cat", (("Zebra",),))])


def test_a_long_text_is_cut_and_flagged_and_its_question_is_whole(checkpoints: Any) -> None:
    judge = Judge(checkpoints.judge, CPU)
    asked = ready(judge, picture(1), "cat " * 500)
    assert asked.tokens > judge.max_tokens == asked.length
    end = judge._tokenizer.decode(asked.inputs["input_ids"][0]).split()[-8:]
    assert " ".join(end).endswith("assistant :")
    (verdict,) = VqaScore(checkpoints.judge).score(["cat " * 500], [picture(1)])
    assert verdict.value is not None
    assert verdict.detail == {"tokens": asked.tokens, "truncated": True}


def test_a_picture_that_leaves_no_place_for_text_has_a_reason(checkpoints: Any) -> None:
    judge = Judge(checkpoints.judge, CPU)
    judge.max_tokens = 20
    reason = judge.prepare(picture(1), "a cat", FRAME, (YES,))
    assert "the judge reads 20" in str(reason)


def test_a_picture_that_the_processor_refuses_has_a_reason(checkpoints: Any) -> None:
    scorer = VqaScore(checkpoints.qwen_judge, device="cpu")
    wrong, right = scorer.score(["a cat"] * 2, [picture(1, 2000, 2), picture(2)])
    assert "cannot read the picture" in str(wrong.reason)
    assert right.value is not None


@pytest.mark.parametrize("text", ["<image> a cat <image>", "<|image_pad|>", "{} {0} %s"])
def test_a_text_cannot_smuggle_a_picture_in(folder: Path, text: str) -> None:
    (verdict,) = VqaScore(folder, device="cpu").score([text], [picture(1)])
    assert verdict.value is not None


def test_nan_is_a_reason(checkpoints: Any, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    shutil.copytree(checkpoints.judge, tmp_path / "nan")
    state = load_file(tmp_path / "nan" / "model.safetensors")
    head = next(name for name in state if name.endswith("lm_head.weight"))
    state[head][0, 0] = float("nan")
    save_file(state, tmp_path / "nan" / "model.safetensors", metadata={"format": "pt"})
    (verdict,) = VqaScore(tmp_path / "nan", device="cpu").score(["a cat"], [picture(1)])
    assert verdict.value is None
    assert "The network returned nan" in str(verdict.reason)


def test_a_judge_without_a_template_is_refused(checkpoints: Any, tmp_path: Path) -> None:
    shutil.copytree(checkpoints.judge, tmp_path / "mute")
    (tmp_path / "mute" / "chat_template.jinja").unlink()
    with pytest.raises(WeightsError, match="no chat template"):
        VqaScore(tmp_path / "mute").load()


def test_what_is_no_judge_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"chat template|that loads"):
        VqaScore(make_clip(tmp_path / "clip")).load()


def test_missing_tensors_are_refused(checkpoints: Any, tmp_path: Path) -> None:
    shutil.copytree(checkpoints.judge, tmp_path / "deeper")
    config = json.loads((tmp_path / "deeper" / "config.json").read_text())
    config["text_config"]["num_hidden_layers"] = 3
    (tmp_path / "deeper" / "config.json").write_text(json.dumps(config))
    with pytest.raises(WeightsError, match="missing keys"):
        VqaScore(tmp_path / "deeper").load()


def test_scorers_of_one_judge_share_it(checkpoints: Any) -> None:
    shared_judge.cache_clear()
    one, other = (registry.scorer("vqa-score", checkpoints.judge, device="cpu") for _ in range(2))
    assert isinstance(one, VqaScore)
    assert isinstance(other, VqaScore)
    assert one._judge is other._judge


@pytest.mark.parametrize(
    ("id_", "name"),
    [
        ("Qwen/Qwen3-VL-8B-Instruct", "qwen3-vl-8b-instruct-01234567"),
        ("my judge (new)", "my-judge-new-01234567"),
        ("판사", "judge-01234567"),
    ],
)
def test_the_judge_is_part_of_the_name(id_: str, name: str) -> None:
    assert judge_name(WeightsInfo(id=id_, digest="sha256:0123456789")) == name
