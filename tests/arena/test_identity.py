"""People are kept as keyed hashes, and what a browser keeps for the server cannot be forged."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arena.identity import LEAST, VARIABLE, Keyring
from evalkit.errors import StudyError

SECRET = "0123456789abcdef0123456789abcdef"


def test_the_same_person_is_the_same_hash_under_one_secret_and_study() -> None:
    one = Keyring(SECRET, "s")
    assert one.person("5f0c") == Keyring(SECRET, "s").person("5f0c")
    others = [Keyring(SECRET, "t").person("5f0c"), Keyring(SECRET + "x", "s").person("5f0c")]
    others += [one.person("5f0d"), one.submission("5f0c"), one.check]
    assert one.person("5f0c") not in others
    assert "5f0c" not in one.person("5f0c")


@given(st.text(max_size=200))
def test_what_was_sealed_is_read_again(text: str) -> None:
    ring = Keyring(SECRET, "s")
    assert ring.unseal(ring.seal(text)) == text


@given(st.text(max_size=80))
def test_nothing_else_is_read(text: str) -> None:
    assert Keyring(SECRET, "s").unseal(text) is None


def test_a_seal_of_another_study_or_secret_or_text_is_none() -> None:
    ring = Keyring(SECRET, "s")
    sealed = ring.seal("me")
    body, mark = sealed.split(".")
    assert Keyring(SECRET, "t").unseal(sealed) is None
    assert Keyring(SECRET * 2, "s").unseal(sealed) is None
    assert ring.unseal(f"{body}x.{mark}") is None
    assert ring.unseal(f"{ring.seal('you').split('.')[0]}.{mark}") is None


@pytest.mark.parametrize(
    ("secret", "words"), [(None, "is not set"), ("", "is not set"), ("short", "has 5 characters")]
)
def test_a_missing_or_short_secret_is_refused(
    monkeypatch: pytest.MonkeyPatch, secret: str | None, words: str
) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    if secret is not None:
        monkeypatch.setenv(VARIABLE, secret)
    with pytest.raises(StudyError, match=words):
        Keyring.of_environment("s")
    monkeypatch.setenv(VARIABLE, "x" * LEAST)
    assert Keyring.of_environment("s").check
