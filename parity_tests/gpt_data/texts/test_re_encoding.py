"""A corpus in a model's own ids: the text stays the same, and a token that the model lacks is named."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gpt_data.texts.corpora import Corpus, fingerprint, load_corpus, prepare
from gpt_data.texts.re_encoding import re_encode, reopen_dataset
from gpt_data.tokens.bpe_tokenizer import BYTE_SYMBOLS, BpeTokenizer
from gpt_data.tokens.character_tokenizer import CharacterTokenizer
from gpt_data.tokens.id_tokenizer import IdTokenizer
from gpt_data.tokens.word_tokenizer import WordTokenizer
from parity_tests.gpt_data.refusals import refusal

TEXT = "to be or not to be; " * 30
WORDS = WordTokenizer(("zebra", " ", "to", "be", ";", "not", "or"))
CHARACTERS = CharacterTokenizer(tuple("xyz ;tobenr"))


def _corpus(kind=WordTokenizer, text=TEXT):
    tokenizer = kind.from_text(text)
    ids = tokenizer.encode(text)
    return Corpus("own", tokenizer, ids[:120], ids[120:], ("to be or not to be;",))


def _texts(corpus):
    return [corpus.tokenizer.decode(split) for split in (corpus.train, corpus.val)]


@pytest.mark.parametrize("tokenizer", [WORDS, CHARACTERS])
def test_the_same_kind_keeps_every_token(tokenizer):
    corpus = _corpus(type(tokenizer))
    ours = re_encode(corpus, tokenizer)
    assert ours.tokenizer == tokenizer
    assert _texts(ours) == _texts(corpus)
    assert (ours.name, ours.phrases) == (corpus.name, corpus.phrases)
    for split, was in ((ours.train, corpus.train), (ours.val, corpus.val)):
        np.testing.assert_array_equal(split, tokenizer.encode(corpus.tokenizer.decode(was)))
        assert split.dtype == np.dtype("<u2")
        assert not split.flags.writeable


def test_many_slices_are_renumbered(monkeypatch):
    monkeypatch.setattr("gpt_data.texts.re_encoding._SLICE", 7)
    corpus = _corpus()
    assert _texts(re_encode(corpus, WORDS)) == _texts(corpus)


def test_ids_that_stay_are_not_copied():
    corpus = _corpus()
    larger = WordTokenizer((*corpus.tokenizer.vocabulary, "zebra"))
    ours = re_encode(corpus, larger)
    assert ours.train is corpus.train
    assert ours.tokenizer == larger
    assert re_encode(corpus, WordTokenizer(corpus.tokenizer.vocabulary)) is corpus


def test_only_the_tokens_of_the_text_must_be_known():
    corpus = _corpus()
    padded = replace(corpus, tokenizer=WordTokenizer((*corpus.tokenizer.vocabulary, "unused")))
    assert _texts(re_encode(padded, WORDS)) == _texts(corpus)


def test_another_kind_encodes_the_text_again():
    corpus = _corpus()
    ours = re_encode(corpus, CHARACTERS)
    assert _texts(ours) == _texts(corpus)
    assert ours.tokenizer == CHARACTERS
    assert ours.phrases is None  # their ends need not be ends of tokens


def test_byte_pairs_encode_any_text():
    pytest.importorskip("tokenizers")
    pairs = BpeTokenizer((*BYTE_SYMBOLS.values(), "be", "to"), ("b e", "t o"))
    for kind in (WordTokenizer, CharacterTokenizer):
        corpus = _corpus(kind)
        ours = re_encode(corpus, pairs)
        assert _texts(ours) == _texts(corpus)
        assert len(ours.train) < sum(map(len, corpus.tokenizer.decode(corpus.train)))
        assert _texts(re_encode(ours, kind.from_text(TEXT))) == _texts(corpus)


@pytest.mark.parametrize(
    ("tokenizer", "missing"),
    [
        (WordTokenizer((" ", "to", "be", "or")), "2 tokens of it: ';', 'not';"),
        (CharacterTokenizer(tuple(" tobe")), "3 tokens of it: ';', 'n', 'r';"),
    ],
)
def test_missing_tokens_are_listed(tokenizer, missing):
    for kind in (WordTokenizer, CharacterTokenizer):
        if kind is CharacterTokenizer and isinstance(tokenizer, WordTokenizer):
            continue  # a split of characters may end inside a word
        message = refusal(re_encode, _corpus(kind), tokenizer)
        assert message.startswith("the corpus 'own' has a different vocabulary from the model, which does not know ")
        assert missing in message


def test_a_vocabulary_of_bytes_may_lack_some():
    pytest.importorskip("tokenizers")
    letters = BpeTokenizer(tuple(symbol for symbol in BYTE_SYMBOLS.values() if symbol != ";"), ())
    message = refusal(re_encode, _corpus(), letters)
    assert message.startswith("the corpus 'own' has a different vocabulary from the model: unknown byte 0x3B")


def test_bare_ids_are_the_models():
    ids = np.array([3, 1, 2] * 20, dtype=np.uint16)
    bare = Corpus("bare", IdTokenizer(40), ids, ids)
    ours = re_encode(bare, WORDS)
    assert ours.tokenizer == WORDS
    assert ours.train is ids
    assert re_encode(bare, IdTokenizer(7)).tokenizer == IdTokenizer(7)
    few = WordTokenizer(("a", "b", "c"))
    assert "it has the id 3, and the model 3 tokens" in refusal(re_encode, bare, few)


@pytest.mark.parametrize(("padding", "fits"), [(-1, False), (0, True), (58, True), (128, False)])
def test_a_model_of_bare_ids_gets_a_text_of_as_many_tokens(padding, fits):
    corpus = _corpus()
    bare = IdTokenizer(corpus.tokenizer.vocab_size + padding)
    if fits:
        assert re_encode(corpus, bare) is corpus
    else:
        assert "tokens are not known, and cannot be the 6 tokens of this text" in refusal(re_encode, corpus, bare)


def test_reopening_needs_the_same_text(tmp_path):
    ours = re_encode(_corpus(), WORDS)
    prepare(_corpus(), tmp_path / "text")
    again = reopen_dataset(str(tmp_path / "text"), None, WORDS, fingerprint(ours))
    assert _texts(again) == _texts(ours)
    assert reopen_dataset(str(tmp_path / "text"), None, WORDS, fingerprint(load_corpus("tiny"))) is None
    prepare(_corpus(text="to be or not to be! " * 30), tmp_path / "text")
    assert reopen_dataset(str(tmp_path / "text"), None, WORDS, fingerprint(ours)) is None
