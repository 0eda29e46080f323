"""Votes to ratings on the Elo scale, with honest intervals; what is not identified is refused."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from arena import comparisons, grounding, line, standings
from arena.clusters import Clusters, clusters
from arena.covariates import differences
from arena.estimate import (
    CENTRE,
    POINTS,
    Estimate,
    Method,
    Model,
    Options,
    estimate,
    law_of,
    separated,
)
from arena.identify import RATED, Identified, identify
from arena.likelihood import Pairs, Shape, chances
from arena.tally import OUTCOMES, Floats, Tally, count
from evalkit.clusters import holm
from evalkit.errors import EvalkitError, UnknownNameError, VotesError

SCHEMA = 1
WORDS = {
    "davidson": "Davidson: a tie is an outcome of its own (1970)",
    "rao-kupper": "Rao-Kupper: a tie is a difference too small to notice (1967); 400 points make "
    "the odds of winning, and those of not losing, 10 times as large",
    "bradley-terry": "Bradley-Terry: a tie counts as half a win for each, which pulls the ratings "
    "together, so that 400 points are no longer odds of 10 : 1 among decisive votes",
    "elo": "paper-style Elo: K = 1, start 1000, a tie counts as half a win for each, mean over "
    "shuffled replays; it depends on the number of votes",
}
INDEPENDENT = (
    "counts do not say who voted: the intervals take votes as independent, and are too narrow "
    "where raters differ in taste or prompts matter"
)
BOTH_BAD_WORDS = {
    "tie": "counted as ties",
    "drop": "left out",
    "ground": "an outcome of its own",
}
ENDLESS_TIES = (
    "not identified: every win goes down the same order and ties never contradict it, so that "
    "strengths and tie parameter grow together without end; one win against the order would cure "
    "it, or rate with bradley-terry"
)


@dataclass(frozen=True, eq=False)
class Ratings:
    """Ratings of the models that the votes identify, and what they rest on."""

    model: str
    table: pd.DataFrame
    """One row a model, best first: model, rating, low, high, rank_low, rank_high, p_best,
    battles, wins, losses, ties, both_bad, status; grounded also over_line, over_low, over_high
    (Elo points above the line) and line (a word). Ranks are among the rated models; NaN (NA for
    ranks) where the votes do not identify a value."""
    cov: pd.DataFrame
    """Covariance of the rated models' ratings, in squared Elo points, in the table's order."""
    diagnostics: dict[str, Any]
    freedom: float
    """Degrees of freedom of the t tests; infinite without clusters."""
    level: float
    tally: Tally
    """The votes, counted."""

    def pairwise(self) -> pd.DataFrame:
        """Test every two rated models, the better one first.

        ``low, high`` and ``p`` hold for one pair, ``p_holm`` for all pairs together; NaN where the
        votes hold no information on a difference.
        """
        names, values = self._rated()
        tests = comparisons.differences(values, self.cov.to_numpy(), self.freedom)
        reach = comparisons.quantile(self.level, self.freedom) * tests.error
        return pd.DataFrame(
            {
                "first": names[tests.first],
                "second": names[tests.second],
                "difference": tests.difference,
                "error": tests.error,
                "low": tests.difference - reach,
                "high": tests.difference + reach,
                "statistic": tests.difference / tests.error,
                "p": tests.p,
                "p_holm": tests.holm,
            }
        )

    def difference(self, first: str, second: str) -> tuple[float, float]:
        """Return the difference of two rated models and its standard error, in Elo points."""
        names, values = self._rated()
        for name in (first, second):
            if name not in names:
                raise UnknownNameError("rated model", name, names)
        where = [list(names).index(first), list(names).index(second)]
        cov = self.cov.to_numpy()[np.ix_(where, where)]
        tests = comparisons.differences(values[where], cov, self.freedom)
        if first == second or np.isnan(tests.error[0]):
            raise VotesError(f"The votes hold no information to tell {first!r} from {second!r}.")
        return float(tests.difference[0]), float(tests.error[0])

    def equivalent(self, first: str, second: str, margin: float) -> comparisons.Equivalence:
        """Test whether two models differ by less than ``margin`` Elo points (TOST)."""
        self._check_margin(margin)
        difference, error = self.difference(first, second)
        alpha = 1 - self.level
        names = (first, second)
        return comparisons.equivalence(
            names, difference, error, self.freedom, margin=margin, alpha=alpha
        )

    def equivalences(self, margin: float) -> list[comparisons.Equivalence]:
        """Test every two rated models as ``equivalent`` does, adjusted by Holm for all pairs.

        That any pair is wrongly called tied is then as rare as stated, however many are tested.
        A pair of which the votes hold no information is not among them.
        """
        self._check_margin(margin)
        told = self.pairwise().dropna(subset=["error"])
        columns = told[["first", "second", "difference", "error"]]
        alpha = 1 - self.level
        found = [
            comparisons.equivalence((a, b), gap, error, self.freedom, margin=margin, alpha=alpha)
            for a, b, gap, error in columns.itertuples(index=False, name=None)
        ]
        adjusted = holm(np.array([one.p for one in found]))
        return [
            replace(one, p_holm=p, equivalent=p <= alpha)
            for one, p in zip(found, adjusted.tolist(), strict=True)
        ]

    def observed(self) -> pd.DataFrame:
        """Return how often the row's model was preferred to the column's, a tie as a half.

        NaN where two models never met.
        """
        wins, draws = self.tally.wins(), self.tally.draws()
        met = wins + wins.T + draws
        return self._square(np.where(met > 0, (wins + draws / 2) / np.maximum(met, 1), np.nan))

    def expected(self) -> pd.DataFrame:
        """Return the same as the ratings have it; NaN for models that are not rated."""
        size = len(self.tally.models)
        left, right = np.nonzero(~np.eye(size, dtype=bool))
        theta, shape = self.law(self.tally.models)
        chance = chances(Pairs(left, right), theta[None], shape)
        share = np.full((size, size), np.nan)
        share[left, right] = (chance.left + (chance.tie + chance.both_bad) / 2)[0]
        return self._square(share)

    def law(self, models: Sequence[str]) -> tuple[Floats, Shape]:
        """Return the parameters of battles among these models, and their shape.

        Log-strengths (NaN for a model that is not rated), then the tie parameter if there is one.
        """
        rated = self.table.set_index("model")["rating"].reindex(list(models))
        zero = (self.diagnostics.get("line") or {}).get("rating")
        tie = self.diagnostics["tie_parameter"]["estimate"]
        shape, fitted = law_of(self.model, tie, len(models), ground=zero is not None)
        strengths = (rated.to_numpy(dtype=float) - (zero or 0.0)) / POINTS
        return np.append(strengths, fitted), shape

    def to_dict(self) -> dict[str, Any]:
        """Return the document of ``arena rate --json``: plain values, None where missing."""
        rows = self.table.astype(object).where(self.table.notna(), None).to_dict("records")
        return {
            "schema": SCHEMA,
            "model": self.model,
            "ratings": rows,
            "diagnostics": self.diagnostics,
        }

    def to_json(self) -> str:
        """Return ``to_dict`` as text."""
        return json.dumps(self.to_dict(), indent=2, ensure_ascii=False, allow_nan=False)

    def _check_margin(self, margin: float) -> None:
        if not margin > 0:
            raise EvalkitError(f"An equivalence margin must be above 0 Elo points, not {margin}.")
        if self.level <= 0.5:
            raise EvalkitError(f"Two one-sided tests need a level above 0.5, not {self.level}.")

    def _rated(self) -> tuple[Any, Floats]:
        rated = self.table.head(len(self.cov))
        return rated["model"].to_numpy(dtype=object), rated["rating"].to_numpy(dtype=float)

    def _square(self, values: Floats) -> pd.DataFrame:
        names, order = list(self.tally.models), list(self.table["model"])
        return pd.DataFrame(values, index=names, columns=names).loc[order, order]


def fit(
    votes: pd.DataFrame,
    model: Model = "davidson",
    cluster: Sequence[str] | str | None = ("rater", "prompt"),
    *,
    method: Method = "sandwich",
    anchor: tuple[str, float] | None = None,
    both_bad: str = "tie",
    adjust_side: bool = False,
    level: float = 0.95,
    replicates: int = 1000,
    seed: int = 0,
    covariates: Sequence[str] = (),
) -> Ratings:
    """Rate the models that ``votes`` (shaped like votes.csv) compare.

    Ratings are on the Elo scale: 400 points are odds of 10 : 1 among decisive votes, and the rated
    models' mean is 1000, or ``anchor`` = (model, rating) is fixed. Intervals are clustered by
    those of ``cluster`` that the votes name; None or () takes votes as independent.
    ``both_bad`` is counted as a tie, dropped (``"drop"``), or an outcome of its own
    (``"ground"``), which tells how far each model stands above or below a line of good enough.
    The left side's advantage is always estimated beside the ratings and reported; ``adjust_side``
    puts it into their model. ``covariates`` are numbers that differ between the two pictures, each
    in columns ``left_NAME`` and ``right_NAME``: their slopes are estimated, and the ratings are
    those at equal values; votes that do not know a value are left out, and counted.

    Raises:
        VotesError: a row is no vote, or the fit does not converge.
        UnknownNameError: an option or the anchor does not exist.
    """
    by = (cluster,) if isinstance(cluster, str) else tuple(cluster or ())
    options = Options(model, by, method, anchor, both_bad, adjust_side, level, replicates, seed)
    if covariates:
        return _with_covariates(votes, replace(options, covariates=tuple(covariates)))
    return _rate(count(votes), options, votes)


def fit_counts(
    counts: Tally,
    model: Model = "davidson",
    *,
    method: Method = "sandwich",
    anchor: tuple[str, float] | None = None,
    both_bad: str = "tie",
    adjust_side: bool = False,
    level: float = 0.95,
    replicates: int = 1000,
    seed: int = 0,
) -> Ratings:
    """Rate as ``fit`` does where only counts are known, and with them neither rater nor prompt."""
    options = Options(model, (), method, anchor, both_bad, adjust_side, level, replicates, seed)
    return _rate(counts, options)


def _with_covariates(votes: pd.DataFrame, options: Options) -> Ratings:
    """Rate the votes that know all of their covariates, and count the others."""
    every, gaps = count(votes), differences(votes, options.covariates)
    known = np.isfinite(gaps).all(axis=1)
    names = ", ".join(options.covariates)
    if not known.any():
        raise VotesError(f"No vote knows {names} of both pictures. Rate without, or fill it in.")
    kept = votes.iloc[np.flatnonzero(known)]
    found = _rate((every if known.all() else count(kept)).split(gaps[known]), options, kept)
    if missing := int((~known).sum()):
        note = f"{missing} of {len(votes)} votes are left out: {names} of a picture is not known"
        found.diagnostics["warnings"].append(note)
    return found


def _rate(everything: Tally, options: Options, votes: pd.DataFrame | None = None) -> Ratings:
    found, options, unplaced = _identified(everything, options)
    part = everything.only(found.group, options.outcomes)
    if separated(part, options):
        words = tuple(ENDLESS_TIES if word == RATED else word for word in found.status)
        found, part = Identified((), words), part.only(())
    return _ratings(everything, part, found, options, votes, unplaced)


def _identified(everything: Tally, options: Options) -> tuple[Identified, Options, str | None]:
    """Find whom to rate; without a line to place them by, as if both-bad votes were dropped."""
    models, reason = range(len(everything.models)), None
    anchor = _anchor(everything, options)
    if options.ground:
        placed = grounding.place(everything)
        if placed.group and (anchor is None or anchor in placed.group):
            return placed, options, None
        reason = grounding.unplaced(everything, anchor if placed.group else None)
        options = replace(options, both_bad="drop")
    found = identify(everything.only(models, options.outcomes), anchor)
    if reason and not found.group:
        found = replace(found, status=placed.status)
    return found, options, reason


def _anchor(tally: Tally, options: Options) -> int | None:
    if options.anchor is None:
        return None
    if options.anchor[0] not in tally.models:
        raise UnknownNameError("anchor model", options.anchor[0], tally.models)
    return tally.models.index(options.anchor[0])


def _ratings(
    everything: Tally,
    part: Tally,
    found: Identified,
    options: Options,
    votes: pd.DataFrame | None,
    unplaced: str | None,
) -> Ratings:
    result, warnings = None, [INDEPENDENT] if votes is None else _pooled(votes)
    if found.group:
        by: list[Clusters] = []
        notes: list[str] = []
        if votes is not None and options.cluster:
            keep = everything.where(everything.among(found.group, options.outcomes))
            by, notes = clusters(votes, keep, options.cluster)
        result = estimate(part, by, options)
        warnings += [*notes, *result.warnings]
    diagnostics = _diagnostics(everything, part, result, warnings, options)
    if unplaced:
        diagnostics["line"] = {"rating": None, "reason": unplaced}
        diagnostics["warnings"].append(f"no line of good enough: {unplaced}")
    table, cov = standings.table(everything, part, found, result, options)
    return Ratings(
        model=options.model,
        table=table,
        cov=cov,
        diagnostics=diagnostics,
        freedom=result.freedom if result else np.inf,
        level=options.level,
        tally=everything,
    )


def _pooled(votes: pd.DataFrame) -> list[str]:
    """Warn where one rating would mix answers to different questions."""
    if "criterion" not in votes.columns:
        return []
    asked = sorted(str(name) for name in votes["criterion"].dropna().unique())
    if len(asked) < 2:
        return []
    return [f"votes on {len(asked)} criteria are pooled: {', '.join(asked)}"]


def _diagnostics(
    everything: Tally,
    part: Tally,
    result: Estimate | None,
    warnings: Sequence[str],
    options: Options,
) -> dict[str, Any]:
    whole = dict(zip(OUTCOMES, everything.counts.sum(axis=0).tolist(), strict=True))
    rated, models = len(part.models), len(everything.models)
    notes = list(warnings)
    if rated < models:
        notes.append(f"{models - rated} of {models} models are not rated; see their status")
    zero = options.anchor or ("mean of the rated models", CENTRE)
    return {
        "method": WORDS[options.model],
        "votes": everything.votes,
        "votes_used": part.votes,
        "outcomes": whole,
        "both_bad": BOTH_BAD_WORDS[options.both_bad],
        "models": models,
        "rated": rated,
        "identified": rated == models,
        "scale": {"base": 10, "spread": 400, "zero": zero[0], "at": zero[1]},
        "ranks": "simultaneous, among the rated models, from Holm's tests of all pairs",
        "tie_parameter": {"estimate": None},
        **_untold(options),
        **(result.facts if result else {}),
        **_line(part, result, options),
        "warnings": notes,
    }


def _untold(options: Options) -> dict[str, Any]:
    """Say of covariates what holds where nothing was fitted."""
    none = {"estimate": None, "status": "not estimated: no two models have ratings that differ"}
    found = [{"name": name, **none} for name in options.covariates]
    return {"covariates": found} if found else {}


def _line(part: Tally, result: Estimate | None, options: Options) -> dict[str, Any]:
    if result is None or not options.ground:
        return {}
    return {"line": line.facts(result, *standings.origin(part, options), options)}
