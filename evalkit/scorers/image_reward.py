"""ImageReward (Xu et al. 2023, arXiv 2304.05977): a learnt human preference, about N(0, 1).

The authors' package cannot be imported beside today's transformers, so the network is built here
from the released weights; ``benchmarks/imagereward_parity.py`` shows that both agree.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from evalkit.errors import WeightsError
from evalkit.records import Prompt, ScorerCard, WeightsInfo
from evalkit.scorers import Verdict, text_of
from evalkit.scorers.batches import (
    judge_in_batches,
    needs_models,
    pick_device,
    unreadable,
    verdict,
)
from evalkit.scorers.pictures import normalised, square, unusable
from evalkit.weights import expand, read_json, resolve, suffix

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray
    from PIL import Image

    from evalkit.scorers.reward_net import RewardNet

OFFICIAL = "THUDM/ImageReward"
CHECKPOINTS = ("ImageReward.safetensors", "ImageReward.pt")
MED_CONFIG = "med_config.json"
VOCABULARY = "vocab.txt"
VOCABULARY_HUB_ID = "google-bert/bert-base-uncased"
MAX_TOKENS = 35
"""[CLS] and [SEP] included; the authors pad to it and cut at it, and so must we to compare."""
BLIP_TOKENS = ("[DEC]", "[ENC]")
"""Added to BERT's vocabulary by BLIP; here they matter only to a prompt that spells them out."""


@dataclass(frozen=True)
class Files:
    """Where an ImageReward's parts lie, and what to call them."""

    checkpoint: Path
    med_config: Path
    vocabulary: Path
    infos: tuple[WeightsInfo, ...]


@dataclass(frozen=True)
class _Pair:
    pixels: NDArray[np.float32]
    ids: list[int]
    detail: Mapping[str, Any]


class ImageReward:
    """Score pictures with ImageReward; the value is the standardised reward, unbounded.

    ``weights``: a hub id, or a folder with ``ImageReward.pt`` (or ``.safetensors``, the same
    keys), ``med_config.json`` and perhaps ``vocab.txt`` (else BERT's comes from the hub), or the
    path of the file itself with the others beside it; ``"miniature"`` is the package's small one.
    Texts are cut at 35 tokens as the authors do, and ``detail`` holds ``tokens`` and
    ``truncated``. Pictures are resized as they are and turned to RGB afterwards, EXIF ignored, as
    in the authors' code.
    """

    version = 1

    def __init__(
        self,
        weights: str | os.PathLike[str] = OFFICIAL,
        *,
        device: str | None = None,
        batch_size: int = 16,
    ) -> None:
        self._weights = expand(weights, "image-reward")
        self._device = device
        self._batch_size = batch_size

    @cached_property
    def _files(self) -> Files:
        return locate(self._weights)

    @property
    def card(self) -> ScorerCard:
        """What the numbers mean and which files they come from."""
        infos = self._files.infos
        return ScorerCard(
            name="image-reward" + suffix(infos[0], OFFICIAL),
            version=self.version,
            title="ImageReward",
            unit="standardised reward",
            weights=infos,
            options={"max_tokens": MAX_TOKENS},
        )

    def load(self) -> None:
        """Bring the network and the vocabulary into memory."""
        _ = self._loaded

    @cached_property
    def _loaded(self) -> tuple[RewardNet, Tokens]:
        with needs_models("The scorer image-reward"):
            from evalkit.scorers.reward_net import from_official
        med_config = read_json(self._files.med_config)
        net = from_official(read_state(self._files.checkpoint), med_config)
        tokens = Tokens(self._files.vocabulary, med_config["vocab_size"], net.max_tokens)
        return net.to(pick_device(self._device)), tokens

    def score(
        self, prompts: Sequence[Prompt | str], images: Sequence[Image.Image]
    ) -> list[Verdict]:
        """Judge ``images[i]`` against ``prompts[i]``."""
        return judge_in_batches(
            prompts, images, prepare=self._prepare, judge=self._judge, size=self._batch_size
        )

    def _prepare(self, prompt: Prompt | str, image: Image.Image) -> _Pair | Verdict:
        net, tokens = self._loaded
        text = text_of(prompt)
        if reason := unusable(image) or unreadable(text):
            return Verdict(None, reason)
        ids, count = tokens.encode(text)
        detail = {"tokens": count, "truncated": count > len(ids)}
        pixels = normalised(square(image, net.geometry.image_size))
        return _Pair(pixels, ids, detail)

    def _judge(self, pairs: list[_Pair]) -> list[Verdict]:
        import torch

        net, tokens = self._loaded
        device = next(net.parameters()).device
        ids, mask = tokens.pad([pair.ids for pair in pairs])
        pixels = torch.from_numpy(np.stack([pair.pixels for pair in pairs]))
        with torch.inference_mode():
            rewards = net(pixels.to(device), ids.to(device), mask.to(device)).tolist()
        return [verdict(r, pair.detail) for r, pair in zip(rewards, pairs, strict=True)]


class Tokens:
    """BERT's uncased word pieces, as ImageReward reads them."""

    def __init__(self, vocabulary: Path, capacity: int, positions: int) -> None:
        from transformers import AddedToken, BertTokenizer

        with vocabulary.open(encoding="utf-8", newline="\n") as lines:
            words = {line.rstrip("\r\n"): index for index, line in enumerate(lines)}
        if missing := [t for t in ("[PAD]", "[UNK]", "[CLS]", "[SEP]") if t not in words]:
            raise WeightsError(f"The vocabulary {vocabulary} has no {', '.join(missing)}.")
        if max(words.values()) >= capacity:
            raise WeightsError(
                f"The vocabulary {vocabulary} has {len(words)} entries, but the network only "
                f"{capacity}. Take the vocabulary that the weights were trained with."
            )
        self.length = min(MAX_TOKENS, positions)
        self._tokenizer = BertTokenizer(vocab=words)
        if max(words.values()) + len(BLIP_TOKENS) < capacity:
            self._tokenizer.add_tokens(
                [AddedToken(t, special=True) for t in BLIP_TOKENS], special_tokens=True
            )

    def encode(self, text: str) -> tuple[list[int], int]:
        """Return the ids, cut to the length that is read, and how many there were before."""
        ids: list[int] = self._tokenizer(text, verbose=False)["input_ids"]
        if len(ids) <= self.length:
            return ids, len(ids)
        return [*ids[: self.length - 1], ids[-1]], len(ids)

    def pad(self, texts: Sequence[Sequence[int]]) -> tuple[torch.Tensor, torch.Tensor]:
        """Return ids and attention mask, each (n, length), padded to the full length."""
        import torch

        ids = torch.full((len(texts), self.length), self._tokenizer.pad_token_id)
        mask = torch.zeros_like(ids)
        for row, text in enumerate(texts):
            ids[row, : len(text)] = torch.tensor(text)
            mask[row, : len(text)] = 1
        return ids, mask


def locate(weights: str) -> Files:
    """Find the parts of an ImageReward; raise WeightsError naming what is not there."""
    found = resolve(weights, files=[*CHECKPOINTS, MED_CONFIG, VOCABULARY])
    infos = [found.info]
    folder, checkpoint = found.path, found.path
    if found.path.is_dir():
        checkpoint = _checkpoint_in(folder)
    else:
        folder = found.path.parent
    med_config, vocabulary = folder / MED_CONFIG, folder / VOCABULARY
    if not med_config.is_file():
        raise WeightsError(
            f"There is no {MED_CONFIG} in {folder}. Put it beside {checkpoint.name}."
        )
    if folder != found.path:
        infos += [resolve(p).info for p in (med_config, vocabulary) if p.is_file()]
    if not vocabulary.is_file():
        fetched = resolve(VOCABULARY_HUB_ID, files=[VOCABULARY])
        infos.append(fetched.info)
        vocabulary = fetched.path / VOCABULARY
    return Files(checkpoint, med_config, vocabulary, tuple(infos))


def _checkpoint_in(folder: Path) -> Path:
    for name in CHECKPOINTS:
        if (folder / name).is_file():
            return folder / name
    raise WeightsError(f"There is neither {' nor '.join(CHECKPOINTS)} in {folder}.")


def read_state(path: Path) -> dict[str, torch.Tensor]:
    """Read a state dict from a safetensors file, or from a .pt file without running its code."""
    import torch
    from safetensors.torch import load_file

    try:
        if path.suffix == ".safetensors":
            state: Any = load_file(path)
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a corrupt pickle raises anything, KeyError to AssertionError
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise WeightsError(f"{path} cannot be read as weights: {reason}") from error
    if not isinstance(state, Mapping) or not all(torch.is_tensor(v) for v in state.values()):
        raise WeightsError(f"{path} does not hold a plain state dict of tensors.")
    return dict(state)
