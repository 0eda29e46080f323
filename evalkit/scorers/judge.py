"""A judge that is asked about a picture: any image-text-to-text model of transformers.

An answer's probability is read at the first place after the question: the softmax over the whole
vocabulary, summed over the distinct first tokens of the answer's spellings (the convention of
GenEval 2, arXiv 2512.16853; VQAScore, arXiv 2404.01291, has one spelling). Nothing is sampled and
nothing is generated.
"""

from __future__ import annotations

import hashlib
import inspect
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from evalkit.errors import WeightsError
from evalkit.scorers import pretrained

Answers = tuple[tuple[str, ...], ...]
"""Answers whose probabilities are wanted, each by its spellings."""

_MOST = 1_000_000
"""Probabilities that are kept, the newest."""
_TRIES = 8


@dataclass(frozen=True)
class Asked:
    """A question about a picture, ready for the network."""

    key: bytes
    inputs: Mapping[str, torch.Tensor]
    answers: Answers
    tokens: int
    """How many there were before the text was cut, the picture's included."""

    @property
    def length(self) -> int:
        """Return how many tokens are read."""
        return int(self.inputs["input_ids"].shape[1])


class Judge:
    """An image-text-to-text model in the hub's layout, asked through its own chat template.

    Its pictures are prepared by its own processor and its numbers have the type they are stored
    in, as its authors run it. A question that was answered before is not asked again.
    """

    def __init__(self, folder: Path, device: torch.device) -> None:
        self._processor = pretrained.load_processor(folder)
        self._tokenizer: Any = getattr(self._processor, "tokenizer", self._processor)
        if not getattr(self._processor, "chat_template", None):
            raise WeightsError(
                f"{folder} has no chat template, so nobody knows how to ask it. "
                "Take an instruction-tuned judge, such as Qwen/Qwen3-VL-8B-Instruct."
            )
        from transformers import AutoModelForImageTextToText

        model = pretrained.load(
            AutoModelForImageTextToText, folder, dtype="auto", trust_remote_code=False
        )
        text = model.config.get_text_config()
        if model.config.is_encoder_decoder or text.is_encoder_decoder:
            raise WeightsError(
                f"{folder} is an encoder and a decoder; only judges that go on with the "
                "question's own text can be read. Take another, such as Qwen3-VL."
            )
        self._folder, self._device = folder, device
        self._model = model.to(device)
        self._keeps = "logits_to_keep" in inspect.signature(model.forward).parameters
        positions = getattr(text, "max_position_embeddings", None) or self._tokenizer.vocab_size
        self.max_tokens = int(min(positions, self._tokenizer.model_max_length))
        self._firsts: dict[tuple[str, ...], list[int]] = {}
        self._kept: dict[bytes, tuple[float, ...]] = {}

    def prepare(self, image: Image.Image, words: str, frame: str, answers: Answers) -> Asked | str:
        """Put ``words`` into ``frame`` at ``{}``, cut to what the model reads, or say why not."""
        words = self._harmless(words)
        try:
            inputs = self._read(image, frame.replace("{}", words))
        except ValueError as error:  # Qwen's processor refuses pictures of 1:200 and beyond
            return f"The judge cannot read the picture: {error}."
        asked = before = Asked(b"", inputs, answers, int(inputs["input_ids"].shape[1]))
        for _ in range(_TRIES):
            over = asked.length - self.max_tokens
            if over <= 0:
                return Asked(_key(image, asked), asked.inputs, answers, before.tokens)
            ids = self._tokenizer(words, add_special_tokens=False, verbose=False)["input_ids"]
            words = self._tokenizer.decode(ids[:-over])
            inputs = self._read(image, frame.replace("{}", words))
            asked = Asked(b"", inputs, answers, before.tokens)
        return (
            f"The picture and its question have {before.tokens} tokens, and the judge reads "
            f"{self.max_tokens}; without the text they still have {asked.length}."
        )

    def answer(self, asked: Sequence[Asked]) -> list[tuple[float, ...]]:
        """Return the probability of every answer of every question, in order."""
        buckets: dict[Any, dict[bytes, Asked]] = defaultdict(dict)
        for one in asked:
            if one.key not in self._kept:
                buckets[_shapes(one)][one.key] = one
        found: dict[bytes, tuple[float, ...]] = {}
        for bucket in buckets.values():
            found |= zip(bucket, self._ask(list(bucket.values())), strict=True)
        answers = [found[a.key] if a.key in found else self._kept[a.key] for a in asked]
        self._kept |= found
        while len(self._kept) > _MOST:
            del self._kept[next(iter(self._kept))]
        return answers

    def _ask(self, asked: list[Asked]) -> list[tuple[float, ...]]:
        inputs = {k: v.to(self._device) for k, v in self._together(asked).items()}
        last = torch.tensor([one.length - 1 for one in asked], device=self._device)
        places, at = torch.unique(last, return_inverse=True)
        with torch.inference_mode():
            if self._keeps:  # all logits of a long question are gigabytes
                logits = self._model(**inputs, logits_to_keep=places).logits
            else:
                logits, at = self._model(**inputs).logits, last
            rows = logits[torch.arange(len(asked)), at].double().softmax(dim=-1)
        return [
            tuple(float(row[self._first_tokens(spellings)].sum()) for spellings in one.answers)
            for one, row in zip(asked, rows.cpu(), strict=True)
        ]

    def _together(self, asked: list[Asked]) -> dict[str, torch.Tensor]:
        """Stack the questions, filled up at their ends: what comes later changes no place before.

        Filling up in front, as generation does, moves the places of models that learn them.
        """
        longest = max(one.length for one in asked)
        stacked = {}
        for name in asked[0].inputs:
            parts = [one.inputs[name] for one in asked]
            if _is_text(name, asked[0]):
                value = self._filler if name == "input_ids" else 0
                parts = [
                    torch.nn.functional.pad(p, (0, longest - p.shape[1]), value=value)
                    for p in parts
                ]
            stacked[name] = torch.cat(parts)
        return stacked

    def _read(self, image: Image.Image, question: str) -> dict[str, torch.Tensor]:
        content = [{"type": "image", "image": image}, {"type": "text", "text": question}]
        inputs = self._processor.apply_chat_template(
            [{"role": "user", "content": content}],
            add_generation_prompt=True,
            tokenize=True,
            return_dict=True,
            return_tensors="pt",
        )
        return {name: value for name, value in inputs.items() if torch.is_tensor(value)}

    def _harmless(self, words: str) -> str:
        """Break up what the tokenizer would take for its own marks, such as a second picture."""
        for mark in self._marks:
            words = words.replace(mark, f"{mark[0]} {mark[1:]}")
        return words

    @cached_property
    def _marks(self) -> list[str]:
        marks = {str(token) for token in self._tokenizer.added_tokens_decoder.values()}
        return sorted((m for m in marks if len(m) > 1), key=len, reverse=True)

    @cached_property
    def _filler(self) -> int:
        for token in (self._tokenizer.pad_token_id, self._tokenizer.eos_token_id):
            if token is not None:
                return int(token)
        return 0

    def _first_tokens(self, spellings: tuple[str, ...]) -> list[int]:
        """Return the distinct first tokens, without those that say nothing: a space, unknown."""
        if spellings not in self._firsts:
            read = (self._tokenizer(s, add_special_tokens=False)["input_ids"] for s in spellings)
            firsts = {ids[0] for ids in read if ids} - {self._tokenizer.unk_token_id}
            told = sorted(t for t in firsts if self._tokenizer.decode([t]).strip())
            if not told:
                raise WeightsError(
                    f"The judge in {self._folder} has no token for {', '.join(spellings)}. "
                    "Check that its tokenizer belongs to it."
                )
            self._firsts[spellings] = told
        return self._firsts[spellings]


def _key(image: Image.Image, asked: Asked) -> bytes:
    picture = f"{image.mode} {image.size}".encode() + image.tobytes()
    text = asked.inputs["input_ids"].numpy().tobytes() + repr(asked.answers).encode()
    return hashlib.sha256(hashlib.sha256(picture).digest() + text).digest()


def _is_text(name: str, asked: Asked) -> bool:
    return asked.inputs[name].shape == asked.inputs["input_ids"].shape


def _shapes(asked: Asked) -> tuple[tuple[str, tuple[int, ...]], ...]:
    """Return what two questions must share to be stacked."""
    names = sorted(n for n in asked.inputs if not _is_text(n, asked))
    return tuple((name, tuple(asked.inputs[name].shape[1:])) for name in names)


@lru_cache(maxsize=1)
def shared_judge(folder: Path, digest: str | None, device: str) -> Judge:
    """Open a judge, or return the one that another scorer has opened of the same weights."""
    del digest  # part of the key alone: a folder whose files were changed is another judge
    return Judge(folder, torch.device(device))
