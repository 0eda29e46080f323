"""Leaderboards made up for tests of the page: any number of models and questions, all parts."""

from __future__ import annotations

from collections.abc import Sequence

from evalkit.board import (
    Card,
    Cell,
    Difference,
    Human,
    HumanCell,
    Leaderboard,
    RatingBoard,
    Row,
    SheetPicture,
    SheetRow,
    WinRates,
    step_tier,
)
from evalkit.evidence import (
    Assist,
    Assisted,
    Circles,
    Concordance,
    Evidence,
    Fit,
    Fragility,
    Gap,
    LeftOut,
    Line,
    Order,
    OverLine,
    People,
    Removal,
    ScorerAgreement,
    Share,
    Without,
)
from evalkit.records import Manifest, ScorerCard
from tests.fakes import row_of

CARD = ScorerCard(name="redness", version=1, title="Redness", low=0, high=1)
MANIFEST = Manifest(
    run_id="r",
    status="complete",
    suite="things",
    suite_digest="0",
    models=(),
    seeds=(0,),
    created_at="2026-01-01T00:00:00+00:00",
    code_revision="",
    packages={},
    device={},
)


def share(value: float) -> Share:
    """Make a share with an interval of a tenth."""
    return Share(value=value, low=value - 0.05, high=value + 0.05, votes=90, total=100)


def fragility(names: Sequence[str], **more) -> Fragility:
    """Make a card on which seven votes put the second model first."""
    other = names[-1]
    removals = [
        Removal(what="votes", number=7, of=1800, votes=7, first=other, searched=0.25),
        Removal(what="raters", number=None, of=24, searched=0.25),
    ]
    left = LeftOut(what="rater", of=24, name="r-1", votes=75, model=other, moved=-4.2)
    gone = Without(
        rule="too-fast", votes_excluded=18, raters_excluded=1, share_of_votes=0.01,
        first=names[0], ratings={names[0]: 1049.0},
    )  # fmt: skip
    known = {
        "votes": 1800, "first": names[0], "second": other, "lead": 12.0, "tied": (other,),
        "removals": tuple(removals), "left_out": (left,), "without": (gone,),
        "rules": ("too-fast", "one-sided"),
        "cycles": Circles(triples=35, observed=0, surviving=0),
        "goodness": Fit(p=0.4, status="tested"),
    }  # fmt: skip
    return Fragility(**(known | more))


def concordance(*, repeated: bool = True) -> Concordance:
    """Make a scorer that agrees with raters a little less than raters do."""
    nobody = Share(value=None, votes=0, total=90, status="unknown: no two raters decided")
    one = ScorerAgreement(
        scorer="redness",
        accuracy=share(0.7),
        within=share(0.6),
        to_people=Gap(value=-0.04, low=-0.06, high=-0.02, p=0.01, votes=80),
        order=Order(models=4, tau=0.8, tau_low=0.4, tau_high=1.0, p=0.08),
        groups={"category": {"food": share(0.8), "cats": share(0.65)}},
    )
    silent = one.model_copy(update={"scorer": "mute", "accuracy": nobody, "within": nobody})
    two = share(0.74) if repeated else nobody
    return Concordance(
        votes=1800,
        decisive=1500,
        scorers=(one, silent),
        people=People(two=two, oneself=share(0.8), best=(0.74, 0.85) if repeated else None),
        people_by={"category": {"food": two, "cats": nobody}},
        notes=("90 of 100 votes are of simulated raters",),
    )


def evidence(names: Sequence[str]) -> Evidence:
    """Make every part of what stands behind ratings."""
    helped = {n: Assist(rating=1000, low=980, high=1020, rank_low=1, rank_high=2) for n in names}
    over = {n: OverLine(over=120, low=-20, high=260, word="not told apart") for n in names[:-1]}
    return Evidence(
        fragility=fragility(names),
        concordance=concordance(),
        assisted=Assisted(ratings=helped, weight=0.6, gain=1.3, votes=1800, pairs=4000),
        line=Line(votes=1800, both_bad=40, models=over),
    )


def rating_board(
    names: Sequence[str], criterion: str, category: str | None = None, *, unrated: int = 0
) -> RatingBoard:
    """Rate models in the order of their names, the last ``unrated`` of them not at all."""
    size = len(names)
    cells = {
        n: HumanCell(
            rating=1100.0 - 10 * i, low=1080.0 - 10 * i, high=1120.0 - 10 * i, rank_low=1,
            rank_high=size, battles=40, both_bad=2, paper_elo=1000.0, status="rated",
        )
        if i < size - unrated
        else HumanCell(rating=None, battles=0, status="not identified: it has no votes")
        for i, n in enumerate(names)
    }  # fmt: skip
    rates = tuple(tuple(None if i == j else 0.6 for j in range(size)) for i in range(size))
    met = tuple(tuple(0 if i == j else 40 for j in range(size)) for i in range(size))
    gap = Difference(
        first=names[0], second=names[-1], difference=12, low=-9, high=33, p=0.2, within=30
    )
    return RatingBoard(
        criterion=criterion,
        category=category,
        question=f"Which picture has the better {criterion}?",
        method="Davidson; intervals clustered",
        votes=900,
        raters=24,
        ratings=cells,
        differences=(gap,) if size > 1 else (),
        win_rates=WinRates(models=tuple(names), rate=rates, battles=met),
        evidence=None if category else evidence(names),
    )


def row(number: int, name: str, human: HumanCell | None = None, **more) -> Row:
    """Make one model of few steps, with a score and a time."""
    value = 0.9 - 0.03 * number
    cell = Cell(value=value, low=value - 0.05, high=value + 0.05, scored=9, total=10)
    steps = (1, 2, 4, 28)[number % 4]
    known = {
        "steps": steps, "step_tier": step_tier(steps), "seconds": 0.05 * (number + 1),
        "weights_mb": 36.0 + 400 * number, "metrics": {"redness": cell},
        "licence": "Apache-2.0", "title": f"Model number {number}",
    }  # fmt: skip
    return row_of(name, human, **(known | more))


def board(
    names: Sequence[str],
    criteria: Sequence[str] = ("quality",),
    *,
    unrated: int = 0,
    people: bool = True,
) -> Leaderboard:
    """Put it all together, each further question in the opposite order."""
    boards = []
    for number, criterion in enumerate(criteria):
        order = list(names)[:: -1 if number % 2 else 1]
        boards += [
            rating_board(order, criterion, category, unrated=unrated)
            for category in (None, "food", "cats")
        ]
    human = Human(
        study="s",
        boards=tuple(boards),
        votes=1800,
        simulated_votes=0,
        raters=24,
        cards=(Card(title="How", lead="Thus.", points=("one",)),),
    )
    rated = boards[0].ratings if people else {}
    rows = [row(i, n, human=rated.get(n)) for i, n in enumerate(names)]
    pictures = tuple(SheetPicture(model=n, data=None, note="not drawn") for n in names)
    return Leaderboard(
        title=f"{len(names)} models",
        made_at="2026-01-01T00:00:00+00:00",
        banners=("A warning.",),
        findings=("A finding.",),
        metrics=(CARD,),
        rows=tuple(rows),
        human=human if people else None,
        sheet=(SheetRow(prompt="a photo", category="food", seed=0, pictures=pictures),),
        manifest=MANIFEST,
    )
