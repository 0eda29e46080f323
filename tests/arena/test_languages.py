"""The page's languages: whole catalogues, and the language that a rater is spoken to in."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po
from hypothesis import given
from hypothesis import strategies as st

from arena import languages, phrases
from arena.languages import ENGLISH, Language, choose
from arena.refusals import Reason
from evalkit.errors import StudyError

ROOT = Path(__file__).parents[2]
OTHERS = [tag for tag in languages.known() if tag != "en"]
OFFERED = ("en", "ko", "ja")


def in_the_code() -> set[Any]:
    """Gather the messages as ``make messages`` does."""
    mappings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["babel"]["mappings"]
    methods = [(m["pattern"], m["method"]) for m in mappings]
    keywords = {"_": None, "gettext": None, "message": None, "ngettext": (1, 2)}
    folder = str(ROOT)
    found = extract_from_dir(folder, methods, {"arena/templates/**.html": {}}, keywords)
    return {message for _, _, message, _, _ in found}


def catalogue(path: Path) -> dict[Any, Any]:
    with path.open("rb") as stream:
        read = read_po(stream, abort_invalid=True)
    assert not read.obsolete, "make messages drops what is no longer said"
    assert not [m.id for m in read if m.fuzzy and m.id], "a translator has to look at these"
    return {m.id: m.string for m in read if m.id}


def placeholders(text: str) -> set[str]:
    return set(re.findall(r"{\w*}|%\(\w+\)s", text))


def test_there_are_korean_and_japanese() -> None:
    assert {"en", "ja", "ko"} <= set(languages.known())


@pytest.mark.parametrize("tag", OTHERS)
def test_every_message_is_translated_and_keeps_its_placeholders(tag: str) -> None:
    said = catalogue(languages.LOCALE / tag / "LC_MESSAGES" / "arena.po")
    assert set(said) == in_the_code(), "run make messages, then translate what is empty"
    for message, translation in said.items():
        forms = [translation] if isinstance(translation, str) else list(translation)
        sources = [message] if isinstance(message, str) else list(message)
        assert all(form.strip() for form in forms), message
        wanted = set().union(*(placeholders(s) for s in sources))
        assert all(placeholders(form) == wanted for form in forms), message
        assert not any("<" in form for form in forms), f"a catalogue holds words, no HTML: {forms}"


def test_the_template_for_translators_is_what_the_code_says() -> None:
    assert set(catalogue(languages.LOCALE / "arena.pot")) == in_the_code()


@pytest.mark.parametrize("tag", OTHERS)
def test_a_translation_is_none_of_the_english(tag: str) -> None:
    said = catalogue(languages.LOCALE / tag / "LC_MESSAGES" / "arena.po")
    assert [m for m, t in said.items() if t == m] == []


def test_every_refusal_has_words_for_a_rater() -> None:
    assert {f"refused.{reason.value}" for reason in Reason} <= set(phrases.NOTICES)


@pytest.mark.parametrize("language", [Language(tag) for tag in languages.known()])
def test_what_happened_is_said_in_the_language(language: Language) -> None:
    for key in phrases.NOTICES:
        values = {"left": "a {b}", "right": "c"}
        assert phrases.notice(phrases.Notice(key, values), language).strip()
    assert phrases.notice(phrases.Notice("unheard-of", words="So."), language) == "So."
    assert phrases.notice(None, language) == ""


def test_languages_know_their_names_direction_and_numbers() -> None:
    assert [Language(tag).name for tag in OFFERED] == ["English", "한국어", "日本語"]
    assert {Language(tag).direction for tag in OFFERED} == {"ltr"}
    assert Language("ar").direction == "rtl"
    assert ENGLISH.number(12345) == Language("ko").number(12345) == "12,345"
    assert Language("de").number(12345) == "12.345"


def test_a_language_nobody_knows_is_spoken_as_english() -> None:
    odd = Language("xx-nonsense")
    assert (odd.gettext("Skip"), odd.direction, odd.number(1000)) == ("Skip", "ltr", "1,000")
    with pytest.raises(
        StudyError, match=r"no words in xx; it speaks en, ja, ko\. Leave the others"
    ):
        languages.check(("en", "xx"), "The study")


@pytest.mark.parametrize(
    ("wanted", "accepted", "spoken"),
    [
        (None, None, "en"),
        ("ja", "ko", "ja"),
        ("xx", "ko", "ko"),
        ("", "ko-KR,ko;q=0.9,en-US;q=0.8,en;q=0.7", "ko"),
        (None, "fr-FR,fr;q=0.9,ja;q=0.5,ko;q=0.4", "ja"),
        (None, "en;q=0.1, ja ; q=0.9", "ja"),
        (None, "KO", "ko"),
        (None, "ko;q=0,ja;q=0", "en"),
        (None, "*", "en"),
        (None, "de;q=1,*;q=0.5", "en"),
        (None, ";;;q=,,--;q=9,\x00", "en"),
        ("../../etc/passwd", "<script>", "en"),
        (None, "fr," * 100_000 + "ko", "en"),
    ],
)
def test_the_chosen_language_comes_before_the_browser_s_and_that_before_the_study_s(
    wanted: str | None, accepted: str | None, spoken: str
) -> None:
    assert choose(OFFERED, (wanted, None), accepted) == spoken


def test_a_region_finds_its_language_and_a_language_its_region() -> None:
    assert choose(("en", "pt-BR"), (), "pt") == "pt-BR"
    assert choose(("en", "pt-BR", "pt-PT"), (), "pt-PT,pt;q=0.9") == "pt-PT"


@given(st.text(), st.text())
def test_any_words_choose_a_language_that_the_study_offers(wanted: str, accepted: str) -> None:
    assert choose(OFFERED, (wanted,), accepted) in OFFERED
