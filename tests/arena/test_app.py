"""The web application without a browser: doors, cookies, pictures, and what a script may do."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from starlette.testclient import TestClient

from arena import guard, page, studies
from arena.battles import Arena
from arena.records import Phase, PhaseKind, Progress
from arena.store import Store
from evalkit.errors import ImageError
from evalkit.runs import Run
from tests.arena.conftest import MODELS, built

SHOW, ANSWER = "stage", "answer"


@pytest.fixture
def files(tmp_path: Path, run: Run) -> Iterator[Store]:
    """Open a study of the small run on SQLite."""
    store = Store.open(str(tmp_path / "arena.sqlite"), create=True, durable=False)
    studies.load(store, run, studies.describe("s", seed=7))
    yield store
    store.close()


@pytest.fixture
def client(files: Store) -> Iterator[TestClient]:
    """Visit the page once, as a browser does."""
    with TestClient(built(files, "s"), base_url="http://localhost") as visitor:
        assert visitor.get("/").status_code == 200
        yield visitor


def call(client: TestClient, function: str, said: Any = None) -> str:
    """Say something as the page does and return the stage's HTML."""
    answer = client.get("/stage") if function == SHOW else client.post("/answer", json=said)
    assert answer.status_code == 200, answer.text
    return answer.text


def token_in(stage: str) -> str:
    return stage.split('data-token="')[1].split('"', maxsplit=1)[0]


def spoken(stage: str) -> str:
    return stage.split(' lang="')[1].split('"', maxsplit=1)[0]


def standing(store: Store) -> list[str]:
    return [v.winner for v in studies.standing_votes(store, "s")]


def test_a_visit_gives_a_cookie_that_scripts_cannot_read(files: Store) -> None:
    with TestClient(built(files, "s"), base_url="http://localhost") as visitor:
        cookie = visitor.get("/").headers["set-cookie"]
        assert cookie.startswith("rater=")
        assert "HttpOnly" in cookie
        assert "SameSite=Lax" in cookie
        assert "Secure" not in cookie
        assert "set-cookie" not in visitor.get("/").headers, "one browser, one rater"
    with TestClient(built(files, "s"), base_url="https://localhost") as visitor:
        assert "Secure" in visitor.get("/").headers["set-cookie"]


def test_looking_at_the_page_makes_no_rater(client: TestClient, files: Store) -> None:
    client.get("/battle/none/left")
    with files.reading() as facts:
        assert facts.rater(client.cookies["rater"]) is None


def test_every_answer_has_the_strict_headers(client: TestClient) -> None:
    for path in ("/", "/config", "/health", "/nothing", "/battle/x/left"):
        headers = client.get(path).headers
        assert "default-src 'self'" in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert headers["referrer-policy"] == "no-referrer"


SHUT = (
    "/gradio_api/run/predict",
    "/gradio_api/run/answer",
    "/gradio_api/upload",
    "/gradio_api/queue/join",
    "/gradio_api/queue/data",
    "/gradio_api/info",
    "/gradio_api/startup-events",
    "/gradio_api/file=arena.sqlite",
    "/gradio_api/file=/etc/passwd",
    "/file=/etc/passwd",
    "/gradio_api/proxy=http://localhost",
    "/gradio_api/component_server",
    "/gradio_api/component_server/",
    "/gradio_api/call/answer",
    "/gradio_api/api/answer",
    "/gradio_api/runs",
    "/gradio_api/openapi.json",
    "/monitoring",
    "/docs",
    "/openapi.json",
    "/gradio_api/vibe-edit/",
)


def test_doors_that_no_rater_needs_are_shut(client: TestClient) -> None:
    for path in SHUT:
        assert client.get(path).status_code == 404, path
        assert client.post(path).status_code == 404, path


def test_the_page_s_own_files_do_not_lead_elsewhere(client: TestClient) -> None:
    for path in ("/static/../../../etc/passwd", "/assets/%2e%2e/%2e%2e/config", "/svelte/../x"):
        assert client.get(path).status_code >= 400


def test_the_page_s_scripts_are_kept_for_good_under_their_version(client: TestClient) -> None:
    for name in page.files():
        sent = client.get(f"/face/{page.version()}/{name}")
        assert sent.content == page.files()[name]
        assert "immutable" in sent.headers["cache-control"]
    for path in (f"/face/{page.version()}/stage.html", "/face/old/page.js", "/face/x/../app.py"):
        assert client.get(path).status_code == 404, path


def test_undo_sent_twice_undoes_once(client: TestClient, files: Store) -> None:
    stage = call(client, SHOW)
    for _ in range(2):
        stage = call(client, ANSWER, {"choice": "left", "token": token_in(stage)})
    undo = {"choice": "undo", "token": token_in(stage)}
    first, second = call(client, ANSWER, undo), call(client, ANSWER, undo)
    assert token_in(first) == token_in(second)
    assert standing(files) == ["left"]


def test_health_answers(client: TestClient) -> None:
    assert client.get("/health").json() == {"status": "ok"}


def test_a_vote_through_the_page_is_a_row(client: TestClient, files: Store) -> None:
    stage = call(client, SHOW)
    after = call(client, ANSWER, {"choice": "left", "token": token_in(stage), "seconds": 0.0})
    assert token_in(after) != token_in(stage)
    assert "1 answered" in after
    assert standing(files) == ["left"]


def test_the_same_click_sent_twice_is_one_vote(client: TestClient, files: Store) -> None:
    click = {"choice": "tie", "token": token_in(call(client, SHOW)), "seconds": 1}
    first, second = call(client, ANSWER, click), call(client, ANSWER, click)
    assert token_in(first) == token_in(second)
    assert standing(files) == ["tie"]


def test_reloading_shows_the_same_battle(client: TestClient) -> None:
    assert token_in(call(client, SHOW)) == token_in(call(client, SHOW))


def test_skip_and_undo(client: TestClient, files: Store) -> None:
    first = token_in(call(client, SHOW))
    skipped = call(client, ANSWER, {"choice": "skip", "token": first})
    assert "Skipped." in skipped
    back = call(client, ANSWER, {"choice": "undo", "token": token_in(skipped)})
    assert "Undone." in back
    assert token_in(back) not in (first, token_in(skipped))
    call(client, ANSWER, {"choice": "both_bad", "token": token_in(back)})
    assert standing(files) == ["both_bad"]


NONSENSE: tuple[Any, ...] = (
    None,
    [],
    "left",
    {},
    {"choice": "left"},
    {"choice": "win", "token": "x"},
    {"choice": "left", "token": 7},
    {"choice": "left", "token": "x" * 10000},
    {"choice": "left", "token": "'; DROP TABLE vote; --", "seconds": "soon"},
    {"choice": ["left"], "token": None, "seconds": 1e308},
)


def test_nonsense_is_no_vote_and_the_page_goes_on(client: TestClient, files: Store) -> None:
    shown = token_in(call(client, SHOW))
    for said in NONSENSE:
        assert token_in(call(client, ANSWER, said)) == shown, said
    assert standing(files) == []


def test_a_script_cannot_vote_on_another_s_battle(client: TestClient, files: Store) -> None:
    name = token_in(call(client, SHOW))
    client.cookies.clear()
    client.cookies.set("rater", "a-cookie-that-a-stranger-made-up")
    stage = call(client, ANSWER, {"choice": "left", "token": name})
    assert "another rater" in stage
    assert standing(files) == []
    assert client.get(f"/battle/{name}/left").status_code == 404


def test_without_a_cookie_nothing_is_shown_or_taken(client: TestClient, files: Store) -> None:
    name = token_in(call(client, SHOW))
    client.cookies.clear()
    assert "allow cookies" in call(client, SHOW)
    assert "allow cookies" in call(client, ANSWER, {"choice": "left", "token": name})
    assert client.get(f"/battle/{name}/left").status_code == 404
    assert standing(files) == []


def test_pictures_come_in_one_form_and_tell_nothing(client: TestClient, run: Run) -> None:
    name = token_in(call(client, SHOW))
    for side in ("left", "right"):
        sent = client.get(f"/battle/{name}/{side}")
        assert sent.headers["content-type"] == "image/jpeg"
        assert not {"etag", "last-modified", "content-disposition"} & set(sent.headers)
        assert "private" in sent.headers["cache-control"]
        assert Image.open(io.BytesIO(sent.content)).size == (512, 512)
    for side in ("middle", "LEFT", ""):
        assert client.get(f"/battle/{name}/{side}").status_code == 404


def test_a_damaged_picture_can_be_skipped(client: TestClient, run: Run, files: Store) -> None:
    name = token_in(call(client, SHOW))
    for generation in run.generations():
        run.images.path(str(generation.image)).write_bytes(b"damaged")
    answer = client.get(f"/battle/{name}/left")
    assert answer.status_code == 410
    assert str(run.images.root) not in answer.text
    assert token_in(call(client, ANSWER, {"choice": "skip", "token": name})) != name


def test_nothing_the_server_says_names_a_model_or_a_picture(
    client: TestClient, run: Run, files: Store, tmp_path: Path
) -> None:
    said = [client.get(p) for p in ("/", "/config", "/theme.css", "/manifest.json")]
    texts = [s.text + str(s.headers) for s in said]
    for _ in range(12):
        stage = call(client, SHOW)
        name = token_in(stage)
        sent = [client.get(f"/battle/{name}/{side}") for side in ("left", "right")]
        texts += [stage, *(str(s.headers) + s.content.decode("latin-1") for s in sent)]
        texts.append(call(client, ANSWER, {"choice": "left", "token": name}) if _ < 11 else "")
    secrets = [*MODELS, *(str(g.image) for g in run.generations()), str(tmp_path)]
    secrets += [g.id for g in run.generations()]
    assert [s for s in secrets if any(s in t for t in texts)] == []


def test_names_are_revealed_after_the_vote_if_the_study_says_so(
    tmp_path: Path, run: Run, files: Store
) -> None:
    studies.load(files, run, studies.describe("open", reveal=True))
    with TestClient(built(files, "open"), base_url="http://localhost") as visitor:
        visitor.get("/")
        stage = call(visitor, SHOW)
        assert not any(m in stage for m in MODELS)
        after = call(visitor, ANSWER, {"choice": "left", "token": token_in(stage)})
        assert sum(m in after for m in MODELS) == 2


def test_the_end_of_a_study_says_thank_you(client: TestClient, files: Store) -> None:
    stage = call(client, SHOW)
    for _ in range(12):
        stage = call(client, ANSWER, {"choice": "tie", "token": token_in(stage)})
    assert "Thank you" in stage
    assert "12 answers" in stage
    assert "data-token" not in stage
    assert "data-token" in call(client, ANSWER, {"choice": "undo", "token": ""})


def test_a_study_closed_meanwhile_says_so(client: TestClient, files: Store) -> None:
    name = token_in(call(client, SHOW))
    Arena(files, "s").close()
    assert "closed" in call(client, ANSWER, {"choice": "left", "token": name})
    assert standing(files) == []


def test_a_study_whose_pictures_are_gone_is_not_served(run: Run, files: Store) -> None:
    run.images.root.rename(run.images.root.with_name("elsewhere"))
    with pytest.raises(ImageError, match="does not exist"):
        built(files, "s")


def test_text_is_shown_as_text(client: TestClient) -> None:
    stage = call(client, SHOW)
    assert "<i>" not in stage.split("<blockquote")[1].split("</blockquote>")[0]
    assert "&lt;i&gt;" in stage


def test_a_hidden_prompt_is_not_sent(run: Run, files: Store) -> None:
    studies.load(files, run, studies.describe("looks", "quality", show_prompt=False))
    with TestClient(built(files, "looks"), base_url="http://localhost") as visitor:
        visitor.get("/")
        assert "a photo of" not in call(visitor, SHOW)


def test_a_study_in_three_languages_speaks_the_browser_s_the_link_s_or_the_chosen_one(
    run: Run, files: Store
) -> None:
    studies.load(files, run, studies.describe("three", languages=("en", "ko", "ja")))
    with TestClient(built(files, "three"), base_url="http://localhost") as visitor:
        korean = {"accept-language": "ko-KR,ko;q=0.9,en;q=0.5"}
        assert "쿠키를 허용" in visitor.get("/stage", headers=korean).text
        visitor.get("/")
        stage = visitor.get("/stage", headers=korean)
        assert spoken(stage.text) == "ko"
        assert "더 갖고 싶으신가요" in stage.text
        assert "HttpOnly" in stage.headers["set-cookie"]
        assert spoken(call(visitor, SHOW)) == "ko", "kept without the header"
        assert spoken(visitor.get("/stage?lang=ja").text) == "ja"
        for nonsense in ("xx", "", "<script>", "ja" * 5000, "../en"):
            assert spoken(visitor.get("/stage", params={"lang": nonsense}).text) == "ja"
            said = {"choice": "language", "language": nonsense}
            assert spoken(call(visitor, ANSWER, said)) == "ja"
        name = token_in(call(visitor, ANSWER, {"choice": "language", "language": "ko"}))
        assert "1개 답변함" in call(visitor, ANSWER, {"choice": "left", "token": name})
        visitor.cookies.delete("language")
        assert spoken(call(visitor, SHOW)) == "ko", "the rater's own, on another device"
    (vote,) = studies.standing_votes(files, "three")
    assert vote.language == "ko"
    with files.reading() as facts:
        key, _ = facts.study("three")
        assert [e.detail["language"] for e in facts.events(key, "language")] == ["ko", "ja", "ko"]


@pytest.mark.parametrize(
    ("cookies", "key"),
    [
        (None, None),
        ("", None),
        ("other=1", None),
        ("rater=short", None),
        ("rater=" + "x" * 101, None),
        ("a=b; rater=" + "x" * 43 + "; c=d", "x" * 43),
        ("rater=;;;=", None),
        ("rat er=x", None),
    ],
)
def test_a_cookie_header_is_read_with_care(cookies: str | None, key: str | None) -> None:
    assert guard.key_of(cookies) == key


def test_a_page_before_anything_is_loaded_says_so(files: Store) -> None:
    progress = Progress(done=0, total=0)
    view = page.View(studies.describe("s"), Phase(kind=PhaseKind.DONE, progress=progress))
    assert "nothing to compare yet" in page.stage(view)


def test_progress_is_counted_against_a_quota() -> None:
    progress = Progress(done=2, total=8, counted=True)
    view = page.View(studies.describe("s"), Phase(kind=PhaseKind.DONE, progress=progress))
    assert "2 of 8 answered" in page.stage(view)
    assert "inline-size: 25.0%" in page.stage(view)
