"""How a study was held, as a table that a paper can print.

The rows are what Otani et al., "Toward Verifiable and Reproducible Human Evaluation for
Text-to-Image Generation" (CVPR 2023, https://arxiv.org/abs/2304.01816, section 3), found missing
in most papers. What nobody told the database is said to be unknown.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from arena.audit import Audit, audit
from arena.protocol import say

if TYPE_CHECKING:
    from arena.facts import Facts
    from arena.records import Entry, Study
    from arena.store import Store

NONE_LEFT_OUT = "none: every vote that was not undone is counted"
UNKNOWN = "unknown: nobody has told"
_INTRODUCTION = """\
# Study “{name}”: votes, ratings, and how they came about

A rater was shown two pictures and chose one, or neither. This archive holds every answer, in the
order and the sides in which the pictures were put, with the chance of each draw; answers that were
undone are kept beside what undid them. Raters are known by public labels alone.

- `facts/*.jsonl`: every fact, one JSON object a line; `left` and `right` of a battle are the `id`
  of its entries, `battle` of a vote or an event the `id` of its battle
- `votes.csv`: the votes that stand, one a line
- `ratings/*.json`: the ratings of these votes, one file for each question
- `runs/`, `images/`: what made and scored the pictures, and the pictures, if they were added
- `bundle.json`: the schema of this archive, the code and packages that made it, what was left out
- `SHA256SUMS`: for `sha256sum -c SHA256SUMS`

```bash
arena bundle --check FILE.zip       # is it whole, and do the votes still give these ratings?
arena rate --bundle FILE.zip        # rate the votes again
arena votes import --database study.sqlite --file FILE.zip
```"""
_REPORTING = (
    "The items are those that Otani et al. (arXiv 2304.01816) ask to be reported of every human "
    "evaluation."
)


Ratings = Mapping[str, Mapping[str, Any]]
"""The documents of ``arena rate --json``, by criterion; one may say why there is none."""


def table(
    store: Store, name: str, ratings: Ratings, given: Mapping[str, str]
) -> list[tuple[str, str]]:
    """Return the rows of the table: what is asked of every study, and the answer for this one.

    ``given`` says what no database knows: payment, recruitment.
    """
    counted = audit(store, name)
    with store.reading() as facts:
        key, study = facts.study(name)
        entries = facts.entries(key)
        drawn = list(_sampling(facts, key, study))
        times = list(facts.cast_times(key))
    rows = [*_task(study, entries), ("Sampling of pairs", " ".join(drawn))]
    rows += _raters(counted, given)
    rows += _votes(counted, times)
    return [*rows, *_analysis(counted, ratings)]


def markdown(rows: Sequence[tuple[str, str]]) -> str:
    """Write the table in Markdown; a bar or a line break in a text cannot break it."""
    lines = [f"| {_cell(what)} | {_cell(said)} |" for what, said in rows]
    return "\n".join(["| what | in this study |", "| --- | --- |", *lines])


def readme(store: Store, name: str, ratings: Ratings, given: Mapping[str, str]) -> str:
    """Write what a bundle's reader needs to know, with the table and the ratings."""
    parts = [_INTRODUCTION.format(name=name)]
    parts += [
        f"## How the study was held\n\n{_REPORTING}",
        markdown(table(store, name, ratings, given)),
    ]
    for criterion, document in ratings.items():
        parts += [f"## Ratings: {criterion}", document.get("refused") or _board(document)]
    return "\n\n".join(parts) + "\n"


def _board(document: Mapping[str, Any]) -> str:
    lines = ["| model | rating | 95 % interval | ranks | battles | status |", "|" + " --- |" * 6]
    for row in document["ratings"]:
        figures = [_pair(row, "low", "high", "[{:.0f}, {:.0f}]"), _pair(row, *_RANKS, "{} to {}")]
        rating = "–" if row["rating"] is None else f"{row['rating']:.0f}"
        cells = [row["model"], rating, *figures, str(row["battles"]), row["status"]]
        lines.append(f"| {' | '.join(map(_cell, cells))} |")
    return "\n".join(lines)


def _pair(row: Mapping[str, Any], first: str, second: str, form: str) -> str:
    values = (row[first], row[second])
    return "–" if None in values else form.format(*values)


_RANKS = ("rank_low", "rank_high")


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


def _task(study: Study, entries: Sequence[Entry]) -> Iterator[tuple[str, str]]:
    models = list(dict.fromkeys(e.model for e in entries))
    prompts = len({e.prompt_id for e in entries})
    pictures = [e for e in entries if e.image is not None]
    seeds = len({e.seed for e in pictures})
    yield "Task", "choose between two pictures of one prompt, side by side"
    for asked in study.protocol.criteria:
        question, hint = (say(text, "en") for text in (asked.question, asked.hint))
        shown = "the prompt was shown" if asked.show_prompt else "the prompt was not shown"
        yield f"Criterion {asked.id}", f"“{question}”{f' “{hint}”' if hint else ''}; {shown}"
    yield "Answers", ", ".join(study.protocol.outcomes).replace("_", " ")
    yield "Rules", f"sha256 {study.protocol.digest}"
    yield "Blinding", _blinding(study)
    yield "Models", f"{len(models)}: {', '.join(models)}"
    yield "Prompts", f"{prompts}" + (f" of the suite {study.suite}" if study.suite else "")
    size = f"; each sent as {study.width} x {study.height}" if study.width else ""
    many = f"{len(pictures)}, of {seeds} {'seed' if seeds == 1 else 'seeds'} a model and prompt"
    yield "Pictures", many + size if pictures else "none here"


def _blinding(study: Study) -> str:
    after = "named after each vote" if study.protocol.reveal else "never named"
    return f"no model was named before a vote; models were {after}"


def _sampling(facts: Facts, key: int, study: Study) -> Iterator[str]:
    known, low, high = facts.draws(key)
    imported = len(facts.events(key, "import"))
    if known:
        yield (
            f"The server drew pair and sides of {known} battles, from the seed {study.seed} and "
            f"the battles before; the chance of each is recorded ({low:.2g} to {high:.2g})."
        )
    if imported:
        yield f"{imported} imports of votes or studies that were held elsewhere."
    if not known and not imported:
        yield "Nothing was drawn yet."


def _raters(counted: Audit, given: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    yield "Raters", f"{counted.raters}" + _simulated(counted)
    yield "Recruitment and qualification", given.get("recruitment", UNKNOWN)
    yield "Payment", given.get("payment", UNKNOWN)
    yield "Votes of each rater", _range(counted.votes_per_rater)
    met = f"{counted.pairs} of {counted.possible_pairs} pairs met"
    yield "Votes on each pair of models", f"{_range(counted.votes_per_pair)}; {met}"


def _simulated(counted: Audit) -> str:
    if not counted.simulated:
        return ""
    return f"; {counted.simulated} of {counted.votes} votes are of simulated raters, not of people"


def _votes(counted: Audit, times: Sequence[str]) -> Iterator[tuple[str, str]]:
    when = f", from {min(times)[:10]} to {max(times)[:10]} (UTC)" if times else ""
    yield "Votes", f"{counted.votes}{when}"
    yield (
        "Outcomes",
        (
            f"left {counted.left_wins}, right {counted.right_wins}, tie {counted.ties}, "
            f"both bad {counted.both_bad}"
        ),
    )
    yield (
        "Battles without a vote that stands",
        (f"{counted.skipped} skipped, {counted.undone} undone, {counted.unanswered} unanswered"),
    )
    seconds = counted.median_seconds
    yield "Time", "unknown" if seconds is None else f"{seconds:.1f} s a vote (median)"


def _analysis(counted: Audit, ratings: Ratings) -> Iterator[tuple[str, str]]:
    yield "Exclusion rules", " ".join(_exclusions(ratings)) or NONE_LEFT_OUT
    yield "Agreement of raters", _agreement(counted)
    for criterion, document in ratings.items():
        yield f"Ratings of {criterion}", document.get("refused") or _method(document["diagnostics"])


def _exclusions(ratings: Ratings) -> Iterator[str]:
    for criterion, document in ratings.items():
        if found := document.get("exclusion"):
            rules = (
                f"{name} ({', '.join(f'{k} {v:g}' for k, v in values.items())})"
                for name, values in found["rules"].items()
            )
            yield (
                f"{criterion}: {', '.join(rules)} left out {found['raters_excluded']} of "
                f"{found['raters']} raters, {found['votes_excluded']} of {found['votes']} votes."
            )


def _method(facts: Mapping[str, Any]) -> str:
    intervals = (facts.get("intervals") or {}).get("method", "none")
    return (
        f"{facts['method']}; both bad {facts['both_bad']}; intervals: {intervals}; "
        f"{facts['rated']} of {facts['models']} models rated"
    )


def _agreement(counted: Audit) -> str:
    if not counted.repeated:
        return "unknown: no two raters judged the same two pictures"
    share = counted.agreed / counted.repeated
    return (
        f"{counted.agreed} of {counted.repeated} couples of votes by two raters on the same two "
        f"pictures agree ({share:.0%})"
    )


def _range(found: tuple[int, float, int] | None) -> str:
    return "none" if found is None else "{0} to {2} (median {1:g})".format(*found)
