"""What the harness itself costs: over a bare loop, on Ray, and in bookkeeping.

Run: python -m benchmarks.harness overhead [--model mini-flash-4] [--pictures 32] [--rounds 5]
     python -m benchmarks.harness engines  [--model mini-flash-4] [--pictures 160]
     python -m benchmarks.harness bookkeeping
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from evalkit import catalogue, registry
from evalkit.engine import Local
from evalkit.generate import generate, open_or_create, plan, resolved
from evalkit.prompts import Suite, load
from evalkit.records import ModelSpec, Prompt
from evalkit.runs import Run


def first(pictures: int) -> Suite:
    suite = load("miniature")
    return Suite(suite.name, suite.prompts[:pictures])


def bare(spec: ModelSpec, prompts: Sequence[Prompt], folder: Path) -> Callable[[], None]:
    """The loop that a paper's script has: the pipeline called once a prompt, the picture saved."""
    import torch

    from evalkit.generators.loading import arguments
    from evalkit.generators.pipelines import Diffusers

    made = Diffusers(spec)
    made.load()
    pipe, settings = made._pipe, arguments(spec, made._recipe)

    def loop() -> None:
        for number, prompt in enumerate(prompts):
            noise = torch.Generator("cpu").manual_seed(0)
            picture = pipe(prompt=prompt.text, generator=noise, **settings).images[0]
            picture.save(folder / f"{number:05d}.png")

    return loop


def overhead(name: str, pictures: int, rounds: int) -> None:
    """Time both ways in turns, so that a busy machine disturbs both alike."""
    spec, suite = resolved(catalogue.spec(name)), first(pictures)
    ratios = []
    with tempfile.TemporaryDirectory() as folder:
        loop = bare(spec, suite.prompts, Path(folder))
        loop()  # warm
        engine = Warm()
        generate(open_or_create(Path(folder) / "warm", suite, [spec], [0]), engine)
        for turn in range(rounds):
            run = open_or_create(Path(folder) / str(turn), suite, [spec], [0])
            whole = timed(lambda run=run: generate(run, engine))
            alone = timed(loop)
            ratios.append(whole / alone)
            print(
                f"harness {whole:.2f} s, bare loop {alone:.2f} s: {100 * ratios[-1] - 100:+.1f} %"
            )
    print(f"median of {rounds}: {100 * (statistics.median(ratios) - 1):+.1f} % of processor time")


class Warm(Local):
    """The local engine, with the worker of the last time: loading is not what is compared."""

    worker: Any = None

    def map(self, make: Any, pieces: Any) -> Any:
        self.worker = self.worker or make()
        return super().map(lambda: self.worker, pieces)


def timed(work: Callable[[], Any]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def engines(name: str, pictures: int) -> None:
    """Draw the same pictures here, and by two workers of Ray."""
    from evalkit.distributed import Ray

    spec, suite = resolved(catalogue.spec(name)), first(pictures)
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for label, engine in (
            ("local", Local()),
            ("ray, 1 worker", Ray(workers=1)),
            ("ray, 2 workers", Ray(workers=2)),
        ):
            run = open_or_create(Path(folder) / label, suite, [spec], [0])
            seen: list[float] = []
            generate(run, engine, progress=lambda _, seen=seen: seen.append(time.perf_counter()))
            # From the first quarter on: starting Ray and loading the weights are not throughput.
            quarter = len(seen) // 4
            rate = (len(seen) - quarter - 1) / (seen[-1] - seen[quarter])
            found[label] = {g.id: g.image for g in run.generations()}
            same = sum(found[label][i] == image for i, image in found["local"].items())
            print(f"{label}: {rate:.2f} pictures/s; {same} of {len(suite)} are local's to the byte")


class Instant:
    """A generator that returns at once."""

    def __init__(self, spec: ModelSpec) -> None:
        self.spec = spec

    def load(self) -> None:
        pass

    def draw(self, prompts: Sequence[Prompt], seeds: Sequence[int]) -> list[Any]:
        from PIL import Image

        from evalkit.generators import Picture

        colours = [hash((self.spec.name, p.id, s)) for p, s in zip(prompts, seeds, strict=True)]
        return [Picture(Image.new("RGB", (8, 8), c & 0xFFFFFF), seconds=0.0) for c in colours]

    def realised(self) -> dict[str, Any]:
        return {"instant": True}


class StopError(Exception):
    pass


def bookkeeping() -> None:
    """Plan, stop in the middle and finish 12 models x 553 prompts x 4 seeds."""
    registry.GENERATORS = {**registry.GENERATORS, "instant": f"{__name__}:Instant"}
    suite = load("geneval")
    specs = [ModelSpec(name=f"m{i}", generator="instant", options={"n": i}) for i in range(12)]
    names = [n for n, e in catalogue.entries().items() if e.generator == "diffusers"][:12]
    models = [word for name in names for word in ("--model", name)]
    command = [sys.executable, "-m", "evalkit.cli", "generate", "--run", "nowhere"]
    command += ["--suite", "geneval", "--seeds", "4", "--dry-run", "--json", *models]
    start = time.perf_counter()
    planned = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    total = sum(p["to_draw"] for p in planned.values())
    print(
        f"dry run of {len(planned)} models, {total} pictures: {time.perf_counter() - start:.2f} s"
    )
    with tempfile.TemporaryDirectory() as folder:
        run = open_or_create(Path(folder) / "run", suite, specs, range(4))
        left = [total // 2]

        def stop(done: int) -> None:
            left[0] -= done
            if left[0] <= 0:
                raise StopError

        start = time.perf_counter()
        try:
            generate(run, Local(), progress=stop)
        except StopError:
            print(f"stopped after {total // 2}: {time.perf_counter() - start:.1f} s")
        again = time.perf_counter()
        run = Run.open(run.path)
        todo = plan(run)
        print(f"opened and planned again, {todo.left} left: {time.perf_counter() - again:.1f} s")
        generate(run, Local())
        print(f"all {len(run.generations())}: {time.perf_counter() - start:.1f} s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("overhead", "engines", "bookkeeping"))
    parser.add_argument("--model", default="mini-flash-4")
    parser.add_argument("--pictures", type=int)
    parser.add_argument("--rounds", type=int, default=5)
    chosen = parser.parse_args()
    if chosen.what == "overhead":
        overhead(chosen.model, chosen.pictures or 32, chosen.rounds)
    elif chosen.what == "engines":
        engines(chosen.model, chosen.pictures or 160)
    else:
        bookkeeping()


if __name__ == "__main__":
    main()
