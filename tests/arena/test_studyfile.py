"""The study's file: read, refused with the line and the value, and loaded with its pictures."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from PIL import Image

from arena import studies, studyfile
from arena.battles import Arena
from arena.protocol import Outcome, Protocol, say
from arena.records import PhaseKind
from arena.store import Store
from evalkit.errors import StudyError, UnknownNameError
from evalkit.runs import Run
from tests.arena.test_arena_cli import Terminal
from tests.arena.test_battles import token

LEAST = 'name = "s"\n\n[[criteria]]\nid = "quality"\n'


def write(folder: Path, text: str) -> Path:
    path = folder / "study.toml"
    path.write_text(text, encoding="utf-8")
    return path


def refused(folder: Path, text: str) -> str:
    with pytest.raises(StudyError) as caught:
        studyfile.read(write(folder, text))
    return str(caught.value).replace(str(folder) + "/", "")


def test_the_example_is_a_study_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "pilot.toml"
    studyfile.write_example(path)
    found = studyfile.read(path)
    assert found.name == "pilot"
    assert [q.id for q in found.protocol.criteria] == ["quality", "alignment"]
    assert "any time" in say(found.protocol.consent, "en")
    with pytest.raises(StudyError, match="exists"):
        studyfile.write_example(path)


def test_every_key_of_the_example_is_known_when_it_is_uncommented(tmp_path: Path) -> None:
    text = studyfile.EXAMPLE.read_text(encoding="utf-8")
    for name in ("right.png", "wrong.png"):
        (tmp_path / "training").mkdir(exist_ok=True)
        Image.new("RGB", (8, 8), "red").save(tmp_path / "training" / name)
    text = re.sub(r"^# (?=[a-z_]+ = |\[)", "", text, flags=re.MULTILINE)
    found = studyfile.read(write(tmp_path, text))
    assert found.seed == 7
    assert found.protocol.panel is not None
    assert found.protocol.panel.rater == "PROLIFIC_PID"
    assert {e.use for e in found.protocol.examples} == {"training", "gold"}


def test_the_usual_words_are_said_in_every_language_of_the_study(tmp_path: Path) -> None:
    three = studyfile.read(write(tmp_path, 'languages = ["en", "ko", "ja"]\n' + LEAST))
    asked = three.protocol.criteria[0]
    assert say(asked.question, "en") == "Which picture is better made?"
    assert "어느 이미지" in say(asked.question, "ko")
    assert "どちらの画像" in say(asked.question, "ja")
    lines = [line for line in studyfile.summary(three) if line.startswith("  quality: ")]
    assert [line.removeprefix("  quality: ") for line in lines] == [
        say(asked.question, tag) for tag in ("en", "ko", "ja")
    ]
    one = studyfile.read(write(tmp_path, 'languages = ["ko"]\n' + LEAST))
    assert one.protocol.criteria[0].question == say(asked.question, "ko")
    plain = studyfile.read(write(tmp_path, LEAST))
    assert plain.protocol.criteria[0].question == "Which picture is better made?"


def test_usual_criteria_need_no_words(tmp_path: Path) -> None:
    (asked,) = studyfile.read(write(tmp_path, LEAST)).protocol.criteria
    assert asked.question == studies.QUESTIONS["quality"][0]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name = ", "study.toml is not TOML: Invalid value (at"),
        ("", 'study.toml names no study. Begin it with a line such as: name = "pilot"'),
        ("name = 3", "names no study"),
        ('name = "s"', "study.toml: criteria: tuple should have at least 1 item"),
        (LEAST + "[raters]\nquota = -3\n", "study.toml, line 6: raters.quota is -3: input should"),
        (LEAST + "[raters]\nqouta = 3\n", "line 6: there is no 'raters.qouta'. Did you mean"),
        (LEAST + "[rater]\nquota = 3\n", "line 5: there is no 'rater'. Did you mean 'raters'?"),
        (LEAST + '[[criteria]]\nid = "typography"\n', "line 5: criteria.1.question is missing"),
        (LEAST + '[[criteria]]\nid = "quality"\n', "criteria has 'quality' twice"),
        ('outcomes = ["left", "tie"]\n' + LEAST, "outcomes need left and right"),
        ('outcomes = ["left", "won"]\n' + LEAST, "line 1: outcomes.1 is 'won'"),
        ("seed = 1.5\n" + LEAST, "line 1: seed is 1.5. It must be a whole number from 0."),
        (LEAST + "[draws]\ngold_rate = 0.1\n", 'there is no example with use = "gold"'),
        (LEAST + "[raters]\nmax_share = 0.1\n", "set draws.votes_per_pair"),
        (LEAST + '[draws]\nrule = "elo"\n', "line 6: draws.rule is 'elo'"),
        ('languages = ["en", "ko"]\n' + LEAST + '[consent]\nen = "a"\n', "no words in ko"),
        ('languages = ["en", "ko"]\n' + LEAST + '[consent]\nen="a"\nko=" "\n', "no words in ko"),
        (
            'languages = ["en", "ko"]\nconsent = "I agree."\n' + LEAST,
            'consent is in one language, and the study in 2: write it as { en = "...", ko',
        ),
        (
            'languages = ["ja", "ko"]\n' + LEAST + 'question = "Which?"\n',
            "the question of quality is in one language",
        ),
        ('languages = ["en", "eo"]\n' + LEAST, "the page has no words in eo; it speaks en, ja, ko"),
        ('languages = ["EN"]\n' + LEAST, "line 1: languages.0 is 'EN'"),
        (LEAST + '[panel]\nkind = "generic"\n', "which parameter of the link names the rater"),
        (LEAST + '[panel]\nkind = "prolific"\n', "how a rater is sent back"),
        (
            LEAST + '[panel]\nkind = "prolific"\n[panel.done]\nurl = "javascript:1"\n',
            "line 8: panel.done.url is 'javascript:1': an address begins with https://",
        ),
        (
            LEAST + '[panel]\nkind = "prolific"\n[panel.done]\nurl = "https://x/{name}"\n',
            "it may hold {code}, {worker_id}, {session_id}, not {name}",
        ),
        (LEAST + 'consent = 3\n', "line 5: there is no 'criteria.0.consent'"),
        (LEAST + '[instructions]\nfile = "none.md"\n', "none.md cannot be read"),
        (
            LEAST + '[[examples]]\nuse="gold"\ncriterion = "quality"\nbetter = "a"\nworse = "b"\n',
            "examples.0 names the picture a, which cannot be read",
        ),
        (
            LEAST + '[[examples]]\nuse="gold"\ncriterion = "looks"\nbetter = "a"\nworse = "b"\n',
            "examples.0.criterion is 'looks'; the study asks for quality",
        ),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_the_place_and_the_value(
    tmp_path: Path, text: str, said: str
) -> None:
    assert said in refused(tmp_path, text)


def test_a_file_that_is_not_there_names_the_command_that_writes_one(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="arena study init"):
        studyfile.read(tmp_path / "none.toml")


def test_the_digest_is_of_the_rules_and_not_of_the_spelling(tmp_path: Path) -> None:
    plain = studyfile.read(write(tmp_path, LEAST)).protocol
    spelled = LEAST + "# a comment\n[raters]\nminimum_seconds = 0.0\n"
    assert studyfile.read(write(tmp_path, spelled)).protocol.digest == plain.digest
    other = studyfile.read(write(tmp_path, LEAST + "[raters]\nminimum_seconds = 1\n")).protocol
    assert other.digest != plain.digest
    assert Protocol.model_validate_json(plain.text) == plain


EXAMPLES = """
[[examples]]
use = "training"
criterion = "quality"
prompt = "a square"
better = "good.png"
worse = "bad.png"
"""


@pytest.fixture
def pictured(tmp_path: Path) -> Path:
    Image.new("RGB", (30, 20), "white").save(tmp_path / "good.png")
    Image.new("RGB", (30, 20), "black").save(tmp_path / "bad.png")
    return write(tmp_path, LEAST + EXAMPLES)


def load(store: Store, run: Run, path: Path, *, amend: bool = False) -> studies.Loaded:
    file = studyfile.read(path)
    plan = studies.plan(file.name, file.with_pictures(run.images), seed=file.seed)
    return studies.load(store, run, plan, amend=amend)


def test_the_pictures_of_a_file_train_and_compete_with_nobody(
    store: Store, run: Run, pictured: Path
) -> None:
    loaded = load(store, run, pictured)
    assert (loaded.new, loaded.entries) == (12, 12)
    arena = Arena(store, "s")
    assert arena.pairs == 12
    rater = arena.enter("secret")
    phase = arena.phase(rater)
    assert phase.kind is PhaseKind.TRAINING
    assert phase.battle is not None
    assert phase.battle.left.prompt == "a square"
    better = phase.battle.left if phase.battle.expected is Outcome.LEFT else phase.battle.right
    assert run.images.open(better.image).getpixel((0, 0)) == (255, 255, 255)
    again = load(store, run, pictured)
    assert (again.new, again.entries) == (0, 12)


def test_changed_rules_are_refused_unless_they_are_meant(
    store: Store, run: Run, pictured: Path
) -> None:
    first = load(store, run, pictured).study.protocol
    arena = Arena(store, "s")
    rater = arena.enter("secret")
    pictured.write_text(LEAST + "[raters]\nquota = 5\n")
    with pytest.raises(StudyError, match=r"changes the rules of the study 's': raters, examples"):
        load(store, run, pictured)
    second = load(store, run, pictured, amend=True).study.protocol
    battle = arena.phase(rater).battle
    assert battle is not None, "a running process follows the rules in force"
    arena.cast(token(battle), rater, Outcome.LEFT)
    (vote,) = studies.standing_votes(store, "s")
    assert vote.protocol == second.digest
    with store.reading() as facts:
        key, _ = facts.study("s")
        assert [digest for digest, _ in facts.protocols(key)] == [first.digest, second.digest]


def test_a_file_chooses_among_a_run_s_pictures(store: Store, run: Run, tmp_path: Path) -> None:
    chosen = 'models = ["alpha-model", "beta-model"]\nprompts = ["00000", "00002"]\nseeds = [0]\n'
    path = write(tmp_path, LEAST + "[pictures]\n" + chosen)
    assert load(store, run, path).entries == 4
    assert Arena(store, "s").pairs == 2


def test_a_wish_that_the_run_cannot_meet_is_refused(store: Store, run: Run, tmp_path: Path) -> None:
    path = write(tmp_path, LEAST + '[pictures]\nsuite = "other"\n')
    with pytest.raises(StudyError, match=r"the suite 'other', and .* drew 't'"):
        load(store, run, path)
    path = write(tmp_path, LEAST + '[pictures]\nprompts = ["0000"]\n')
    with pytest.raises(UnknownNameError, match="Unknown prompt of this run '0000'"):
        load(store, run, path)
    path = write(tmp_path, LEAST + '[pictures]\nmodels = ["none"]\n')
    with pytest.raises(StudyError, match="has no pictures"):
        load(store, run, path)


def test_an_example_of_a_picture_that_is_not_there_is_refused(
    store: Store, run: Run, tmp_path: Path
) -> None:
    wrong = EXAMPLES.replace('"good.png"', '{ model = "alpha-model", prompt = "77777" }')
    Image.new("RGB", (8, 8)).save(tmp_path / "bad.png")
    with pytest.raises(StudyError, match=r"has no picture .*77777"):
        load(store, run, write(tmp_path, LEAST + wrong))
    with store.reading() as facts:
        assert facts.studies() == []


@pytest.fixture
def terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Terminal:
    return Terminal(monkeypatch, capsys, tmp_path)


def test_the_commands_write_check_and_load(terminal: Terminal, run: Run) -> None:
    assert "arena study check pilot.toml" in terminal("study", "init", "pilot.toml")
    assert "Which picture is better made? (text hidden)" in terminal("study", "check", "pilot.toml")
    digest = terminal.json("study", "check", "pilot.toml")["digest"]
    words = ("load", "--study", "pilot.toml", "--database", "a.sqlite", "--run", run.path)
    assert terminal.json(*words)["protocol"] == digest
