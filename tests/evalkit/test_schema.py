"""The published schema is that of the records, and documents follow it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator, ValidationError

from evalkit import pages, report, schema

PUBLISHED = Path(__file__).parents[2] / "docs" / "leaderboard.schema.json"


def test_the_published_schema_is_that_of_the_records() -> None:
    assert json.loads(PUBLISHED.read_text()) == schema.leaderboard(), (
        "run: python -m evalkit.schema > docs/leaderboard.schema.json"
    )


def test_a_document_follows_it_and_a_wrong_one_does_not(drawn, tmp_path: Path) -> None:
    paths = pages.write(report.build(drawn), tmp_path)
    document = json.loads(paths["json"].read_text())
    Draft202012Validator.check_schema(schema.leaderboard())
    validator = Draft202012Validator(schema.leaderboard())
    validator.validate(document)
    for wrong in ({"schema_version": 99}, {"rows": [{"model": 1}]}, {"more": 1}):
        with pytest.raises(ValidationError):
            validator.validate(document | wrong)
