"""The share of a generated text that is right: only complete pieces count, and a text without any is refused."""

from __future__ import annotations

import pytest

from gpt_data.errors import UserError
from gpt_data.texts.grammar import grammar_text
from gpt_data.texts.scoring import complete_sentences, complete_words, share_grammatical, share_in_list
from gpt_data.texts.words import words_text


def test_complete_words():
    assert complete_words("ca cat xyz to") == ["cat", "xyz"]
    assert complete_words(" cat ") == ["cat"]
    assert complete_words(" a  b ") == ["a", "", "b"]
    assert complete_words("cat") == complete_words("cat to") == complete_words(" ") == complete_words("") == []


def test_share_counts_complete_words_only():
    assert share_in_list("zz cat xyz to zz") == pytest.approx(2 / 3)
    assert share_in_list(words_text()) == 1
    assert share_in_list(" cat  to ") == pytest.approx(2 / 3)  # two consecutive blanks are a mistake
    assert share_in_list(" CAT ") == 0


@pytest.mark.parametrize("text", ["", "cat", "cat to", " "])
def test_no_words_have_no_share(text):
    with pytest.raises(UserError, match="at least one word with a blank on both sides"):
        share_in_list(text)


def test_complete_sentences():
    assert complete_sentences("dog runs\nmice play\ncat the\nthe") == ["mice play", "cat the"]
    assert complete_sentences("\nmice\n") == ["mice"]
    assert complete_sentences("\n\n") == [""]
    assert complete_sentences("mice play") == complete_sentences("mice\ncats") == complete_sentences("") == []


def test_share_counts_complete_sentences_only():
    assert share_grammatical("dog runs\nmice play\ncat the\nthe") == 0.5
    assert share_grammatical("\nmice play\n\n") == 0.5  # two consecutive line breaks enclose no sentence
    assert share_grammatical("\n" + grammar_text(200)) == 1
    for text in ("", "mice play", "mice\ncats"):
        with pytest.raises(UserError, match="at least one sentence with a line break on both sides"):
            share_grammatical(text)
