"""A study of the paper's size by HTTP, from drawing to the leaderboard: 124 raters, 8 models.

Run: python -m benchmarks.study_over_http FOLDER [--on postgresql] [--raters 124] [--careless 12]

Draws 8 models x 507 prompts x 4 seeds by rule (benchmarks/large_run.py; prompts of the drawn world,
for those of the suite ``study`` cannot be drawn without a model), serves a study of two questions
by one process on SQLite or two on a private PostgreSQL, has simulated raters
go the whole way of it by HTTP, and holds what the votes say against the truth.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from arena.simulation import Character
from benchmarks import known_truth
from benchmarks.large_run import draw
from benchmarks.serving import Serving, serving
from evalkit.runs import Run
from tests.arena.conftest import fresh_postgres
from tests.arena.postgres import Postgres

CONTENT = ("wrong_class", "wrong_color", "wrong_count", "wrong_position")
LOOKS = ("blur", "noise")
ASKED = {"quality": LOOKS, "alignment": CONTENT}
"""Which faults a rater looks at when asked a question."""
SEVERITY = 4.0
"""So that a gold pair, which differs in one fault, is clear to 97 of 100 who look."""
RULES = ("gold-failed", "below-chance", "inconsistent")
GOLD, TAUGHT, QUOTA = 10, 1, 80

STUDY = """\
name = "paper-size"

[[criteria]]
id = "quality"
show_prompt = false

[[criteria]]
id = "alignment"

[raters]
quota = {quota}
break_after = 40

[draws]
gold_rate = 0.15
repeat_rate = 0.05

[consent]
en = "Raters of this study are made up by a program."

[instructions]
en = "Look at both pictures, then answer the question."

{examples}"""

EXAMPLE = """\
[[examples]]
use = "{use}"
criterion = "{criterion}"
better = {{ model = "exact", prompt = "{prompt}", seed = {seed} }}
worse = {{ model = "poor", prompt = "{prompt}", seed = {seed} }}
"""


def write_study(run: Run, file: Path) -> None:
    """Write the study: its known answers are pairs of a faultless picture and one with a fault."""
    truths, found = run.truths(), list[str]()
    wrong = [g for g in run.generations() if g.model == "poor"]
    taken: set[str] = set()
    for criterion, kinds in ASKED.items():
        uses = ["example"] * TAUGHT + ["training"] * TAUGHT + ["gold"] * GOLD
        for g in wrong:
            if uses and g.prompt_id not in taken and set(truths[g.id]) & set(kinds):
                taken.add(g.prompt_id)
                place = {"criterion": criterion, "prompt": g.prompt_id, "seed": g.seed}
                found.append(EXAMPLE.format(use=uses.pop(0), **place))
    file.write_text(STUDY.format(quota=QUOTA, examples="\n".join(found)))


class Tool:
    """The ``arena`` command on one study; how long each call took is kept."""

    def __init__(self, database: str) -> None:
        self.database = database
        self._where = ("--database", database, "--study", "paper-size")
        self.seconds: dict[str, float] = {}

    def __call__(self, command: str, *words: str) -> Any:
        """Run a command and return its document."""
        started = time.perf_counter()
        whole = [sys.executable, "-m", "arena.cli", command, *self._where, *words, "--json"]
        done = subprocess.run(whole, check=True, stdout=subprocess.PIPE, text=True)
        self.seconds[command] = time.perf_counter() - started
        return json.loads(done.stdout)


def hold(tool: Tool, run: Run, asked: argparse.Namespace) -> Any:
    """Have the crowd take part; return what it saw."""
    sees = [w for c, kinds in ASKED.items() for w in ("--by", f"{c}=faults:{','.join(kinds)}")]
    crowd = {
        "--raters": asked.raters,
        "--careless": asked.careless,
        "--severity": SEVERITY,
        "--together": asked.together,
    }
    words = [str(word) for pair in crowd.items() for word in pair]
    workers = ("--workers", "2") if asked.on == "postgresql" else ()
    page = Serving(tool.database, "paper-size", *workers)
    with serving([page]):
        return tool(
            "simulate", "--run", str(run.path), *words, *sees, "--url", page.address, "--quiet"
        )


def held(tool: Tool, run: Run) -> Iterator[str]:
    """Say how far the ratings are from the truth, with all raters and without the careless."""
    excluded = [w for rule in RULES for w in ("--exclude", rule)]
    for criterion, kinds in ASKED.items():
        truth = known_truth.ratings(run, kinds, Character(severity=SEVERITY))
        for name, words in (("all raters", []), ("without those left out", excluded)):
            rows = tool("rate", "--criterion", criterion, *words)["ratings"]
            known = [r for r in rows if r["rating"] is not None]
            inside = [r["low"] <= truth[r["model"]] <= r["high"] for r in known]
            yield f"{criterion}, {name}: {sum(inside)} of {len(inside)} intervals hold the truth"
            for r in known:
                yield (
                    f"  {r['model']:10} true {truth[r['model']]:7.1f}  found {r['rating']:7.1f} "
                    f"[{r['low']:7.1f}, {r['high']:7.1f}]  rank {r['rank_low']}-{r['rank_high']}"
                )


def flagged(tool: Tool, raters: int, careless: int) -> Iterator[str]:
    """Say which of the planted careless raters are left out by rule, and whom else."""
    planted = {f"simulated-paper-size-0-{n:03d}" for n in range(raters - careless, raters)}
    gone: set[str] = set()
    words = [w for rule in RULES for w in ("--exclude", rule)]
    for criterion in ASKED:
        document = tool("rate", *words, "--criterion", criterion)
        for rule, of in document["exclusion"]["excluded"].items():
            gone |= of.keys()
            right = len(planted & of.keys())
            others = len(of) - right
            yield f"{criterion}, {rule}: {right} of {careless} careless, {others} others"
    yield f"in all: {len(planted & gone)} of {careless} careless, {len(gone - planted)} others"


def measure(folder: Path, database: str, asked: argparse.Namespace) -> Iterator[str]:
    """Do it all, from pictures to the page; yield what was found."""
    started = time.perf_counter()
    run = Run.open(draw(folder, asked.prompts, asked.seeds, asked.side))
    yield f"drawing (what was missing): {time.perf_counter() - started:.0f} s"
    file, tool = folder / "study.toml", Tool(database)
    write_study(run, file)
    started = time.perf_counter()
    load = ["load", "--database", database, "--study", str(file), "--run", str(run.path)]
    subprocess.run([sys.executable, "-m", "arena.cli", *load, "--seed", "1"], check=True)
    yield f"loading: {time.perf_counter() - started:.1f} s"
    seen = hold(tool, run, asked)
    rate = seen["acknowledged"] / seen["seconds"]
    yield f"{seen['acknowledged']} votes in {seen['seconds']:.0f} s, {rate:.1f} a second"
    yield f"vote to next pair: median {seen['wait_median']:.3f} s, p95 {seen['wait_p95']:.3f} s"
    yield ", ".join(f"{w}: {seen[w]}" for w in ("kept", "lost", "said_again", "endings"))
    told = ("votes", "simulated", "unanswered", "miscounts", "raters")
    for criterion in ASKED:
        audit = tool("audit", "--criterion", criterion)
        tool("raters", "--criterion", criterion)
    yield "audit of ratings: " + ", ".join(f"{w}: {audit[w]}" for w in told)
    yield from flagged(tool, asked.raters, asked.careless)
    yield from held(tool, run)
    page = folder / f"report-{asked.on}"
    tool("report", "--run", str(run.path), "--out", str(page))
    size = (page / "leaderboard.html").stat().st_size
    yield f"leaderboard.html: {size / 2**20:.1f} MB"
    yield "; ".join(f"arena {name} {s:.1f} s" for name, s in tool.seconds.items())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--on", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument("--raters", type=int, default=124)
    parser.add_argument("--careless", type=int, default=12)
    parser.add_argument("--together", type=int, default=32, help="raters at the page at one time")
    parser.add_argument("--prompts", type=int, default=507)
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--side", type=int, default=128)
    asked = parser.parse_args()
    with ExitStack() as stack:
        database = str(asked.folder / "study.sqlite")
        if asked.on == "postgresql":
            postgres = Postgres(fsync=True)
            postgres.start()
            stack.callback(postgres.stop)
            database = fresh_postgres(postgres.url)
        else:
            Path(database).unlink(missing_ok=True)
        for line in measure(asked.folder, database, asked):
            print(line, flush=True)


if __name__ == "__main__":
    main()
