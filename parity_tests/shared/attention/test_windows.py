"""The windows over which attention is measured: they cover the text once, and sentences are whole."""

from __future__ import annotations

import numpy as np
import pytest

from gpt_data.errors import UserError
from gpt_data.texts.corpora import load_corpus
from gpt_data.texts.grammar import grammar_text
from gpt_data.tokens.word_tokenizer import WordTokenizer
from numpy_gpt.shared.attention.windows import sentence_windows, spread, text_windows, windows_of


def test_windows_of_a_text_cover_every_input_once():
    windows = text_windows(np.arange(20), 6)
    assert [window.tolist() for window in windows] == [[*range(6)], [*range(6, 12)], [*range(12, 18)], [18]]
    with pytest.raises(UserError, match="needs 7 tokens"):
        text_windows(np.arange(6), 6)


def test_sentences_begin_with_the_line_break_before_them():
    text = [5, 0, 1, 2, 0, 0, 3, 4, 5, 0, 6, 0, 7]
    assert [window.tolist() for window in sentence_windows(text, 3, 0)] == [[0, 1, 2], [0, 6]]  # [0, 3, 4, 5] is long


def test_a_text_of_the_grammar_is_cut_into_sentences():
    text = grammar_text(400)
    tokenizer, tiny = WordTokenizer.from_text(text), load_corpus("tiny")
    unit, windows = windows_of(tokenizer.encode(text), 32, tokenizer)
    assert unit == "sentence"
    assert [tokenizer.decode(window) for window in windows] == [f"\n{line}" for line in text.split("\n")[1:-1]]
    assert windows_of(tiny.val, 8, tiny.tokenizer)[0] == "window"


def test_windows_are_spread_evenly():
    assert spread([*range(10)], 4) == [0, 2, 5, 7]
    assert spread([*range(10)], 10) == spread([*range(10)], 99) == [*range(10)]
