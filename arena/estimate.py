"""One estimate from the votes of a group of models that can be rated together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from arena import elo, slopes
from arena.clusters import Clusters, Groups, group
from arena.comparisons import quantile, two_sided
from arena.identify import finite_ties
from arena.likelihood import Pairs, Shape, side_is_confounded
from arena.newton import MAX_ITERATIONS, Fit, newton
from arena.tally import BOTH_BAD, LEFT, RIGHT, TIE, Floats, Tally
from arena.uncertainty import Covariance, bootstrap, outcome_counts, sandwich
from evalkit.errors import EvalkitError, UnknownNameError, VotesError

POINTS = float(400 / np.log(10))
"""Elo points per unit of log-odds: 400 points are odds of 10 : 1 among decisive votes."""
CENTRE = 1000.0

Model = Literal["davidson", "rao-kupper", "bradley-terry", "elo"]
Method = Literal["sandwich", "bootstrap"]
MODELS = ("davidson", "rao-kupper", "bradley-terry", "elo")
BOTH_BAD_RULES = ("tie", "drop", "ground")
METHODS = ("sandwich", "bootstrap")


@dataclass(frozen=True)
class Options:
    """What the caller of ``arena.ratings.fit`` chose."""

    model: str = "davidson"
    cluster: tuple[str, ...] = ("rater", "prompt")
    method: str = "sandwich"
    anchor: tuple[str, float] | None = None
    both_bad: str = "tie"
    adjust_side: bool = False
    level: float = 0.95
    replicates: int = 1000
    seed: int = 0
    covariates: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for kind, name, known in (
            ("rating model", self.model, MODELS),
            ("method for intervals", self.method, METHODS),
            ("rule for both_bad", self.both_bad, BOTH_BAD_RULES),
        ):
            if name not in known:
                raise UnknownNameError(kind, str(name), known)
        if self.ground and self.model not in ("davidson", "bradley-terry"):
            raise EvalkitError(
                f"both_bad='ground' goes with davidson or bradley-terry, not with {self.model}, "
                "which has no grounded law with a single best fit. Choose davidson, or count "
                "both_bad as a tie or drop it."
            )
        if self.covariates and self.model == "elo":
            raise EvalkitError(
                f"Paper-style Elo knows no covariates ({', '.join(self.covariates)}). Rate with "
                "davidson, rao-kupper or bradley-terry."
            )
        if not 0 < self.level < 1:
            raise EvalkitError(f"An interval's level lies between 0 and 1, not at {self.level}.")
        if self.replicates < 2:
            raise EvalkitError(f"A bootstrap needs 2 replicates at least, not {self.replicates}.")
        if self.anchor and not np.isfinite(self.anchor[1]):
            raise EvalkitError(f"An anchor's rating must be finite, not {self.anchor[1]}.")

    @property
    def outcomes(self) -> tuple[int, ...]:
        """The outcomes that count."""
        every = (LEFT, RIGHT, TIE, BOTH_BAD)
        return every[:BOTH_BAD] if self.both_bad == "drop" else every

    @property
    def ground(self) -> bool:
        """Both bad is an outcome of its own, which gives strengths a zero: the line."""
        return self.both_bad == "ground"

    @property
    def split_ties(self) -> bool:
        """A tie is half a win each, for want of a tie parameter."""
        return self.model == "bradley-terry"


@dataclass(frozen=True, eq=False)
class Estimate:
    """Log-strengths of a group with their covariance, NaN where there is none.

    They sum to zero, or are over the line if both bad was an outcome of its own.
    """

    strengths: Floats
    covariance: Floats
    freedom: float = np.inf
    facts: dict[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


def separated(tally: Tally, options: Options) -> bool:
    """Say whether ties make the estimate infinite although the group is connected."""
    if options.model not in ("davidson", "rao-kupper"):
        return False
    wins, draws, bad = tally.wins(), tally.draws(), None
    if options.ground:
        draws, bad = tally.draws([TIE]), tally.draws([BOTH_BAD])
    some = bool(draws.any()) and (options.ground or bool(wins.any()))
    return some and not finite_ties(wins, draws, bad)


def estimate(tally: Tally, by: Sequence[Clusters], options: Options) -> Estimate:
    """Estimate the strengths of models that are connected and not separated."""
    if options.model == "elo":
        return _replayed(tally, options)
    if not tally.wins().any() and not options.ground:
        return _all_equal(tally)
    return _fitted(tally, group(tally, by), options)


def _replayed(tally: Tally, options: Options) -> Estimate:
    runs = elo.replay(tally, seed=options.seed)
    facts = {
        "replays": runs.replays,
        "largest_shuffling_error": float(runs.shuffling_error.max()),
        "intervals": {
            "method": None,
            "reason": "Elo by replays has no interval; rate with davidson or bradley-terry for one",
        },
    }
    return Estimate((runs.ratings - elo.START) / POINTS, _unknown(len(tally.models)), facts=facts)


def _all_equal(tally: Tally) -> Estimate:
    facts = {
        "tie_parameter": {"estimate": None, "reason": "infinite: every vote was a tie"},
        "intervals": {"method": None, "reason": "every vote was a tie: no information"},
    }
    size = len(tally.models)
    return Estimate(np.zeros(size), _unknown(size), facts=facts, warnings=("every vote was a tie",))


def law_of(model: str, tie: float | None, size: int, *, ground: bool) -> tuple[Shape, Floats]:
    """Return the shape of a model's law, and its tie parameter (or nothing) as it is fitted."""
    fitted = np.log([tie]) if tie else np.zeros(0)
    # Rao and Kupper's kappa is one where no vote was a tie.
    fitted = fitted if fitted.any() or model == "davidson" else np.zeros(0)
    shape = Shape(size, False, len(fitted) > 0, ground=ground, threshold=model == "rao-kupper")
    return shape, fitted


def _unknown(size: int) -> Floats:
    return np.full((size, size), np.nan)


def _fitted(tally: Tally, groups: Groups, options: Options) -> Estimate:
    counts = outcome_counts(
        tally.counts[None], split_ties=options.split_ties, ground=options.ground
    )
    shape = Shape(
        len(tally.models),
        side=False,
        ties=bool(counts[..., TIE].any()),
        ground=options.ground,
        threshold=options.model == "rao-kupper",
    )
    plain, told = slopes.fit(tally, counts, shape, options.covariates)
    pairs, plain = told.pairs, _converged(plain)
    sided = _with_side(pairs, counts, plain.shape)
    chosen = sided if options.adjust_side and isinstance(sided, Fit) else plain
    spread = _spread(chosen, pairs, tally, groups, options)
    side, warnings = _side_effect(plain, sided, pairs, tally, groups, options)
    size = shape.size
    facts = {
        "converged": True,
        "iterations": chosen.iterations,
        "largest_last_step": float(chosen.last_step[0]) * POINTS,
        "log_likelihood": float(chosen.log_likelihood[0]),
        "tie_parameter": _tie_parameter(chosen, spread, options),
        "side_effect": side,
        "intervals": _interval_facts(spread, groups, options, size),
    }
    if options.covariates:
        found = slopes.facts(chosen, spread, told, options.covariates, POINTS, options.level)
        facts["covariates"] = found
        warnings += [f"{name}: {why}; the ratings ignore it" for name, why in told.refused.items()]
    if spread.failed:
        warnings.append(f"{spread.failed} bootstrap replicates had no finite estimate")
    return Estimate(
        chosen.strengths[0], spread.matrix[:size, :size], spread.freedom, facts, tuple(warnings)
    )


def _converged(fit: Fit) -> Fit:
    if not fit.converged.all():
        raise VotesError(
            f"The fit did not converge in {MAX_ITERATIONS} steps (the last one moved a rating by "
            f"{fit.last_step[0] * POINTS:.3g} Elo points): the votes are too close to separating "
            "the models. No rating is given; collect votes among the strongest and the weakest."
        )
    return fit


def _with_side(pairs: Pairs, counts: Floats, shape: Shape) -> Fit | str:
    """Fit again with the advantage of the left side, or say why it cannot be told."""
    sided = shape._replace(side=True)
    if side_is_confounded(pairs, counts, sided):
        return "not estimated: sides and models cannot be told apart; swap sides at random"
    fit = newton(pairs, counts, sided)
    if not fit.converged.all():
        return "not estimated: one side wins whatever stands there, so it has no finite estimate"
    return fit


def _spread(fit: Fit, pairs: Pairs, tally: Tally, groups: Groups, options: Options) -> Covariance:
    if options.method == "sandwich":
        return sandwich(fit, pairs, tally, groups)
    return bootstrap(
        fit,
        pairs,
        tally,
        groups,
        split_ties=options.split_ties,
        replicates=options.replicates,
        seed=options.seed,
    )


def _side_effect(
    plain: Fit,
    sided: Fit | str,
    pairs: Pairs,
    tally: Tally,
    groups: Groups,
    options: Options,
) -> tuple[dict[str, Any], list[str]]:
    """Report the left side's advantage in log-odds, and what adjusting for it does."""
    adjusted = options.adjust_side and isinstance(sided, Fit)
    if isinstance(sided, str):
        warnings = [f"side effect {sided}; the ratings ignore it"] if options.adjust_side else []
        return {"estimate": None, "adjusted": False, "status": sided}, warnings
    spread = sandwich(sided, pairs, tally, groups)
    value, place = float(sided.theta[0, plain.shape.size]), plain.shape.size
    error = float(np.sqrt(spread.matrix[place, place]))
    reach = quantile(options.level, spread.freedom) * error
    shift = float(np.abs(sided.strengths - plain.strengths).max()) * POINTS
    p = float(two_sided(np.array(value / error), spread.freedom))
    facts = {
        "estimate": value,
        "low": value - reach,
        "high": value + reach,
        "p": p,
        "unit": "log-odds for the left side",
        "adjusted": adjusted,
        "largest_change_of_a_rating": shift,
        "status": "estimated",
    }
    warnings = []
    if p < 1 - options.level and not adjusted:
        warnings.append(
            f"one side is preferred (log-odds {value:+.2f} for the left); adjusting for it would "
            f"change a rating by up to {shift:.1f} points"
        )
    return facts, warnings


def _tie_parameter(fit: Fit, spread: Covariance, options: Options) -> dict[str, Any]:
    """Report Davidson's nu or Rao and Kupper's kappa, whose logarithm was fitted."""
    threshold = options.model == "rao-kupper"
    name = "kappa" if threshold else "nu"
    if not fit.shape.ties:
        none = {"estimate": None, "reason": "ties are half wins"}
        least = {"name": name, "estimate": float(threshold)}
        reason = f"{'one' if threshold else 'zero'}: no vote was a tie"
        return none if options.split_ties else least | {"reason": reason}
    value, error = fit.theta[0, -1], np.sqrt(spread.matrix[-1, -1])
    reach = quantile(options.level, spread.freedom) * error
    low, high = value - reach, value + reach
    if threshold:  # above zero, hence symmetric on its logarithm
        low, high = value * np.exp(-reach / value), value * np.exp(reach / value)
    estimate, low, high = (float(np.exp(end)) for end in (value, low, high))
    return {"name": name, "estimate": estimate, "low": low, "high": high}


def _interval_facts(
    spread: Covariance, groups: Groups, options: Options, size: int
) -> dict[str, Any]:
    # Of differences: a common shift, which grounded votes tell too, is left out.
    apart = np.eye(size) - 1 / size
    clustered = np.trace(apart @ spread.matrix[:size, :size])
    independent = np.trace(apart @ spread.independent[:size, :size])
    finite = np.isfinite(spread.freedom)
    facts: dict[str, Any] = {
        "method": spread.method,
        "level": options.level,
        "clusters": {one.name: one.number for one in groups.by},
        "effective_clusters": {one.name: one.effective for one in groups.by},
        "degrees_of_freedom": spread.freedom if finite else None,
        "design_effect": float(clustered / independent) if independent > 0 else None,
    }
    if spread.failed is not None:
        replicates = options.replicates * len(groups.members)
        facts |= {"replicates": replicates, "failed_replicates": spread.failed}
    return facts
