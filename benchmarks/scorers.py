"""Pictures a second of every scorer, ours beside the authors' own loop; and what memory it takes.

``python -m benchmarks.scorers`` draws random weights, scores the same pictures of 512 x 512 both
ways in turns, and prints the best of three of each. The authors' loops are theirs: one picture and
one text at a time, no tower shared, every mask of the detector brought to full size
(``tests/evalkit/scorers/formulas.py``; mmdet's ``instance_postprocess``). ImageReward's loop is our
network with one pair at a time, since the authors' package runs in an environment of its own.
Memory is the most that a process of its own held, scoring with one scorer or with all.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

import torch  # noqa: E402
from PIL import Image  # noqa: E402

from evalkit.generators.sketch import Sketch  # noqa: E402
from evalkit.records import ModelSpec, Prompt, Requirements  # noqa: E402
from evalkit.scorers.aesthetic import Aesthetic  # noqa: E402
from evalkit.scorers.clip_conventions import ClipCosine  # noqa: E402
from evalkit.scorers.clip_models import open_any  # noqa: E402
from evalkit.scorers.clip_score import ClipScore  # noqa: E402
from evalkit.scorers.colours import ClipColours  # noqa: E402
from evalkit.scorers.detection import Detection  # noqa: E402
from evalkit.scorers.geneval import GenEval  # noqa: E402
from evalkit.scorers.hps import HpsV2, HpsV21  # noqa: E402
from evalkit.scorers.image_reward import ImageReward  # noqa: E402
from evalkit.scorers.mask2former import COCO_FIT, Preparation, Size, tight_box  # noqa: E402
from evalkit.scorers.mmdet_mask2former import convert  # noqa: E402
from evalkit.scorers.pick_score import PickScore  # noqa: E402
from evalkit.weights import MINIATURE, resolve  # noqa: E402
from tests.evalkit.scorers import checkpoints as small  # noqa: E402
from tests.evalkit.scorers import formulas, mmdet  # noqa: E402

PICTURES = 32
DETECTED = 8
"""Pictures for GenEval's full-size detector, which takes a second each."""
TRAINED = "geneval (miniature)"
"""The miniature's detector and its own drawings: a trained one, which is sure of few objects."""
TIMES = 3
WANTED = "car"
TEXTS = ("a photo of a red car", "two dogs left of a car", "a photo of a car and a dog")
DETECTOR = mmdet.Sizes(32, (2, 2, 2, 2), (1, 2, 4, 8), 7, 64, 8, 2, 128, 3, 128, 100)
TOWER = {"width": 512, "layers": 8, "image": 224, "patch": 32}
GROUP = ("clip-score", "clip-cosine", "aesthetic")
"""Scorers that look with one tower."""
Run = Callable[[], object]


def pictures(count: int) -> list[Image.Image]:
    """Draw noise with coarse structure, 512 x 512."""
    rng = np.random.default_rng(0)
    coarse = [rng.integers(0, 256, (16, 16, 3), dtype=np.uint8) for _ in range(count)]
    return [Image.fromarray(c).resize((512, 512), Image.Resampling.BICUBIC) for c in coarse]


def prompts(count: int) -> list[Prompt]:
    """Give every picture a text and, for GenEval, something to look for."""
    clause = {"class": WANTED, "count": 1, "color": "red"}
    wanted = Requirements.parse({"tag": "colors", "include": [clause]})
    return [
        Prompt(id=str(i), suite="s", text=TEXTS[i % len(TEXTS)], requirements=wanted)
        for i in range(count)
    ]


def drawings(count: int) -> list[Image.Image]:
    """Draw scenes with a car, as the miniature's detector was taught them."""
    spec = ModelSpec(name="sketch", generator="sketch")
    drawn = Sketch(spec).draw(prompts(count), range(count))
    return [picture.image for picture in drawn if picture.image]


def weights(root: Path) -> dict[str, Path]:
    """Draw random weights in every layout, once for all processes."""
    state = mmdet.random_state(DETECTOR)
    # Decisive guesses, so that some pass the thresholds as in a trained detector.
    state["panoptic_head.cls_embed.weight"] *= 3
    torch.save({"state_dict": state}, root / "mmdet.pth")
    return {
        "clip": small.make_clip(root / "clip", **TOWER),
        "reward": small.make_reward(root / "reward"),
        "hps": small.make_hps(root / "hps"),
        "head": small.make_head(root / "head.pth"),
        "detector": convert(root / "mmdet.pth", root / "detector"),
    }


def scorers(root: Path) -> dict[str, Any]:
    """Make every scorer on those weights; none is loaded yet."""
    import open_clip

    open_clip.add_model_config(root / "hps")
    cpu = {"device": "cpu"}
    clip, hps = root / "clip", {"weights": root / "hps", "architecture": "tiny-hps"}
    return {
        "clip-score": ClipScore(clip, **cpu),
        "clip-cosine": ClipCosine(clip, **cpu),
        "pick-score": PickScore(clip, **cpu),
        "aesthetic": Aesthetic(root / "head.pth", clip, **cpu),
        "hps-v2": HpsV2(**hps, **cpu),
        "hps-v2.1": HpsV21(**hps, **cpu),
        "image-reward": ImageReward(root / "reward", **cpu),
        "geneval": GenEval(root / "detector", clip, **cpu),
        TRAINED: GenEval(MINIATURE, **cpu),
    }


def originals(root: Path) -> dict[str, formulas.Formula]:
    """Return the authors' way with one picture, on the same weights."""
    clip = root / "clip"
    alone = ImageReward(root / "reward", device="cpu", batch_size=1)
    return {
        "clip-score": formulas.cosine(clip, 100.0),
        "clip-cosine": formulas.cosine(clip, 1.0),
        "pick-score": formulas.cosine(clip, None),
        "aesthetic": formulas.aesthetic(root / "head.pth", clip),
        "hps-v2": formulas.hps(root / "hps" / HpsV2.file),
        "hps-v2.1": formulas.hps(root / "hps" / HpsV21.file),
        "image-reward": lambda text, image: alone.score([text], [image]),
        "geneval": Original(root / "detector", root / "clip", COCO_FIT),
        TRAINED: Original(*(resolve(f"{MINIATURE}/{n}").path for n in ("detector", "clip")), None),
    }


class Original:
    """GenEval's ``evaluate_image``: every mask at full size, then one crop at a time."""

    def __init__(self, detector: Path, clip: Path, fit: Size | None) -> None:
        from transformers import Mask2FormerForUniversalSegmentation

        self.prepare = Preparation.read(detector / "preprocessor_config.json", fit)
        self.model = Mask2FormerForUniversalSegmentation.from_pretrained(detector).eval()
        self.label = next(i for i, name in self.model.config.id2label.items() if name == WANTED)
        self.colours = ClipColours(open_any(clip, torch.device("cpu")))

    @torch.no_grad()
    def __call__(self, _text: str, image: Image.Image) -> float:
        pixels = torch.from_numpy(self.prepare.pixels(image))[None]
        out = self.model(pixel_values=pixels)
        chances = out.class_queries_logits[0].softmax(-1)[:, :-1]
        count = chances.shape[1]
        best, index = chances.flatten().topk(100)
        masks = self._full(out.masks_queries_logits[0], pixels, image)[index // count]
        inside = (masks > 0).float()
        sure = (masks.sigmoid() * inside).flatten(1).sum(1) / (inside.flatten(1).sum(1) + 1e-6)
        found = [
            Detection(tight_box(m), float(s), m)
            for m, s, label in zip(
                inside.bool().numpy(), best * sure, (index % count).tolist(), strict=True
            )
            if label == self.label and s > THRESHOLD
        ]
        found = sorted(found, key=lambda d: -d.score)[:1]
        colours = [self.colours.colours(image, WANTED, [one])[0] for one in found]
        return float(colours == ["red"])

    @staticmethod
    def _full(masks: torch.Tensor, pixels: torch.Tensor, image: Image.Image) -> torch.Tensor:
        for size in (pixels.shape[2:], image.size[::-1]):
            masks = torch.nn.functional.interpolate(masks[None], size=size, mode="bilinear")[0]
        return masks


THRESHOLD = 0.3
"""GenEval's."""


def speeds(root: Path) -> Iterator[tuple[str, float, float]]:
    """Yield a scorer's or a group's pictures a second: the authors' loop, and ours."""
    from evalkit.scorers import shared

    theirs = originals(root)
    for name in theirs:
        yield _speed(root, (name,), theirs, shared.shared_clip)
    yield _speed(root, GROUP, theirs, shared.shared_clip)


def _speed(root: Path, names: Sequence[str], theirs: Any, cache: Any) -> tuple[str, float, float]:
    count = DETECTED if names == ("geneval",) else PICTURES
    draw = drawings if names == (TRAINED,) else pictures
    asked, images = prompts(count), draw(count)

    def original() -> None:
        for name in names:
            for prompt, image in zip(asked, images, strict=True):
                theirs[name](prompt.text, image)

    def ours() -> None:
        for scorer in made:
            scorer.score(asked, images)

    def forget() -> None:  # vectors that an earlier turn kept would be no work at all
        cache.cache_clear()
        fresh = scorers(root)
        made[:] = [fresh[name] for name in names]
        for scorer in made:
            scorer.load()

    made: list[Any] = []
    times: list[list[float]] = []
    for _ in range(TIMES):
        forget()
        times.append(once([original, ours]))
    slow, fast = (min(column) for column in zip(*times, strict=True))
    return " + ".join(names), count / slow, count / fast


def once(runs: Sequence[Run]) -> list[float]:
    """Return the seconds of each."""
    took = []
    for one in runs:
        start = time.perf_counter()
        one()
        took.append(time.perf_counter() - start)
    return took


def memory(root: Path, names: Sequence[str]) -> int:
    """Score with some in a process of its own; return the most megabytes that it held."""
    line = [sys.executable, __file__, "--weights", root, "--score", ",".join(names) or "none"]
    done = subprocess.run(line, capture_output=True, text=True, check=True)
    return int(json.loads(done.stdout.splitlines()[-1])["peak_mb"])


def score_here(root: Path, names: Sequence[str]) -> None:
    """Score with these one after another, and print the most memory this process held."""
    made = scorers(root)
    for name in [] if names == ["none"] else names:
        count = DETECTED if name == "geneval" else PICTURES
        draw = drawings if name == TRAINED else pictures
        made[name].score(prompts(count), draw(count))
    print(json.dumps({"peak_mb": peak()}))


def peak() -> int:
    """Return the most megabytes that this process held; ``ru_maxrss`` is its parent's at first."""
    lines = Path("/proc/self/status").read_text().splitlines()
    (line,) = (line for line in lines if line.startswith("VmHWM:"))
    return int(line.split()[1]) // 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--weights", type=Path, help="score with the weights drawn there")
    parser.add_argument("--score", help="only score with these, and print the memory")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if arguments.score:
        score_here(arguments.weights, arguments.score.split(","))
        return
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        weights(root)
        print(f"{'pictures a second':<40} {'theirs':>8} {'ours':>8} {'times':>6}")
        for name, theirs, ours in speeds(root):
            print(f"{name:<40} {theirs:>8.2f} {ours:>8.2f} {ours / theirs:>6.2f}", flush=True)
        everything = list(scorers(root))
        print(f"{'peak memory':<40} {'MB':>8}")
        for names in ([], *([n] for n in everything), everything):
            label = "all" if len(names) > 1 else "".join(names) or "none: imports only"
            print(f"{label:<40} {memory(root, names):>8}", flush=True)


if __name__ == "__main__":
    main()
