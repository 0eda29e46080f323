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
    assert rater.effective == pytest.approx(25 / 9)
    assert prompt.effective == 2.0
    assert both.effective == pytest.approx(25 / 7)
    for members in (rater, prompt, both):
        counted = members.shared.toarray().sum(axis=0) + members.alone
        assert counted.reshape(-1, 4).tolist() == tally.counts.tolist()
    assert rater.alone.sum() == 1
    assert prompt.alone.sum() == 0
    assert both.shared.toarray().sum() == 2
    (votes_alone,) = group(tally, ()).members
    assert (votes_alone.effective, votes_alone.shared.shape[0]) == (5, 0)


def test_uneven_clusters_are_worth_fewer_even_ones():
    frame = pd.DataFrame({"rater": ["x"] * 60 + ["y"] * 20 + ["z"] * 20})
    (one,), notes = clusters(frame, np.ones(100, dtype=bool), ["rater"])
    assert one.effective == pytest.approx(10_000 / 4_400)
    assert "only 3 clusters by rater, of uneven sizes worth 2.3" in notes[0]
    (even,), _ = clusters(pd.DataFrame({"rater": range(12)}), np.ones(12, dtype=bool), ["rater"])
    assert even.effective == 12
    (most,), _ = clusters(frame.assign(rater=[0] * 99 + [1]), np.ones(100, dtype=bool), ["rater"])
    assert most.effective == 2.0
