"""What may have gone wrong in a study, counted: balance, sides, raters, agreement."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from arena.facts.votes import Ballot
from arena.records import Outcome
from arena.store import Store


@dataclass(frozen=True)
class Audit:
    """Counts over the votes that stand, and over what became of every battle."""

    study: str
    battles: int
    votes: int
    simulated: int
    skipped: int
    undone: int
    unanswered: int
    raters: int
    votes_per_rater: tuple[int, float, int] | None
    """Fewest, median and most."""
    votes_per_pair: tuple[int, float, int] | None
    """Of two models: fewest, median and most; pairs that never met are not among them."""
    pairs: int
    """Pairs of models that met."""
    possible_pairs: int
    """Pairs that the models of these votes could make."""
    left_wins: int
    right_wins: int
    ties: int
    both_bad: int
    most_one_sided: tuple[str, int, int] | None
    """The model shown most unevenly: its name, times on the left, times on the right."""
    repeated: int
    """Couples of votes by two raters on the same two pictures."""
    agreed: int
    """Of these couples, those with the same answer."""
    median_seconds: float | None
    miscounts: int
    """Counts kept beside the votes that are not theirs: 0, or the live board is wrong."""

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)

    def lines(self) -> list[str]:
        """Say it in words."""
        seconds = self.median_seconds
        return [
            f"Study: {self.study}",
            f"Votes: {self.votes}, {self.simulated} of them simulated",
            (
                f"Battles: {self.battles}, of them {self.skipped} skipped, {self.undone} undone, "
                f"{self.unanswered} unanswered"
            ),
            f"Pairs of models: {self.pairs} of {self.possible_pairs} met"
            + _spread(self.votes_per_pair),
            (
                f"Sides: left won {self.left_wins}, right {self.right_wins}; {self.ties} ties, "
                f"{self.both_bad} both bad"
            ),
            "Most uneven on the sides: " + _one_sided(self.most_one_sided),
            f"Raters: {self.raters}" + _spread(self.votes_per_rater),
            f"Agreement: {self.agreed} of {self.repeated} couples of votes on the same pictures",
            "Time: unknown" if seconds is None else f"Time: {seconds:.1f} s a vote (median)",
            "Kept counts: " + _kept(self.miscounts),
        ]


def audit(store: Store, study: str) -> Audit:
    """Count a study."""
    with store.reading() as facts:
        key, _ = facts.study(study)
        ballots = list(facts.ballots(key))
        battles, skipped, undone, unanswered = facts.fates(key)
        miscounts = len(facts.miscounts(key))
    answers = Counter(b.outcome for b in ballots)
    per_rater = Counter(b.rater for b in ballots if b.rater is not None)
    per_pair = Counter(tuple(sorted((b.left, b.right))) for b in ballots)
    models = {m for pair in per_pair for m in pair}
    repeated, agreed = agreement(ballots)
    times = [b.seconds for b in ballots if b.seconds is not None]
    return Audit(
        study=study,
        battles=battles,
        votes=len(ballots),
        simulated=sum(b.simulated for b in ballots),
        skipped=skipped,
        undone=undone,
        unanswered=unanswered,
        raters=len(per_rater),
        votes_per_rater=_range(list(per_rater.values())),
        votes_per_pair=_range(list(per_pair.values())),
        pairs=len(per_pair),
        possible_pairs=len(models) * (len(models) - 1) // 2,
        left_wins=answers[Outcome.LEFT],
        right_wins=answers[Outcome.RIGHT],
        ties=answers[Outcome.TIE],
        both_bad=answers[Outcome.BOTH_BAD],
        most_one_sided=_most_one_sided(ballots),
        repeated=repeated,
        agreed=agreed,
        median_seconds=median(times) if times else None,
        miscounts=miscounts,
    )


def agreement(ballots: Sequence[Ballot]) -> tuple[int, int]:
    """Count the couples of votes by two raters on the same pictures, and those that agree."""
    by_pictures: dict[tuple[int, int], list[tuple[int, Outcome]]] = defaultdict(list)
    for b in ballots:
        if b.rater is not None and b.shown:
            turned = b.left_id > b.right_id
            pictures = (b.right_id, b.left_id) if turned else (b.left_id, b.right_id)
            by_pictures[pictures].append((b.rater, b.outcome.mirrored if turned else b.outcome))
    couples = [
        (one, other)
        for votes in by_pictures.values()
        for i, one in enumerate(votes)
        for other in votes[:i]
        if one[0] != other[0]
    ]
    return len(couples), sum(one[1] is other[1] for one, other in couples)


def _most_one_sided(ballots: Sequence[Ballot]) -> tuple[str, int, int] | None:
    left, right = Counter(b.left for b in ballots), Counter(b.right for b in ballots)
    models = sorted({*left, *right}, key=lambda m: (-abs(left[m] - right[m]), m))
    return (models[0], left[models[0]], right[models[0]]) if models else None


def _one_sided(found: tuple[str, int, int] | None) -> str:
    return "none" if found is None else f"{found[0]}, {found[1]} left and {found[2]} right"


def _kept(miscounts: int) -> str:
    if not miscounts:
        return "those of the votes"
    return f"{miscounts} are not those of the votes; make them anew: arena recount --mend"


def _range(counts: Sequence[int]) -> tuple[int, float, int] | None:
    return (min(counts), float(median(counts)), max(counts)) if counts else None


def _spread(found: tuple[int, float, int] | None) -> str:
    return "" if found is None else ", {0} to {2} votes each (median {1:g})".format(*found)
