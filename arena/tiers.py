"""The budget within which a vote was given: few steps against few, many against many."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from arena.covariates import numbers
from arena.tally import Floats
from evalkit.board import STEP_TIERS, step_tier
from evalkit.errors import VotesError

ORDER = (*(step_tier(most) for most in STEP_TIERS), step_tier(STEP_TIERS[-1] + 1))
"""The budgets that are made of steps, cheapest first."""


def budgets(votes: pd.DataFrame, anchor: str | None = None) -> pd.Series[Any]:
    """Name the budget of each vote: its own, or the tier of steps that both models share.

    The anchor takes part in every tier, as the one that it is compared with. A vote across tiers
    has none, nor has one whose steps are not known.
    """
    if "budget" in votes.columns:
        return votes["budget"]
    if not {"left_steps", "right_steps"} <= set(votes.columns):
        raise VotesError(
            "The votes name no budget (a column budget) and no steps (columns left_steps and "
            "right_steps). Name the run that drew the pictures: --run DIR."
        )
    left, right = (_tiers(numbers(votes[f"{side}_steps"])) for side in ("left", "right"))
    for one, other, side in ((left, right, "left"), (right, left, "right")):
        held = (votes[side] == anchor).to_numpy(dtype=bool)
        one[held] = other[held]
    shared = np.where(left == right, left, None)
    return pd.Series(shared, index=votes.index, dtype=object)


def _tiers(steps: Floats) -> Any:
    names = {x: step_tier(x) for x in np.unique(steps[~np.isnan(steps)]).tolist()}
    return np.array([names.get(x) for x in steps.tolist()], dtype=object)
