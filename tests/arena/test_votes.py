"""votes.csv: everything that is right is read, everything that is wrong is named with its line."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arena import votes
from arena.facts.votes import VoteRow
from arena.records import Outcome
from evalkit.errors import UnknownNameError, VotesError


def write(path: Path, content: str | bytes) -> Path:
    file = path / "votes.csv"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return file


def rows(frame: pd.DataFrame) -> list[tuple[object, ...]]:
    return list(frame[["left", "right", "winner"]].itertuples(index=False, name=None))


def test_the_three_columns_are_enough(tmp_path: Path) -> None:
    frame = votes.read_csv(write(tmp_path, "left,right,winner\na,b,left\nb,c,both_bad\n"))
    assert list(frame.columns) == ["left", "right", "winner"]
    assert rows(frame) == [("a", "b", "left"), ("b", "c", "both_bad")]


@pytest.mark.parametrize("winner", ["left", "right", "tie", "both_bad"])
def test_every_winner_is_known(tmp_path: Path, winner: str) -> None:
    frame = votes.read_csv(write(tmp_path, f"left,right,winner\na,b,{winner}\n"))
    assert rows(frame) == [("a", "b", winner)]


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbfleft,right,winner\na,b,left\n",
        b"left,right,winner\r\na,b,left\r\n",
        b"left,right,winner\na,b,left",
        b"\n\nleft,right,winner\n\n\na,b,left\n  \n,,\n",
        b"left, right, winner\na, b, left\n",
        b"LEFT,Right,winner\na,b,left\n",
        b'"left","right","winner"\n"a","b","left"\n',
        b"winner,note,right,left\nleft,hello,b,a\n",
        b"left,right,winner\ra,b,left\r",
    ],
)
def test_the_forms_of_a_csv_are_read_alike(tmp_path: Path, content: bytes) -> None:
    assert rows(votes.read_csv(write(tmp_path, content))) == [("a", "b", "left")]


def test_names_may_be_any_text(tmp_path: Path) -> None:
    text = 'left,right,winner\n"模型, ""二""",NA,tie\n"two\nlines",null,left\n=1+1,0,right\n'
    assert rows(votes.read_csv(write(tmp_path, text))) == [
        ('模型, "二"', "NA", "tie"),
        ("two\nlines", "null", "left"),
        ("=1+1", "0", "right"),
    ]


def test_the_optional_columns_are_typed(tmp_path: Path) -> None:
    text = (
        "left,right,winner,rater,prompt,criterion,seconds,simulated\n"
        "a,b,left,007,00000,quality,1.5,true\n"
        "a,b,tie,,,,,\n"
    )
    frame = votes.read_csv(write(tmp_path, text))
    assert frame["rater"].tolist()[0] == "007"
    assert frame["prompt"].tolist()[0] == "00000"
    assert frame[["rater", "prompt", "criterion", "seconds"]].isna().to_numpy().tolist() == [
        [False] * 4,
        [True] * 4,
    ]
    assert frame["seconds"].dtype == "float64"
    assert frame["simulated"].tolist() == [True, False]


def test_swapped_sides_are_put_as_they_were_shown(tmp_path: Path) -> None:
    text = (
        "left,right,winner,side_swapped\na,b,left,false\na,b,left,true\na,b,right,1\n"
        "a,b,tie,yes\na,b,both_bad,TRUE\na,b,right,\n"
    )
    frame = votes.read_csv(write(tmp_path, text))
    assert "side_swapped" not in frame
    assert rows(frame) == [
        ("a", "b", "left"),
        ("b", "a", "right"),
        ("b", "a", "left"),
        ("b", "a", "tie"),
        ("b", "a", "both_bad"),
        ("a", "b", "right"),
    ]


def test_a_header_alone_is_no_votes(tmp_path: Path) -> None:
    frame = votes.read_csv(write(tmp_path, "left,right,winner,seconds\n"))
    assert frame.empty
    assert list(frame.columns) == ["left", "right", "winner", "seconds"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "is empty. Its first line should be: left,right,winner"),
        (" \n\n", "is empty"),
        ("left,right\na,b\n", "no column 'winner'; its columns are: left, right"),
        ("left;right;winner\na;b;left\n", "no column 'left'; its columns are: left;right;winner"),
        ("left,left,right,winner\na,a,b,tie\n", "more than one column 'left'"),
        ("left,right,winner,rater,rater\n", "more than one column 'rater'"),
        ("left,right,winner\na,b,left\na,b,LEFT\n", "line 3: winner is 'LEFT'. It must be one of"),
        ("left,right,winner\na,b,left \n", "line 2: winner is 'left '"),
        ("left,right,winner\na,b,\n", "line 2: winner is ''"),
        ("left,right,winner\n\n\na,b,model_a\n", "line 4: winner is 'model_a'"),
        ('left,right,winner\n"a\nx",b,left\nc,d,nobody\n', "line 4: winner is 'nobody'"),
        ("left,right,winner\n,b,left\n", "line 2: a model's name is blank"),
        ("left,right,winner\na,  ,left\n", "line 2: a model's name is blank"),
        ("left,right,winner\na,a,tie\n", "line 2: 'a' is compared with itself"),
        ("left,right,winner\na,b\n", "line 2 has 2 cells, its header has 3"),
        ("left,right,winner\na,b,left,x\n", "line 2 has 4 cells"),
        ("left,right,winner,seconds\na,b,left,fast\n", "line 2: seconds is 'fast'"),
        ("left,right,winner,seconds\na,b,left,-1\n", "seconds is '-1'"),
        ("left,right,winner,seconds\na,b,left,nan\n", "seconds is 'nan'"),
        ("left,right,winner,seconds\na,b,left,inf\n", "seconds is 'inf'"),
        ("left,right,winner,side_swapped\na,b,left,maybe\n", "'maybe' is neither true nor false"),
        ("left,right,winner,simulated\na,b,left,2\n", "'2' is neither true nor false"),
        ('left,right,winner\n"a,b,left\n', "line 2: .*Check the quotes"),
        (b"left,right,winner\na,b\xe9,left\n", "line 2: byte 0xe9 is not UTF-8"),
        ("left,right,winner\na,b,left\n".encode("utf-16"), "not text in UTF-8"),
        (b"\x89PNG\r\n\x1a\n\0\0", "not text in UTF-8"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(
    tmp_path: Path, content: str | bytes, words: str
) -> None:
    with pytest.raises(VotesError, match=words) as caught:
        votes.read_csv(write(tmp_path, content))
    assert "votes.csv" in str(caught.value)


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path) -> None:
    with pytest.raises(VotesError, match="no file"):
        votes.read_csv(tmp_path / "none.csv")
    with pytest.raises(VotesError, match="cannot be read: Is a directory"):
        votes.read_csv(tmp_path)


NAMES = st.text(
    st.characters(blacklist_categories=["Cs"], blacklist_characters="\0\r"), min_size=1
).filter(lambda s: s.strip() and s == s.lstrip())


@given(
    st.lists(
        st.tuples(
            NAMES,
            NAMES,
            st.sampled_from([o.value for o in Outcome]),
            st.none() | NAMES,
            st.floats(0, 1e6) | st.none(),
            st.booleans(),
        ).filter(lambda t: t[0] != t[1]),
        max_size=8,
    )
)
def test_what_is_written_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, cells: list[tuple[object, ...]]
) -> None:
    given_rows = [
        VoteRow(left, right, winner, rater, "p", "overall", seconds, simulated, "c", "l", None)  # type: ignore[arg-type]
        for left, right, winner, rater, seconds, simulated in cells
    ]
    file = write(tmp_path_factory.mktemp("votes"), votes.to_csv(given_rows))
    read, made = votes.read_csv(file), votes.table(given_rows)
    assert sorted(read.columns) == sorted(made.columns)
    assert rows(read) == rows(made)
    assert read["rater"].isna().tolist() == made["rater"].isna().tolist()
    assert read["rater"].fillna("").tolist() == made["rater"].fillna("").tolist()
    assert read["seconds"].fillna(-1).tolist() == pytest.approx(
        made["seconds"].fillna(-1).tolist(), abs=5e-4
    )
    assert read["simulated"].tolist() == made["simulated"].tolist()
    assert read.dtypes.sort_index().equals(made.dtypes.sort_index())


def test_a_swapped_row_is_turned_round_with_its_pictures(tmp_path: Path) -> None:
    text = (
        "left,right,winner,side_swapped,category,left_generation,right_generation\n"
        "a,b,left,true,food,ga,gb\n"
        "a,b,left,false,,ga,gb\n"
    )
    frame = votes.read_csv(write(tmp_path, text))
    assert rows(frame) == [("b", "a", "right"), ("a", "b", "left")]
    assert frame["left_generation"].tolist() == ["gb", "ga"]
    assert frame["right_generation"].tolist() == ["ga", "gb"]
    assert frame["category"].isna().tolist() == [False, True]


def test_criteria_are_not_mixed_by_accident(tmp_path: Path) -> None:
    text = "left,right,winner,criterion\na,b,left,quality\na,b,right,alignment\na,b,tie,\n"
    frame = votes.read_csv(write(tmp_path, text))
    with pytest.raises(VotesError, match="2 questions: alignment, quality"):
        votes.of_criterion(frame, None)
    assert rows(votes.of_criterion(frame, "alignment")) == [("a", "b", "right")]
    with pytest.raises(UnknownNameError, match="Known: alignment, quality"):
        votes.of_criterion(frame, "beauty")
    with pytest.raises(UnknownNameError, match="Known: none"):
        votes.of_criterion(frame[["left", "right", "winner"]], "beauty")
    assert votes.only_criterion(frame.iloc[:1]) == "quality"
    assert votes.only_criterion(frame.iloc[2:]) is None


def test_known_answers_are_read_in_the_sides_that_were_shown(tmp_path: Path) -> None:
    path = tmp_path / "v.csv"
    path.write_text("left,right,winner,side_swapped,gold\na,b,left,true,left\na,b,tie,false,\n")
    gold = votes.read_csv(path)["gold"]
    assert gold[0] == "right"
    assert gold.isna().tolist() == [False, True]
    path.write_text("left,right,winner,gold\na,b,left,a\n")
    with pytest.raises(VotesError, match="line 2: gold is 'a'"):
        votes.read_csv(path)


def test_what_a_file_says_of_both_sides_is_kept_and_turned_round_with_them(tmp_path: Path) -> None:
    text = (
        "left,right,winner,side_swapped,left_steps,right_steps,left_alone,other,budget,category\n"
        "a,b,left,true,4,50,x,y,few,\n"
        "a,b,left,false,,8,x,y,,色\n"
    )
    frame = votes.read_csv(write(tmp_path, text))
    assert {"left_alone", "other"}.isdisjoint(frame.columns)
    assert frame["left_steps"].fillna("").tolist() == ["50", ""]
    assert frame["right_steps"].tolist() == ["4", "8"]
    assert frame["budget"].fillna("").tolist() == ["few", ""]
    assert frame["category"].fillna("").tolist() == ["", "色"]
    twice = text.replace("left_alone", "left_steps")
    with pytest.raises(VotesError, match="more than one column 'left_steps'"):
        votes.read_csv(write(tmp_path, twice))
