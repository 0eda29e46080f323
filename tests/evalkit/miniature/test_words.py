from evalkit.miniature.words import (
    BERT_SPECIALS,
    CLIP_TOKENS,
    clip_tokenizer,
    words,
    write_bert_vocabulary,
)
from evalkit.prompts import CLASSES, caption, sample
from evalkit.scorers.image_reward import Tokens


def test_every_geneval_prompt_is_made_of_known_words():
    tokenizer = clip_tokenizer()
    for text, _ in sample():
        ids = tokenizer(text)["input_ids"]
        assert tokenizer.unk_token_id not in ids, text
        assert len(ids) <= CLIP_TOKENS


def test_case_punctuation_and_colored_are_read():
    tokenizer = clip_tokenizer()
    plain = tokenizer("a photo of a red - colored apple .")["input_ids"]
    assert tokenizer("A Photo of a RED-colored apple.")["input_ids"] == plain


def test_unknown_and_unicode_words_become_unk():
    tokenizer = clip_tokenizer()
    ids = tokenizer("a photo of a Flügel 🦆")["input_ids"]
    assert ids.count(tokenizer.unk_token_id) == 2


def test_empty_text_is_start_and_end():
    tokenizer = clip_tokenizer()
    assert tokenizer("")["input_ids"] == [tokenizer.bos_token_id, tokenizer.eos_token_id]


def test_padding_stands_after_the_end():
    tokenizer = clip_tokenizer()
    read = tokenizer(["an apple", "a photo of an apple"], padding=True)
    assert read["attention_mask"] == [[1, 1, 1, 1, 0, 0, 0], [1] * 7]
    assert read["input_ids"][0][4:] == [tokenizer.pad_token_id] * 3


def test_bert_vocabulary_reads_every_geneval_prompt_without_unk(tmp_path):
    size = write_bert_vocabulary(tmp_path / "vocab.txt")
    assert size == len(BERT_SPECIALS) + len(words())
    tokens = Tokens(tmp_path / "vocab.txt", size, 36)
    unknown = BERT_SPECIALS.index("[UNK]")
    for _, requirements in sample():
        ids, count = tokens.encode(caption(requirements))
        assert unknown not in ids
        assert count == len(ids)


def test_words_are_sorted_and_unique_and_hold_all_classes():
    assert list(words()) == sorted(set(words()))
    assert {w for c in CLASSES for w in c.split()} <= set(words())
