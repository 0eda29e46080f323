"""Votes are put together by rater and prompt, as far as they name them."""

import numpy as np
import pandas as pd
import pytest

from arena.clusters import clusters, group
from arena.tally import count
from evalkit.errors import UnknownNameError


def test_clusters_are_counted_among_the_kept_votes():
    frame = pd.DataFrame({"rater": ["x", "y", None, "z", "x"]})
    keep = np.array([True, False, True, True, True])
    (one,), notes = clusters(frame, keep, ["rater"])
    assert one.number == 3
    assert one.codes[0] == one.codes[3]
    assert len(set(one.codes)) == 3
    assert len(notes) == 2


def test_an_unknown_column_is_an_error_and_a_missing_usual_one_is_not():
    frame = pd.DataFrame({"rater": ["x", "y"]})
    keep = np.array([True, True])
    assert [one.name for one in clusters(frame, keep, ["rater", "prompt"])[0]] == ["rater"]
    with pytest.raises(UnknownNameError, match=r"Unknown cluster column 'raters'\. Did you mean"):
        clusters(frame, keep, ["raters"])


def test_members_count_each_vote_once():
    votes = pd.DataFrame(
        {
            "left": list("aaabb"),
            "right": list("bbbaa"),
            "winner": ["left", "left", "tie", "right", "right"],
            "rater": list("xxyzz"),
            "prompt": list("ppqpq"),
        }
    )
    tally = count(votes)
    by, _ = clusters(votes, np.ones(5, dtype=bool), ["rater", "prompt"])
    rater, prompt, both = group(tally, by).members
    assert (rater.number, prompt.number, both.number) == (3, 2, 4)
    for members in (rater, prompt, both):
        counted = members.shared.toarray().sum(axis=0) + members.alone
        assert counted.reshape(-1, 4).tolist() == tally.counts.tolist()
    assert rater.alone.sum() == 1
    assert prompt.alone.sum() == 0
    assert both.shared.toarray().sum() == 2
    (votes_alone,) = group(tally, ()).members
    assert (votes_alone.number, votes_alone.shared.shape[0]) == (5, 0)
