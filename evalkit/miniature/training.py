"""One training loop for every part of the miniature: seeded, resumable, its curve kept."""

from __future__ import annotations

import fcntl
import json
import math
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from evalkit.errors import EvalkitError
from evalkit.miniature.data import WORK

if TYPE_CHECKING:
    import torch
    from torch import nn

Row = dict[str, float]


@dataclass(frozen=True)
class Plan:
    """How to train: one part, for so many minutes or steps, from one seed."""

    part: str
    minutes: float
    seed: int = 0
    steps: int | None = None
    """Fixes the number of steps instead of the time: then a run can be repeated exactly."""
    work: Path = WORK
    rate: float = 1e-3
    warm_up: int = 100
    hold: float = 0.0
    """Share of the run at the full rate before it falls along a cosine."""
    weight_decay: float = 0.01
    betas: tuple[float, float] = (0.9, 0.98)
    clip: float = 1.0
    pace: Mapping[str, float] = field(default_factory=dict)
    """Factors of the learning rate by the first name of a weight, 1 where not given."""
    average: float = 0.0
    """Decay a step of the moving average of the weights, which is what is validated and kept."""
    save_seconds: float = 60.0

    @property
    def checkpoint(self) -> Path:
        """The file that a killed run goes on from."""
        return self.work / "checkpoints" / f"{self.part}-{self.seed}.pt"


@dataclass
class _State:
    step: int = 0
    seconds: float = 0.0
    curve: list[Row] = field(default_factory=list)
    average: dict[str, torch.Tensor] = field(default_factory=dict)
    """The moving average of the trained weights; empty where none is kept."""


def fit(
    model: nn.Module,
    loss_at: Callable[[torch.Generator], torch.Tensor],
    validate: Callable[[], Mapping[str, float]],
    plan: Plan,
) -> list[Row]:
    """Train ``model`` in place and return its curve, going on from a checkpoint if there is one.

    ``loss_at`` draws its batch from the generator it is given, which depends on the seed and the
    step alone: a resumed run sees the same batches as one that was never stopped.
    """
    import torch

    optimiser = torch.optim.AdamW(
        _groups(model, plan), lr=plan.rate, betas=plan.betas, weight_decay=plan.weight_decay
    )
    with _alone(plan):
        return _run(model, optimiser, loss_at, validate, plan)


def _groups(model: nn.Module, plan: Plan) -> list[dict[str, Any]]:
    """Sort the trained weights by their pace."""
    groups: dict[float, list[nn.Parameter]] = {}
    for name, weight in model.named_parameters():
        if weight.requires_grad:
            groups.setdefault(plan.pace.get(name.split(".")[0], 1.0), []).append(weight)
    return [{"params": weights, "pace": pace} for pace, weights in groups.items()]


@contextmanager
def _alone(plan: Plan) -> Iterator[None]:
    """Keep a second process from training the same part into the same checkpoint."""
    plan.checkpoint.parent.mkdir(parents=True, exist_ok=True)
    with plan.checkpoint.with_suffix(".lock").open("w") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise EvalkitError(
                f"Another process is training {plan.part} with seed {plan.seed} in {plan.work}. "
                "Wait for it, or give another --seed or --work."
            ) from None
        yield


def _run(
    model: nn.Module,
    optimiser: torch.optim.Optimizer,
    loss_at: Callable[[torch.Generator], torch.Tensor],
    validate: Callable[[], Mapping[str, float]],
    plan: Plan,
) -> list[Row]:
    state = _resume(model, optimiser, plan)
    started, saved, losses = time.monotonic() - state.seconds, state.seconds, []
    bar = tqdm(total=100, desc=f"training {plan.part}", unit="%")
    model.train()
    while (share := _share(state, plan)) < 1:
        bar.update(round(100 * share) - bar.n)
        losses.append(_step(model, optimiser, loss_at, plan, state.step, share))
        state.step += 1
        _follow(model, state, plan)
        state.seconds = time.monotonic() - started
        if state.seconds - saved > plan.save_seconds:
            saved = state.seconds
            _note(model, state, losses, validate, bar)
            _save(model, optimiser, state, plan)
    if losses:
        _note(model, state, losses, validate, bar)
        _save(model, optimiser, state, plan)
    bar.close()
    _exchange(model, state)
    return state.curve


def _follow(model: nn.Module, state: _State, plan: Plan) -> None:
    """Let the moving average follow the weights, faster while they are young."""
    if not plan.average:
        return
    weights = {k: p.detach() for k, p in model.named_parameters() if p.requires_grad}
    if not state.average:
        state.average = {k: w.clone() for k, w in weights.items()}
    decay = min(plan.average, (1 + state.step) / (10 + state.step))
    for name, weight in weights.items():
        state.average[name].lerp_(weight, 1 - decay)


def _exchange(model: nn.Module, state: _State) -> None:
    """Exchange the weights and their moving average."""
    weights = dict(model.named_parameters())
    for name, average in state.average.items():
        current = weights[name].detach().clone()
        weights[name].data.copy_(average)
        average.copy_(current)


def _share(state: _State, plan: Plan) -> float:
    """Return how much of the run is done, 0..1."""
    if plan.steps is not None:
        return state.step / plan.steps
    return state.seconds / (60 * plan.minutes)


def _step(
    model: nn.Module,
    optimiser: torch.optim.Optimizer,
    loss_at: Callable[[torch.Generator], torch.Tensor],
    plan: Plan,
    step: int,
    share: float,
) -> float:
    import torch

    for group in optimiser.param_groups:
        group["lr"] = rate_at(plan, step, share) * group["pace"]
    loss = loss_at(torch.Generator().manual_seed(plan.seed * 1_000_003 + step))
    if not torch.isfinite(loss):
        raise FloatingPointError(f"The loss of {plan.part} is {loss.item()} at step {step}.")
    optimiser.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(model.parameters(), plan.clip)
    optimiser.step()
    return float(loss.detach())


def rate_at(plan: Plan, step: int, share: float) -> float:
    """Return the learning rate: a linear rise, a plateau, then half a cosine to a hundredth."""
    rise = min(1.0, (step + 1) / plan.warm_up)
    fall = max(0.0, share - plan.hold) / (1 - plan.hold)
    return plan.rate * rise * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(1.0, fall))))


def _note(
    model: nn.Module,
    state: _State,
    losses: list[float],
    validate: Callable[[], Mapping[str, float]],
    bar: tqdm[Any],
) -> None:
    import torch

    model.eval()
    _exchange(model, state)
    with torch.no_grad():
        found = {k: round(float(v), 5) for k, v in validate().items()}
    _exchange(model, state)
    model.train()
    loss = sum(losses) / max(1, len(losses))
    losses.clear()
    row = {"step": state.step, "seconds": round(state.seconds, 1), "loss": round(loss, 5), **found}
    state.curve.append(row)
    bar.write(json.dumps(row))


def _save(model: nn.Module, optimiser: torch.optim.Optimizer, state: _State, plan: Plan) -> None:
    import torch

    part = plan.checkpoint.with_suffix(f".{os.getpid()}.part")
    content = {"model": model.state_dict(), "optimiser": optimiser.state_dict(), **vars(state)}
    torch.save(content, part)
    part.replace(plan.checkpoint)


def _resume(model: nn.Module, optimiser: torch.optim.Optimizer, plan: Plan) -> _State:
    import torch

    if not plan.checkpoint.exists():
        return _State()
    content = torch.load(plan.checkpoint, weights_only=True)
    model.load_state_dict(content["model"])
    optimiser.load_state_dict(content["optimiser"])
    return _State(content["step"], content["seconds"], content["curve"], content.get("average", {}))


def joined(*curves: Sequence[Row]) -> list[Row]:
    """Count the steps and seconds of stages, each of which began at 0, through to the end."""
    done: list[Row] = []
    for curve in curves:
        base = {k: done[-1][k] if done else 0 for k in ("step", "seconds")}
        done += [row | {k: row[k] + b for k, b in base.items()} for row in curve]
    return done


def keep(folder: Path, plan: Plan, config: Mapping[str, Any], curve: list[Row]) -> None:
    """Write how weights came to be beside them: training.json and curve.png; end the checkpoint."""
    facts = {
        "part": plan.part,
        "seed": plan.seed,
        "steps": int(curve[-1]["step"]),
        "seconds": curve[-1]["seconds"],
        "plan": {k: v for k, v in vars(plan).items() if k != "work"} | {"pace": dict(plan.pace)},
        "config": dict(config),
        "curve": curve,
    }
    (folder / "training.json").write_text(json.dumps(facts, indent=1) + "\n")
    plot(folder / "curve.png", plan.part, curve)
    plan.checkpoint.unlink(missing_ok=True)


def plot(path: Path, part: str, curve: list[Row]) -> None:
    """Draw every column of a curve over its steps."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    names = [n for n in curve[0] if n not in ("step", "seconds")]
    figure = Figure(figsize=(3 * len(names), 2.4), layout="constrained")
    FigureCanvasAgg(figure)
    for axes, name in zip(figure.subplots(1, len(names), squeeze=False)[0], names, strict=True):
        axes.plot([r["step"] for r in curve], [r[name] for r in curve], lw=1.2)
        axes.set_title(f"{part}: {name}", fontsize=9)
        axes.set_xlabel("step", fontsize=8)
        axes.tick_params(labelsize=7)
    figure.savefig(path, dpi=110, metadata={"Software": None})
