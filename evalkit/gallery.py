"""The leaderboard's pictures: the same prompts for every model, chosen by rule."""

from __future__ import annotations

import base64
import io
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from evalkit.board import Fought, SheetPicture, SheetRow
from evalkit.errors import ImageError
from evalkit.records import Generation, Prompt, Score, ScorerCard
from evalkit.runs import Run
from evalkit.wording import figure

PROMPTS = 24
"""How many prompts a page shows unless it is told otherwise."""
THUMBNAIL = 224
"""Side of a picture in pixels; shown at up to 2/3 of it for sharp screens."""


def sheet(
    run: Run,
    models: Sequence[str],
    scores: Sequence[tuple[ScorerCard, Sequence[Score]]],
    fought: Mapping[str, Fought],
    *,
    prompts: int = PROMPTS,
) -> Iterable[SheetRow]:
    """Lay out the gallery: the first prompts of each category in turn, the lowest seed.

    ``fought`` maps generations to the battles they fought.
    """
    generations = run.generations()
    seed = min(g.seed for g in generations)
    made = {(g.model, g.prompt_id): g for g in generations if g.seed == seed}
    notes = _notes(scores)
    drawn = {prompt for _, prompt in made}
    for prompt in _spread([p for p in run.suite.prompts if p.id in drawn], prompts):
        pictures = [
            _picture(run, model, made.get((model, prompt.id)), notes, fought) for model in models
        ]
        yield SheetRow(
            prompt=prompt.text, category=prompt.category, seed=seed, pictures=tuple(pictures)
        )


def _spread(prompts: Sequence[Prompt], most: int) -> list[Prompt]:
    """Pick prompts from every category in turn, the first ones of each."""
    queues: dict[str, list[Prompt]] = defaultdict(list)
    for prompt in prompts:
        queues[prompt.category].append(prompt)
    share = -(-most // max(1, len(queues)))
    picked = {p.id for queue in queues.values() for p in queue[:share]}
    return [p for p in prompts if p.id in picked][:most]


def _notes(scores: Sequence[tuple[ScorerCard, Sequence[Score]]]) -> dict[str, str]:
    notes: dict[str, list[str]] = defaultdict(list)
    for card, found in scores:
        for score in found:
            notes[score.generation_id].append(_note(card, score))
    return {k: " · ".join(v) for k, v in notes.items()}


def _note(card: ScorerCard, score: Score) -> str:
    if score.value is None:
        return f"{card.title}: –"
    if card.headline == "mean of category means":
        return "✓" if score.value else f"✗ {score.detail.get('reason', '')}".strip()
    return f"{card.title} {figure(score.value, 2)}"


def _picture(
    run: Run,
    model: str,
    made: Generation | None,
    notes: Mapping[str, str],
    fought: Mapping[str, Fought],
) -> SheetPicture:
    if made is None or made.image is None:
        return SheetPicture(model=model, data=None, note=(made and made.error) or "not drawn")
    try:
        data = _thumbnail(run, made.image)
    except ImageError as error:
        return SheetPicture(model=model, data=None, note=str(error))
    note = notes.get(made.id, "")
    return SheetPicture(model=model, data=data, note=note, battles=fought.get(made.id))


def _thumbnail(run: Run, digest: str) -> str:
    image = run.images.open(digest)
    image.thumbnail((THUMBNAIL, THUMBNAIL))
    stream = io.BytesIO()
    image.save(stream, format="WEBP", quality=80)
    return "data:image/webp;base64," + base64.b64encode(stream.getvalue()).decode()
