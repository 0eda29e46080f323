"""What the denoiser of an SD3 pipeline takes at each precision, and how far its pictures move.

Run: python benchmarks/precision.py FOLDER [--pictures 24] [--guidance 1] [--sigmas 1 .75 .5 .25]
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import torch

from evalkit.generators.pipelines import Diffusers
from evalkit.generators.recipe import PRECISIONS
from evalkit.prompts import load
from evalkit.records import ModelSpec, Prompt

WAYS = [("float32", None), ("bfloat16", None), ("float16", None)]
WAYS += [(dtype, precision) for dtype in ("float32", "float16") for precision in PRECISIONS]


def draw(spec: ModelSpec, prompts: list[Prompt]) -> tuple[np.ndarray, float, int]:
    """Return the pictures, the seconds of processor time for each, and the denoiser's bytes."""
    generator = Diffusers(spec, batch_size=1)
    generator.draw(prompts[:1], [0])  # warm
    start = time.process_time()
    pictures = generator.draw(prompts, range(len(prompts)))
    seconds = (time.process_time() - start) / len(prompts)
    pixels = np.stack([np.asarray(p.image, dtype=float) for p in pictures])
    return pixels, seconds, generator.realised()["weight_bytes"]["transformer"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder")
    parser.add_argument("--pictures", type=int, default=24)
    parser.add_argument("--guidance", type=float, default=1.0)
    parser.add_argument("--sigmas", type=float, nargs="+", default=[1.0, 0.75, 0.5, 0.25])
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    prompts = list(load("miniature").prompts)
    prompts = prompts[:: max(1, len(prompts) // chosen.pictures)][: chosen.pictures]
    whole = None
    print("| linear layers | the rest | bytes | processor s a picture | moved, of 255 | worst |")
    print("| --- | --- | --- | --- | --- | --- |")
    for dtype, precision in WAYS:
        options = {"sigmas": chosen.sigmas, "call": {"max_sequence_length": 1}}
        if precision:
            options["precision"] = {"transformer": precision}
        spec = ModelSpec(
            name="it",
            generator="diffusers",
            weights=chosen.folder,
            guidance=chosen.guidance,
            dtype=dtype,
            options=options,
        )
        pixels, seconds, size = draw(spec, prompts)
        whole = pixels if whole is None else whole
        moved = np.abs(pixels - whole).mean(axis=(1, 2, 3))
        print(
            f"| {precision or dtype} | {dtype} | {size:,} | {seconds:.3f} "
            f"| {moved.mean():.2f} | {moved.max():.2f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
