"""Draw, score and compare the miniature's pipelines: ``python -m benchmarks.miniature``.

Writes a page of tables, the same figures as JSON, and a contact sheet. All that is drawn and scored
is kept in the run's folder, so that a killed benchmark goes on where it was.
"""

from __future__ import annotations

import json
import random
import statistics
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from PIL import Image
from tqdm import tqdm

from benchmarks import sheet, tables
from benchmarks.frechet import Features, Floats, Reference, jackknife
from evalkit import catalogue, comparison, prompts, registry, summary, weights
from evalkit import generate as drawing
from evalkit import score as scoring
from evalkit.catalogue import Entry
from evalkit.engine import Local
from evalkit.errors import EvalkitError
from evalkit.generators import recipe
from evalkit.miniature import vae
from evalkit.miniature.clip_accuracy import see
from evalkit.miniature.rendering import render
from evalkit.miniature.scenes import sample
from evalkit.prompts import Suite
from evalkit.records import Generation, ModelSpec, Prompt, ScorerCard
from evalkit.runs import Run
from evalkit.scorers.clip_models import TransformersClip

SUITE, TAG = "miniature", "miniature"
SCORERS = ("geneval", "image-reward", "clip-score")
WARM_UP = 3
"""Pictures drawn one at a time before the clock counts."""
PER_CENT = 100
"""What distances are multiplied by: unit vectors lie close together."""
FLOOR_DRAWS = 4
SHOWN = (2, 14, 22, 33, 48, 46, 69, 57, 80, 90, 111, 104)
"""Places in the suite of the contact sheet's prompts, two of each task, chosen before drawing."""
COMPARED: Mapping[tuple[str, str], str] = {
    ("mini-flash-4", "mini-sd3"): "does the 4-step student match its teacher?",
    ("mini-flash-2", "mini-sd3"): "does the 2-step student?",
    ("mini-dmd2-4", "mini-sd3"): "",
    ("mini-lightning-4", "mini-sd3"): "",
    ("mini-tg-4", "mini-sd3"): "",
    ("mini-sd3-4", "mini-sd3"): "what the teacher loses at 4 steps",
    ("mini-sd3-2", "mini-sd3"): "at 2 steps",
    ("mini-sd3-1", "mini-sd3"): "at 1 step",
    ("mini-flash-4", "mini-sd3-4"): "does distilling help at 4 steps?",
    ("mini-flash-2", "mini-sd3-2"): "at 2 steps?",
    ("mini-tg-1", "mini-sd3-1"): "at 1 step?",
    ("mini-shared-4", "mini-dmd2-4"): "timestep sharing against re-noised end points",
    ("mini-flash-4", "mini-shared-4"): "the split against none",
    ("mini-flash-4", "mini-dmd2-4"): "the whole recipe against DMD2's",
    ("mini-flash-4", "mini-lightning-4"): "against progressive distillation",
    ("mini-flash-4", "mini-tg-4"): "against trajectory guidance alone",
    ("mini-flash-4-gan", "mini-flash-4"): "an adversary against none",
    ("mini-sd3-t5-without", "mini-sd3-t5"): "what leaving out T5 costs",
}

HALF = "float16"
_BITS = "the same pipeline with its weights in {}"


def with_precisions(specs: Sequence[ModelSpec], precisions: Sequence[str]) -> list[ModelSpec]:
    """Return the specifications and, behind each, the same with a transformer of fewer bits."""
    return [each for spec in specs for each in (spec, *(_packed(spec, p) for p in precisions))]


def _packed(spec: ModelSpec, precision: str) -> ModelSpec:
    options = spec.options | {"precision": {"transformer": precision}}
    changed = {"name": f"{spec.name}-{precision}", "dtype": HALF}
    return spec.model_copy(update=changed if precision == HALF else changed | {"options": options})


def compared(names: Sequence[str], precisions: Sequence[str]) -> dict[tuple[str, str], str]:
    """Return the pairs of names that are there to be compared, and what the comparison asks."""
    packed = {(f"{n}-{p}", n): _BITS.format(p) for n in names for p in precisions}
    pairs = {**COMPARED, **packed}
    return {(a, b): asks for (a, b), asks in pairs.items() if a in names and b in names}


# --- drawing and scoring ------------------------------------------------------------------------


def chosen(known: Mapping[str, Entry], names: Sequence[str]) -> list[Entry]:
    """Return the named entries, or all miniatures whose weights are there."""
    if names:
        return [catalogue.entry(name, known) for name in names]
    every = [e for e in known.values() if TAG in e.tags]
    missing = [e.name for e in every if not _there(e.spec)]
    if missing:
        print(f"left out, for lack of weights: {', '.join(missing)}", file=sys.stderr)
    if len(missing) == len(every):
        raise EvalkitError(f"No entry of the catalogue is tagged {TAG!r} and has weights.")
    return [e for e in every if e.name not in missing]


def _there(spec: ModelSpec) -> bool:
    places = [spec.weights or "", *(a.weights for a in recipe.parse(spec).adapters)]
    return all((weights.MINIATURE_ROOT / p.removeprefix("miniature/")).exists() for p in places)


def draw_and_score(
    path: Path, suite: Suite, specs: Sequence[ModelSpec], seeds: range, batch: int
) -> Run:
    """Draw and score what is missing."""
    run = drawing.open_or_create(path, suite, specs, seeds)
    names = [spec.name for spec in specs]
    with _bar(drawing.plan(run, names, seeds).left, "draw") as progress:
        drawing.generate(run, Local(), names, seeds, batch=batch, progress=progress)
    for name in SCORERS:
        scorer = registry.scorer(name, "miniature")
        with _bar(len(scoring.plan(run, scorer.card)), name) as progress:
            scoring.score(run, scorer, Local(), progress=progress)
    return run


@contextmanager
def _bar(total: int, words: str) -> Iterator[Callable[[int], Any]]:
    with tqdm(total=total, desc=words, disable=None) as bar:
        yield bar.update


def cards_of(run: Run) -> list[ScorerCard]:
    """Return the cards of the newest scores by the miniature's judges, in the tables' order."""
    known = {c.name: c for c in sorted(run.cards(), key=lambda c: c.version)}
    return [known[f"{name}-miniature"] for name in SCORERS]


# --- the distance from drawn scenes -------------------------------------------------------------


class Eye:
    """The miniature's CLIP as a maker of features."""

    def __init__(self) -> None:
        self._clip = TransformersClip(weights.resolve("miniature/clip").path, torch.device("cpu"))

    def features(self, images: Sequence[Image.Image], of: Sequence[str]) -> Features:
        """Return the features of pictures, and the prompt that each is of."""
        parts = [see(self._clip, images[i : i + 64]) for i in range(0, len(images), 64)]
        return Features(np.concatenate(parts).astype(float), np.array(of))

    def scenes(self, suite: Suite, seeds: range, *, through_vae: bool = False) -> Features:
        """Return the features of scenes drawn for the suite, as those that taught the teacher."""
        drawn = [(_scene(p, seed), p.id) for p in suite.prompts for seed in seeds]
        images = [image for image, _ in drawn]
        if through_vae:
            back = vae.round_trip(np.stack([np.asarray(image) for image in images]))
            images = [Image.fromarray(pixels) for pixels in back]
        return self.features(images, [prompt for _, prompt in drawn])

    def pictures(self, run: Run, made: Sequence[Generation]) -> Features:
        """Return the features of a model's pictures; one that was not drawn is left out."""
        there = [(run.images.open(g.image), g.prompt_id) for g in made if g.image is not None]
        return self.features([image for image, _ in there], [prompt for _, prompt in there])


def _scene(prompt: Prompt, seed: int) -> Image.Image:
    if prompt.requirements is None:
        raise EvalkitError(f"Prompt {prompt.id} says not what to draw.")
    rng = random.Random(f"reference/{prompt.id}/{seed}")
    return render(sample(prompt.requirements, rng, pairs="train"), vae.SIDE).image


def floors(
    eye: Eye, suite: Suite, reference: Reference, first: int, seeds: int
) -> dict[str, list[float]]:
    """Measure how far drawn scenes of other seeds are, in as many pictures as a model has."""
    kinds = {"Scenes of other seeds": False, "The same through the autoencoder": True}
    parts = [range(first + i * seeds, first + (i + 1) * seeds) for i in range(FLOOR_DRAWS)]
    return {
        name: [PER_CENT * reference.of(eye.scenes(suite, p, through_vae=vae)) for p in parts]
        for name, vae in kinds.items()
    }


# --- what a model takes -------------------------------------------------------------------------


def cost(spec: ModelSpec, timed: int) -> tables.Cost:
    """Draw pictures one at a time, and count the bytes of what is loaded."""
    generator = registry.generator(spec)
    suite = prompts.load(SUITE).prompts
    asked = [suite[i * 7 % len(suite)] for i in range(WARM_UP + timed if timed else 1)]
    made = [generator.draw([prompt], [i])[0] for i, prompt in enumerate(asked)]
    seconds = [p.seconds for p in made[WARM_UP:] if p.seconds is not None]
    realised = generator.realised()
    return tables.Cost(
        statistics.median(seconds) if seconds else None,
        realised["evaluations"],
        *stored(spec),
        held=sum(realised["weight_bytes"].values()),
    )


def stored(spec: ModelSpec) -> tuple[int, int]:
    """Return the bytes of a pipeline's folder, and of the adapters that are laid over it."""
    wanted = recipe.parse(spec)
    folder = weights.resolve(spec.weights or "").path
    told = ("README.md", "training.json", "curve.png")
    files = [p for p in folder.rglob("*") if p.is_file() and p.name not in told]
    kept = [p for p in files if p.relative_to(folder).parts[0] not in wanted.drop]
    adapters = [weights.resolve(a.weights).path / (a.file or "") for a in wanted.adapters]
    return sum(p.stat().st_size for p in kept), sum(p.stat().st_size for p in adapters)


# --- all of it ----------------------------------------------------------------------------------


def differences(
    run: Run,
    cards: Sequence[ScorerCard],
    made: Sequence[Generation],
    distances: Mapping[str, tuple[float, Floats]],
    pairs: Mapping[tuple[str, str], str],
) -> Iterator[tables.Difference]:
    """Compare pairs of models."""
    of_suite = run.suite.by_id()
    scores = {card.name: run.scores(card) for card in cards}
    for (a, b), asks in pairs.items():
        found = {c.name: comparison.compare(c, of_suite, made, scores[c.name], a, b) for c in cards}
        (whole_a, left_a), (whole_b, left_b) = distances[a], distances[b]
        distance = jackknife(whole_a - whole_b, left_a - left_b)
        yield tables.Difference(a, b, asks, found, distance)


def measure(
    run: Run,
    specs: Sequence[ModelSpec],
    seeds: int,
    batch: int,
    reference: int,
    timed: int,
    precisions: Sequence[str] = (),
) -> tables.Findings:
    """Sum up what was drawn and scored, and measure distances and costs."""
    names, cards, suite = [s.name for s in specs], cards_of(run), run.suite
    made = [g for g in run.generations() if g.model in names and g.seed < seeds]
    eye = Eye()
    drawn = Reference(eye.scenes(suite, range(reference)))
    distances = {}
    for name in names:
        seen = eye.pictures(run, [g for g in made if g.model == name])
        distances[name] = PER_CENT * drawn.of(seen), PER_CENT * drawn.without_each(seen)
    found = {
        c.name: {s.model: s for s in summary.summarise(c, suite.by_id(), made, run.scores(c))}
        for c in cards
    }
    results = [
        tables.Result(
            model=spec.name,
            steps=spec.steps,
            scores={c.name: found[c.name][spec.name] for c in cards},
            distance=jackknife(*distances[spec.name]),
            cost=cost(spec, timed),
        )
        for spec in tqdm(specs, desc="time", disable=None)
    ]
    return tables.Findings(
        setting=tables.Setting(
            suite=suite.name,
            prompts=len(suite),
            seeds=seeds,
            batch=batch,
            reference=reference * len(suite),
            timed=timed,
            threads=torch.get_num_threads(),
        ),
        cards=cards,
        results=results,
        differences=list(differences(run, cards, made, distances, compared(names, precisions))),
        floors=floors(eye, suite, drawn, reference, seeds),
    )


def contact_sheet(run: Run, card: ScorerCard, names: Sequence[str], seed: int = 0) -> Image.Image:
    """Lay out the prompts of ``SHOWN``, with GenEval's verdict under each picture."""
    shown = [run.suite.prompts[i] for i in SHOWN if i < len(run.suite)]
    made = {(g.model, g.prompt_id): g for g in run.generations() if g.seed == seed}
    verdicts = {s.generation_id: s.value for s in run.scores(card)}

    def cell(model: str, prompt: str) -> sheet.Cell:
        found = made[model, prompt]
        value = verdicts.get(found.id)
        picture = None if found.image is None else run.images.open(found.image)
        return picture, None if value is None else value == 1

    rows = {name: [cell(name, p.id) for p in shown] for name in names}
    note = f"Seed {seed} down every column. Green: right by {card.name}; red: wrong."
    return sheet.draw([p.text.removeprefix("a photo of ") for p in shown], rows, note)


def main(
    run: Annotated[Path, typer.Option(help="The run's folder.")] = Path("results/runs/miniature"),
    out: Annotated[Path, typer.Option(help="Where tables and sheet go.")] = Path(
        "results/leaderboards/miniature"
    ),
    model: Annotated[list[str] | None, typer.Option(help="Only this model; repeat it.")] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Pictures a prompt.")] = 4,
    limit: Annotated[int | None, typer.Option(min=2, help="Only the first N prompts.")] = None,
    batch: Annotated[int, typer.Option(min=1, help="Pictures drawn together.")] = 16,
    reference: Annotated[int, typer.Option(min=2, help="Reference scenes a prompt.")] = 32,
    timed: Annotated[int, typer.Option(min=0, help="Pictures timed, of each model.")] = 15,
    precision: Annotated[
        list[str] | None, typer.Option(help="Each model also in float16, q8_0 or q5_1; repeat.")
    ] = None,
    catalogue_file: Annotated[
        list[Path] | None, typer.Option("--catalogue", help="A catalogue of your own.")
    ] = None,
) -> None:
    """Draw, score and compare the miniature's pipelines."""
    entries = chosen(catalogue.entries(*(catalogue_file or [])), model or [])
    precisions = precision or []
    specs = [drawing.resolved(s) for s in with_precisions([e.spec for e in entries], precisions)]
    whole = prompts.load(SUITE)
    suite = Suite(whole.name, whole.prompts[:limit])
    done = draw_and_score(run, suite, specs, range(seeds), batch)
    found = measure(done, specs, seeds, batch, reference, timed, precisions)
    out.mkdir(parents=True, exist_ok=True)
    text = tables.page(found)
    (out / "tables.md").write_text(text, encoding="utf-8")
    figures = json.dumps(tables.figures(found), indent=1, allow_nan=False)
    (out / "figures.json").write_text(f"{figures}\n", encoding="utf-8")
    names = [spec.name for spec in specs]
    contact_sheet(done, found.cards[0], names).save(out / "sheet.png", optimize=True)
    print(text)
    print(f"In {out}: tables.md, figures.json, sheet.png")


if __name__ == "__main__":
    typer.run(main)
