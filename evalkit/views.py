"""A leaderboard as each of its questions orders it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from evalkit.board import Leaderboard, RatingBoard, Row, rows_by
from evalkit.evidence import Evidence

MOST = 40
"""Models in a figure or a table of pairs: of more, those rated highest."""


PANELS = 24
"""Categories that are drawn, at most."""


@dataclass(frozen=True)
class View:
    """One question's board: the same models and scores, with its ratings and in its order."""

    number: int
    board: Leaderboard
    asked: RatingBoard | None
    """None where no people were asked."""
    parts: tuple[RatingBoard, ...] = ()
    """Its categories."""

    @property
    def rows(self) -> Sequence[Row]:
        """The models, best first."""
        return self.board.rows

    @property
    def order(self) -> list[str]:
        """The models' names, best first."""
        return [row.model for row in self.rows]

    @property
    def foremost(self) -> list[str]:
        """Return the models that figures and tables of pairs have room for."""
        return self.order[:MOST]

    @property
    def largest(self) -> list[RatingBoard]:
        """Return the categories that a figure has room for: those with most votes."""
        chosen = sorted(self.parts, key=lambda part: -part.votes)[:PANELS]
        return [part for part in self.parts if part in chosen]

    @property
    def evidence(self) -> Evidence:
        """What stands behind the ratings; empty where nobody looked for it."""
        return (self.asked and self.asked.evidence) or Evidence()


def views(board: Leaderboard) -> list[View]:
    """Return the board once for each question, the headline first; once if there is none."""
    if board.human is None:
        return [View(1, board, None)]
    return [
        View(
            number,
            board.model_copy(update={"rows": rows_by(board.rows, asked)}),
            asked,
            tuple(
                b
                for b in board.human.boards
                if b.criterion == asked.criterion and b.category is not None
            ),
        )
        for number, asked in enumerate(board.human.questions, 1)
    ]
