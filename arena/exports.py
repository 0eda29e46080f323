"""Votes in the columns of other tools, so that anybody can rate them with anything.

* evalica (0.4): the CSV of its command, left,right,winner with left, right or tie; it drops any
  other word in silence, so that both bad is written as the tie it is counted as here.
* arena-rank (0.1): the columns of its ``PairDataset.from_pandas``, model_a,model_b,winner with
  model_a, model_b, tie or both_bad.
* FastChat (0.2): a ``clean_battle`` file, for its ``elo_analysis``.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from arena.facts.votes import VoteRow
from arena.records import Outcome
from evalkit.errors import UnknownNameError, VotesError

_EVALICA = {o.value: o.value for o in Outcome} | {Outcome.BOTH_BAD.value: "tie"}
_ARENA_RANK = {"left": "model_a", "right": "model_b", "tie": "tie", "both_bad": "both_bad"}
_FASTCHAT = _ARENA_RANK | {"both_bad": "tie (bothbad)"}
_MISSING = frozenset(
    "#N/A|#N/A N/A|#NA|-1.#IND|-1.#QNAN|-NaN|-nan|1.#IND|1.#QNAN|<NA>|N/A|NA|NULL|NaN|None|n/a|nan"
    "|null".split("|")
)
"""What pandas takes for a missing value in a CSV, and with it both tools."""


def export(form: str, votes: Sequence[VoteRow], cast_at: Sequence[str]) -> str:
    """Return votes in the form of another tool; ``cast_at`` is when each was cast."""
    if form not in FORMATS:
        raise UnknownNameError("format of votes", form, FORMATS)
    return FORMATS[form](votes, cast_at)


def _evalica(votes: Sequence[VoteRow], _cast_at: Sequence[str]) -> str:
    return _csv(("left", "right", "winner"), votes, _EVALICA)


def _arena_rank(votes: Sequence[VoteRow], _cast_at: Sequence[str]) -> str:
    return _csv(("model_a", "model_b", "winner"), votes, _ARENA_RANK)


def _fastchat(votes: Sequence[VoteRow], cast_at: Sequence[str]) -> str:
    battles = [_battle(v, at) for v, at in zip(votes, cast_at, strict=True)]
    battles.sort(key=lambda b: b["tstamp"])
    return json.dumps(battles, indent=2, ensure_ascii=False) + "\n"


def _battle(vote: VoteRow, cast_at: str) -> dict[str, Any]:
    """Put a vote as FastChat does: anonymous, as the models' names were hidden; one turn."""
    return {
        "model_a": vote.left,
        "model_b": vote.right,
        "winner": _FASTCHAT[vote.winner],
        "judge": vote.rater,
        "turn": 1,
        "anony": True,
        "language": "unknown",
        "tstamp": datetime.fromisoformat(cast_at).timestamp(),
    }


def _csv(head: Iterable[str], votes: Sequence[VoteRow], winners: Mapping[str, str]) -> str:
    if unreadable := sorted({m for v in votes for m in (v.left, v.right)} & _MISSING):
        raise VotesError(
            f"The model {unreadable[0]!r} would be read as a missing value by this tool, and its "
            "votes dropped. Export as csv, rename the model in it, and rate that."
        )
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(head)
    writer.writerows((v.left, v.right, winners[v.winner]) for v in votes)
    return stream.getvalue()


FORMATS: Mapping[str, Callable[[Sequence[VoteRow], Sequence[str]], str]] = {
    "evalica": _evalica,
    "arena-rank": _arena_rank,
    "fastchat": _fastchat,
}
