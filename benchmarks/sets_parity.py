"""Show that our figures of whole sets are torch-fidelity's and clean-fid's.

``python -m benchmarks.sets_parity`` makes two folders of drawn pictures and an Inception with
random weights in the official layout, measures both ways, and prints each largest difference.
clean-fid is compared where it is installed (``pip install clean-fid``).
"""

from __future__ import annotations

import tempfile
import warnings
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch_fidelity import calculate_metrics

from evalkit.sets import distances, features
from evalkit.sets.distances import Moments
from tests.evalkit.sets.layout import random_inception

PICTURES = 24


def draw(folder: Path, seed: int, most: int) -> list[Image.Image]:
    """Write noise whose colours reach up to ``most``, in the sizes that generators have."""
    folder.mkdir()
    rng = np.random.default_rng(seed)
    made = []
    for i in range(PICTURES):
        pixels = rng.integers(0, most, (64 + 8 * (i % 3), 96, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{i:02}.png")
        made.append(Image.fromarray(pixels))
    return made


def against_torch_fidelity(root: Path) -> dict[str, float]:
    """Measure two folders with the library's own command and with ours, resized inside."""
    file = random_inception(root / "inception.pth")
    one, other = draw(root / "one", 0, 256), draw(root / "other", 1, 200)
    theirs = calculate_metrics(
        input1=str(root / "one"),
        input2=str(root / "other"),
        fid=True,
        kid=True,
        prc=True,
        feature_extractor="inception-v3-compat",
        kid_subset_size=PICTURES,
        batch_size=1,
        cuda=False,
        verbose=False,
        cache=False,
        feature_extractor_weights_path=str(file),
    )
    network = features.Inception(file, "tensorflow", device="cpu")
    a, b = network.see(one), network.see(other)
    precision, recall = distances.precision_recall(a, b)
    ours = {
        "frechet_inception_distance": distances.fid(Moments.of(a), Moments.of(b)).value,
        "kernel_inception_distance_mean": distances.kid(a, b).value,
        "precision": precision.value,
        "recall": recall.value,
    }
    return {name: abs(ours[name] - theirs[name]) / max(1, abs(theirs[name])) for name in ours}


def against_clean_fid() -> float:
    """Resize noise of odd sizes both ways; return the largest difference, of 255."""
    from cleanfid.resize import build_resizer

    rng = np.random.default_rng(2)
    worst = 0.0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        resize = build_resizer("clean")
        for width, height in [(299, 299), (64, 64), (1024, 768), (37, 501), (1, 1)]:
            pixels = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
            theirs = resize(pixels).transpose(2, 0, 1)
            worst = max(
                worst, float(np.abs(features.clean(Image.fromarray(pixels)) - theirs).max())
            )
    return worst


def main() -> None:
    """Print a line for each figure."""
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as folder:
        for name, difference in against_torch_fidelity(Path(folder)).items():
            print(f"{name:<32} {difference:.1e}  (of the figure, or of 1) against torch-fidelity")
    try:
        print(f"{'resizing':<32} {against_clean_fid():.1e}  (of 255) against clean-fid")
    except ImportError:
        print("clean-fid is not installed: its resizing was not compared")


if __name__ == "__main__":
    main()
