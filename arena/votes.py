"""Votes as a table of text: read and checked line by line, written, imported into a study."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from arena.records import Outcome
from evalkit.errors import UnknownNameError, VotesError

if TYPE_CHECKING:
    import pandas as pd

    from arena.facts.votes import VoteRow

REQUIRED = ("left", "right", "winner")
OPTIONAL = (
    *("rater", "prompt", "criterion", "side_swapped", "seconds", "simulated", "category"),
    *("left_generation", "right_generation", "purpose", "gold", "protocol", "language"),
)
GIVEN = ("budget",)
"""Read where a file has it, and not written: a study knows it from its models."""
CHECKS = ("gold", "repeat")
"""Purposes of votes that say something of the rater, and rate no model."""
WINNERS = tuple(o.value for o in Outcome)

_TRUTH = {"": False, "false": False, "no": False, "0": False, "true": True, "yes": True, "1": True}


def read_csv(path: Path) -> pd.DataFrame:
    """Read a votes.csv and check every line; raise VotesError naming the line and the value.

    Returns the columns ``left, right, winner``, those of ``OPTIONAL`` and ``GIVEN`` that the file
    has, and every pair of ``left_NAME, right_NAME``, which may be a covariate; blank cells of these
    are missing values. ``left`` is always what was shown on the left: rows marked ``side_swapped``
    are turned round, and that column is gone.
    """
    import pandas as pd

    header, rows = _rows(path, _text(path))
    checks = _CHECKS | dict.fromkeys(sided(header), _optional)
    checks = {name: checks[name] for name in header if name in checks}
    columns: dict[str, list[Any]] = {name: [] for name in checks}
    cells = [(header.index(name), check, columns[name].append) for name, check in checks.items()]
    for line, row in rows:
        try:
            for index, check, append in cells:
                append(check(row[index]))
        except ValueError as error:
            raise VotesError(f"{path}, line {line}: {error}") from None
        if columns["left"][-1] == columns["right"][-1]:
            raise VotesError(
                f"{path}, line {line}: {columns['left'][-1]!r} is compared with itself. "
                "A battle needs two models."
            )
    return _as_shown(pd.DataFrame(columns).astype({n: _TYPES.get(n, "str") for n in checks}))


def sided(header: Sequence[str]) -> list[str]:
    """Return the columns that say one thing of the left and of the right picture, side by side."""
    names = [name.removeprefix("left_") for name in header if name.startswith("left_")]
    pairs = ((f"left_{name}", f"right_{name}") for name in names if name)
    return [column for pair in pairs if pair[1] in header for column in pair]


def table(votes: Sequence[VoteRow]) -> pd.DataFrame:
    """Put the votes of a study into the shape of votes.csv."""
    import pandas as pd

    names = [name for name in (*REQUIRED, *OPTIONAL) if name != "side_swapped"]
    frame = pd.DataFrame(votes, columns=names).astype({name: _TYPES[name] for name in names})
    return frame.assign(category=frame["category"].replace("", None))


def only_criterion(votes: pd.DataFrame) -> str | None:
    """Return the criterion of votes that name one; raise VotesError if they name several."""
    named = sorted(votes["criterion"].dropna().unique()) if "criterion" in votes else []
    if len(named) > 1:
        raise VotesError(
            f"The votes answer {len(named)} questions: {', '.join(named)}. "
            "Choose one with --criterion."
        )
    return named[0] if named else None


def by_criterion(votes: pd.DataFrame, criterion: str | None = None) -> dict[str, pd.DataFrame]:
    """Tell votes apart by the question they answer.

    Votes of one question are one part, whatever some of them leave unsaid; of several questions,
    votes that name none are a part of their own, named "".
    """
    named = [] if "criterion" not in votes else sorted(votes["criterion"].dropna().unique())
    if criterion is not None or len(named) < 2:
        return {criterion or "".join(named): of_criterion(votes, criterion)}
    unsaid = votes[votes["criterion"].isna()].reset_index(drop=True)
    parts = {str(name): of_criterion(votes, name) for name in named}
    return parts | ({"": unsaid} if len(unsaid) else {})


def of_criterion(votes: pd.DataFrame, criterion: str | None) -> pd.DataFrame:
    """Keep the votes of one criterion; None keeps all, if they answer but one question."""
    if criterion is None:
        only_criterion(votes)
        return votes
    if "criterion" not in votes or not (votes["criterion"] == criterion).any():
        named = sorted(votes["criterion"].dropna().unique()) if "criterion" in votes else []
        raise UnknownNameError("criterion of these votes", criterion, named)
    return votes[votes["criterion"] == criterion].reset_index(drop=True)


def rated(votes: pd.DataFrame) -> pd.DataFrame:
    """Keep the votes that rate models, without the checks on raters."""
    if "purpose" not in votes or not votes["purpose"].isin(CHECKS).any():
        return votes
    return votes[~votes["purpose"].isin(CHECKS)].reset_index(drop=True)


def to_csv(votes: Sequence[VoteRow]) -> str:
    """Return votes as votes.csv. Left is what was shown on the left, so side_swapped is false."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow((*REQUIRED, *OPTIONAL))
    for v in votes:
        seconds = "" if v.seconds is None else f"{v.seconds:.3f}"
        simulated = str(v.simulated).lower()
        row = (v.left, v.right, v.winner, v.rater, v.prompt, v.criterion, "false", seconds)
        known = (simulated, v.category, v.left_generation, v.right_generation)
        writer.writerow((*row, *known, v.purpose, v.gold, v.protocol, v.language))
    return stream.getvalue()


def file_digest(path: Path) -> str:
    """Return the sha256 by which a file is recognised when it is imported twice."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _text(path: Path) -> str:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise VotesError(f"There is no file {path}. Check the path.") from None
    except OSError as error:
        raise VotesError(f"{path} cannot be read: {error.strerror}.") from error
    if b"\0" in data:
        raise VotesError(f"{path} is not text in UTF-8: it holds zero bytes. Save it as UTF-8 CSV.")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise VotesError(
            f"{path}, line {line}: byte 0x{data[error.start]:02x} is not UTF-8. "
            "Save the file as UTF-8 CSV."
        ) from None


def _rows(path: Path, text: str) -> tuple[list[str], Iterator[tuple[int, list[str]]]]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True, skipinitialspace=True)
    numbered = _numbered(path, reader)
    _, first = next(numbered, (0, None))
    if first is None:
        raise VotesError(f"{path} is empty. Its first line should be: {','.join(REQUIRED)}")
    header = [name.strip().lower() for name in first]
    for name in (*REQUIRED, *OPTIONAL, *GIVEN, *sided(header)):
        if header.count(name) > 1 or (name in REQUIRED and name not in header):
            how = "more than one column" if name in header else "no column"
            raise VotesError(
                f"{path} has {how} {name!r}; its columns are: {', '.join(header)}. "
                f"Needed: {','.join(REQUIRED)}; optional: {','.join(OPTIONAL)}."
            )
    return header, _of_width(path, numbered, len(header))


def _numbered(path: Path, reader: Any) -> Iterator[tuple[int, list[str]]]:
    """Yield each row that is not blank with the number of its first line."""
    line = 1
    try:
        for row in reader:
            if row and any(cell.strip() for cell in row):
                yield line, row
            line = reader.line_num + 1
    except csv.Error as error:
        raise VotesError(f"{path}, line {line}: {error}. Check the quotes.") from None


def _of_width(
    path: Path, rows: Iterator[tuple[int, list[str]]], width: int
) -> Iterator[tuple[int, list[str]]]:
    for line, row in rows:
        if len(row) != width:
            raise VotesError(
                f"{path}, line {line} has {len(row)} cells, its header has {width}: {row!r:.200}"
            )
        yield line, row


def _model(cell: str) -> str:
    if not cell.strip():
        raise ValueError("a model's name is blank. Name both models.")
    return cell


def _winner(cell: str) -> str:
    if cell not in WINNERS:
        raise ValueError(f"winner is {cell!r}. It must be one of: {', '.join(WINNERS)}.")
    return cell


def _gold(cell: str) -> str | None:
    if cell.strip() and cell not in WINNERS:
        raise ValueError(f"gold is {cell!r}. It must be a known winner, or blank.")
    return cell if cell.strip() else None


def _flag(cell: str) -> bool:
    try:
        return _TRUTH[cell.strip().lower()]
    except KeyError:
        raise ValueError(f"{cell!r} is neither true nor false.") from None


def _seconds(cell: str) -> float:
    if not cell.strip():
        return float("nan")
    try:
        value = float(cell)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise ValueError(f"seconds is {cell!r}. It must be a number from 0, or blank.")
    return value


def _optional(cell: str) -> str | None:
    return cell if cell.strip() else None


def _purpose(cell: str) -> str | None:
    if cell.strip() not in ("", "rating", *CHECKS):
        raise ValueError(f"purpose is {cell!r}. It must be rating, {', '.join(CHECKS)}, or blank.")
    return _optional(cell.strip())


_CHECKS: dict[str, Callable[[str], Any]] = {
    "left": _model,
    "right": _model,
    "winner": _winner,
    "rater": _optional,
    "prompt": _optional,
    "criterion": _optional,
    "side_swapped": _flag,
    "seconds": _seconds,
    "simulated": _flag,
    "category": _optional,
    "left_generation": _optional,
    "right_generation": _optional,
    "purpose": _purpose,
    "gold": _gold,
    "protocol": _optional,
    "language": _optional,
    "budget": _optional,
}
_TYPES: dict[str, str] = dict.fromkeys(_CHECKS, "str") | {
    "side_swapped": "bool",
    "seconds": "float64",
    "simulated": "bool",
}


def _as_shown(votes: pd.DataFrame) -> pd.DataFrame:
    if "side_swapped" not in votes:
        return votes
    swapped = votes.pop("side_swapped")
    mirror = {o.value: o.mirrored.value for o in Outcome}
    mirrored = votes["winner"].map(mirror)
    turned = {"winner": votes["winner"].mask(swapped, mirrored)}
    if "gold" in votes:
        turned["gold"] = votes["gold"].mask(swapped, votes["gold"].map(mirror))
    columns = ["left", "right", *sided(list(votes.columns))]
    for one, other in zip(columns[::2], columns[1::2], strict=True):
        turned[one] = votes[one].mask(swapped, votes[other])
        turned[other] = votes[other].mask(swapped, votes[one])
    return votes.assign(**turned)
