"""The study's 507 prompts: balanced, each its own, in words that a rater can judge."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from itertools import combinations

import pytest
from typer.testing import CliRunner

from evalkit import prompts
from evalkit.cli import app

SUITE = prompts.load("study")
TEXTS = [p.text for p in SUITE.prompts]
CATEGORIES = (
    "people animals food landscapes architecture interiors vehicles objects_materials text "
    "counting_layout styles_media fantasy_abstract long_compositional"
).split()
LENGTHS = {"short": (1, 8), "medium": (9, 20), "long": (21, 60)}
"""Words from and to."""

SAME_WORDS, SAME_LETTERS = 0.5, 0.35
"""Largest share of words, and of runs of four letters, that two prompts may have in common."""

OUT = (
    "nude naked sexy gore blood bloody gun rifle kill killed corpse suicide drug drugs cigarette "
    "hate nazi terrorist slave photorealistic hyperrealistic masterpiece trending artstation "
    "octane 4k 8k hd disney pixar lego ghibli barbie nike adidas ferrari tesla porsche toyota "
    "honda ikea starbucks mcdonald pepsi nintendo pokemon marvel batman superman"
)
"""Unsafe, branded or magic words; fruit and rivers that lend brands their names are no brands."""


def normalised(text):
    """Return lower-case words without marks, so that punctuation hides no duplicate."""
    return " ".join(re.findall(r"\w+", unicodedata.normalize("NFKC", text).casefold()))


def words(text):
    return frozenset(normalised(text).split())


def runs(text, length=4):
    plain = normalised(text)
    return frozenset(plain[i : i + length] for i in range(len(plain) - length + 1))


def jaccard(one, other):
    return len(one & other) / len(one | other)


def length_of(text):
    number = len(text.split())
    return next(name for name, (low, high) in LENGTHS.items() if low <= number <= high)


def test_the_suite_is_the_one_that_was_published():
    assert SUITE.digest == "4fa9550927e51b2079f3461e666d4fc2dfbd55299ae2ec2b0a9c9c4f1f464483", (
        "a suite never changes under a study: publish another name"
    )


def test_thirteen_categories_of_thirty_nine():
    assert prompts.categories(SUITE) == dict.fromkeys(CATEGORIES, 39)
    assert len(SUITE) == 507


@pytest.mark.parametrize("category", CATEGORIES)
def test_each_category_has_every_length_alike(category):
    found = Counter(length_of(p.text) for p in SUITE.prompts if p.category == category)
    one = category == "long_compositional"
    assert found == ({"long": 39} if one else dict.fromkeys(LENGTHS, 13))


def test_an_id_says_category_length_and_place():
    for prompt in SUITE.prompts:
        stem, length = prompt.category.replace("_", "-"), length_of(prompt.text)
        stem = stem if stem.startswith(length) else f"{stem}-{length}"
        assert re.fullmatch(rf"{stem}-\d\d", prompt.id)
    assert len({p.id for p in SUITE.prompts}) == len(SUITE)


def test_no_two_prompts_say_the_same():
    assert len({normalised(t) for t in TEXTS}) == len(TEXTS)
    for of, most in ((words, SAME_WORDS), (runs, SAME_LETTERS)):
        parts = [(of(t), t) for t in TEXTS]
        alike = [(s, t) for (a, s), (b, t) in combinations(parts, 2) if jaccard(a, b) > most]
        assert not alike


def test_no_prompt_is_one_of_another_suite():
    others = {p.text for name in ("geneval", "miniature") for p in prompts.load(name).prompts}
    for of, most in ((words, SAME_WORDS), (runs, SAME_LETTERS)):
        theirs = [of(t) for t in others]
        assert not [t for t in TEXTS if any(jaccard(of(t), b) > most for b in theirs)]


def test_prompts_begin_in_many_ways():
    begins = Counter(" ".join(normalised(t).split()[:3]) for t in TEXTS)
    assert max(begins.values()) <= 3
    first = Counter(normalised(t).split()[0] for t in TEXTS)
    assert first["a"] + first["an"] < len(TEXTS) / 3
    assert not [t for t in TEXTS if re.match(r"(an? )?(photo|picture|image) of", normalised(t))]


def test_no_word_is_unsafe_a_brand_or_a_charm():
    assert not {w for t in TEXTS for w in words(t)} & set(OUT.split())


def test_every_text_prompt_quotes_the_words_to_draw():
    of = [p.text for p in SUITE.prompts if p.category == "text"]
    assert all(text.count('"') >= 2 and text.count('"') % 2 == 0 for text in of)
    quoted = [q for text in of for q in re.findall(r'"([^"]+)"', text)]
    assert all(q == q.strip() for q in quoted)
    foreign = [q for q in quoted if not q.isascii()]
    assert len(foreign) >= 5
    others = [p for p in SUITE.prompts if p.category != "text"]
    assert not [p.text for p in others if '"' in p.text]


def test_counting_prompts_name_numbers_or_places():
    told = re.compile(
        r"\b(one|two|three|four|five|six|seven|eight|nine|ten|twelve|sixteen|each|single|between|"
        r"above|below|inside|left|right|top|bottom)\b",
        re.IGNORECASE,
    )
    of = [p.text for p in SUITE.prompts if p.category == "counting_layout"]
    assert not [text for text in of if not told.search(text)]
    assert not [t for t in of if re.search(r"\b(several|some|many|few|couple|dozens)\b", t)]


def test_the_letters_are_clean():
    for text in TEXTS:
        assert text == unicodedata.normalize("NFC", text).strip()
        assert "  " not in text
        assert all(unicodedata.category(c) != "Cc" for c in text)
        outside = re.sub(r'"[^"]*"', "", text)
        assert all(c.isascii() or unicodedata.name(c).startswith("LATIN") for c in outside)
        assert not re.search(r"[\u2018-\u201f\u2013\u2014\u2026\u00a0]", outside)


def test_the_commands_know_the_suite():
    listed = CliRunner().invoke(app, ["prompts", "list"])
    shown = CliRunner().invoke(app, ["prompts", "show", "study"])
    assert listed.exit_code == shown.exit_code == 0
    assert "study" in listed.stdout
    assert "507" in listed.stdout
    assert TEXTS[0] in shown.stdout
