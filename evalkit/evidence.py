"""What stands behind a board's ratings: how fragile they are, and whether scores agree with them.

The arena finds these; here they are records with the same names, so that a page can show them and
a document can carry them. None stands for what the votes do not tell.
"""

from __future__ import annotations

from pydantic import ConfigDict, Field

from evalkit.records import Record


class _Found(Record):
    """A record that takes from a finding of the arena the fields that it shows."""

    model_config = ConfigDict(from_attributes=True)


class Removal(_Found):
    """A set whose removal (or turning round) puts another model first: an upper bound."""

    what: str
    """votes, answers (votes turned to the other side), raters or prompts."""
    number: int | None
    """None if no set up to ``searched`` of all was found."""
    of: int
    votes: int | None = None
    """How many votes they hold."""
    first: str | None = None
    """The model that is first then."""
    which: tuple[str, ...] = ()
    searched: float


class LeftOut(_Found):
    """What the absence of one rater, or one prompt, does at most."""

    what: str
    of: int
    name: str
    """Whose absence moves a rating most."""
    votes: int
    model: str
    moved: float
    """Elo points by which that model's rating moves."""
    others_first: tuple[str, ...] = ()
    """Those without whom another model is first."""


class Without(_Found):
    """The ratings without the raters who break one rule."""

    rule: str
    votes_excluded: int
    raters_excluded: int
    share_of_votes: float
    first: str | None
    ratings: dict[str, float | None]


class Circles(_Found):
    """Three models of which each was preferred to the next, round and round."""

    triples: int
    observed: int
    surviving: int
    """Those left when chance is allowed for."""
    examples: tuple[tuple[str, str, str], ...] = ()


class Fit(_Found):
    """Whether the ratings describe the votes: observed against expected wins, losses and ties."""

    p: float | None
    status: str
    """Why it was not tested, where it was not."""


class Fragility(_Found):
    """What would change the first place."""

    votes: int
    first: str
    second: str
    lead: float
    tied: tuple[str, ...]
    """Models not told apart from the first."""
    removals: tuple[Removal, ...]
    left_out: tuple[LeftOut, ...] = ()
    without: tuple[Without, ...] = ()
    """Rules that leave nobody out are not listed."""
    rules: tuple[str, ...] = ()
    """All rules tried."""
    cycles: Circles
    goodness: Fit


class Share(_Found):
    """A share of votes, 0 to 1, with its interval; ``status`` says why there is none."""

    value: float | None
    low: float | None = None
    high: float | None = None
    votes: int
    total: int
    status: str = ""


class Gap(_Found):
    """The difference of two shares of the same votes."""

    value: float | None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    votes: int
    status: str = ""


class Order(_Found):
    """Rank correlation of the models' mean scores with their ratings."""

    models: int
    tau: float | None = None
    tau_low: float | None = None
    tau_high: float | None = None
    p: float | None = None
    status: str = ""


class ScorerAgreement(_Found):
    """How one scorer agrees with raters on the same two pictures."""

    scorer: str
    accuracy: Share
    """Of the votes for one picture, those where it has the higher score."""
    within: Share
    """The same with the two models held fixed: 50 % knows models and sees no picture."""
    to_people: Gap
    """Its accuracy less that of another rater, on the same pictures."""
    order: Order
    groups: dict[str, dict[str, Share]] = Field(default_factory=dict)
    """``category`` and ``steps``, to each group's accuracy."""


class People(_Found):
    """How far raters agree with raters."""

    two: Share
    oneself: Share
    best: tuple[float, float] | None = None
    """Between which shares the best scorer there can be would agree with a rater."""


class Concordance(_Found):
    """Every scorer against the votes, the one that agrees best first."""

    votes: int
    decisive: int
    scorers: tuple[ScorerAgreement, ...]
    people: People
    people_by: dict[str, dict[str, Share]] = Field(default_factory=dict)
    notes: tuple[str, ...] = ()


class Assist(Record):
    """A rating that scores have helped with."""

    rating: float
    low: float
    high: float
    rank_low: int
    rank_high: int


class Assisted(Record):
    """Ratings whose intervals scores have narrowed, to stand beside the plain ones."""

    ratings: dict[str, Assist]
    weight: float
    """How far the predictions were trusted, 0 to 1."""
    gain: float
    """Mean variance of the plain ratings over that of the assisted ones."""
    votes: int
    pairs: int
    notes: tuple[str, ...] = ()


class OverLine(Record):
    """How far one model stands over the line of good enough."""

    over: float
    low: float
    high: float
    word: str
    """above, below, or not told apart."""


class Line(Record):
    """The line of good enough: where a model is preferred as often as both are called bad."""

    votes: int
    both_bad: int
    models: dict[str, OverLine]


class Evidence(Record):
    """What stands behind one board; a part that is refused has a sentence in ``refused``."""

    fragility: Fragility | None = None
    concordance: Concordance | None = None
    assisted: Assisted | None = None
    line: Line | None = None
    refused: dict[str, str] = Field(default_factory=dict)
    """A part's name to why it could not be made."""
