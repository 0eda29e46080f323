"""The leaderboard's pictures: the same prompts for every model, chosen by rule."""

from __future__ import annotations

import base64
import io
from collections import defaultdict
from collections.abc import Iterable, Sequence

from evalkit.board import SheetPicture, SheetRow
from evalkit.errors import ImageError
from evalkit.records import Generation, Prompt, Score, ScorerCard
from evalkit.runs import Run

SHEET_PROMPTS = 12
THUMBNAIL = 144
"""Side of a contact sheet's pictures in pixels; shown at 2/3 of it for sharp screens."""


def sheet(
    run: Run,
    models: Sequence[str],
    generations: Sequence[Generation],
    cards: Sequence[ScorerCard],
    scores: dict[str, list[Score]],
) -> Iterable[SheetRow]:
    """Lay out the contact sheet: the first prompts of each category, the lowest seed."""
    seed = min(g.seed for g in generations)
    made = {(g.model, g.prompt_id): g for g in generations if g.seed == seed}
    notes = _notes(cards, scores)
    drawn = {prompt for _, prompt in made}
    for prompt in _spread([p for p in run.suite.prompts if p.id in drawn]):
        pictures = [_sheet_picture(run, m, made.get((m, prompt.id)), notes) for m in models]
        yield SheetRow(
            prompt=prompt.text, category=prompt.category, seed=seed, pictures=tuple(pictures)
        )


def _spread(prompts: Sequence[Prompt]) -> list[Prompt]:
    """Pick prompts from every category in turn, the first ones of each."""
    queues: dict[str, list[Prompt]] = defaultdict(list)
    for prompt in prompts:
        queues[prompt.category].append(prompt)
    share = -(-SHEET_PROMPTS // max(1, len(queues)))
    picked = {p.id for queue in queues.values() for p in queue[:share]}
    return [p for p in prompts if p.id in picked][:SHEET_PROMPTS]


def _notes(cards: Sequence[ScorerCard], scores: dict[str, list[Score]]) -> dict[str, str]:
    notes: dict[str, list[str]] = defaultdict(list)
    for card in cards:
        for score in scores[card.name]:
            notes[score.generation_id].append(_note(card, score))
    return {k: " · ".join(v) for k, v in notes.items()}


def _note(card: ScorerCard, score: Score) -> str:
    if score.value is None:
        return f"{card.title}: –"
    if card.headline == "mean of category means":
        return "✓" if score.value else f"✗ {score.detail.get('reason', '')}".strip()
    return f"{card.title} {score.value:.2f}"


def _sheet_picture(
    run: Run, model: str, made: Generation | None, notes: dict[str, str]
) -> SheetPicture:
    if made is None or made.image is None:
        return SheetPicture(model=model, data=None, note=(made and made.error) or "not drawn")
    try:
        return SheetPicture(
            model=model, data=_thumbnail(run, made.image), note=notes.get(made.id, "")
        )
    except ImageError as error:
        return SheetPicture(model=model, data=None, note=str(error))


def _thumbnail(run: Run, digest: str) -> str:
    image = run.images.open(digest)
    image.thumbnail((THUMBNAIL, THUMBNAIL))
    stream = io.BytesIO()
    image.save(stream, format="WEBP", quality=82)
    return "data:image/webp;base64," + base64.b64encode(stream.getvalue()).decode()
