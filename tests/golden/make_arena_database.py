"""Make tests/golden/arena-vN.sqlite, the database of a release as it was: run once a release.

    python tests/golden/make_arena_database.py tests/golden/arena-v1.sqlite

arena-v1.sqlite has schema 0001; the next release's file is made by the same words with v2.
Never made again after the release: the file is what later releases must open or refuse.
"""

from __future__ import annotations

import itertools
import sys
from pathlib import Path

import pandas as pd

from arena import importing, studies
from arena.battles import Arena
from arena.records import Outcome
from arena.store import Store


def main(target: Path) -> None:
    """Hold one small study with every kind of fact in it."""
    target.unlink(missing_ok=True)
    store = Store.open(str(target), create=True)
    with store.writing() as facts:
        key = facts.add_study(studies.describe("golden", "quality", seed=1))
        facts.add_entries(key, [_entry(m, p) for m in "abc" for p in range(4)])
        facts.place_study(key, "images", (512, 512), "golden")
    arena = Arena(store, "golden", clock=_clock())
    _vote(arena)
    _simulate(arena)
    frame = pd.DataFrame({"left": ["x"], "right": ["y"], "winner": ["both_bad"], "rater": ["zoë"]})
    importing.import_votes(store, studies.describe("imported"), frame, "0" * 64)
    arena.close()
    store.close()


def _entry(model: str, prompt: int) -> dict[str, object]:
    number = "abc".index(model) * 4 + prompt
    return {
        "generation_id": f"{number:024x}",
        "model": f"model {model}",
        "fingerprint": f"{ord(model):016x}",
        "prompt_id": f"{prompt:05d}",
        "prompt": f"a photo of {prompt} cafés",
        "category": "counting",
        "seed": 0,
        "image": f"{number:064x}",
    }


def _clock() -> object:
    ticks = (f"2026-01-01T00:{n // 60:02d}:{n % 60:02d}.000000+00:00" for n in itertools.count())
    return lambda: next(ticks)


def _vote(arena: Arena) -> None:
    rater = arena.enter("the secret of a golden rater")
    for outcome in Outcome:
        arena.cast(_token(arena, rater), rater, outcome, seconds=0.5)
    arena.skip(_token(arena, rater), rater)
    arena.cast(_token(arena, rater), rater, Outcome.LEFT)
    arena.undo(rater)
    arena.cast(_token(arena, rater), rater, Outcome.RIGHT)
    arena.open(rater)


def _simulate(arena: Arena) -> None:
    rater = arena.enter_as("simulated-0-000")
    arena.cast(_token(arena, rater), rater, Outcome.TIE, simulated=True)


def _token(arena: Arena, rater: object) -> str:
    battle = arena.open(rater)
    assert battle is not None
    return battle.token


if __name__ == "__main__":
    main(Path(sys.argv[1]))
