"""When to stop a study that is looked at again and again, with the error rate kept."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
from scipy import special

from arena.ratings import Ratings
from arena.tally import Floats
from evalkit.clusters import holm
from evalkit.errors import EvalkitError, VotesError

MOST_LOOKS = 50
"""Beyond these, and beyond a reach of 6, the bound for looking at every vote is used."""
GRID = np.linspace(0.05, 6, 90)
"""Reaches at which the chance for a number of looks is integrated; logs between are straight."""


@dataclass(frozen=True)
class Verdict:
    """Two models, and whether they are told apart under repeated looks."""

    first: str
    second: str
    difference: float
    error: float
    p: float | None
    """Sequential: valid however often one looked, as planned; None without information."""
    p_holm: float | None
    """The same for all pairs together."""
    settled: bool
    more_votes: int | None
    """Likely to settle the pair, spread as now; None if not within the planned votes."""

    def line(self) -> str:
        """Say it in words."""
        gap = f"{self.first} - {self.second} = {self.difference:+.0f} ± {self.error:.0f} Elo"
        if self.settled:
            return f"{gap}: settled."
        if self.more_votes is None:
            return f"{gap}: not settled, and not likely within the planned votes."
        return f"{gap}: not settled; about {self.more_votes} more votes."


@dataclass(frozen=True)
class Stop:
    """Where a study stands between its first vote and the last one planned."""

    votes: int
    planned: int
    looks: int | None
    """Looks planned, about evenly spaced; None: as many as one likes."""
    alpha: float
    leader: str
    open_against: tuple[str, ...]
    """Models from which the leader is not told apart yet."""
    neighbours: tuple[Verdict, ...]
    """The models in the ratings' order, each with the next."""
    leading: tuple[Verdict, ...]
    """The leader against every other."""

    @property
    def leader_settled(self) -> bool:
        """Whether the study may stop, if who leads was its question."""
        return not self.open_against

    @property
    def settled(self) -> int:
        """Neighbouring pairs told apart."""
        return sum(one.settled for one in self.neighbours)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self) | {"leader_settled": self.leader_settled, "settled": self.settled}

    def lines(self) -> list[str]:
        """Say it in words."""
        looks = "any number of looks" if self.looks is None else f"{self.looks} looks"
        head = (
            f"{self.votes} of {self.planned} planned votes; with {looks} the chance that any pair "
            f"is wrongly called settled stays below {self.alpha:.0%}."
        )
        if self.leader_settled:
            lead = f"#1 is settled: {self.leader}. If who leads was the question, stop."
        else:
            lead = f"#1 is not settled: {self.leader} leads, open against " + ", ".join(
                self.open_against[:4]
            )
            lead += (
                f" and {len(self.open_against) - 4} more." if len(self.open_against) > 4 else "."
            )
        return [head, lead, *(one.line() for one in self.neighbours)]


def stop(ratings: Ratings, planned: int, *, looks: int | None = None, power: float = 0.8) -> Stop:
    """Say which pairs are told apart, allowing for looks before and after this one.

    With a share t of the planned votes and a clustered z statistic, z sqrt(t) is a Brownian motion
    at t. A pair's sequential p is the chance that one leaves +-|z| sqrt(t) at any look up to the
    planned end: O'Brien and Fleming (1979, Biometrics 35(3):549-556), in continuous time the
    spending function of Lan and DeMets (1983, Biometrika 70(3):659-663). Holm's correction holds
    over all pairs. Where raters or prompts come back, information grows more slowly than votes,
    and the rule errs on the safe side.

    Raises:
        VotesError: more votes than planned, or no standard errors.
    """
    _check(ratings, planned, looks, power)
    used = int(ratings.diagnostics["votes_used"])
    tests = ratings.pairwise()
    z = -special.ndtri(tests["p"].to_numpy(dtype=float) / 2)
    share = used / planned
    p = chance_of_leaving(np.abs(z) * math.sqrt(share), looks)
    adjusted = holm(p)
    alpha = 1 - ratings.level
    open_pairs = int((~(adjusted <= alpha)).sum())
    needed = bound(alpha / max(open_pairs, 1), looks)
    verdicts = {}
    for i, row in enumerate(tests.itertuples()):
        settled = bool(adjusted[i] <= alpha)
        more = 0 if settled else _more(float(z[i]), used, planned, needed, power)
        verdicts[str(row.first), str(row.second)] = Verdict(
            str(row.first),
            str(row.second),
            float(row.difference),  # type: ignore[arg-type]
            float(row.error),  # type: ignore[arg-type]
            _known(p[i]),
            _known(adjusted[i]),
            settled,
            more,
        )
    names = list(ratings.table["model"][: len(ratings.cov)])
    leading = tuple(verdicts[names[0], other] for other in names[1:])
    return Stop(
        votes=used,
        planned=planned,
        looks=looks,
        alpha=round(alpha, 12),
        leader=names[0],
        open_against=tuple(one.second for one in leading if not one.settled),
        neighbours=tuple(verdicts[pair] for pair in pairwise(names)),
        leading=leading,
    )


def chance_of_leaving(reach: Floats, looks: int | None) -> Floats:
    """Return the chance that a Brownian motion leaves +-reach at a look up to time 1.

    Looks are evenly spaced; None looks always: 2 - 2 P(|B(1)| < reach) by reflection, a bound that
    is exact to 1e-4 from 0.05 down. NaN stays NaN.
    """
    every: Floats = np.minimum(1, 4 * special.ndtr(-reach))
    if looks is None or looks > MOST_LOOKS:
        return every
    inside = np.interp(np.where(np.isnan(reach), 0, reach), GRID, _log_chances(looks))
    return np.where(reach > GRID[-1], every, np.where(np.isnan(reach), np.nan, np.exp(inside)))


def bound(alpha: float, looks: int | None) -> float:
    """Return the reach that is left with chance ``alpha``: |z| sqrt(t) must exceed it."""
    low, high = 0.0, 40.0
    for _ in range(60):
        middle = (low + high) / 2
        over = chance_of_leaving(np.array([middle]), looks)[0] > alpha
        low, high = (middle, high) if over else (low, middle)
    return high


@cache
def _log_chances(looks: int) -> Floats:
    """Integrate once for each number of looks."""
    return np.log([max(1 - _staying(float(reach), looks), 1e-300) for reach in GRID])


def _staying(reach: float, looks: int) -> float:
    """Return the chance of staying within +-reach at every look, by numerical integration.

    Armitage, McPherson and Rowe (1969, J. R. Stat. Soc. A 132(2):235-244).
    """
    nodes, weights = np.polynomial.legendre.leggauss(40 + int(8 * reach * looks**0.5))
    place, weight = nodes * reach, weights * reach
    step = 1 / math.sqrt(looks)
    density = _normal(place, step)
    kernel = _normal(place[:, None] - place[None, :], step) * weight
    for _ in range(looks - 1):
        density = kernel @ density
    return float(density @ weight)


def _normal(place: Floats, spread: float) -> Floats:
    value: Floats = np.exp(-((place / spread) ** 2) / 2) / (spread * math.sqrt(2 * math.pi))
    return value


def _more(z: float, used: int, planned: int, needed: float, power: float) -> int | None:
    """Return the votes that are missing until z sqrt(t) is likely to exceed what is needed.

    The estimate is taken for the truth, so that z grows with the root of the votes: with x^2 times
    the votes, z x - z_power = needed sqrt(planned / used) / x.
    """
    if not abs(z) > 0:
        return None
    luck = float(special.ndtri(power))
    root = luck + math.sqrt(luck**2 + 4 * abs(z) * needed * math.sqrt(planned / used))
    total = used * (root / (2 * abs(z))) ** 2
    return math.ceil(total - used) if total <= planned else None


def _known(value: float) -> float | None:
    return None if math.isnan(value) else float(value)


def _check(ratings: Ratings, planned: int, looks: int | None, power: float) -> None:
    if ratings.model == "elo":
        raise VotesError("Paper-style Elo has no standard errors to stop by; rate by davidson.")
    if len(ratings.cov) < 2 or not np.isfinite(ratings.cov.to_numpy()).all():
        raise VotesError("No two models can be told apart yet, so no rule can stop the study.")
    used = int(ratings.diagnostics["votes_used"])
    if used > planned:
        raise VotesError(
            f"The study has {used} votes, more than the {planned} it was planned for, and the "
            "error rate is kept up to there only. Say the planned number that was set before "
            "the first look: --planned VOTES."
        )
    if looks is not None and looks < 1:
        raise EvalkitError(f"A study is looked at once or more, not {looks} times.")
    if not 0.5 <= power < 1:
        raise EvalkitError(f"A power lies between 0.5 and 1, not at {power}.")
