"""The corpus ``tiny``: its known counts."""

import random

import pytest

from gpt_data.texts.corpora import load_corpus
from gpt_data.texts.tiny import PHRASES, tiny_phrases, tiny_text

VOCABULARY = (
    "a amazing are artificial be by fun gpt hand hello i intelligence is learn learning love machine "
    "models networks neural not once or patterns project rocks time to transformers upon world"
)


def test_the_global_generator_is_unchanged():
    state = random.getstate()
    try:
        random.seed(42)
        expected = "".join(random.choice(PHRASES) + " " for _ in range(200)).lower()
        random.seed(7)
        before = random.getstate()
        assert tiny_text() == expected
        assert random.getstate() == before
    finally:
        random.setstate(state)
    assert len(expected) == 4752


def test_text_consists_of_phrases():
    text = tiny_text()
    assert len(tiny_phrases()) == 8
    assert "i love gpt by hand project" in tiny_phrases()
    for phrase in sorted(tiny_phrases(), key=len, reverse=True):
        assert phrase + " " in text
        text = text.replace(phrase + " ", "")
    assert text == ""


def test_counts_vocabulary_and_ids():
    corpus = load_corpus("tiny")
    assert corpus.name == "tiny"
    assert corpus.tokenizer.vocabulary == (" ", *VOCABULARY.split())
    assert corpus.tokenizer.vocab_size == 32
    assert (len(corpus.train), len(corpus.val)) == (1356, 340)
    assert corpus.tokenizer.decode([*corpus.train, *corpus.val]) == tiny_text()
    assert corpus.tokenizer.encode("hello world").tolist() == [10, 0, 31]
    assert corpus.phrases == tiny_phrases()


@pytest.mark.parametrize("name", ["tiny", "tiny-characters"])
def test_arrays_are_read_only(name):
    corpus = load_corpus(name)
    for tokens in (corpus.train, corpus.val):
        with pytest.raises(ValueError, match="read-only"):
            tokens[0] = 1


def test_the_same_text_as_characters():
    corpus = load_corpus("tiny-characters")
    assert corpus.name == "tiny-characters"
    assert corpus.tokenizer.vocabulary == tuple(sorted(set(tiny_text())))
    assert corpus.tokenizer.vocab_size == 25
    assert (len(corpus.train), len(corpus.val)) == (3801, 951)
    assert corpus.tokenizer.decode([*corpus.train, *corpus.val]) == tiny_text()
    assert corpus.phrases == tiny_phrases()
