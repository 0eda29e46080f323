"""The keeper's secret: compared whole, signs sessions that end, and forms of one session."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arena.keeper import LEAST, SESSION_SECONDS, VARIABLE, Keeper
from evalkit.errors import StudyError

SECRET = "a secret that nobody guesses"


class Now:
    at = 1_000_000.0

    def __call__(self) -> float:
        return self.at


def test_without_a_secret_there_is_no_keeper(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    assert Keeper.of_environment("s") is None
    monkeypatch.setenv(VARIABLE, "")
    assert Keeper.of_environment("s") is None


def test_a_short_secret_is_refused_and_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "hunter2")
    with pytest.raises(StudyError, match=rf"has 7 characters.*{LEAST} or more") as refused:
        Keeper.of_environment("s")
    assert "hunter2" not in str(refused.value)


@given(st.text())
def test_only_the_secret_is_the_secret(said: str) -> None:
    keeper = Keeper(SECRET, "s")
    assert keeper.is_secret(SECRET)
    assert keeper.is_secret(said) == (said == SECRET)


def test_a_session_ends_and_belongs_to_one_study_and_secret() -> None:
    now = Now()
    session = Keeper(SECRET, "s", now).session()
    assert Keeper(SECRET, "s", now).holds(session), "another process knows it"
    assert not Keeper(SECRET, "t", now).holds(session)
    assert not Keeper(SECRET + "!", "s", now).holds(session)
    now.at += SESSION_SECONDS
    assert not Keeper(SECRET, "s", now).holds(session)


@given(st.one_of(st.none(), st.text(), st.from_regex(r"\d+\.\w+\.[0-9a-f]{64}")))
def test_nothing_else_is_a_session(said: str | None) -> None:
    assert not Keeper(SECRET, "s").holds(said)


def test_a_session_cannot_be_made_to_last_longer() -> None:
    keeper = Keeper(SECRET, "s")
    until, rest = keeper.session().split(".", 1)
    assert not keeper.holds(f"{int(until) + 1}.{rest}")


def test_a_form_is_of_one_session() -> None:
    keeper = Keeper(SECRET, "s")
    one, other = keeper.session(), keeper.session()
    assert one != other
    assert keeper.is_form(one, keeper.form(one))
    assert not keeper.is_form(one, keeper.form(other))
    assert not keeper.is_form(one, "é")
