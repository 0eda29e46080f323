"""Other tools read our votes as they stand, and rate them as we do."""

from __future__ import annotations

import io
import json
import sys

import evalica
import numpy as np
import pandas as pd
import pytest
from evalica.__main__ import read_csv

from arena import exports
from arena.facts.votes import VoteRow
from arena.ratings import fit
from evalkit.errors import UnknownNameError, VotesError
from tests.arena.test_ratings import drawn

CAST = "2026-01-01T00:00:00.500000+00:00"


def rows(frame: pd.DataFrame) -> list[VoteRow]:
    columns = [frame[c] for c in ("left", "right", "winner", "rater", "prompt")]
    return [VoteRow(*values, "overall", None, False) for values in zip(*columns, strict=True)]


def one(winner: str, left: str = "a", right: str = "b", rater: str | None = "ann") -> VoteRow:
    return VoteRow(left, right, winner, rater, "p", "overall", 1.0, False)


@pytest.mark.parametrize(
    ("model", "peer"), [("bradley-terry", evalica.bradley_terry), ("davidson", evalica.newman)]
)
def test_evalica_reads_the_file_and_rates_as_we_do(model: str, peer: object) -> None:
    frame = drawn(votes=3000, seed=3)
    bad = frame.index % 11 == 0
    frame["winner"] = frame["winner"].mask(bad, "both_bad")
    text = exports.export("evalica", rows(frame), [CAST] * len(frame))
    left, right, winners = read_csv(io.StringIO(text))
    assert len(winners) == len(frame), "it drops words it does not know without a word"
    theirs = peer(left, right, winners, tolerance=1e-12, limit=100_000).scores  # type: ignore[operator]
    ours = fit(frame, model=model).table.set_index("model")["rating"]  # type: ignore[arg-type]
    elo = 400 * np.log10(theirs)
    assert (elo - elo.mean() + 1000 - ours.reindex(elo.index)).abs().max() < 1e-3


def test_evalicas_own_command_rates_the_file(
    tmp_path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from evalica import __main__ as command

    frame = drawn(votes=500)
    (tmp_path / "votes.csv").write_text(exports.export("evalica", rows(frame), [CAST] * 500))
    words = ["evalica", "-i", str(tmp_path / "votes.csv"), "pairwise", "bradley-terry"]
    monkeypatch.setattr(sys, "argv", words)
    command.main()
    printed = pd.read_csv(io.StringIO(capsys.readouterr().out))
    ours = fit(frame, model="bradley-terry").table
    assert list(printed["item"]) == list(ours["model"])


def test_arena_ranks_columns_and_words() -> None:
    votes = [one(w) for w in ("left", "right", "tie", "both_bad")]
    frame = pd.read_csv(io.StringIO(exports.export("arena-rank", votes, [CAST] * 4)))
    assert list(frame.columns) == ["model_a", "model_b", "winner"]
    assert list(frame["winner"]) == ["model_a", "model_b", "tie", "both_bad"]


def test_fastchats_battles() -> None:
    votes = [one(w, rater=None) for w in ("both_bad", "left", "right", "tie")]
    times = [f"2026-01-01T00:00:0{second}.000000+00:00" for second in (3, 1, 2, 0)]
    battles = json.loads(exports.export("fastchat", votes, times))
    assert [b["winner"] for b in battles] == ["tie", "model_a", "model_b", "tie (bothbad)"]
    assert [b["tstamp"] for b in battles] == [1767225600.0 + s for s in range(4)]
    assert battles[0] == {
        "model_a": "a",
        "model_b": "b",
        "winner": "tie",
        "judge": None,
        "turn": 1,
        "anony": True,
        "language": "unknown",
        "tstamp": 1767225600.0,
    }


def test_names_may_be_any_text_but_those_that_would_vanish() -> None:
    votes = [one("left", left='模型, "二"', right="two\nlines")]
    frame = pd.read_csv(io.StringIO(exports.export("evalica", votes, [CAST])))
    assert frame["left"][0] == '模型, "二"'
    assert frame["right"][0] == "two\nlines"
    with pytest.raises(VotesError, match="'NA' would be read as a missing value"):
        exports.export("arena-rank", [one("left", left="NA")], [CAST])
    assert json.loads(exports.export("fastchat", [one("left", left="NA")], [CAST]))


@pytest.mark.parametrize("form", exports.FORMATS)
def test_no_votes_are_a_file_without_votes(form: str) -> None:
    assert exports.export(form, [], []).count("\n") == 1


def test_an_unknown_format_is_named() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'evalica'"):
        exports.export("evalika", [], [])
