"""Show that our PickScore, HPSv2 and aesthetic score are their authors' formulas.

``python benchmarks/preference_parity.py`` draws small random weights in the real ones' layouts,
scores 60 pictures of odd sizes with our scorers and with the formulas of the authors' code written
out anew through torchvision, open_clip and transformers, and prints each largest difference.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from PIL import Image  # noqa: E402

from evalkit.scorers.aesthetic import Aesthetic  # noqa: E402
from evalkit.scorers.clip_score import ClipScore  # noqa: E402
from evalkit.scorers.hps import HpsV2, HpsV21  # noqa: E402
from evalkit.scorers.pick_score import PickScore  # noqa: E402
from tests.evalkit.scorers import checkpoints as small  # noqa: E402
from tests.evalkit.scorers import formulas  # noqa: E402

PICTURES = 60
TEXTS = ("a photo of a red cat", "two dogs left of a car", "", "a cat " * 60)


def pictures() -> list[Image.Image]:
    """Draw noise in sizes from one pixel to wide and tall."""
    rng = np.random.default_rng(0)
    sizes = [(1, 1), *(tuple(rng.integers(8, 400, size=2)) for _ in range(PICTURES - 1))]
    return [
        Image.fromarray(rng.integers(0, 256, (int(h), int(w), 3), dtype=np.uint8)) for w, h in sizes
    ]


def largest(scorer: Any, formula: Callable[[str, Image.Image], float]) -> float:
    """Score every picture both ways; return the largest difference."""
    images: Sequence[Image.Image] = pictures()
    texts = [TEXTS[i % len(TEXTS)] for i in range(len(images))]
    ours = [v.value for v in scorer.score(texts, images)]
    theirs = [formula(t, i) for t, i in zip(texts, images, strict=True)]
    return float(np.abs(np.array(ours, dtype=float) - np.array(theirs)).max())


def main() -> None:
    """Print a line for each scorer."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        made = SimpleNamespace(
            clip=small.make_clip(root / "clip"),
            hps=small.make_hps(root / "hps"),
            head=small.make_head(root / "head.pth"),
        )
        cpu = {"device": "cpu"}
        rows: dict[str, tuple[Any, Callable[[str, Image.Image], float]]] = {
            "clip-score": (ClipScore(made.clip, **cpu), formulas.cosine(made.clip, 100.0)),
            "pick-score": (PickScore(made.clip, **cpu), formulas.cosine(made.clip, None)),
            "aesthetic": (
                Aesthetic(made.head, made.clip, **cpu),
                formulas.aesthetic(made.head, made.clip),
            ),
        }
        for kind in (HpsV2, HpsV21):
            scorer = kind(made.hps, architecture="tiny-hps", **cpu)
            rows[kind.name] = (scorer, formulas.hps(made.hps / kind.file))
        for name, (scorer, formula) in rows.items():
            print(f"{name:<12} {largest(scorer, formula):.1e}")


if __name__ == "__main__":
    main()
