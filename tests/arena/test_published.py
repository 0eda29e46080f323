"""Published fits of classical paired comparisons, each figure with where it was printed.

Wikipedia's example and Davidson's puddings are in ``test_ratings``. No printed fit of Rao and
Kupper's model with its data was found; ``test_ratings`` and ``test_newton`` check it otherwise.
"""

import numpy as np
import pandas as pd
import pytest

from arena.ratings import fit

TEAMS = ["Milwaukee", "Detroit", "Toronto", "New York", "Boston", "Cleveland", "Baltimore"]
AT_HOME = """
    .. 43 42 43 61 42 60; 33 .. 42 43 60 61 43; 25 43 .. 24 43 42 60; 33 51 25 .. 43 42 61;
    51 25 33 42 .. 52 60; 25 33 34 43 42 .. 24; 25 15 16 24 16 34 .."""
"""American League East, 1987: wins and losses at home (rows) against each visitor (columns).

Agresti (2002), Categorical Data Analysis, 2nd ed., p. 438, as `baseball` of R's BradleyTerry2:
https://github.com/hturner/BradleyTerry2/blob/master/data/baseball.csv
"""


def cast(rows):
    """Votes from (left, right, wins of the left, wins of the right)."""
    sides = [
        (left, right, winner)
        for left, right, *wins in rows
        for winner, number in zip(("left", "right"), wins, strict=True)
        for _ in range(number)
    ]
    return pd.DataFrame(sides, columns=["left", "right", "winner"])


def baseball():
    table = [line.split() for line in AT_HOME.split(";")]
    met = [(i, j) for i in range(7) for j in range(7) if i != j]
    return cast([(TEAMS[i], TEAMS[j], *map(int, table[i][j])) for i, j in met])


def log_strengths(ratings):
    return ratings.table.set_index("model")["rating"] * np.log(10) / 400


def test_agrestis_baseball():
    """Agresti (2002), table 10.11, third column, and his remark on standard errors (p. 438).

    Both as https://rdrr.io/cran/BradleyTerry2/src/tests/testthat/test-baseball.R has them.
    """
    votes = baseball()
    assert len(votes) == 21 * 13
    found = fit(votes, "bradley-terry", cluster=None)
    over = (log_strengths(found) - log_strengths(found)["Baltimore"]).drop("Baltimore")
    assert sorted(over.round(2)) == [0.68, 1.11, 1.25, 1.29, 1.44, 1.58]
    assert over.idxmax() == "Milwaukee"
    errors = [found.difference(name, "Baltimore")[1] * np.log(10) / 400 for name in over.index]
    assert np.round(errors, 1).tolist() == [0.3] * 6


def test_agrestis_baseball_with_the_advantage_of_the_home_team():
    """Agresti (2002), table 10.11, fifth column, and the advantage; found as above."""
    found = fit(baseball(), "bradley-terry", cluster=None, adjust_side=True)
    share = np.exp(log_strengths(found))
    printed = [0.044, 0.088, 0.137, 0.157, 0.164, 0.190, 0.220]
    assert sorted((share / share.sum()).round(3)) == printed
    assert found.diagnostics["side_effect"]["estimate"] == pytest.approx(0.302, abs=5e-4)


def test_stiglers_journals():
    """Turner and Firth (2012, J. Stat. Softw. 48(9)), section 2.1, for 3,727 citations.

    Citations of Stigler (1994, Statist. Sci. 9:94-108): the cited journal wins. R's output is also
    printed in the README of https://github.com/BryanWBear/py_bradleyterry2.
    """
    won = [
        ("Biometrika", "Comm Statist", 730, 33), ("Biometrika", "JASA", 498, 320),
        ("Biometrika", "JRSS-B", 221, 284), ("Comm Statist", "JASA", 68, 813),
        ("Comm Statist", "JRSS-B", 17, 276), ("JASA", "JRSS-B", 142, 325),
    ]  # fmt: skip
    votes = cast(won)
    assert len(votes) == 3727
    found = log_strengths(fit(votes, "bradley-terry", cluster=None))
    over = (found - found["Biometrika"]).round(4)
    assert over[["Comm Statist", "JASA", "JRSS-B"]].tolist() == [-2.9491, -0.4796, 0.2690]
