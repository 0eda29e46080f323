"""Small random checkpoints, made once a session."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.evalkit.scorers.checkpoints import (
    make_clip,
    make_detector,
    make_head,
    make_hps,
    make_judge,
    make_qwen_judge,
    make_reward,
)


@dataclass(frozen=True)
class Checkpoints:
    """Folders of random weights."""

    detector: Path
    clip: Path
    reward: Path
    hps: Path
    head: Path
    judge: Path
    qwen_judge: Path


@pytest.fixture(scope="session")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> Checkpoints:
    root = tmp_path_factory.mktemp("weights")
    return Checkpoints(
        make_detector(root / "detector"),
        make_clip(root / "clip"),
        make_reward(root / "reward"),
        make_hps(root / "hps"),
        make_head(root / "head.pth"),
        make_judge(root / "judge"),
        make_qwen_judge(root / "qwen-judge"),
    )
