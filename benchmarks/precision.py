"""What an SD3 pipeline takes at each precision, and how far its pictures move from 16 bits.

Run: python -m benchmarks.precision FOLDER [--pictures 24] [--guidance 1] [--sigmas 1 .75 .5 .25]

Each way is drawn in a process of its own, whose peak of resident memory is told beside that of a
process that only imported the same packages. Where the folder has a T5, dropping it is a way too.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from evalkit.generators.recipe import PRECISIONS
from evalkit.prompts import load
from evalkit.records import ModelSpec, Prompt

T5 = ("text_encoder_3", "tokenizer_3")


class Way(NamedTuple):
    """How the weights are held."""

    dtype: str
    precision: str | None = None
    dropped: tuple[str, ...] = ()

    @property
    def named(self) -> str:
        return (self.precision or self.dtype) + (", no T5" if self.dropped else "")


class Drawn(NamedTuple):
    pixels: np.ndarray
    seconds: float
    """Of processor time a picture."""
    weights: dict[str, int]
    peak: float


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6


def draw(spec: ModelSpec, prompts: Sequence[Prompt]) -> Drawn:
    import torch

    from evalkit.generators.pipelines import Diffusers

    torch.set_num_threads(1)
    generator = Diffusers(spec, batch_size=1)
    generator.draw(prompts[:1], [0])  # warm
    start = time.process_time()
    pictures = generator.draw(prompts, range(len(prompts)))
    seconds = (time.process_time() - start) / len(prompts)
    pixels = np.stack([np.asarray(p.image, dtype=float) for p in pictures])
    return Drawn(pixels, seconds, generator.realised()["weight_bytes"], peak_mb())


def imports() -> float:
    """Return what a process takes that has the same packages and no weights."""
    import diffusers
    import torch

    assert diffusers.StableDiffusion3Pipeline
    assert torch.nn.Linear
    return peak_mb()


def apart(work: Any, *arguments: Any) -> Any:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(work, *arguments).result()


def ways(folder: str) -> list[Way]:
    plain = [Way("float32"), Way("float16"), Way("bfloat16")]
    if (Path(folder) / T5[0] / "config.json").is_file():
        plain.append(Way("float16", dropped=T5))
    return plain + [Way("float16", precision) for precision in PRECISIONS]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder")
    parser.add_argument("--pictures", type=int, default=24)
    parser.add_argument("--guidance", type=float, default=1.0)
    parser.add_argument("--sigmas", type=float, nargs="+", default=[1.0, 0.75, 0.5, 0.25])
    parser.add_argument("--tokens", type=int, default=1, help="T5's share of the prompt")
    chosen = parser.parse_args()
    prompts = list(load("miniature").prompts)
    prompts = prompts[:: max(1, len(prompts) // chosen.pictures)][: chosen.pictures]
    found = {}
    for way in ways(chosen.folder):
        options: dict[str, Any] = {"call": {"max_sequence_length": chosen.tokens}}
        options |= {"sigmas": chosen.sigmas, "pipeline": "StableDiffusion3Pipeline"}
        options |= {"precision": {"transformer": way.precision}} if way.precision else {}
        options |= {"drop": list(way.dropped)} if way.dropped else {}
        settings = {"weights": chosen.folder, "guidance": chosen.guidance, "dtype": way.dtype}
        spec = ModelSpec(name="it", generator="diffusers", options=options, **settings)
        found[way] = apart(draw, spec, prompts)
    print(f"imports alone: {apart(imports):.0f} MB at most")
    print(
        "| weights | denoiser, bytes | all weights, bytes | peak, MB | processor s "
        "| moved from float16, of 255 | worst |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- |")
    half = found[Way("float16")].pixels
    for way, drawn in found.items():
        moved = np.abs(drawn.pixels - half).mean(axis=(1, 2, 3))
        sizes = f"{drawn.weights['transformer']:,} | {sum(drawn.weights.values()):,}"
        print(
            f"| {way.named} | {sizes} | {drawn.peak:.0f} | {drawn.seconds:.3f} "
            f"| {moved.mean():.2f} | {moved.max():.2f} |"
        )


if __name__ == "__main__":
    main()
