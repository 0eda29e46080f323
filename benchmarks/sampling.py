"""What each rule of sampling is good for: votes until the best is settled, errors, intervals.

Run: python -m benchmarks.sampling [--studies 50] [--models 8|20] [--rule NAME]
Raters differ in taste, 20 vote at a time, each 50 times; the rules see the answers of the rounds
before (a rule that listens is asked once a round, which does it no favour). Ratings are those of
``arena rate``, clustered by rater, looked at every 200 votes.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
from scipy import special

from arena.estimate import POINTS
from arena.gains import Answers, Match
from arena.likelihood import Pairs, Shape
from arena.newton import newton
from arena.ratings import Ratings, fit
from arena.rules import RULES, Rule, rule

NU, TASTE, SPREAD = 0.5, 0.5, 0.6
AT_ONCE, EACH, LOOK = 20, 50, 200
OUTCOMES = np.array(["left", "right", "tie"], dtype=object)
SETTINGS = ((8, 3000, (600, 1200, 3000)), (20, 5000, (1000, 2000, 5000)))


def strengths(models: int) -> np.ndarray:
    """Return quantiles of a normal distribution, the best first."""
    return SPREAD * special.ndtri((models - np.arange(models) - 0.5) / models)


def names(models: int, rng: np.random.Generator) -> list[str]:
    """Name the models at random, so that the order of names tells nothing."""
    return [f"m{i:02d}" for i in rng.permutation(models)]


def chances(gap: np.ndarray) -> np.ndarray:
    """Return Davidson's chances of left, right and tie."""
    weight = np.stack([np.exp(gap / 2), np.exp(-gap / 2), np.full_like(gap, NU)], axis=-1)
    return weight / weight.sum(axis=-1, keepdims=True)


def truth(of: np.ndarray, taste: float = TASTE) -> np.ndarray:
    """Return the ratings of a study without end, in which every vote has a rater of its own."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    left, right = np.triu_indices(len(of), 1)
    gap = (of[left] - of[right])[:, None] + np.sqrt(2) * taste * nodes
    share = (chances(gap) * (weights / weights.sum())[None, :, None]).sum(axis=1)
    found = newton(Pairs(left, right), 1000 * share[None], Shape(len(of), side=False, ties=True))
    return found.strengths[0] * POINTS


def hold(
    chosen: Rule,
    of: np.ndarray,
    called: list[str],
    votes: int,
    rng: np.random.Generator,
    taste: float = TASTE,
) -> pd.DataFrame:
    """Hold a study: rounds of raters who vote at once on the pairs of models the rule draws."""
    place = {name: i for i, name in enumerate(called)}
    matches = list(combinations(sorted(called), 2))
    drawn: dict[Match, int] = {}
    answers: dict[Match, Answers] = {}
    liking, rows = np.zeros((AT_ONCE, len(of))), []
    for at in range(votes // AT_ONCE):
        if at % EACH == 0:
            liking = rng.normal(0, taste, (AT_ONCE, len(of)))
        asked = _round(chosen, matches, drawn, answers, rng)
        for person, (one, other) in enumerate(asked):
            utility = of + liking[person]
            outcome = rng.choice(3, p=chances(utility[place[one]] - utility[place[other]]))
            counts = list(answers.get((one, other), Answers()))
            counts[outcome] += 1
            answers[one, other] = Answers(*counts)
            sides = (one, other) if (swap := rng.random() < 0.5) else (other, one)
            winner = OUTCOMES[outcome if swap or outcome == 2 else 1 - outcome]
            rows.append((*sides, winner, at // EACH * AT_ONCE + person))
    return pd.DataFrame(rows, columns=["left", "right", "winner", "rater"])


def _round(
    chosen: Rule,
    matches: list[Match],
    drawn: dict[Match, int],
    answers: Mapping[Match, Answers],
    rng: np.random.Generator,
) -> list[Match]:
    """Draw for all raters at once, from the answers of the rounds before."""
    asked: list[Match] = []
    shares: list[float] = []
    for _ in range(AT_ONCE):
        if not (shares and chosen.listens):
            shares = chosen.shares(matches, drawn, answers)
        match = matches[rng.choice(len(matches), p=np.array(shares) / sum(shares))]
        drawn[match] = drawn.get(match, 0) + 1
        asked.append(match)
    return asked


@dataclass(frozen=True)
class Course:
    """How one study went."""

    right: dict[int, bool]
    """By votes: whether the model rated best is the best."""
    settled: int | None
    """The first look at which the best rated model's difference from each rival excludes zero."""
    settled_right: bool
    error: float
    """Root mean square error of all ratings at the end, in Elo points."""
    held_top: bool
    """Whether the interval of the true first two's difference holds at the end."""
    held: float
    """Share of all intervals of differences that hold at the end."""


def follow(votes: pd.DataFrame, called: list[str], true: np.ndarray) -> Course:
    """Rate a study as it grows."""
    right, settled, settled_right = {}, None, False
    last = None
    for number in range(LOOK, len(votes) + 1, LOOK):
        last = fit(votes.head(number), cluster="rater")
        best = last.table["model"].iloc[0]
        right[number] = bool(best == called[0] and last.table["rating"].notna().iloc[0])
        if settled is None and _is_settled(last, best):
            settled, settled_right = number, right[number]
    assert last is not None
    return Course(right, settled, settled_right, *_judge(last, called, true))


def _is_settled(ratings: Ratings, best: str) -> bool:
    pair = ratings.pairwise()
    rivals = pair[pair["first"] == best]
    return len(rivals) == len(ratings.table) - 1 and bool((rivals["low"] > 0).all())


def _judge(ratings: Ratings, called: list[str], true: np.ndarray) -> tuple[float, bool, float]:
    real = pd.Series(true, index=called)
    rated = ratings.table.set_index("model")["rating"]
    error = (rated - rated.mean() - real[rated.index]).to_numpy()
    pair = ratings.pairwise()
    gap = real[pair["first"]].to_numpy() - real[pair["second"]].to_numpy()
    held = ((pair["low"] <= gap) & (gap <= pair["high"])).to_numpy()
    top = {called[0], called[1]}
    is_top = [{a, b} == top for a, b in zip(pair["first"], pair["second"], strict=True)]
    return float(np.sqrt((error**2).mean())), bool(held[is_top].all()), float(held.mean())


def courses(name: str, models: int, votes: int, studies: int) -> list[Course]:
    """Hold and follow studies under one rule; study n has the same names whatever the rule."""
    of = strengths(models)
    true, found = truth(of), []
    for seed in range(studies):
        rng = np.random.default_rng(seed)
        called = names(models, rng)
        found.append(follow(hold(rule(name), of, called, votes, rng), called, true))
    return found


def row(name: str, found: list[Course], at: tuple[int, ...], votes: int) -> str:
    """Write a rule's line of the table."""
    right = " | ".join(f"{np.mean([c.right[n] for c in found]):.0%}" for n in at)
    when = [c.settled or np.inf for c in found]
    middle = np.median(when)
    by_end = [c for c in found if c.settled]
    wrong = sum(not c.settled_right for c in by_end)
    return (
        f"| {name} | {right} | {f'{middle:.0f}' if np.isfinite(middle) else f'> {votes}'} | "
        f"{len(by_end)} of {len(found)} | {wrong} | {np.mean([c.error for c in found]):.1f} | "
        f"{np.mean([c.held_top for c in found]):.0%} | {np.mean([c.held for c in found]):.1%} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--studies", type=int, default=50)
    parser.add_argument("--models", type=int, choices=[s[0] for s in SETTINGS], help="one table")
    parser.add_argument("--rule", choices=RULES, help="one row")
    options = parser.parse_args()
    for models, votes, at in SETTINGS:
        if options.models not in (None, models):
            continue
        true = truth(strengths(models))
        print(f"\n{models} models, the best {true[0] - true[1]:.0f} Elo points before the second;")
        print(f"{options.studies} studies of {votes} votes\n")
        right = " | ".join(f"right at {n}" for n in at)
        print(f"| rule | {right} | settled at | settled | wrongly | error | top holds | all hold |")
        print(f"| --- {'| ---: ' * (len(at) + 6)}|")
        for name in [options.rule] if options.rule else RULES:
            found = courses(name, models, votes, options.studies)
            print(row(name, found, at, votes), flush=True)


if __name__ == "__main__":
    main()
