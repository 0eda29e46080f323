"""What the pictures of each model come to as a set, in a table of its own that ranks nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from evalkit.board import Leaderboard
from evalkit.records import SetFigure
from evalkit.wording import NONE, figure, interval, listing

FEW = 5_000
"""Pictures below which FID, which small sets push up, is not to be set beside a published one."""
METRICS = {"fid": 2, "kid": 2, "cmmd": 3, "precision": 3, "recall": 3, "diversity": 3}
"""With the digits that each is told with."""
HEAD = ("model", "reference", "FID", "KID × 1000", "CMMD", "precision", "recall",
        "diversity of seeds", "pictures")  # fmt: skip
_SCALE = {"kid": 1000.0}


def note(board: Leaderboard) -> str:
    """Say what the figures are, and what they are not."""
    return _note(board.sets)


def _note(figures: Sequence[SetFigure]) -> str:
    networks = sorted(
        {f"{w.id} ({w.digest or w.revision})"[:60] for f in figures for w in f.weights}
    )
    told = (
        "Each is of all the pictures of a model together, against a reference set; none ranks. "
        "Lower is nearer for FID, KID and CMMD, higher for precision and recall. They hold only "
        "among models of the same prompts, number of pictures, reference and resizing. Diversity "
        "is the mean over prompts of how far apart the pictures of two seeds are (1 − cosine of "
        f"CLIP’s vectors), with its 95 % interval by prompt. Seen with {listing(networks)}."
    )
    return " ".join([told, *warnings(figures)])


def warnings(figures: Sequence[SetFigure]) -> Iterator[str]:
    """Say of small sets that they are small."""
    against = [f for f in figures if f.reference_count is not None]
    if not against:
        return
    made = min(f.count for f in against)
    real = min(f.reference_count or 0 for f in against)
    if min(made, real) < FEW:
        yield (
            f"Fewer than {FEW:,} pictures ({made:,} against {real:,}): FID is pushed up by small "
            "sets, so set none of these beside a published figure."
        )


def words(board: Leaderboard) -> Iterator[tuple[str, ...]]:
    """Yield the table's rows under ``HEAD``, in the board's order of models."""
    yield from lines(board.sets, [row.model for row in board.rows])


def lines(figures: Sequence[SetFigure], models: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """Yield a row for each model and reference; a model with diversity alone has one too."""
    for model in models:
        own = [f for f in figures if f.model == model]
        diverse = [f for f in own if f.metric == "diversity"]
        against = list(dict.fromkeys((f.reference_digest, f.reference) for f in own if f.reference))
        for key, _ in against or ([("", "")] if diverse else []):
            yield _line(model, [f for f in own if key and f.reference_digest == key] + diverse)


def _line(model: str, figures: Sequence[SetFigure]) -> tuple[str, ...]:
    by_metric = {f.metric: f for f in figures}
    against = next((f for f in figures if f.reference), None)
    resize = next((f.resize for f in figures if f.resize), "")
    reference = NONE
    if against is not None:
        facts = [f"{against.reference_count:,}", resize]
        reference = f"{against.reference} ({', '.join(filter(None, facts))})"
    count = min(f.count for f in figures)
    total = max(f.total for f in figures)
    pictures = f"{count:,}" if count == total else f"{count:,} of {total:,}"
    return (model, reference, *(cell(by_metric.get(m), m) for m in METRICS), pictures)


def cell(found: SetFigure | None, metric: str) -> str:
    """Write a figure with its interval or spread, or the reason why there is none."""
    if found is None:
        return NONE
    if found.value is None:
        return f"{NONE} ({found.reason})"
    places, scale = METRICS[metric], _SCALE.get(metric, 1.0)
    told = figure(found.value * scale, places)
    if found.spread is not None:
        return f"{told} (draws ± {figure(found.spread * scale, places)})"
    return f"{told} {interval(found.low, found.high, places)}".strip()


def markdown(board: Leaderboard) -> list[str]:
    """Return the section's lines, none where nothing was measured."""
    if not board.sets:
        return []
    rows = ("| " + " | ".join(w.replace("|", "\\|") for w in row) + " |" for row in words(board))
    head = ["| " + " | ".join(HEAD) + " |", "|" + " --- |" * len(HEAD)]
    return ["## Whole sets of pictures", "", note(board), "", *head, *rows, ""]
