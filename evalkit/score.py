"""The stage that judges: every (generation, scorer) that has no score yet."""

from __future__ import annotations

import math
import platform
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evalkit.engine import Engine, Lost
from evalkit.errors import ImageError, RunError, UnknownNameError
from evalkit.images import ImageStore
from evalkit.records import Generation, Prompt, Score, ScorerCard
from evalkit.runs import Run
from evalkit.scorers import Scorer, Verdict
from evalkit.scorers.geneval_rows import official_row, read_rows
from evalkit.summary import Summary, newest, of_values

BATCH = 16

NO_PICTURE = "no picture: "

RESULTS = ScorerCard(
    name="geneval-results",
    version=1,
    title="GenEval",
    unit="share of pictures that are right",
    low=0,
    high=1,
    headline="mean of category means",
)
"""What a ``results.jsonl`` says; which detector found it, it does not say."""

Progress = Callable[[int], None]
"""Told how many more pieces are done."""


@dataclass(frozen=True)
class Item:
    """One picture to judge."""

    generation: Generation
    prompt: Prompt


def plan(run: Run, card: ScorerCard, *, retry_failures: bool = False) -> list[Item]:
    """List the run's generations that this scorer and version has not judged."""
    scored = {s.generation_id: s for s in run.scores(card)}
    prompts = run.suite.by_id()
    made = run.generations()
    todo = (g for g in made if not _is_judged(g, scored.get(g.id), retry_failures))
    return [Item(g, prompts[g.prompt_id]) for g in todo]


def _is_judged(generation: Generation, score: Score | None, retry_failures: bool) -> bool:
    if score is None or score.reason is None:
        return score is not None
    drawn_since = generation.image is not None and score.reason.startswith(NO_PICTURE)
    return not (retry_failures or drawn_since)


def score(
    run: Run,
    scorer: Scorer,
    engine: Engine,
    *,
    batch: int = BATCH,
    retry_failures: bool = False,
    progress: Progress = lambda _: None,
) -> list[Score]:
    """Judge what the scorer has not judged; what cannot be judged gets a reason, not a stop.

    What got a reason is judged again when asked for, or when its picture has been drawn since.
    """
    made: list[Score] = []
    card = scorer.card
    with run.lock():
        todo = plan(run, card, retry_failures=retry_failures)
        pieces = [todo[at : at + batch] for at in range(0, len(todo), batch)]
        for piece, found in engine.map(lambda: _worker(scorer, run.images), pieces):
            verdicts = _lost(piece, found) if isinstance(found, Lost) else found
            scores = [_record(card, i, v) for i, v in verdicts]
            run.add_scores(card, scores)
            made += scores
            progress(len(scores))
    return made


def geneval_rows(run: Run, model: str, name: str) -> Iterator[dict[str, Any]]:
    """Yield the official result rows of one model's pictures under one GenEval score."""
    cards = {card.name: card for card in newest(run.cards()) if card.title == RESULTS.title}
    if name not in cards:
        raise UnknownNameError("GenEval score of this run", name, cards)
    scores = {s.generation_id: s for s in run.scores(cards[name])}
    made = [g for g in run.generations() if g.model == model]
    if not made:
        raise UnknownNameError("model of this run", model, [m.name for m in run.manifest.models])
    prompts = run.suite.by_id()
    for generation in made:
        score = scores.get(generation.id)
        if generation.image and score and score.value is not None:
            path = str(run.images.path(generation.image))
            yield official_row(path, prompts[generation.prompt_id], score.detail)


def results_summary(path: Path) -> Summary:
    """Sum up a ``results.jsonl``, GenEval's or ours: the six task means, with intervals."""
    rows = read_rows(path)
    values = ((row["tag"], str(row["metadata"]), float(row["correct"])) for row in rows)
    return of_values(RESULTS, path.name, values)


def _worker(
    scorer: Scorer, images: ImageStore
) -> Callable[[Sequence[Item]], list[tuple[Item, Verdict]]]:
    if not images.root.is_dir():
        raise RunError(
            f"{platform.node()} sees no folder {images.root}. Put the run where every node sees it."
        )
    scorer.load()
    return lambda items: list(_judge(scorer, images, items))


def _lost(items: Sequence[Item], lost: Lost) -> list[tuple[Item, Verdict]]:
    return [(item, Verdict(None, reason=lost.reason)) for item in items]


def _judge(
    scorer: Scorer, images: ImageStore, items: Sequence[Item]
) -> Iterator[tuple[Item, Verdict]]:
    readable = []
    for item in items:
        try:
            if item.generation.image is None:
                yield item, Verdict(None, reason=f"{NO_PICTURE}{item.generation.error}")
            else:
                readable.append((item, images.open(item.generation.image)))
        except ImageError as error:
            yield item, Verdict(None, reason=str(error))
    if readable:
        prompts, pictures = [i.prompt for i, _ in readable], [p for _, p in readable]
        verdicts = scorer.score(prompts, pictures)
        yield from zip([i for i, _ in readable], verdicts, strict=True)


def _record(card: ScorerCard, item: Item, verdict: Verdict) -> Score:
    if verdict.value is not None and not math.isfinite(verdict.value):
        # JSON has no NaN: it would be written as a value that is missing without a reason.
        verdict = Verdict(None, f"The scorer returned {verdict.value}.", verdict.detail)
    return Score(
        generation_id=item.generation.id,
        scorer=card.name,
        version=card.version,
        value=verdict.value,
        reason=verdict.reason,
        detail=dict(verdict.detail),
    )
