"""A run as large as the paper's study, drawn by rule: 8 models x 507 prompts x 4 seeds.

Run: python benchmarks/large_run.py FOLDER [--prompts 507] [--seeds 4] [--side 128]

The prompts of the suite ``study`` cannot be drawn without a model, so the run has 507 others, of
what the drawn world knows. The models differ in their faults, by construction in this order.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
from pathlib import Path

from evalkit import prompts as suites
from evalkit.miniature.scenes import TASKS, random_requirements, text_for
from evalkit.prompts import Suite
from evalkit.records import Requirements

MODELS = {  # the name says nothing; the options decide
    "exact": "{}",
    "slip-05": "{ faults = 0.05 }",
    "slip-10": "{ faults = 0.10 }",
    "slip-20": "{ faults = 0.20 }",
    "grain-20": "{ faults = 0.10, noise = 0.5, damaged = 0.3 }",
    "slip-40": "{ faults = 0.40 }",
    "blur-40": "{ faults = 0.20, blur = 0.6, damaged = 0.5 }",
    "poor": "{ faults = 0.60, blur = 0.6, noise = 0.5, damaged = 0.5 }",
}


def suite(prompts: int) -> Suite:
    """Draw so many different prompts by lot, the tasks in turn while they have any left."""
    rng = random.Random("large run")
    found: dict[str, tuple[str, Requirements]] = {}
    turn = 0
    while len(found) < prompts:
        wanted = random_requirements(TASKS[turn % len(TASKS)], rng)
        found.setdefault(text_for(wanted), (text_for(wanted), wanted))
        turn += 1
    return suites.make("large", list(found.values()))


def catalogue(side: int) -> str:
    """Write the models as a catalogue of evalkit's."""
    return "\n".join(
        f'[{name}]\ntitle = "{name}"\ngenerator = "sketch"\nwidth = {side}\nheight = {side}\n'
        f"options = {options}\n"
        for name, options in MODELS.items()
    )


def draw(folder: Path, prompts: int, seeds: int, side: int) -> Path:
    """Draw what is missing of the run, by the command that anyone would use; return its folder."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = "\n".join(suites.to_jsonl(suite(prompts)))
    (folder / "large.jsonl").write_text(lines + "\n")
    (folder / "large.toml").write_text(catalogue(side))
    run = folder / "runs" / "large"
    words = [sys.executable, "-m", "evalkit.cli", "generate", "--run", str(run)]
    words += ["--suite", str(folder / "large.jsonl"), "--catalogue", str(folder / "large.toml")]
    words += ["--seeds", str(seeds), *(w for m in MODELS for w in ("--model", m))]
    subprocess.run(words, check=True)
    return run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--prompts", type=int, default=507)
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--side", type=int, default=128)
    wanted = parser.parse_args()
    print(draw(wanted.folder, wanted.prompts, wanted.seeds, wanted.side))


if __name__ == "__main__":
    main()
