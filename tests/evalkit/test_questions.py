"""Suites with questions: GenEval 2's and DPG-Bench's layouts, and who counts below a no."""

from __future__ import annotations

import csv
import json

import pytest

from evalkit import prompts
from evalkit.errors import SuiteError
from evalkit.questions import COLUMNS, counted, fault
from evalkit.records import Prompt, Question
from evalkit.runs import Run

HEAD = (
    "item_id text keywords proposition_id dependency category_broad category_detailed tuple "
    "question_natural_language"
).split()


def row(item, number, parents, question, kind="entity - whole", text=None):
    text = text or f"a long text of {item}"
    broad, detailed = kind.split(" - ")
    return [item, text, "", number, parents, broad, detailed, f"{kind} (x)", question]


def write_csv(path, *rows, head=HEAD):
    with path.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([head, *rows])
    return path


def asked(*parents_of):
    """Make questions 1, 2, 3 ... with these parents."""
    return [
        Question(id=str(i), text="?", parents=tuple(map(str, parents)))
        for i, parents in enumerate(parents_of, 1)
    ]


def test_a_line_of_geneval2_is_a_prompt_with_questions(tmp_path):
    line = {
        "prompt": "three red cats",
        "atom_count": 3,
        "vqa_list": [["Are there cats?", "Yes"], ["How many cats are there?", "three"]],
        "skills": ["object", "count"],
    }
    path = tmp_path / "geneval2_data.jsonl"
    path.write_text(json.dumps(line) + "\n")
    (prompt,) = prompts.load(path).prompts
    assert (prompt.id, prompt.text, prompt.category) == ("00000", "three red cats", "3 atoms")
    assert [(q.text, q.answer, q.skill) for q in prompt.questions] == [
        ("Are there cats?", "Yes", "object"),
        ("How many cats are there?", "three", "count"),
    ]


@pytest.mark.parametrize("vqa", [5, [["only a question"]], ["text"]])
def test_a_broken_line_of_geneval2_is_named(tmp_path, vqa):
    path = tmp_path / "g.jsonl"
    path.write_text(json.dumps({"prompt": "a cat", "vqa_list": vqa}) + "\n")
    with pytest.raises(SuiteError, match="line 1: vqa_list is no list"):
        prompts.load(path)


def test_the_first_row_of_dpgs_csv_is_read(tmp_path):
    """ELLA's script leaves it out (ELLA#61), and then the first item's other questions fail."""
    rows = [row("a", 1, "0", "Is there a cat?"), row("a", 2, "1", "Is the cat red?")]
    (prompt,) = prompts.load(write_csv(tmp_path / "dpg.csv", *rows)).prompts
    assert [(q.id, q.text, q.parents) for q in prompt.questions] == [
        ("1", "Is there a cat?", ()),
        ("2", "Is the cat red?", ("1",)),
    ]


def test_rows_of_one_item_need_not_stand_together(tmp_path):
    rows = [row("a", 1, "0", "A?"), row("b", 1, "0", "B?"), row("a", 2, "1, 0", "C?")]
    suite = prompts.load(write_csv(tmp_path / "dpg.csv", *rows))
    assert {p.id: len(p.questions) for p in suite.prompts} == {"a": 2, "b": 1}
    assert suite.prompts[0].questions[1].parents == ("1",)
    assert suite.prompts[0].questions[0].skill == "entity - whole"


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([row("a", "x", "0", "A?")], "line 2: invalid literal.*whole numbers"),
        ([row("a", 1, "one", "A?")], "line 2: invalid literal"),
        ([row("a", 1, "0", " ")], "line 2: question 1 has no words"),
        ([row(" ", 1, "0", "A?")], "line 2: there is no item_id"),
        ([row("a", 1, "0", "A?"), row("a", 2, "0", "B?", text="else")], "line 3: the text of 'a'"),
        ([], "has no prompts"),
    ],
)
def test_a_broken_row_is_named(tmp_path, rows, message):
    with pytest.raises(SuiteError, match=message):
        prompts.load(write_csv(tmp_path / "dpg.csv", *rows))


def test_another_csv_is_no_suite(tmp_path):
    path = write_csv(tmp_path / "other.csv", ["a cat"], head=["prompt"])
    with pytest.raises(SuiteError, match=f"no column {', '.join(COLUMNS)}"):
        prompts.load(path)


def test_a_csv_in_another_encoding_is_named(tmp_path):
    (tmp_path / "dpg.csv").write_bytes(b"item_id,\xff\n")
    with pytest.raises(SuiteError, match="Save it as UTF-8"):
        prompts.load(tmp_path / "dpg.csv")


def test_prompts_without_questions_keep_their_digest():
    """Runs of before name it; it was taken with the code of before."""
    kept = "017f317c37361c105640a3bd40697a7e50f52f8bea9422e7b56bb51d771b243e"
    assert prompts.load("miniature").digest == kept


def test_questions_are_part_of_the_digest():
    def suite(*questions):
        prompt = Prompt(id="1", suite="s", text="a cat", questions=questions or None)
        return prompts.Suite("s", (prompt,))

    one, other = Question(id="1", text="A?"), Question(id="1", text="B?")
    assert len({suite(*q).digest for q in ((), (one,), (other,))}) == 3


def test_a_run_keeps_the_questions(tmp_path, noise):
    from evalkit.generate import open_or_create

    suite = prompts.load(write_csv(tmp_path / "dpg.csv", row("a", 1, "0", "A?")))
    made = open_or_create(tmp_path / "run", suite, [noise()], [0])
    assert Run.open(made.path).suite == suite


@pytest.mark.parametrize(
    ("parents", "no", "expected"),
    [
        ([(), (1,), (2,)], {1}, [False, False, False]),
        ([(), (1,), (2,)], {2}, [True, False, False]),
        ([(), (1,), (2,)], {3}, [True, True, False]),
        ([(2,), (3,), ()], {3}, [False, False, False]),  # ELLA's, in file order: question 1 counts
        ([(), (), (1, 2)], {2}, [True, False, False]),
        ([(), (), (1, 2)], set(), [True, True, True]),
    ],
)
def test_nothing_below_a_no_counts(parents, no, expected):
    questions = asked(*parents)
    yes = {q.id: int(q.id) not in no for q in questions}
    assert fault(questions) is None
    assert list(counted(questions, yes).values()) == expected


@pytest.mark.parametrize(
    ("questions", "reason"),
    [
        (asked((9,)), "hangs on question 9"),
        (asked((1,)), "1 hang on each other"),
        (asked((2,), (1,), ()), "1, 2 hang on each other"),
        ([*asked(()), *asked(())], "Two of its questions have the id 1"),
    ],
)
def test_questions_that_cannot_be_settled_are_named(questions, reason):
    assert reason in str(fault(questions))
