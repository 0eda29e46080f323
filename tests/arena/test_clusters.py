"""Votes are put together by rater and prompt, as far as they name them."""

import itertools
from collections import Counter

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

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


@st.composite
def frames(draw):
    rows = draw(st.integers(2, 40))
    pick = [draw(st.lists(st.integers(0, 5), min_size=rows, max_size=rows)) for _ in range(4)]
    left, right, rater, prompt = map(np.array, pick)
    frame = {"left": left, "right": left + 1 + right, "winner": "left"}
    return pd.DataFrame(frame | {"rater": rater % 4, "prompt": prompt}).astype({"rater": object})


@given(frames())
def test_votes_are_put_together_as_a_naive_count_does(votes):
    tally = count(votes)
    every = np.ones(len(votes), dtype=bool)
    by, _ = clusters(votes, every, ["rater", "prompt"])
    cells = tally.cell.tolist()
    keys = [list(zip(*(one.codes.tolist() for one in by), strict=True))] if len(by) == 2 else []
    ways = [one.codes.tolist() for one in by] + keys
    for members, codes in zip(group(tally, by).members, ways, strict=False):
        held = [
            sorted(c for c, k in zip(cells, codes, strict=True) if k == one) for one in set(codes)
        ]
        together = [
            sorted(members.cells[a:b].tolist()) for a, b in itertools.pairwise(members.starts)
        ]
        assert sorted(together) == sorted(one for one in held if len(one) > 1)
        alone = Counter(one[0] for one in held if len(one) == 1)
        assert members.alone.tolist() == [alone[c] for c in range(tally.counts.size)]
        sizes = [len(one) for one in held]
        kish = sum(sizes) ** 2 / sum(n * n for n in sizes)
        assert members.effective == pytest.approx(max(2.0, kish))


@pytest.mark.parametrize("block", [1, 7, 1000])
def test_blocks_of_any_size_are_all_clusters_once(monkeypatch, block):
    rng = np.random.default_rng(0)
    votes = pd.DataFrame(
        {
            "left": rng.choice(list("ab"), 60),
            "right": rng.choice(list("cd"), 60),
            "winner": rng.choice(["left", "tie"], 60),
            "rater": rng.integers(0, 9, 60),
        }
    )
    tally = count(votes)
    by, _ = clusters(votes, np.ones(60, dtype=bool), ["rater"])
    (members,) = group(tally, by).members
    monkeypatch.setattr("arena.clusters.BLOCK", block)
    parts = [part.toarray() for part in members.blocks(3)]
    assert np.array_equal(np.concatenate(parts), members.shared.toarray())
    assert len(parts) > 1 or block == 1000
