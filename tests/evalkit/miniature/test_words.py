import pytest

from evalkit.geneval import CLASSES, caption, sample
from evalkit.miniature.words import (
    BERT_SPECIALS,
    CLIP_TOKENS,
    SD3_TOKENS,
    clip_tokenizer,
    sd3_tokenizer,
    t5_tokenizer,
    words,
    write_bert_vocabulary,
)
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


@pytest.fixture(scope="module")
def sd3():
    return sd3_tokenizer()


def test_every_word_is_one_token_of_the_small_sd3(sd3):
    for word in words():
        assert len(sd3.tokenize(word)) == 1, word
    ids = [sd3.convert_tokens_to_ids(sd3.tokenize(word)[0]) for word in words()]
    assert len(set(ids)) == len(words())


def test_words_keep_to_themselves_in_a_sentence(sd3):
    for text, _ in sample():
        assert [t.removesuffix("</w>") for t in sd3.tokenize(text)] == text.split(), text
        assert len(sd3(text)["input_ids"]) <= SD3_TOKENS


def test_unknown_words_fall_to_pieces_that_spell_them(sd3):
    for word in ("zyzzyva", "applesauce", "reddish", "#"):
        pieces = sd3.tokenize(word)
        assert "".join(pieces) == word + "</w>"
    assert len(sd3.tokenize("zyzzyva")) > 1
    assert sd3.tokenize("applesauce")[0] != "apple</w>"


def test_the_end_has_the_highest_number_as_clip_pools_there(sd3):
    ends = (sd3.bos_token_id, sd3.eos_token_id)
    assert ends == (len(sd3) - 2, len(sd3) - 1)
    assert sorted(sd3.get_vocab().values()) == list(range(len(sd3)))
    read = sd3("a red apple", padding="max_length", max_length=SD3_TOKENS)["input_ids"]
    assert read[0] == sd3.bos_token_id
    assert read[4] == sd3.eos_token_id
    assert len(read) == SD3_TOKENS


def test_longer_texts_are_cut_at_twenty_with_their_end_kept(sd3):
    read = sd3("red " * 40, padding="max_length", max_length=SD3_TOKENS, truncation=True)
    assert len(read["input_ids"]) == SD3_TOKENS == sd3.model_max_length
    assert read["input_ids"][-1] == sd3.eos_token_id
    assert sd3("red " * 40, truncation=True)["input_ids"] == read["input_ids"]


def test_case_is_not_heard(sd3):
    assert sd3.tokenize("A Photo of a RED apple") == sd3.tokenize("a photo of a red apple")


@pytest.mark.parametrize("make", [sd3_tokenizer, t5_tokenizer])
def test_a_saved_tokenizer_reads_as_it_did(make, tmp_path):
    kept = make()
    kept.save_pretrained(tmp_path)
    again = type(kept).from_pretrained(tmp_path)
    for text in ("a photo of two red apples", "zyzzyva, or so", ""):
        assert again(text)["input_ids"] == kept(text)["input_ids"]
    assert len(again) == len(kept)


def test_every_word_is_one_token_of_t5():
    tokenizer = t5_tokenizer()
    for text, _ in sample():
        read = tokenizer(text)["input_ids"]
        assert len(read) == len(text.split()) + 1, text
        assert read[-1] == tokenizer.eos_token_id
        assert tokenizer.unk_token_id not in read
    assert len({tokenizer(w)["input_ids"][0] for w in words()}) == len(words())


def test_t5_pads_behind_the_end_and_cuts():
    tokenizer = t5_tokenizer()
    read = tokenizer("a red cup", padding="max_length", max_length=8)["input_ids"]
    assert read[3:] == [tokenizer.eos_token_id] + [tokenizer.pad_token_id] * 4
    cut = tokenizer("red " * 40, max_length=8, truncation=True)["input_ids"]
    assert len(cut) == 8
    assert cut[-1] == tokenizer.eos_token_id


def test_t5_knows_that_it_does_not_know():
    tokenizer = t5_tokenizer()
    assert tokenizer.unk_token_id in tokenizer("a zyzzyva")["input_ids"]
    assert max(tokenizer("a zyzzyva, Über 9")["input_ids"]) < len(tokenizer)
