"""GenEval's sampler to the byte, and suites that are checked on load."""

from __future__ import annotations

import hashlib
import json

import pytest

from evalkit import geneval, prompts
from evalkit.errors import SuiteError, UnknownNameError
from evalkit.records import Prompt

OFFICIAL = "5c48e0813e812e3c373fa5c8ed07a8f0a483be30272b4427b0559c8048e67c13"


def exported(suite):
    return "".join(f"{line}\n" for line in prompts.to_geneval(suite))


def test_sampler_gives_the_official_file_to_the_byte():
    suite = prompts.make("geneval", geneval.sample())
    assert hashlib.sha256(exported(suite).encode()).hexdigest() == OFFICIAL


def test_shipped_suite_is_what_the_sampler_gives():
    assert prompts.load("geneval") == prompts.make("geneval", geneval.sample())


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (0, "a photo of a bench"),
        (179, "a photo of two clocks"),
        (258, "a photo of four buses"),
        (353, "a photo of a dog right of a teddy bear"),
        (552, "a photo of a blue pizza and a yellow baseball glove"),
    ],
)
def test_known_lines(line, text):
    assert prompts.load("geneval").prompts[line].text == text


def test_every_shipped_suite_loads_and_round_trips(tmp_path):
    for name in prompts.names():
        suite = prompts.load(name)
        path = tmp_path / f"{name}.jsonl"
        path.write_text("\n".join(prompts.to_jsonl(suite)), encoding="utf-8")
        assert prompts.load(path) == suite


def test_geneval_metadata_is_a_suite(tmp_path):
    path = tmp_path / "evaluation_metadata.jsonl"
    path.write_text(exported(prompts.load("geneval")), encoding="utf-8")
    suite = prompts.load(path)
    assert [p.text for p in suite.prompts] == [p.text for p in prompts.load("geneval").prompts]
    assert exported(suite) == path.read_text()


def test_a_text_file_is_a_suite_of_its_lines(tmp_path):
    path = tmp_path / "mine.txt"
    path.write_text("\ufeffa cat\r\n\r\nein Bär 🐻\n", encoding="utf-8")
    suite = prompts.load(path)
    assert [(p.id, p.text) for p in suite.prompts] == [("00000", "a cat"), ("00001", "ein Bär 🐻")]


GOOD = {"id": "a", "text": "a photo of a cat"}


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ([], "has no prompts"),
        (["{"], "line 1: not JSON"),
        (["[1]"], "expected a JSON object"),
        ([{"id": "a"}], "text: Field required"),
        ([{**GOOD, "txt": 1}], "txt: Extra inputs"),
        ([{**GOOD, "text": 5}], "text: Input should be a valid string, found 5"),
        ([{**GOOD, "text": "  "}], "line 1: the text of prompt 'a' is empty"),
        ([GOOD, GOOD], "line 2: id 'a' is already used in line 1"),
        (
            [{"tag": "t", "include": [{"class": "cta", "count": 1}], "prompt": "x"}],
            "Did you mean 'cat'",
        ),
        (
            [{"tag": "t", "include": [{"class": "cat", "count": 0}], "prompt": "x"}],
            "greater than or equal",
        ),
        (
            [
                {
                    "tag": "t",
                    "include": [{"class": "cat", "count": 1, "color": "bleu"}],
                    "prompt": "x",
                }
            ],
            "colour 'bleu'",
        ),
        (
            [
                {
                    "tag": "t",
                    "include": [{"class": "cat", "count": 1, "position": ["over", 0]}],
                    "prompt": "x",
                }
            ],
            "relation 'over'",
        ),
        (
            [
                {
                    "tag": "t",
                    "include": [{"class": "cat", "count": 1, "position": ["above", 0]}],
                    "prompt": "x",
                }
            ],
            "placed against '0'",
        ),
        ([{"tag": "t", "include": [], "prompt": "x"}], "include nothing"),
    ],
)
def test_a_wrong_suite_names_file_line_and_value(tmp_path, lines, words):
    path = tmp_path / "bad.jsonl"
    path.write_text("\n".join(x if isinstance(x, str) else json.dumps(x) for x in lines))
    with pytest.raises(SuiteError) as error:
        prompts.load(path)
    assert words in str(error.value)
    assert str(path) in str(error.value)


def test_a_suite_that_is_not_text(tmp_path):
    path = tmp_path / "bad.jsonl"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SuiteError, match="UTF-8"):
        prompts.load(path)


def test_a_missing_suite_is_named(tmp_path):
    with pytest.raises(SuiteError, match="no suite at"):
        prompts.load(tmp_path / "none.jsonl")
    with pytest.raises(UnknownNameError, match="Did you mean 'geneval'"):
        prompts.load("gen-eval")


def test_a_prompt_without_requirements_has_no_geneval_line(tmp_path):
    path = tmp_path / "mine.txt"
    path.write_text("a cat")
    with pytest.raises(SuiteError, match="--format jsonl"):
        list(prompts.to_geneval(prompts.load(path)))


def test_a_text_with_a_separator_of_lines_comes_back(tmp_path):
    path = tmp_path / "mine.jsonl"
    suite = prompts.Suite("mine", (Prompt(id="0", suite="mine", text="a\u2028b\x85c"),))
    path.write_text("\n".join(prompts.to_jsonl(suite)) + "\n", encoding="utf-8")
    assert prompts.load(path) == suite
