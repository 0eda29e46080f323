"""Load a transformers checkpoint strictly: nothing missing, nothing left over."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from evalkit.errors import WeightsError
from evalkit.weights import Weights, read_json

_UNUSED = re.compile(
    r"^criterion\.|(relative_position_index|position_ids|num_batches_tracked|empty_weight)$"
    r"|\.encoder\.swin\.layernorm\.(weight|bias)$"
)
"""What belongs to training, is a constant that only some versions store, or is never used: a Swin
backbone's last norm, which transformers 5 builds and the hub's Mask2Former files do not have."""
QUICK = "quick_gelu"
FAULTS = ("missing_keys", "unexpected_keys", "mismatched_keys")


_OPENAIS = re.compile(r"(openai/)?clip-vit-(base|large)-patch\d+(-336)?")


def require_openais_activation(weights: Weights) -> None:
    """Raise WeightsError if a copy of OpenAI's CLIP is to be run with another activation.

    They were trained with QuickGELU; with plain GELU everything loads and every score is wrong.
    """
    if not _OPENAIS.fullmatch(weights.info.id) or not weights.path.is_dir():
        return
    config = read_json(weights.path / "config.json")
    for part in ("text_config", "vision_config"):
        found = config.get(part, {}).get("hidden_act", QUICK)
        if found != QUICK:
            raise WeightsError(
                f"{weights.path}/config.json gives {part} the activation {found!r}, but OpenAI's "
                f"{weights.info.id} needs {QUICK!r}. Restore the config that belongs to it."
            )


@contextmanager
def _quietly() -> Iterator[None]:
    """Keep the library's bars and warnings from the user: what matters of them is raised below."""
    from transformers.utils import logging

    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()


def load(kind: type[Any], folder: Path, **options: Any) -> Any:
    """Return ``kind.from_pretrained(folder)`` in evaluation mode, or raise WeightsError.

    In float32 unless ``options`` say otherwise. transformers itself fills missing tensors with
    random numbers and only logs that.
    """
    options = {"dtype": torch.float32, **options, "output_loading_info": True}
    model, report = _from_pretrained(kind, folder, **options)
    for fault in FAULTS:
        keys = sorted(k for k in map(str, report[fault]) if not _UNUSED.search(k))
        if keys:
            raise WeightsError(
                f"The {kind.__name__} in {folder} has {len(keys)} {fault.replace('_', ' ')}: "
                f"{', '.join(keys[:3])}. Check that config.json belongs to the weights."
            )
    return model.eval()


def load_processor(folder: Path) -> Any:
    """Return what prepares pictures and text for a model, or raise WeightsError."""
    from transformers import AutoProcessor

    return _from_pretrained(AutoProcessor, folder, trust_remote_code=False)


def _from_pretrained(kind: type[Any], folder: Path, **options: Any) -> Any:
    try:
        with _quietly():
            return kind.from_pretrained(folder, local_files_only=True, **options)
    except Exception as error:  # a corrupt file raises anything
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise WeightsError(f"{folder} holds no {kind.__name__} that loads: {reason}") from error
