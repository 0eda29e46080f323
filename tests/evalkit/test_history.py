"""A folder of leaderboards says what came when, what changed, and what it cannot read."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from evalkit import board, history, pages, report
from evalkit import changes as changelog
from evalkit.errors import EvalkitError


def document(
    day: int,
    ranks: dict[str, tuple[int, int] | None],
    *,
    votes: int = 100,
    suite: str = "s",
    study: str | None = "pilot",
    version: int = 2,
    scorers: dict[str, int] | None = None,
) -> dict[str, Any]:
    """Make what history reads of a leaderboard's document, and something else besides."""
    rows = [
        {
            "model": name,
            "pictures": 4,
            "metrics": {},
            "human": {
                "rating": None if rank is None else 1000.0,
                "rank_low": rank and rank[0],
                "rank_high": rank and rank[1],
            },
        }
        for name, rank in ranks.items()
    ]
    metrics = [{"name": n, "version": v, "title": n} for n, v in (scorers or {}).items()]
    human = {"study": study, "votes": votes, "simulated_votes": 0, "raters": 9}
    return {
        "schema_version": version,
        "title": f"{len(rows)} models",
        "made_at": f"2026-01-{day:02d}T10:00:00+00:00",
        "metrics": metrics,
        "rows": rows,
        "human": human if study else None,
        "manifest": {"suite": suite, "run_id": "r"},
    }


def kept(folder: Path, found: dict[str, Any]) -> Path:
    """Keep a document with pages of no interest."""
    made = folder.with_name("made")
    made.mkdir(exist_ok=True)
    paths = {form: made / f"leaderboard.{form}" for form in ("html", "md", "csv", "json")}
    for form, path in paths.items():
        path.write_text(json.dumps(found) if form == "json" else form)
    return history.keep(paths, folder)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "boards"


def changes(folder: Path) -> tuple[str, ...]:
    return history.read(folder).boards[0].changes


def names(folder: Path) -> list[str]:
    return [b.name for b in history.read(folder).boards]


def test_every_form_is_kept_under_its_date(folder: Path) -> None:
    assert kept(folder, document(3, {"a": (1, 1)})) == folder / "index.html"
    assert sorted(p.name for p in folder.iterdir()) == [
        *(f"2026-01-03.{form}" for form in ("csv", "html", "json", "md")),
        *("index.html", "index.json"),
    ]


def test_boards_of_one_day_are_numbered_and_the_newest_comes_first(folder: Path) -> None:
    for votes in range(11):
        kept(folder, document(3, {"a": (1, 1)}, votes=votes))
    kept(folder, document(2, {"a": (1, 1)}))
    expected = [f"2026-01-03-{n}" for n in range(11, 1, -1)] + ["2026-01-03", "2026-01-02"]
    assert names(folder) == expected


def test_the_same_again_is_not_kept_twice(folder: Path) -> None:
    kept(folder, document(3, {"a": (1, 1)}))
    kept(folder, document(4, {"a": (1, 1)}))
    assert names(folder) == ["2026-01-03"]
    kept(folder, document(5, {"a": (1, 1)}, votes=101))
    assert names(folder) == ["2026-01-05", "2026-01-03"]


def test_models_that_came_and_went_are_named(folder: Path) -> None:
    kept(folder, document(1, {"a": (1, 1), "old": (2, 2)}))
    kept(folder, document(2, {"a": (2, 2), **{f"n{i}": (1, 1) for i in range(5)}}, votes=1300))
    assert changes(folder) == ("new: n0, n1, n2 and 2 more", "gone: old", "1,200 more votes")


def test_places_change_only_beyond_the_intervals_of_both_boards(folder: Path) -> None:
    kept(folder, document(1, {"a": (1, 1), "b": (2, 3), "c": (2, 3)}))
    kept(folder, document(2, {"b": (1, 2), "a": (1, 2), "c": (3, 3)}))
    assert changes(folder) == ("1 pair newly told apart, 1 no longer",)
    kept(folder, document(3, {"b": (1, 1), "a": (2, 2), "c": (3, 3)}))
    assert not [c for c in changes(folder) if "passed" in c], "they were tied in between"


def test_a_model_that_passed_another_is_named(folder: Path) -> None:
    kept(folder, document(1, {"a": (1, 1), "b": (2, 2)}))
    kept(folder, document(2, {"b": (1, 1), "a": (2, 2)}))
    assert changes(folder) == ("b passed a",)


def test_a_newcomer_moves_nobody(folder: Path) -> None:
    kept(folder, document(1, {"a": (1, 1), "b": (2, 2)}))
    kept(folder, document(2, {"new": (1, 1), "a": (2, 2), "b": (3, 3)}))
    assert changes(folder) == ("new: new",)


def test_boards_are_compared_within_one_suite_and_study(folder: Path) -> None:
    kept(folder, document(1, {"a": (1, 1)}))
    kept(folder, document(2, {"b": (1, 1)}, study="other"))
    kept(folder, document(3, {"c": (1, 1)}, suite="another"))
    assert [b.changes for b in history.read(folder).boards] == [(), (), ()]
    kept(folder, document(4, {"a": (1, 1)}, votes=90))
    assert changes(folder) == ("10 fewer votes",)


def test_figures_of_another_version_are_said_to_be_incomparable(folder: Path) -> None:
    kept(folder, document(1, {"a": (1, 1)}, scorers={"geneval": 1}))
    kept(folder, document(2, {"a": (1, 1)}, scorers={"geneval": 2, "clip-score": 1}))
    assert changes(folder) == ("geneval is now version 2, was 1: its figures are not comparable",)


def test_who_is_first_is_said_with_all_that_are_not_told_apart(folder: Path) -> None:
    kept(folder, document(1, {"a": (1, 2), "b": (1, 2), "c": (3, 3), "d": None}))
    assert history.read(folder).boards[0].top == ("a", "b")
    kept(folder, document(2, {"a": None}))
    assert history.read(folder).boards[0].top == ()


def test_without_votes_the_first_scores_intervals_tell(folder: Path) -> None:
    found = document(1, {"a": None, "b": None, "c": None}, study=None, scorers={"x": 1})
    for row, (low, high) in zip(found["rows"], [(0.7, 0.9), (0.6, 0.8), (0.1, 0.2)], strict=True):
        row["metrics"] = {"x": {"value": (low + high) / 2, "low": low, "high": high}}
    kept(folder, found)
    entry = history.read(folder).boards[0]
    assert (entry.top, entry.votes, entry.study) == (("a", "b"), None, None)
    assert "no votes" in (folder / "index.html").read_text()


def test_the_first_schema_is_read_and_a_newer_one_is_listed_with_the_reason(folder: Path) -> None:
    kept(folder, document(1, {"a": (1, 1)}, version=1))
    kept(folder, document(2, {"a": (1, 1)}, version=board.SCHEMA_VERSION + 1))
    (folder / "2026-01-05.json").write_text("{")
    (folder / "2026-01-06.json").write_text("[]")
    (folder / "2026-01-07.json").write_text('{"schema_version": 1}')
    (folder / "notes.json").write_text("not ours")
    history.write_index(folder)
    index = history.read(folder)
    assert [b.name for b in index.boards] == ["2026-01-01"]
    reasons = {u.name: u.reason for u in index.unreadable}
    assert set(reasons) == {f"2026-01-0{day}" for day in (2, 5, 6, 7)}
    assert "newer; this program reads 1 to 2" in reasons["2026-01-02"]
    assert "it is damaged" in reasons["2026-01-05"]
    assert "its schema is None" in reasons["2026-01-06"]
    assert "made_at" in reasons["2026-01-07"]
    assert "newer; this program reads" in (folder / "index.html").read_text()


def test_this_releases_documents_are_read() -> None:
    assert changelog.READABLE[-1] == board.SCHEMA_VERSION


def test_the_index_fetches_nothing_runs_nothing_and_escapes(folder: Path) -> None:
    kept(folder, document(1, {"<b>a": (1, 1)}))
    kept(folder, document(2, {"<b>a": (1, 1), "<i>n": (2, 2)}))
    page = (folder / "index.html").read_text()
    assert "<script" not in page
    assert not re.search(r"(src|href)=\"(https?:)?//|url\(|@import", page)
    assert "&lt;b&gt;a" in page
    assert "new: &lt;i&gt;n" in page
    for link in re.findall(r'href="([^"]+)"', page):
        assert (folder / link).exists()
    assert history.Index.model_validate_json((folder / "index.json").read_bytes()) == (
        history.read(folder)
    )


def test_a_real_report_is_kept(drawn, tmp_path: Path) -> None:
    paths = pages.write(report.build(drawn), tmp_path / "out")
    index = history.keep(paths, tmp_path / "boards")
    entry = history.read(index.parent).boards[0]
    assert (index.parent / f"{entry.name}.html").read_bytes() == paths["html"].read_bytes()
    assert set(entry.models) == {"plain", "fancy"}


def test_a_folder_that_cannot_be_is_told(tmp_path: Path) -> None:
    (tmp_path / "boards").write_text("a file")
    with pytest.raises(EvalkitError, match="could not be written"):
        kept(tmp_path / "boards", document(1, {}))
