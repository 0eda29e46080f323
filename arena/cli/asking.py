"""What ``arena rate`` was asked, in records, and its answer as a document and as lines."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalkit.errors import VotesError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from arena.boards import Asked, Boards, Tied
    from arena.exclusion import Exclusion
    from arena.tally import Tally

CLUSTERS = {"rater": ("rater",), "prompt": ("prompt",), "both": ("rater", "prompt"), "none": ()}


@dataclass(frozen=True)
class Answer:
    """What a command prints, with ``--json`` and without."""

    document: dict[str, Any]
    lines: list[str]

    def beside(self, left_out: Exclusion) -> Answer:
        """Add whom a rule left out."""
        document = self.document | {"exclusion": left_out.to_dict()}
        return Answer(document, [*self.lines, *left_out.lines()])


@dataclass(frozen=True)
class Wanted:
    """The options of ``arena rate`` as they were typed."""

    model: str
    by: str | None
    both_bad: str
    anchor: str | None
    cluster: str | None
    level: float
    covariates: tuple[str, ...]
    tied: tuple[str, ...]
    equivalence: float | None
    bootstrap: bool
    paper_style: bool
    elo_history: bool
    live: bool
    exclude: tuple[str, ...]
    assisted: bool
    run: Path | None

    def check(self, criterion: str | None) -> None:
        """Refuse options that do not go together, naming them."""
        if self.assisted != (self.run is not None) and not (self.covariates or self.by == "budget"):
            raise VotesError(
                "Scores assist with --assisted --run DIR, both; --run also serves --covariate and "
                "--by budget."
            )
        if self.live:
            why = "rates counts, which know no raters, prompts, pictures or order of votes"
            _refuse("--live", why, self._beyond_counts())
        if self.assisted:
            _refuse("--assisted", "rates all votes by the plain law", self._beyond_assisted())
        if self.by:
            _refuse("--by", "rates each level", {"--elo-history": self.elo_history})
        if self.by == "criterion" and criterion is not None:
            raise VotesError("--by criterion shows every criterion: drop it, or --criterion.")

    def _beyond_counts(self) -> dict[str, object]:
        return {
            "--exclude": self.exclude,
            "--assisted": self.assisted,
            "--run": self.run,
            "--covariate": self.covariates,
            "--elo-history": self.elo_history,
            f"--cluster {self.cluster}": self.cluster not in (None, "none"),
            "--bootstrap": self.bootstrap,
            f"--by {self.by}": self.by in ("language", "budget"),
        }

    def _beyond_assisted(self) -> dict[str, object]:
        return {
            "--by": self.by,
            f"--both-bad {self.both_bad}": self.both_bad != "tie",
            "--anchor": self.anchor,
            "--cluster": self.cluster,
            "--level": self.level != 0.95,
            "--covariate": self.covariates,
            "--tied": self.tied,
            "--equivalence": self.equivalence is not None,
            "--bootstrap": self.bootstrap,
            "--paper-style": self.paper_style,
            "--elo-history": self.elo_history,
        }

    def filled(self, votes: pd.DataFrame) -> pd.DataFrame:
        """Add to votes what the named run knows of their pictures; refuse clusters they lack."""
        for name in CLUSTERS[self.cluster or "none"]:
            if name not in votes or votes[name].isna().all():
                raise VotesError(
                    f"The votes name no {name}, so intervals cannot be clustered by it. Drop "
                    f"--cluster {self.cluster}, or add the column {name}."
                )
        if self.run is None:
            return votes
        from arena.covariates import of_run
        from evalkit.runs import Run

        names = [*self.covariates, *(["steps"] if self.by == "budget" else [])]
        return of_run(votes, Run.open(self.run), names)

    def asked(self, models: Sequence[str]) -> Asked:
        """Read what is asked of every board; the models tell where a name ends."""
        from arena.boards import Asked

        options: dict[str, Any] = {
            "model": self.model,
            "both_bad": self.both_bad,
            "anchor": None if self.anchor is None else anchored(self.anchor, models),
            "level": self.level,
        }
        if not self.live:
            options |= {"covariates": self.covariates, "cluster": CLUSTERS[self.cluster or "both"]}
        if self.bootstrap:
            options["method"] = "bootstrap"
        tied = [tie(text, models) for text in self.tied]
        return Asked(options, self.paper_style, tied, self.equivalence)


def answered(votes: pd.DataFrame | Tally, wanted: Wanted) -> Answer:
    """Rate votes, or their counts, and answer what was asked beside."""
    import pandas as pd

    from arena import boards
    from arena.cli import printing
    from arena.tally import count

    tally = count(votes) if isinstance(votes, pd.DataFrame) else votes
    asked = wanted.asked(tally.models)
    if wanted.by is not None and isinstance(votes, pd.DataFrame):
        return of_boards(boards.by_level(votes, wanted.by, asked))
    board = boards.board(votes, asked)
    answer = Answer(board.to_dict(), printing.board_lines(board))
    return _with_history(answer, tally) if wanted.elo_history else answer


def of_boards(boards: Boards) -> Answer:
    """Print boards of several levels."""
    from arena.cli import printing

    return Answer(boards.to_dict(), printing.boards_lines(boards))


def anchored(text: str, models: Sequence[str]) -> tuple[str, float]:
    """Read MODEL or MODEL=ELO; a model whose own name holds such a sign is taken first."""
    from arena.estimate import CENTRE

    name, mark, value = text.rpartition("=")
    if mark and text not in models:
        try:
            return name, float(value)
        except ValueError:
            pass
    return text, CENTRE


def tie(text: str, models: Sequence[str]) -> Tied:
    """Read A,B=MARGIN; of several commas that is meant which parts two models."""
    from arena.boards import Tied

    names, _, margin = text.rpartition("=")
    parts = names.split(",")
    cuts = [(",".join(parts[:i]), ",".join(parts[i:])) for i in range(1, len(parts))]
    try:
        within = float(margin)
    except ValueError:
        cuts = []
    if not cuts:
        raise VotesError(f"--tied takes two models and a margin, as A,B=30, not {text!r}.")
    stripped = [(first.strip(), second.strip()) for first, second in cuts]
    known = [cut for cut in [*cuts, *stripped] if set(cut) <= set(models)]
    return Tied(*(known or stripped)[0], within)


def _with_history(answer: Answer, tally: Tally) -> Answer:
    from arena import elo
    from arena.cli import printing

    found = elo.history(tally)
    kept = {
        "method": "Elo vote by vote, in the order of the votes; no rating",
        "k": elo.SEQUENTIAL_K,
        "start": elo.START,
        "votes": found.votes.tolist(),
        "ratings": dict(zip(tally.models, found.ratings.T.tolist(), strict=True)),
    }
    lines = printing.history_lines(found, tally.models, elo.SEQUENTIAL_K)
    document = answer.document | {"elo_history": kept}
    return replace(answer, document=document, lines=[*answer.lines, *lines])


def _refuse(option: str, why: str, others: dict[str, object]) -> None:
    given = [name for name, value in others.items() if value]
    if given:
        raise VotesError(f"{option} {why}: it does not go with {', '.join(given)}. Drop one.")
