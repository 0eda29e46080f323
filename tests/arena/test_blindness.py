"""The audit of blindness: nothing found in the page as it is, and each leak found when made."""

from __future__ import annotations

import asyncio
import io
import secrets
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from PIL import Image

from arena import (
    app,
    blindness,
    conditions,
    desk,
    guard,
    identity,
    page,
    pictures,
    rehearsal,
    studies,
)
from arena.battles import Arena, held
from arena.blindness import Blindness, judge
from arena.leaks import Secrets
from arena.listening import Evidence, Heard
from arena.protocol import Protocol
from arena.records import Outcome
from arena.store import Store
from arena.visiting import client
from evalkit.errors import StudyError
from evalkit.runs import Run
from tests.arena.conftest import MODELS

Patch = pytest.MonkeyPatch


@pytest.fixture
def study(tmp_path: Path, run: Run) -> Iterator[Store]:
    """Open a study of the small run on SQLite."""
    store = Store.open(str(tmp_path / "arena.sqlite"), create=True, durable=False)
    studies.load(store, run, studies.describe("s", seed=7))
    yield store
    store.close()


def heard(store: Store, battles: int = 36) -> Evidence:
    """Listen to the page inside this process, without a socket."""

    async def listen() -> Evidence:
        transport = httpx.ASGITransport(app.build(store, "s"), raise_app_exceptions=False)

        def browser() -> httpx.AsyncClient:
            return client("http://test/", transport=transport)

        return await blindness.listen(browser, store, votes=True, battles=battles)

    return asyncio.run(listen())


def audited(store: Store, battles: int = 36) -> Blindness:
    return judge("s", heard(store, battles), Secrets.of(store, "s"))


def quiet(evidence: Evidence) -> Evidence:
    """Take the time out, which is nobody's promise in a test."""
    return timed(evidence, lambda _: 0.01)


def timed(evidence: Evidence, seconds: Callable[[str], float]) -> Evidence:
    evidence.battles = [
        replace(
            seen,
            first={s: replace(h, seconds=seconds(seen.of(s))) for s, h in seen.first.items()},
            again={s: replace(h, seconds=seconds(seen.of(s))) for s, h in seen.again.items()},
        )
        for seen in evidence.battles
    ]
    return evidence


def test_the_page_as_it_is_tells_nothing(study: Store) -> None:
    evidence = quiet(heard(study))
    assert len(evidence.battles) == 36
    found = judge("s", evidence, Secrets.of(study, "s"))
    assert found.leaks == (), "\n".join(found.lines())
    assert "36 battles have one length" in "\n".join(found.lines())


# One leaking page for each check


def named(patch: Patch, run: Run) -> None:
    stage = page.stage
    patch.setattr(page, "stage", lambda view: stage(view) + "<!-- by beta-model -->")


def digests(patch: Patch, run: Run) -> None:
    stage = page.stage
    digest = run.generations()[0].image
    patch.setattr(page, "stage", lambda view: stage(view) + f'<i data-file="{digest}.png"></i>')


def hidden(patch: Patch, run: Run) -> None:
    def blocks() -> Any:
        import gradio as gr

        with gr.Blocks() as made:
            gr.HTML(html_template=page.SHELL)
            gr.Textbox(value="what is it", visible=False)
        return made

    patch.setattr(app, "_blocks", blocks)


def opened(patch: Patch, run: Run) -> None:
    patch.setattr(guard, "OPEN_PATHS", (*guard.OPEN_PATHS, "/gradio_api/info"))


def escaping(patch: Patch, run: Run) -> None:
    patch.setattr(app, "_file", lambda version, file: app.Response("root:x:0:0"))


def counted(patch: Patch, run: Run) -> None:
    number = count(1)
    counting = SimpleNamespace(
        token_urlsafe=lambda size: f"{next(number):04d}", token_hex=secrets.token_hex
    )
    patch.setattr(held, "secrets", counting)


def shared(patch: Patch, run: Run) -> None:
    def own(facts: Any, study: str, token: str, rater: Any, lock: bool = True) -> Any:
        found = facts.battle(token)
        if found is None:
            raise StudyError("none")
        return found

    patch.setattr(conditions, "own", own)


def talkative(patch: Patch, run: Run) -> None:
    patch.setattr(desk, "_in_words", lambda error: desk.Notice("", words=repr(error)))


def failing(patch: Patch, run: Run) -> None:
    patch.setattr(desk.Answer, "model_validate", lambda said: said["choice"])


def tagged(patch: Patch, run: Run) -> None:
    picture = desk.Desk.picture

    def with_tag(self: desk.Desk, token: str, side: str, request: desk.Request) -> desk.Response:
        answer = picture(self, token, side, request)
        answer.headers["ETag"] = f'"{len(answer.body)}"'
        return answer

    patch.setattr(desk.Desk, "picture", with_tag)


def commented(patch: Patch, run: Run) -> None:
    def encode(image: Image.Image, width: int, height: int) -> bytes:
        stream = io.BytesIO()
        exif = Image.Exif()
        exif[0x0131] = "some program"
        image.resize((width, height)).save(stream, format="JPEG", exif=exif)
        return stream.getvalue()

    patch.setattr(pictures, "encode", encode)


def sized(patch: Patch, run: Run) -> None:
    encode = pictures.encode

    def by_content(image: Image.Image, width: int, height: int) -> bytes:
        return encode(image, width + image.tobytes()[2] // 50, height)

    patch.setattr(pictures, "encode", by_content)


def same(patch: Patch, run: Run) -> None:
    patch.setattr(pictures, "secrets", SimpleNamespace(token_bytes=bytes))


def uneven(patch: Patch, run: Run) -> None:
    of = {str(g.image): MODELS.index(g.model) for g in run.generations()}

    def pair(self: pictures.Shown, left: str, right: str) -> tuple[bytes, bytes]:
        one, other = (self._encoded(d) + bytes(100 * of[d]) for d in (left, right))
        return one, other

    patch.setattr(pictures.Shown, "pair", pair)


LEAKS: dict[Callable[[Patch, Run], None], str] = {
    named: "names",
    digests: "names",
    hidden: "hidden components",
    opened: "doors",
    escaping: "paths",
    counted: "addresses",
    shared: "others' battles",
    talkative: "error messages",
    failing: "error messages",
    tagged: "headers of pictures",
    commented: "metadata",
    sized: "form and dimensions",
    same: "equal files",
    uneven: "lengths",
}


@pytest.mark.parametrize(("leak", "check"), LEAKS.items(), ids=[f.__name__ for f in LEAKS])
def test_each_leak_is_found(
    leak: Callable[[Patch, Run], None],
    check: str,
    study: Store,
    run: Run,
    monkeypatch: Patch,
) -> None:
    leak(monkeypatch, run)
    found = judge("s", quiet(heard(study, 36 if check == "lengths" else 9)), Secrets.of(study, "s"))
    assert check in found.leaks, "\n".join(found.lines())


def test_time_that_tells_is_found(study: Store) -> None:
    evidence = timed(heard(study), lambda model: 0.01 * MODELS.index(model))
    found = judge("s", evidence, Secrets.of(study, "s"))
    assert set(found.leaks) == {"time of a first answer", "time of a second answer"}


def test_every_check_can_fail() -> None:
    checks = defaultdict(int, {"time of a first answer": 1, "time of a second answer": 1})
    for name in LEAKS.values():
        checks[name] += 1
    blank = judge("s", Evidence(), Secrets((), (), ""))
    assert {c.name for c in blank.checks} == set(checks)


def test_names_that_the_study_says_itself_are_not_looked_for() -> None:
    kept = Secrets(("tree", "sd3.5-flash"), ("ab" * 32,), "a photo of a tree")
    assert kept.searchable(in_shell=False) == ["sd3.5-flash"]
    evidence = Evidence(stages=[Heard("GET", "stage", 200, (), b"a Tree by SD3.5-Flash")])
    names = judge("s", evidence, kept).checks[0]
    assert names.found == ("'sd3.5-flash' in GET /stage",)
    assert "not tree" in names.tried


def test_a_copy_holds_the_pictures_and_nobody_s_votes(study: Store) -> None:
    arena = Arena(study, "s")
    rater = arena.enter("a secret of twenty letters")
    battle = arena.open(rater)
    assert battle
    assert battle.token
    arena.cast(battle.token, rater, Outcome.LEFT)
    with rehearsal.copied(study, "s", cells=2) as copy, copy.reading() as facts:
        key, found = facts.study("s")
        assert len(facts.entries(key)) == 2 * len(MODELS)
        assert facts.fates(key) == (0, 0, 0, 0)
        assert copy.images(found).root.resolve() == study.images(arena.study).root.resolve()
    assert len(studies.standing_votes(study, "s")) == 1


def test_a_panel_s_page_is_audited_by_links_of_its_own(
    tmp_path: Path, run: Run, monkeypatch: Patch
) -> None:
    monkeypatch.setenv(identity.VARIABLE, "s" * 64)
    better, worse = ({"model": m, "prompt": "00000", "seed": 0} for m in MODELS[:2])
    lesson = {"use": "training", "criterion": "overall", "better": better, "worse": worse}
    rules = Protocol.model_validate(
        {
            "criteria": [{"id": "overall", "question": "Which?"}],
            "consent": "Agreed?",
            "examples": [lesson],
            "training": {"attempts": 1, "pass_share": 1.0},
            "raters": {"minimum_seconds": 0.05},
            "panel": {"kind": "prolific", "done": {"code": "D"}},
        }
    )
    with closing(Store.open(str(tmp_path / "p.sqlite"), create=True, durable=False)) as store:
        studies.load(store, run, studies.plan("s", rules, seed=7))
        with rehearsal.served(store, "s") as address:
            found = rehearsal.audit(store, "s", url=address, battles=6)
        with store.reading() as facts:
            _, skipped, _, unanswered = facts.fates(facts.study("s")[0])
    assert found.leaks == ()
    assert skipped == 6
    assert unanswered


def test_a_copy_is_audited_over_a_socket_and_the_study_is_untouched(study: Store) -> None:
    found = rehearsal.audit(study, "s", battles=6)
    assert not set(found.leaks) - {"time of a first answer", "time of a second answer"}
    with study.reading() as facts:
        assert facts.fates(facts.study("s")[0]) == (0, 0, 0, 0)


def test_a_running_page_is_audited_without_a_vote(study: Store) -> None:
    with rehearsal.served(study, "s") as address:
        found = rehearsal.audit(study, "s", url=address, battles=6)
    assert "names" not in found.leaks
    with study.reading() as facts:
        assert facts.fates(facts.study("s")[0])[1] == 6
    assert studies.standing_votes(study, "s") == []


def test_a_page_that_shows_nothing_is_not_called_blind(study: Store) -> None:
    Arena(study, "s").close()
    with pytest.raises(StudyError, match="no battle"):
        heard(study, 3)


def test_a_page_of_another_database_is_refused(study: Store, tmp_path: Path, run: Run) -> None:
    other = Store.open(str(tmp_path / "other.sqlite"), create=True)
    studies.load(other, run, studies.describe("s"))
    with rehearsal.served(other, "s") as address, pytest.raises(StudyError, match="database"):
        rehearsal.audit(study, "s", url=address, battles=6)
    other.close()
    with pytest.raises(StudyError, match="Is the page running"):
        rehearsal.audit(study, "s", url="http://127.0.0.1:9/", battles=6)
