"""The ``arena`` command: its contract, its errors in words, and what it does not import."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import urllib.request
import zipfile
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from arena import cli, database, rehearsal
from arena.battles import Arena
from arena.records import Outcome
from arena.store import Store
from evalkit import mirror
from evalkit.runs import Run
from tests.arena.conftest import built, make_run
from tests.arena.test_battles import token
from tests.arena.test_influence import drawn
from tests.arena.test_simulation import scored

VOTES = (
    "left,right,winner,rater\n"
    + "a,b,left,x\nb,c,left,x\nc,a,left,y\na,c,left,y\nb,a,left,z\nc,b,tie,z\n" * 3
)
HEAVY = ("torch", "gradio", "pandas", "scipy", "sqlalchemy", "alembic", "numpy", "PIL", "fastapi")


class Terminal:
    """Run commands in this process as a shell would."""

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], folder: Path
    ) -> None:
        self._monkeypatch, self._capsys, self._folder = monkeypatch, capsys, folder
        monkeypatch.chdir(folder)

    def __call__(self, *words: object) -> str:
        """Return what is printed by a command that works."""
        code, out, err = self.all(*words)
        assert code == 0, err
        return out

    def fails(self, *words: object, code: int = 1) -> str:
        """Return the message of a command that is refused."""
        found, out, err = self.all(*words)
        assert found == code
        assert "Traceback" not in err
        if code == 1:
            assert err.startswith("arena: ")
            assert out == ""
        return err

    def json(self, *words: object) -> Any:
        """Return the one JSON document that a command prints."""
        return json.loads(self(*words, "--json"))

    def all(self, *words: object) -> tuple[int, str, str]:
        self._monkeypatch.setattr(sys, "argv", ["arena", *map(str, words)])
        try:
            cli.main()
            code = 0
        except SystemExit as stop:
            code = int(stop.code or 0)
        printed = self._capsys.readouterr()
        return code, printed.out, printed.err


@pytest.fixture
def arena(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Terminal:
    return Terminal(monkeypatch, capsys, tmp_path)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "mine.csv").write_text(VOTES)
    return tmp_path / "mine.csv"


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from arena import cli; sys.argv = ['arena', '--help']\n"
        "try: cli.main()\n"
        "except SystemExit: pass\n"
        f"print([m for m in {HEAVY} if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.endswith("[]\n"), done.stdout[-200:]


def test_rating_imports_no_torch_and_no_web(file: Path) -> None:
    code = (
        "import sys; from arena import cli\n"
        f"sys.argv = ['arena', 'rate', '--votes', {str(file)!r}]\n"
        "try: cli.main()\n"
        "except SystemExit: pass\n"
        "print([m for m in ('torch', 'gradio', 'fastapi', 'sqlalchemy') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.endswith("[]\n"), done.stdout[-200:]


@pytest.mark.parametrize(
    "command",
    [
        *"load serve close upgrade rate raters concordance plan audit report simulate".split(),
        *("votes:import", "votes:export"),
    ],
)
def test_every_command_explains_itself(arena: Terminal, command: str) -> None:
    assert "Usage" in arena(*command.split(":"), "--help")


def test_from_a_run_to_ratings(arena: Terminal, run: Run) -> None:
    where = ("--database", "a.sqlite", "--study", "s")
    assert "12 new pictures, 12 in all" in arena("load", *where, "--run", run.path, "--seed", 1)
    loaded = arena.json("load", *where, "--run", run.path)
    assert len(loaded.pop("protocol")) == 64
    assert loaded == {"study": "s", "new": 0, "entries": 12, "failed": 0}
    simulated = arena.json("simulate", *where, "--run", run.path, "--raters", 5, "--votes", 60)
    assert simulated["simulated_votes"] == 60
    rated = arena.json("rate", *where)
    assert (rated["schema"], rated["model"]) == (1, "davidson")
    assert [r["model"] for r in rated["ratings"]] == ["alpha-model", "beta-model", "gamma-model"]
    keys = {"model", "rating", "low", "high", "rank_low", "rank_high", "battles", "status"}
    assert all(keys <= set(r) for r in rated["ratings"])
    assert arena.json("audit", "--database", "a.sqlite")["simulated"] == 60
    assert "Votes: 60, 60 of them simulated" in arena("audit", *where)
    assert "alpha-model" in arena("rate", *where, "--model", "bradley-terry")


def test_simulated_raters_follow_the_scores_that_are_named(arena: Terminal, run: Run) -> None:
    where = ("--database", "a.sqlite", "--study", "s", "--run", run.path)
    arena("load", *where, "--seed", 1)
    simulate = ("simulate", *where, "--raters", 5, "--votes", 30)
    assert "Known: none" in arena.fails(*simulate, "--by", "alike")
    scored(run, lambda g: float(len(g.model)))
    found = arena.json(*simulate, "--by", "alike")
    assert (found["simulated_votes"], found["by"]) == (30, ["alike"])
    assert "They followed alike; people were not asked." in arena(*simulate, "--by", "alike")
    assert "another --seed" in arena.fails(*simulate)
    truly = arena(*simulate, "--seed", 1)
    assert "30 simulated votes" in truly
    assert "followed" not in truly


def test_a_second_load_keeps_the_study_s_question(arena: Terminal, run: Run) -> None:
    where = ("--database", "a.sqlite", "--study", "s", "--run", run.path)
    arena("load", *where, "--criterion", "quality")
    arena("load", *where)
    assert "asks for quality, not alignment" in arena.fails(
        "load", *where, "--criterion", "alignment"
    )


def test_votes_out_and_in_again(arena: Terminal, file: Path) -> None:
    database = ("--database", "a.sqlite")
    assert arena("votes", "import", *database, "--file", file) == "mine: 18 votes imported.\n"
    assert "already has these votes" in arena.fails("votes", "import", *database, "--file", file)
    printed = arena("votes", "export", *database)
    assert printed.splitlines()[1] == "a,b,left,x,,overall,false,,false,,,,rating,,,"
    assert arena("votes", "export", *database, "--file", "out.csv") == ""
    assert Path("out.csv").read_text() == printed
    done = arena.json("votes", "import", *database, "--file", "out.csv", "--study", "again")
    assert done == {"study": "again", "imported": 18, "left_behind": []}
    assert arena("votes", "export", *database, "--study", "again") == printed


def test_a_file_rates_as_the_database_does(arena: Terminal, file: Path) -> None:
    arena("votes", "import", "--database", "a.sqlite", "--file", file)
    in_file, in_store = (
        arena.json("rate", "--votes", file),
        arena.json("rate", "--database", "a.sqlite"),
    )
    for one, other in zip(in_file["ratings"], in_store["ratings"], strict=True):
        assert one == pytest.approx(other)


def test_a_rating_that_is_not_identified_is_null_with_its_reason(
    arena: Terminal, tmp_path: Path
) -> None:
    (tmp_path / "one.csv").write_text("left,right,winner\nA,B,left\nA,B,left\n")
    for row in arena.json("rate", "--votes", "one.csv")["ratings"]:
        assert row["rating"] is None
        assert row["status"] not in ("", "rated")
    assert " - " in arena("rate", "--votes", "one.csv")


def test_criteria_are_rated_apart(arena: Terminal, tmp_path: Path) -> None:
    lines = VOTES.splitlines()
    rows = [f"{line},{'quality' if i % 2 else 'alignment'}" for i, line in enumerate(lines[1:])]
    (tmp_path / "two.csv").write_text("\n".join([lines[0] + ",criterion", *rows]))
    assert "alignment, quality" in arena.fails("rate", "--votes", "two.csv")
    assert "--criterion" in arena.fails("rate", "--votes", "two.csv")
    assert arena.json("rate", "--votes", "two.csv", "--criterion", "quality")


def test_the_example_of_a_study_can_be_rehearsed(arena: Terminal, run: Run) -> None:
    arena("study", "init", "study.toml")
    arena("load", "--study", "study.toml", "--database", "a.sqlite", "--run", run.path)
    rehearse = ("simulate", "--database", "a.sqlite", "--study", "pilot", "--run", run.path)
    arena(*rehearse, "--raters", 3, "--votes", 30, "--quiet")
    assert list(arena.json("audit", "--database", "a.sqlite")["criteria"]) == [
        "alignment",
        "quality",
    ]


def test_raters_and_audits_go_through_the_questions(arena: Terminal, tmp_path: Path) -> None:
    lines = VOTES.splitlines()
    asked = ("alignment", "quality", "")
    rows = [f"{line},{asked[i % 3]}" for i, line in enumerate(lines[1:])]
    (tmp_path / "two.csv").write_text("\n".join([lines[0] + ",criterion", *rows]))
    cards = arena.json("raters", "--votes", "two.csv")["criteria"]
    assert list(cards) == list(asked)
    assert [sum(c["votes"] for c in part["cards"]) for part in cards.values()] == [6, 6, 6]
    alone = arena.json("raters", "--votes", "two.csv", "--criterion", "alignment")
    assert alone == cards["alignment"]
    assert [
        line for line in arena("raters", "--votes", "two.csv").splitlines() if "Asked" in line
    ] == ["Asked for alignment:", "Asked for quality:", "Asked for nothing named:"]
    audit = arena.json("audit", "--votes", "two.csv", "--fragility")["criteria"]
    assert "No two models have ratings" in audit["quality"]["fragility"]["reason"]
    assert all({*part} == {"alpha", "fragility"} for part in audit.values())
    assert "criterion of these votes" in arena.fails(
        "raters", "--votes", "two.csv", "--criterion", "overall"
    )


def test_pictures_at_a_url_are_served_from_there(
    arena: Terminal, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, where = f"file://{tmp_path}/shared/mine", ("--database", "a.sqlite", "--study", "s")
    mirror.push(run, url)
    seen = make_run(tmp_path / "elsewhere" / "other", models=("delta", "epsilon"), seeds=(9,))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "loader"))
    done = arena.json("load", *where, "--run", url)
    again = arena.json("load", *where, "--run", url)
    assert (done["new"], again["new"], again["entries"]) == (12, 0, 12)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "another machine"))
    with closing(Store.open("a.sqlite")) as store:
        page = TestClient(built(store, "s"), base_url="http://localhost")
        page.get("/")
        (shown, *_) = re.findall(r'src="(battle/[^"]+)"', page.get("/stage").text)
        assert page.get(f"/{shown}").status_code == 200
        with rehearsal.copied(store, "s") as copy, copy.reading() as facts:
            assert facts.study("s")[1].images == url
    cached = list((tmp_path / "another machine").rglob("*.png"))
    assert len(cached) == 2, "no more than the pair that was shown"
    arena("bundle", *where, "--pictures", "--out", "s.zip")
    assert "There is no run at memory://no" in arena.fails("load", *where, "--run", "memory://no")
    assert "pictures that are not in" in arena.fails("load", *where, "--run", seen.path)


def test_planning_before_and_during(arena: Terminal, file: Path) -> None:
    planned = arena.json("plan", "--models", 4, "--gap", 50)
    assert planned["votes"] > 1000
    assert f"{planned['votes']} votes in all" in arena("plan", "--models", 4, "--gap", 50)
    during = arena.json("plan", "--between", "a", "b", "--votes", file)
    assert (during["first"], during["second"]) == ("a", "b")
    assert "a - b =" in arena("plan", "--between", "a", "b", "--votes", file)
    assert "--models K --gap ELO" in arena.fails("plan", "--models", 4)
    head, *rows = VOTES.splitlines()
    rows = [f"{row},quality" for row in rows] + ["a,b,left,x,alignment"]
    Path("two.csv").write_text("\n".join([f"{head},criterion", *rows]))
    of_two = ("plan", "--between", "a", "b", "--votes", "two.csv")
    assert "--criterion" in arena.fails(*of_two)
    assert arena.json(*of_two, "--criterion", "quality") == during


def test_a_study_of_two_questions_is_planned_by_one(arena: Terminal, file: Path) -> None:
    head, *rows = file.read_text().splitlines()
    both = [f"{row},{question}" for row in rows for question in ("quality", "alignment")]
    two = file.with_name("two.csv")
    two.write_text("\n".join([f"{head},criterion", *both]))
    assert "with --criterion" in arena.fails("plan", "--stop", "--votes", two)
    asked = ("plan", "--between", "a", "b", "--votes")
    assert arena.json(*asked, two, "--criterion", "quality") == arena.json(*asked, file)


def test_votes_leave_without_persons_and_a_person_without_votes(arena: Terminal, run: Run) -> None:
    arena("load", "--database", "a.sqlite", "--study", "s", "--run", run.path)
    with closing(Store.open("a.sqlite")) as store:
        study = Arena(store, "s")
        ann = study.enter_as("ann")
        study.cast(token(study.open(ann)), ann, Outcome.LEFT)
    code, out, err = arena.all("votes", "export", "--database", "a.sqlite", "--anonymous")
    assert code == 0
    assert "ann" not in out
    assert ",r1," in out
    assert "Note: There are 1 raters" in err
    refused = ("votes", "export", "--database", "a.sqlite", "--anonymous", "--format", "fastchat")
    assert "--anonymous writes csv" in arena.fails(*refused)
    assert "1 votes, " in arena("backup", "--database", "a.sqlite", "--out", "b.sqlite")
    assert arena.json("forget", "ann", "--database", "a.sqlite", "--votes")["removed"] == 1
    assert "No rater is called" in arena.fails("forget", "ann", "--database", "a.sqlite")
    assert "1 votes are nobody's now" in arena("forget", "ann", "--database", "b.sqlite")
    assert "counts are right" in arena("recount", "--database", "a.sqlite")


def test_what_raters_left_open_is_given_back(arena: Terminal, run: Run) -> None:
    arena("load", "--database", "a.sqlite", "--study", "s", "--run", run.path)
    with closing(Store.open("a.sqlite")) as store:
        study = Arena(store, "s")
        label = study.enter_as("ann").label
        study.open(study.enter_as("ann"))
    assert "0 pairs of 0 raters" in arena("release", "--database", "a.sqlite", "--idle", 5)
    assert "1 pairs of 1 raters" in arena("release", label, "--database", "a.sqlite")
    assert "No rater is called" in arena.fails("release", "bob", "--database", "a.sqlite")
    for words in ((), ("ann", "--idle", "5")):
        assert "Name a rater" in arena.fails("release", *words, "--database", "a.sqlite")


def test_a_study_can_be_closed_and_reopened(arena: Terminal, run: Run) -> None:
    where = ("--database", "a.sqlite", "--study", "s")
    arena("load", *where, "--run", run.path)
    assert arena("close", *where) == "s is closed.\n"
    simulate = ("simulate", *where, "--run", run.path, "--raters", 1, "--votes", 1)
    assert "closed" in arena.fails(*simulate)
    assert arena("close", *where, "--reopen") == "s is open.\n"
    arena(*simulate)


def test_a_current_database_is_upgraded_to_itself(arena: Terminal, file: Path) -> None:
    arena("votes", "import", "--database", "a.sqlite", "--file", file)
    newest = database.versions()[-1]
    assert arena("upgrade", "--database", "a.sqlite") == f"a.sqlite has version {newest}.\n"


def test_mistakes_are_answered_in_words(arena: Terminal, file: Path, run: Run) -> None:
    assert "There is no database" in arena.fails("rate", "--database", "none.sqlite")
    assert "There is no file" in arena.fails("rate", "--votes", "none.csv")
    assert "--votes FILE" in arena.fails("rate")
    assert "--votes FILE" in arena.fails("rate", "--votes", file, "--database", "a.sqlite")
    assert "no run at" in arena.fails("load", "--database", "a", "--study", "s", "--run", "none")
    assert "Unknown rating model" in arena.fails("rate", "--votes", file, "--model", "glicko")
    arena("load", "--database", "a", "--study", "s", "--run", run.path)
    assert "Unknown study" in arena.fails(
        "simulate", "--database", "a", "--study", "x", "--run", run.path
    )
    assert "cannot be written" in arena.fails(
        "votes", "export", *_one(arena, file), "--file", "/no/x"
    )
    Path("bad.csv").write_text("left,right,winner\na,b,A\n")
    assert "line 2: winner is 'A'" in arena.fails("rate", "--votes", "bad.csv")
    arena.fails("rate", "--unknown", code=2)
    arena.fails("load", "--database", "a.sqlite", code=2)
    arena.fails("serve", "--database", "a.sqlite", "--port", "70000", code=2)


def _one(arena: Terminal, file: Path) -> tuple[str, str]:
    arena("votes", "import", "--database", "one.sqlite", "--file", file)
    return "--database", "one.sqlite"


def test_serving_answers_until_it_is_interrupted(tmp_path: Path, run: Run) -> None:
    from arena import studies

    store = Store.open(str(tmp_path / "a.sqlite"), create=True)
    studies.load(store, run, studies.describe("s"))
    command = [sys.executable, "-m", "arena.cli", "serve", "--database", str(tmp_path / "a.sqlite")]
    process = subprocess.Popen([*command, "--port", "0"], stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr
        first = process.stderr.readline()
        assert first.startswith("s: http://127.0.0.1:")
        address = first.split()[1]
        with urllib.request.urlopen(address + "health", timeout=60) as answer:
            assert json.load(answer) == {"status": "ok"}
        busy = [*command, "--port", address.split(":")[2].strip("/")]
        refused = subprocess.run(busy, capture_output=True, text=True, timeout=120, check=False)
        assert refused.returncode == 1
        assert "in use. Choose another with --port" in refused.stderr
        held = Arena(store, "s")  # another process may vote while the page is open
        rater = held.enter("secret")
        held.cast(token(held.open(rater)), rater, Outcome.LEFT)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
        assert process.returncode in (0, 130)
        assert "Traceback" not in said
    finally:
        process.kill()
        process.wait()
        store.close()


def test_a_report_joins_the_run_and_the_study(arena: Terminal, run: Run) -> None:
    where = ("--database", "a.sqlite", "--study", "s", "--run", run.path)
    arena("load", *where, "--seed", 1)
    assert "has no votes yet" in arena.fails("report", *where)
    arena("simulate", *where, "--raters", 5, "--votes", 60)
    paths = arena.json("report", *where, "--out", "out")
    page = Path(paths["html"]).read_text()
    assert "alpha-model" in page
    assert "simulated" in page
    assert arena("report", *where, "--out", "out").strip() == paths["html"]


def test_raters_are_left_out_by_the_rules_that_are_named(arena: Terminal, file: Path) -> None:
    file.write_text(VOTES + "a,b,left,w\nb,a,left,w\n")
    plain = arena.json("rate", "--votes", file)
    assert "exclusion" not in plain
    some = arena.json("rate", "--votes", file, "--exclude", "too-few=3", "--exclude", "too-fast")
    assert some["exclusion"]["excluded"] == {"too-few": {"w": "2 votes"}, "too-fast": {}}
    assert some["diagnostics"]["votes"] == 18
    text = arena("rate", "--votes", file, "--exclude", "too-few=3")
    assert "Left out by rule: 2 of 20 votes (10.0%), 1 of 4 raters." in text
    assert "Alarm" in text
    assert "too-few" in arena.fails("rate", "--votes", file, "--exclude", "too-quick")
    live = arena.fails("rate", "--database", "a", "--live", "--exclude", "too-few")
    assert "know no raters, prompts, pictures or order of votes" in live
    assert "does not go with --exclude" in live


def test_each_rater_has_a_card(arena: Terminal, file: Path) -> None:
    cards = arena.json("raters", "--votes", file)["cards"]
    assert [(c["rater"], c["votes"]) for c in cards] == [("x", 6), ("y", 6), ("z", 6)]
    lines = arena("raters", "--votes", file).splitlines()
    assert lines[0].split()[:2] == ["rater", "votes"]
    assert lines[1].split()[:2] == ["x", "6"]
    assert "unknown, for the votes name neither pictures nor prompts" in lines[5]


def test_an_audit_says_how_little_would_change_the_ratings(arena: Terminal, file: Path) -> None:
    arena("votes", "import", "--database", "a.sqlite", "--file", file)
    card = arena.json("audit", "--votes", file, "--fragility")["fragility"]
    stored = arena.json("audit", "--database", "a.sqlite", "--fragility")
    assert stored["votes"] == 18
    assert stored["fragility"]["first"] == card["first"]
    lines = arena("audit", "--votes", file, "--fragility").splitlines()
    assert f"#1 is {card['first']}" in "\n".join(lines)
    assert "fragility" not in arena.json("audit", "--votes", file)
    file.write_text("left,right,winner\na,b,left\n")
    assert "No two models have ratings that differ" in arena.fails(
        "audit", "--votes", file, "--fragility"
    )


def test_scores_are_held_against_the_votes(arena: Terminal, run: Run) -> None:
    where = ("--database", "a.sqlite", "--study", "s")
    arena("load", *where, "--run", run.path, "--seed", 1)
    arena("simulate", *where, "--run", run.path, "--raters", 5, "--votes", 60)
    assert "has no scores" in arena.fails("concordance", *where, "--run", run.path)
    scored(run, lambda g: -float(len(run.truths()[g.id])), "faults")
    lines = arena("concordance", *where, "--run", run.path, "--by", "category").splitlines()
    assert lines[0].startswith("faults agrees with raters in ")
    assert "60 of 60 votes are of simulated raters" in "\n".join(lines)
    found = arena.json("concordance", *where, "--run", run.path, "--exclude", "too-few=1")
    assert found["scorers"][0]["accuracy"]["value"] > 0.6
    assert found["exclusion"]


def test_a_study_leaves_as_a_bundle_and_is_rated_and_imported(
    arena: Terminal, run: Run, tmp_path: Path
) -> None:
    where = ("--database", "a.sqlite", "--study", "s")
    arena("load", *where, "--run", run.path, "--seed", 1)
    arena("simulate", *where, "--run", run.path, "--raters", 4, "--votes", 40, "--quiet")
    made = arena.json("bundle", *where, "--run", run.path, "--out", "s.zip", "--payment", "none")
    assert (made["votes"], made["pictures"]) == (40, 0)
    assert made["digest"] in arena("bundle", "--check", "s.zip")
    assert arena.json("rate", "--bundle", "s.zip") == arena.json("rate", *where)
    arrived = arena.json("votes", "import", "--database", "b.sqlite", "--file", "s.zip")
    assert arrived == {"study": "s", "imported": 40}
    assert arena.json("rate", "--database", "b.sqlite") == arena.json("rate", *where)
    again = arena.fails("votes", "import", "--database", "b.sqlite", "--file", "s.zip")
    assert "is the study 's' already" in again


def test_a_bundle_that_does_not_hold_is_refused(arena: Terminal, run: Run) -> None:
    arena("load", "--database", "a.sqlite", "--study", "s", "--run", run.path)
    arena("bundle", "--database", "a.sqlite", "--out", "s.zip")
    with zipfile.ZipFile("s.zip", "a") as archive:
        archive.writestr("stowaway", "")
    said = "stowaway is not in its list"
    assert said in arena.fails("bundle", "--check", "s.zip")
    assert said in arena.fails("rate", "--bundle", "s.zip")
    code, out, _ = arena.all("bundle", "--check", "s.zip", "--json")
    assert code == 1
    assert said in json.loads(out)["faults"][0]
    assert "Say --database" in arena.fails("bundle", "--study", "s")


def test_votes_leave_in_the_columns_of_other_tools(arena: Terminal, file: Path) -> None:
    arena("votes", "import", "--database", "a.sqlite", "--file", file)
    export = ("votes", "export", "--database", "a.sqlite", "--format")
    assert arena(*export, "evalica").startswith("left,right,winner\na,b,left\n")
    assert arena(*export, "arena-rank").startswith("model_a,model_b,winner\na,b,model_a\n")
    assert json.loads(arena(*export, "fastchat"))[0]["judge"] == "x"
    assert "Unknown format of votes 'excel'" in arena.fails(*export, "excel")


def test_reports_are_kept_in_a_history(arena: Terminal, run: Run, tmp_path: Path) -> None:
    where = ("--database", "a.sqlite", "--study", "s")
    arena("load", *where, "--run", run.path, "--seed", 1)
    for votes in (20, 30):
        arena("simulate", *where, "--run", run.path, "--raters", 4, "--votes", votes, "--quiet")
        arena("report", *where, "--run", run.path, "--history", "boards")
    index = json.loads((tmp_path / "boards" / "index.json").read_text())
    assert [b["votes"] for b in index["boards"]] == [30, 20]
    assert (tmp_path / "boards" / f"{index['boards'][0]['name']}.html").is_file()


def test_a_plan_says_raters_time_and_pay(arena: Terminal) -> None:
    asked = ("plan", "--models", 8, "--gap", 30, "--votes-per-rater", 40)
    priced = (*asked, "--pay-per-hour", 12, "--seconds-per-vote", 8)
    found = arena.json(*priced)
    assert found["design_effect"] == pytest.approx(1.5, abs=0.01)
    assert found["raters"] == -(-found["votes"] // 40)
    assert found["cost"] == pytest.approx(found["votes"] * 8 / 3600 * 12)
    assert "Pay: " in arena(*priced)
    looser = arena.json(*asked, "--correlation", 0.02)
    assert looser["votes"] < found["votes"]
    assert arena.json(*asked, "--design-effect", 2)["design_effect"] == 2
    assert "No number of votes on 20 prompts" in arena.fails(*asked, "--prompts", 20)
    assert "needs the seconds of a vote" in arena.fails(*asked, "--pay-per-hour", 12)


def test_a_pilot_plans_a_study_and_a_study_says_whether_to_stop(
    arena: Terminal, tmp_path: Path
) -> None:
    drawn(400).to_csv(tmp_path / "pilot.csv", index=False)
    pilot = ("plan", "--votes", "pilot.csv")
    planned = arena.json(*pilot, "--gap", 60)
    assert planned["models"] == 4
    assert 0.1 < planned["tie_rate"] < 0.3
    assert len(arena.json(*pilot)) == 3
    assert " Elo" in arena(*pilot)
    text = arena(*pilot, "--stop", "--gap", 20)
    assert "The end was not said (--planned): taken as" in text
    assert "400 of " in text
    once = arena.json(*pilot, "--planned", 2000, "--looks", 10)
    assert (once["votes"], once["planned"], once["looks"]) == (400, 2000, 10)
    assert len(once["leading"]) == 3
    assert "more than the 300 it was planned for" in arena.fails(*pilot, "--planned", 300)


def test_scores_assist_ratings_when_both_are_named(arena: Terminal, tmp_path: Path) -> None:
    run = make_run(tmp_path / "runs" / "wide", prompts=12)
    where = ("--database", "a.sqlite", "--study", "s")
    arena("load", *where, "--run", run.path, "--seed", 1)
    arena("simulate", *where, "--run", run.path, "--raters", 9, "--votes", 200)
    scored(run, lambda g: -float(len(run.truths()[g.id])), "faults")
    lines = arena("rate", *where, "--assisted", "--run", run.path).splitlines()
    assert lines[0].split() == ["model", *("assisted 95 % interval plain 95 % interval".split())]
    assert "200 votes, and scores of 36 pairs of pictures" in "\n".join(lines)
    found = arena.json("rate", *where, "--assisted", "--run", run.path, "--exclude", "too-few=1")
    assert found["plain"]["ratings"][0]["model"] == "alpha-model"
    assert found["exclusion"]
    for words in (["--assisted"], ["--run", run.path]):
        assert "--assisted --run DIR" in arena.fails("rate", *where, *words)


def test_what_a_study_cannot_keep_of_a_file_is_said(arena: Terminal, tmp_path: Path) -> None:
    (tmp_path / "more.csv").write_text(
        "left,right,winner,rater,budget,left_steps,right_steps,left_size,right_size\n"
        "a,b,left,ann,few,4,28,,\nb,a,tie,bob,,4,28,,\n"
    )
    done = arena.json("votes", "import", "--database", "a.sqlite", "--file", "more.csv")
    assert done["imported"] == 2
    assert sorted(done["left_behind"]) == ["budget", "left_steps", "right_steps"], (
        "blank is no loss"
    )
