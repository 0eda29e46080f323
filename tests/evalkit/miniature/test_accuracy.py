import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from evalkit.miniature import accuracy
from evalkit.miniature.rows import Row, row


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_the_interval_is_wilson_s(case):
    hits, total = case
    expected = binomtest(hits, total).proportion_ci(method="wilson")
    assert Row("j", "c", "m", hits, total).interval == pytest.approx(tuple(expected), abs=1e-9)


def test_no_case_is_no_share():
    none = row("j", "c", "m", [])
    assert none.share is None
    assert none.interval is None


def test_outcomes_are_counted():
    assert row("j", "c", "m", (x > 1 for x in range(4))) == Row("j", "c", "m", 2, 4)


def test_rows_are_printed_under_their_condition_and_as_json():
    rows = [Row("d", "clean", "found", 99, 100), Row("d", "blurred", "found", 0, 0)]
    text = list(accuracy.table(rows))
    assert text[0] == "d: clean"
    assert "99.0 %  (94.6 to 99.8, n = 100)" in text[1]
    assert text[3].endswith("no case")
    facts = json.loads(accuracy.as_json(rows))
    assert facts["rows"][0]["share"] == 0.99
    assert facts["rows"][1]["low"] is None


def test_each_judge_names_a_function():
    assert set(accuracy.MEASURED_BY) == set(accuracy.Judge)
    assert all(":" in where for where in accuracy.MEASURED_BY.values())
