"""What every scorer of the registry must keep, whatever it measures."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PIL import Image

from evalkit import registry
from evalkit.records import Prompt, Question, Requirements, ScorerCard
from evalkit.scorers import Scorer, Verdict

CAT = Requirements.parse(
    {"tag": "colors", "include": [{"class": "cat", "count": 1, "color": "red"}]}
)
DOG = Requirements.parse({"tag": "single_object", "include": [{"class": "dog", "count": 1}]})


@pytest.fixture(scope="module", params=sorted(registry.SCORERS))
def scorer(request: pytest.FixtureRequest, checkpoints: Any) -> Scorer:
    hps = {"weights": checkpoints.hps, "architecture": "tiny-hps"}
    made = {
        "aesthetic": lambda: {"weights": checkpoints.head, "clip_weights": checkpoints.clip},
        "hps-v2": lambda: hps,
        "hps-v2.1": lambda: hps,
        "pick-score": lambda: {"weights": checkpoints.clip},
        "clip-cosine": lambda: {"weights": checkpoints.clip},
        "clip-score-hessel": lambda: {"weights": checkpoints.clip},
        "clip-score": lambda: {"weights": checkpoints.clip},
        "geneval": lambda: {"weights": checkpoints.detector, "colour_weights": checkpoints.clip},
        "image-reward": lambda: {"weights": checkpoints.reward},
        "dpg": lambda: {"weights": checkpoints.judge},
        "soft-tifa": lambda: {"weights": checkpoints.judge},
        "soft-tifa-gm": lambda: {"weights": checkpoints.judge},
        "vqa-score": lambda: {"weights": checkpoints.judge},
    }
    assert made.keys() == registry.SCORERS.keys(), "a new scorer needs small weights here"
    ready = registry.scorer(request.param, device="cpu", **made[request.param]())
    ready.load()
    return ready


def prompt(text: str, requirements: Requirements | None = DOG) -> Prompt:
    asked = (Question(id="1", text=f"Is there {text}?"),)
    return Prompt(id="p", suite="s", text=text, requirements=requirements, questions=asked)


def noise(seed: int, size: tuple[int, int] = (50, 37)) -> Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def same(a: Verdict, b: Verdict) -> bool:
    if a.value is None or b.value is None:
        return a == b
    return a.value == pytest.approx(b.value, abs=1e-5)


PROMPTS = [
    prompt("a photo of a red cat", CAT),
    prompt("a photo of a dog"),
    prompt("two three cats " * 30),
    prompt("", CAT),
    prompt("a dog left of a car"),
]
SIZES = [(50, 37), (64, 64), (37, 50), (64, 64), (91, 33)]


@pytest.fixture(scope="module")
def pictures() -> list[Image.Image]:
    return [noise(i, size) for i, size in enumerate(SIZES)]


def test_the_card_names_the_weights(scorer: Scorer) -> None:
    card = scorer.card
    assert isinstance(card, ScorerCard)
    assert card.version >= 1
    assert card.weights
    assert all(w.digest and w.digest.startswith("sha256:") for w in card.weights)
    base = next(n for n, p in registry.SCORERS.items() if p.endswith(f":{type(scorer).__name__}"))
    assert card.name.startswith(base + "-"), "random weights must not bear the official name"


def test_one_by_one_is_the_same_as_a_batch(scorer: Scorer, pictures: list[Image.Image]) -> None:
    together = scorer.score(PROMPTS, pictures)
    alone = [scorer.score([p], [i])[0] for p, i in zip(PROMPTS, pictures, strict=True)]
    assert len(together) == len(PROMPTS)
    assert all(same(a, b) for a, b in zip(together, alone, strict=True))


def test_order_does_not_matter(scorer: Scorer, pictures: list[Image.Image]) -> None:
    forth = scorer.score(PROMPTS, pictures)
    back = scorer.score(PROMPTS[::-1], pictures[::-1])
    assert all(same(a, b) for a, b in zip(forth, back[::-1], strict=True))


def test_pictures_are_left_as_they_were(scorer: Scorer) -> None:
    picture = noise(7)
    picture.info["note"] = "kept"
    before, prompts, images = picture.tobytes(), [PROMPTS[0]], [picture]
    scorer.score(prompts, images)
    assert (picture.tobytes(), picture.mode, picture.info) == (before, "RGB", {"note": "kept"})
    assert prompts == [PROMPTS[0]]
    assert images[0] is picture


def test_nothing_gives_nothing(scorer: Scorer) -> None:
    assert scorer.score([], []) == []


def test_prompts_without_pictures_are_a_mistake(scorer: Scorer) -> None:
    with pytest.raises(ValueError, match="2 prompts for 1 images"):
        scorer.score(["a", "b"], [noise(0)])


def test_a_plain_text_is_a_prompt(scorer: Scorer) -> None:
    (verdict,) = scorer.score(["a photo of a dog"], [noise(0)])
    (full,) = scorer.score([PROMPTS[1]], [noise(0)])
    if verdict.value is None:
        assert any(n in str(verdict.reason) for n in ("no GenEval requirements", "no questions"))
    else:
        assert same(verdict, full)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "I;16", "I", "F"])
def test_every_mode_gives_a_value_or_a_reason(scorer: Scorer, mode: str) -> None:
    picture = noise(1).convert("L").convert(mode) if mode in {"I", "F", "I;16"} else noise(1)
    (verdict,) = scorer.score([PROMPTS[1]], [picture.convert(mode)])
    deep = mode in {"I", "F", "I;16"}
    assert (verdict.value is None) == deep
    assert (verdict.reason is not None) == deep


@pytest.mark.parametrize("size", [(1, 1), (1, 4000), (4000, 1), (2, 3)])
def test_the_strangest_sizes_are_judged(scorer: Scorer, size: tuple[int, int]) -> None:
    (verdict,) = scorer.score([PROMPTS[1]], [noise(2, size)])
    assert verdict.value is not None


def test_a_broken_picture_gets_a_reason_and_the_others_a_value(scorer: Scorer) -> None:
    verdicts = scorer.score([PROMPTS[1]] * 3, [noise(1), _Broken(), noise(2)])
    assert [v.value is None for v in verdicts] == [False, True, False]
    assert "cannot be decoded" in str(verdicts[1].reason)


def test_a_picture_without_pixels_gets_a_reason(scorer: Scorer) -> None:
    (verdict,) = scorer.score([PROMPTS[1]], [Image.new("RGB", (0, 5))])
    assert "no pixels" in str(verdict.reason)


@pytest.mark.parametrize(
    "text",
    [
        "你好\uff0c世界",
        "🐈‍⬛ e\u0301\u200b\x00",
        "cat " * 2500,
        "x" * 10_000,
        "[SEP] [DEC] [CLS]",
        "\n\t ",
    ],
)
def test_any_text_is_judged(scorer: Scorer, text: str) -> None:
    (verdict,) = scorer.score([prompt(text)], [noise(3)])
    assert verdict.value is not None
    if "truncated" in verdict.detail and text[0] != "x":  # one piece to some, many to others
        assert verdict.detail["truncated"] == (text == "cat " * 2500)


class _Broken(Image.Image):
    """A picture whose data ends early."""

    def __init__(self) -> None:
        super().__init__()
        self._mode, self._size = "RGB", (8, 8)

    def load(self) -> Any:
        raise OSError("image file is truncated (3 bytes not processed)")
