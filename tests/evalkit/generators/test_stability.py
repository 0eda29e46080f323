"""The service's adapter against a server of this test's own: what is sent, paid, waited for, kept.

Nothing sleeps: the adapter is given its clock, and what it would have waited is written down.
"""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from evalkit import catalogue, pages, report, texts
from evalkit.engine import Local
from evalkit.errors import ServiceError, SpecError
from evalkit.generate import generate, open_or_create
from evalkit.generators import Paid
from evalkit.generators.stability import ATTEMPTS, OUTAGES, PATH, Stability
from evalkit.prompts import load
from evalkit.records import Prompt
from tests.evalkit.generators.service import drawn, png

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
MODERATED = (403, {}, b'{"id": "1", "name": "content_moderation", "errors": ["It was flagged."]}')


@pytest.fixture
def flash(service):
    """Make the catalogue's model with a clock that stands still, and a list of its waits."""

    def make(**changes):
        spec = catalogue.spec("sd3.5-flash-api").model_copy(update=changes)
        waits = []
        return Stability(spec, sleep=waits.append, now=lambda: NOON), waits

    return make


PROMPTS = [Prompt(id=f"{i}", suite="s", text=text) for i, text in enumerate(("a cup", "ünï 漢字"))]


def one(generator, seed=0):
    (picture,) = generator.draw(PROMPTS[:1], [seed])
    return picture


def test_a_picture_is_asked_for_and_kept(service, flash):
    generator, waits = flash()
    first, second = generator.draw(PROMPTS, [0, 3])
    assert first.image.mode == "RGB"
    assert (first.seconds, first.peak_memory_mb) == (None, None)  # the network's, not the model's
    path, headers, sent = service.asked[0]
    assert (path, headers["Authorization"]) == (PATH, "Bearer sk-secret")
    assert headers["Content-Type"].startswith("multipart/form-data")
    expected = {"prompt": "a cup", "seed": "1", "model": "sd3.5-flash", "aspect_ratio": "1:1"}
    assert sent == {**expected, "output_format": "png", "none": ""}
    assert service.asked[1][2]["prompt"] == "ünï 漢字"
    assert service.asked[1][2]["seed"] == "4"
    assert second.image is not None
    assert not waits


def test_what_may_be_told_is_told(service, flash):
    options = {"model": "sd3.5-large", "negative_prompt": "blur", "aspect_ratio": "16:9"}
    generator, _ = flash(guidance=4.5, options=options)
    one(generator)
    sent = service.asked[0][2]
    assert {k: sent[k] for k in options} == options
    assert sent["cfg_scale"] == "4.5"


def test_the_manifest_says_that_the_variant_is_not_known_and_holds_no_key(flash):
    generator, _ = flash()
    one(generator)
    facts = generator.realised()
    assert facts["variant"] == "undisclosed"
    assert facts["asked"] == {"model": "sd3.5-flash", "aspect_ratio": "1:1"}
    assert facts["seed_kept"] is None  # the service did not name the seed
    assert "secret" not in repr((facts, vars(generator)))


@pytest.mark.parametrize(("told", "kept"), [("1", True), ("77", False)])
def test_the_seed_that_the_service_names_is_compared(service, flash, told, kept):
    service.answers = [drawn(seed=told)]
    generator, _ = flash()
    one(generator)
    assert generator.realised()["seed_kept"] is kept


def test_a_refused_prompt_is_a_row_with_a_reason(service, flash):
    service.answers = [MODERATED]
    generator, waits = flash()
    refused, other = generator.draw(PROMPTS, [0, 0])
    assert refused.error.startswith("the service's content filter refused the prompt:")
    assert "It was flagged." in refused.error
    assert other.image is not None
    assert (len(service.asked), waits) == (2, [])


def test_a_withheld_picture_is_a_row_with_a_reason(service, flash):
    status, headers, data = drawn()
    service.answers = [(status, {**headers, "finish-reason": "CONTENT_FILTERED"}, data)]
    assert one(flash()[0]).error == "the service's content filter withheld the picture"


@pytest.mark.parametrize("code", [400, 413, 422])
def test_a_bad_request_is_a_row_with_the_services_words(service, flash, code):
    service.answers = [(code, {}, b'{"name": "bad_request", "errors": ["prompt: too long"]}')]
    assert one(flash()[0]).error == (
        f"the service refused the request ({code}): bad_request prompt: too long"
    )


@pytest.mark.parametrize("data", [b"", b"no picture", png()[:40]])
def test_what_is_no_picture_is_a_row_with_a_reason(service, flash, data):
    service.answers = [(200, {"Content-Type": "image/png"}, data)]
    assert "is not a picture" in one(flash()[0]).error


@pytest.mark.parametrize("code", [429, 500, 503])
def test_what_was_not_charged_is_asked_again_each_time_later(service, flash, code):
    service.answers = [(code, {}, b"busy")] * 3
    generator, waits = flash()
    assert one(generator).image is not None
    assert waits == [1, 2, 4]
    assert len({repr(sent) for *_, sent in service.asked}) == 1  # the same request each time


@pytest.mark.parametrize(
    ("told", "waited"),
    [
        ("37", 37),
        ("0", 1),
        ("-5", 1),
        ("nan", 1),
        ("inf", 1),
        ("soon", 1),
        ("", 1),
        ("Thu, 01 Jan 2026 12:01:30 GMT", 90),
        ("Thu, 01 Jan 2026 11:00:00 GMT", 1),
        ("99 GMT", 1),
    ],
)
def test_retry_after_is_honoured(service, flash, told, waited):
    service.answers = [(429, {"Retry-After": told}, b"")]
    generator, waits = flash()
    assert one(generator).image is not None
    assert waits == [waited]


def test_a_wait_that_is_too_long_ends_the_work(service, flash):
    service.answers = [(429, {"Retry-After": "3600"}, b"")]
    with pytest.raises(ServiceError, match="asks to wait 3,600 seconds"):
        one(flash()[0])


def test_a_service_that_stays_busy_ends_the_work(service, flash):
    service.answers = [(429, {}, b"rate")] * ATTEMPTS
    generator, waits = flash()
    with pytest.raises(ServiceError, match=f"said 429: rate, {ATTEMPTS} times"):
        one(generator)
    assert waits == [1, 2, 4, 8, 16]


@pytest.mark.parametrize("answer", [(None, {}, b""), (502, {}, b""), (504, {}, b"")])
def test_what_may_have_been_charged_is_not_asked_again(service, flash, answer):
    service.answers = [answer]
    generator, waits = flash()
    assert one(generator).error.endswith("it may be charged")
    assert (len(service.asked), waits) == (1, [])


def test_a_service_that_always_breaks_off_ends_the_work(service, flash):
    service.answers = [(502, {}, b"")] * (OUTAGES - 1) + [drawn()] + [(502, {}, b"")] * OUTAGES
    generator, _ = flash()
    for _ in range(2 * OUTAGES - 1):
        one(generator)
    with pytest.raises(ServiceError, match=f"failed {OUTAGES} pictures in a row"):
        one(generator)


def test_a_picture_that_the_service_cannot_draw_is_a_row(service, flash):
    service.answers = [(500, {}, b"oops")] * ATTEMPTS
    assert one(flash()[0]).error == f"the service said 500: oops, {ATTEMPTS} times"


@pytest.mark.parametrize(
    ("code", "cure"),
    [(401, "Check STABILITY_API_KEY"), (402, "Buy credits"), (403, "Check what"), (404, "See")],
)
def test_what_every_picture_would_meet_ends_the_work(service, flash, code, cure):
    service.answers = [(code, {}, b'{"name": "no", "errors": []}')]
    with pytest.raises(ServiceError, match=cure) as raised:
        one(flash()[0])
    assert "secret" not in str(raised.value)


def test_what_was_paid_for_is_kept_when_the_service_fails_after_it(service, flash):
    service.answers = [drawn(), (402, {}, b"")]
    first, second = flash()[0].draw(PROMPTS, [0, 0])
    assert first.image is not None
    assert second.error.startswith("not asked for: ")


def test_a_redirect_is_not_followed_with_the_key(service, flash):
    service.answers = [(307, {"Location": "http://127.0.0.1:9/"}, b"")]
    with pytest.raises(ServiceError, match="answered 307"):
        one(flash()[0])


def test_nobody_there(flash, monkeypatch):
    monkeypatch.setenv("STABILITY_API_URL", "http://127.0.0.1:9")
    generator, waits = flash()
    with pytest.raises(ServiceError, match="cannot be reached"):
        one(generator)
    assert len(waits) == ATTEMPTS - 1


@pytest.mark.parametrize("key", ["", " \n", "schlüssel", "two\nlines"])
def test_no_key(flash, monkeypatch, key):
    monkeypatch.setenv("STABILITY_API_KEY", key)
    with pytest.raises(ServiceError, match="STABILITY_API_KEY"):
        flash()[0].load()


@pytest.mark.parametrize("url", ["http://example.org", "ftp://localhost", "api.stability.ai"])
def test_the_key_goes_nowhere_in_the_open(flash, monkeypatch, url):
    monkeypatch.setenv("STABILITY_API_URL", url)
    with pytest.raises(ServiceError, match="Use https"):
        flash()[0].load()


@pytest.mark.parametrize(
    "changes",
    [{"steps": 4}, {"width": 512}, {"dtype": "float16"}, {"weights": "a/b"}, {"options": {}},
     {"options": {"model": "sd4"}}, {"options": {"model": "sd3.5-flash", "steps": 4}}],
)  # fmt: skip
def test_what_the_service_cannot_be_told_is_refused(changes, flash):
    with pytest.raises(SpecError, match=r"sd3\.5-flash-api"):
        flash(**changes)


def test_seeds_that_it_does_not_take(service, flash):
    assert "seeds below" in one(flash()[0], seed=2**32 - 2).error
    assert "seeds below" in one(flash()[0], seed=-1).error
    assert not service.asked


def test_it_is_known_as_paid(flash):
    assert isinstance(flash()[0], Paid)


def test_every_report_of_a_run_says_that_the_variant_is_not_disclosed(service, tmp_path):
    service.answers = [drawn(), MODERATED]
    entry = catalogue.entry("sd3.5-flash-api")
    suite = tmp_path / "two.txt"
    suite.write_text("a cup\na knife\n")
    run = open_or_create(
        tmp_path / "run", load(suite), [entry.spec], [0], {entry.name: entry.about}
    )
    made = generate(run, Local(), max_cost=0.05)
    assert [g.error is None for g in made] == [True, False]
    assert {(g.seconds, g.peak_memory_mb) for g in made} == {(None, None)}
    board = report.build(run)
    forms = [pages.html(board), texts.markdown(board), texts.table_csv(board)]
    forms.append(board.model_dump_json())
    assert all("disclose" in form for form in forms)
    assert (board.rows[0].failures, board.rows[0].step_tier) == (1, "")
    kept = [p.read_text(errors="replace") for p in (tmp_path / "run").rglob("*") if p.is_file()]
    assert not any("sk-secret" in text for text in kept)
