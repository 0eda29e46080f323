"""The closed vocabulary of the miniature's judges: GenEval's words and a few more."""

from __future__ import annotations

from collections import Counter
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from evalkit.geneval import CLASSES, COLORS, NUMBER_WORDS, POSITIONS, plural

if TYPE_CHECKING:
    from transformers import CLIPTokenizer, PreTrainedTokenizerFast, T5TokenizerFast

TEMPLATE_WORDS = (
    "a an photo picture image drawing of and object objects colored coloured - , .".split()
)
PARAPHRASE_WORDS = (
    "the one is are there with in on to left right side next beside under over beneath top "
    "bottom that which some it its"
).split()
CLIP_SPECIALS = ("<pad>", "<unk>", "<bos>", "<eos>")
BERT_SPECIALS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[DEC]", "[ENC]")
CLIP_TOKENS = 32
"""The longest text the small CLIP reads, <bos> and <eos> included; longer ones are cut."""


@lru_cache(maxsize=1)
def words() -> tuple[str, ...]:
    """Return every word, sorted: classes and plurals, colours, numbers, relations, templates."""
    phrases = [*CLASSES, *(plural(c) for c in CLASSES), *COLORS, *NUMBER_WORDS, *POSITIONS]
    spoken = {word for phrase in phrases for word in phrase.split()}
    return tuple(sorted(spoken | set(TEMPLATE_WORDS) | set(PARAPHRASE_WORDS)))


def clip_tokenizer() -> PreTrainedTokenizerFast:
    """Make the small CLIP's word-level tokenizer: lower case, split at spaces and punctuation."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    vocabulary = {word: index for index, word in enumerate((*CLIP_SPECIALS, *words()))}
    pad, unknown, first, last = CLIP_SPECIALS
    core = Tokenizer(models.WordLevel(vocabulary, unk_token=unknown))
    core.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    core.pre_tokenizer = pre_tokenizers.Whitespace()
    core.post_processor = processors.TemplateProcessing(
        single=f"{first} $A {last}",
        special_tokens=[(first, vocabulary[first]), (last, vocabulary[last])],
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=core,
        pad_token=pad,
        unk_token=unknown,
        bos_token=first,
        eos_token=last,
        model_max_length=CLIP_TOKENS,
        padding_side="right",
        model_input_names=["input_ids", "attention_mask"],
    )


def write_bert_vocabulary(path: Path) -> int:
    """Write ``vocab.txt`` for the small ImageReward's word pieces; return its number of lines."""
    lines = (*BERT_SPECIALS, *words())
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return len(lines)


SD3_TOKENS = 20
"""The longest text that the small SD3's CLIP encoders read, its ends included."""
SD3_ENDS = ("<|startoftext|>", "<|endoftext|>")


def sd3_tokenizer() -> CLIPTokenizer:
    """Make a CLIP tokenizer whose merges leave every known word whole; others fall to letters."""
    from transformers import CLIPTokenizer

    alphabet = [chr(c) for c in range(ord("!"), ord("~") + 1)]
    merges, joined = _merges(words())
    vocabulary = [*alphabet, *(f"{c}</w>" for c in alphabet), *joined, *SD3_ENDS]
    numbers = {piece: i for i, piece in enumerate(dict.fromkeys(vocabulary))}
    return CLIPTokenizer(vocab=numbers, merges=merges, model_max_length=SD3_TOKENS)


def _merges(known: tuple[str, ...]) -> tuple[list[tuple[str, str]], list[str]]:
    """Join the most frequent neighbours until each word is one piece, as byte pairs are joined."""
    split = [[*word[:-1], f"{word[-1]}</w>"] for word in known]
    merges: list[tuple[str, str]] = []
    while counts := Counter(pair for pieces in split for pair in pairwise(pieces)):
        best = max(counts, key=lambda pair: (counts[pair], pair))
        merges.append(best)
        split = [_joined(pieces, best) for pieces in split]
    return merges, ["".join(pair) for pair in merges]


def _joined(pieces: list[str], pair: tuple[str, str]) -> list[str]:
    done: list[str] = []
    for piece in pieces:
        if done and (done[-1], piece) == pair:
            done[-1] += piece
        else:
            done.append(piece)
    return done


def t5_tokenizer() -> T5TokenizerFast:
    """Make the word-level tokenizer of the T5 slot."""
    from transformers import T5TokenizerFast

    specials = ["<pad>", "</s>", "<unk>"]
    pieces = [(p, 0.0) for p in specials] + [(f"▁{w}", -1.0) for w in words()] + [("▁", -2.0)]
    return T5TokenizerFast(vocab=pieces, extra_ids=0)
