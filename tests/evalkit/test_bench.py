"""What a picture costs is measured by one protocol, kept, and shown with the machine's name."""

from __future__ import annotations

import pytest

from evalkit import bench, catalogue, costs, pages, report
from evalkit.bench import Protocol, here, measure
from evalkit.engine import Local
from evalkit.errors import SpecError, UnknownNameError
from evalkit.generate import generate, open_or_create
from evalkit.prompts import load
from evalkit.records import ModelSpec
from evalkit.runs import Run

SHORT = Protocol(warmup=1, repeats=3)


@pytest.fixture
def clocked(monkeypatch, noise):
    """A free generator on a clock that only the drawing moves: 8, 1, 2, 4, 1, 2, 4, ... seconds."""
    from tests.fakes import Noise

    now, waits = [0.0], iter([8.0] + [1.0, 2.0, 4.0] * 9)
    monkeypatch.setattr(bench.time, "perf_counter", lambda: now[0])
    drawn = []

    def draw(self, prompts, seeds):
        now[0] += next(waits)
        drawn.append([(p.text, s) for p, s in zip(prompts, seeds, strict=True)])
        return Noise.draw_free(self, prompts, seeds)

    monkeypatch.setattr(Noise, "draw_free", Noise.draw, raising=False)
    monkeypatch.setattr(Noise, "draw", draw)
    return drawn


def test_the_first_batches_do_not_count(clocked, noise, suite):
    cost = here(noise(), suite.prompts, 2, SHORT)
    assert (cost.seconds, cost.seconds_p95) == (1.0, 2.0)  # of 1, 2 and 4 s a batch of two
    assert (cost.batch, cost.warmup, cost.repeats) == (2, 1, 3)
    assert (cost.peak_memory_mb, cost.memory_of) == (10.0, "accelerator")
    assert cost.parts == {}
    assert cost.load_seconds == 0


def test_no_picture_is_drawn_twice(clocked, noise, suite):
    here(noise(), suite.prompts, 4, SHORT)
    pictures = [picture for batch in clocked for picture in batch]
    assert len(set(pictures)) == len(pictures) == 16


def test_what_cannot_be_drawn_is_a_row_with_a_reason(noise, suite):
    cost = here(noise(fails=[suite.prompts[1].text]), suite.prompts, 2, SHORT)
    assert (cost.seconds, cost.error) == (None, "the model refused")
    assert "the model refused" in " ".join(costs.line(cost))


def test_a_service_is_never_paid_for_a_measurement(monkeypatch, suite):
    monkeypatch.delenv("STABILITY_API_KEY", raising=False)
    cost = here(catalogue.spec("sd3.5-flash-api"), suite.prompts, 2, SHORT)
    assert (cost.seconds, cost.error) == (None, "a service draws it, for money and elsewhere")


def test_a_batch_that_is_drawn_in_pieces_is_not_passed_off_as_one(monkeypatch, noise, suite):
    from tests.fakes import Noise

    monkeypatch.setattr(Noise, "together", 1, raising=False)
    monkeypatch.setattr(Noise, "stopwatch", lambda self: None, raising=False)
    assert "1 together, not 2" in here(noise(), suite.prompts, 2, SHORT).error


def test_the_parts_of_a_real_pipeline_are_timed(tmp_path):
    prompts = load("miniature").prompts
    from evalkit import catalogue

    cost = here(catalogue.spec("mini-flash-2"), prompts, 1, Protocol(warmup=0, repeats=1))
    assert set(cost.parts) == {"text", "denoiser", "decoder"}
    assert all(seconds > 0 for seconds in cost.parts.values())
    assert cost.evaluations == 2
    assert cost.disk_mb > cost.weights_mb / 2 > 0


@pytest.fixture
def sketched(tmp_path):
    specs = [
        ModelSpec(name=n, generator="sketch", options={"faults": f})
        for n, f in (("good", 0.0), ("bad", 0.5))
    ]
    run = open_or_create(tmp_path / "run", load("miniature"), specs, [0])
    generate(run, Local(), limit=2)
    return run


def test_costs_are_kept_and_shown(sketched):
    list(measure(sketched, ["bad"], [1, 2], SHORT))
    (again,) = measure(sketched, ["bad"], [2], SHORT)
    run = Run.open(sketched.path)
    assert [(c.model, c.batch) for c in run.costs()] == [("bad", 1), ("bad", 2)]
    assert run.costs()[1] == again
    assert again.memory_of == "process"
    board = report.build(run)
    rows = {row.model: row for row in board.rows}
    assert rows["bad"].seconds == run.costs()[0].seconds
    assert rows["bad"].peak_memory_mb is None  # a process is no accelerator
    assert "What a picture costs" in pages.html(board)
    assert "| bad | 2 |" in pages.markdown(board)
    assert "costs.jsonl" in dict(run.texts())


def test_without_measurements_there_is_no_table(sketched):
    board = report.build(sketched)
    assert "What a picture costs" not in pages.html(board)
    assert costs.markdown(board) == []


def test_wrong_requests_are_refused_before_anything_is_loaded(sketched):
    with pytest.raises(UnknownNameError, match="Did you mean 'good'"):
        list(measure(sketched, ["goood"], [1], SHORT))
    with pytest.raises(SpecError, match="at least one"):
        list(measure(sketched, [], [0], SHORT))


def test_a_killed_process_is_a_row_with_a_reason(sketched, monkeypatch):
    monkeypatch.setattr(bench, "here", _die)
    (cost,) = measure(sketched, ["good"], [1], SHORT)
    assert "was killed" in cost.error


def _die(*_):
    import os

    os._exit(9)
