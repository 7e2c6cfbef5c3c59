"""Where a sample ends: before the first occurrence of any text, however the tokens cut it up."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpt_data.errors import UserError
from gpt_data.tokens.bpe_tokenizer import BYTE_SYMBOLS, BpeTokenizer
from gpt_data.tokens.character_tokenizer import CharacterTokenizer
from gpt_data.tokens.id_tokenizer import IdTokenizer
from gpt_data.tokens.word_tokenizer import WordTokenizer
from numpy_gpt.shared.cli.stop_text import read_stop, written_before
from numpy_gpt.shared.model.sampling_choice import Draw

WORDS = WordTokenizer(("a", "ab", "aba", " ", "b", "bb"))
PROBABILITIES = np.full(WORDS.vocab_size, 1 / WORDS.vocab_size)


def _draws(tokens):
    return (Draw(token, PROBABILITIES) for token in tokens)


@given(st.lists(st.integers(0, WORDS.vocab_size - 1), max_size=20), st.text("ab ", min_size=1, max_size=8))
def test_the_text_before_the_first_stop_is_written(tokens, stop):
    texts = [WORDS.vocabulary[token] for token in tokens]
    whole = "".join(texts)
    end = whole.find(stop) if stop in whole else len(whole)
    written = list(written_before(stop, WORDS, [], _draws(tokens)))
    assert "".join(each.text for each in written) == whole[:end]
    assert [each.draw.token for each in written] == tokens[: len(written)]
    assert [each.text for each in written[:-1]] == texts[: len(written) - 1] if written else not whole[:end]


@given(st.lists(st.integers(0, WORDS.vocab_size - 1), max_size=20), st.text("ab ", min_size=1, max_size=8))
def test_nothing_is_held_back_longer_than_needed(tokens, stop):
    seen = ""

    def watched():
        nonlocal seen
        for draw in _draws(tokens):
            seen += WORDS.vocabulary[draw.token]
            yield draw

    text = ""
    for written in written_before(stop, WORDS, [], watched()):
        text += written.text
        assert seen.startswith(text)
        rest = seen[len(text) :]  # later tokens of the same draw, or the beginning of a stop
        assert len(rest) < len(stop) + max(map(len, WORDS.vocabulary)) or stop in seen


def test_no_stop_writes_everything():
    assert [each.text for each in written_before(None, WORDS, [], _draws([2, 3, 5]))] == ["aba", " ", "bb"]


@given(st.text("abc ", min_size=1, max_size=5))
def test_a_text_that_can_occur_is_accepted(text):
    tokenizer = WordTokenizer(("ab", "cab", " "))
    every = {""}
    for _ in range(6):  # every text of up to six tokens
        every |= {start + token for start in every for token in tokenizer.vocabulary if len(start) < 8}
    if any(text in whole for whole in every):
        assert read_stop(tokenizer, text, "--stop") == text
    else:
        with pytest.raises(UserError, match=r"^--stop: unknown"):
            read_stop(tokenizer, text, "--stop")


@pytest.mark.parametrize(
    ("stop", "message"),
    [
        ("", "--stop: text must not be empty"),
        ("xyz", "--stop: unknown character 'x'"),
        (7, "--stop must be a text, not 7"),
    ],
)
def test_a_stop_that_never_occurs_is_refused(stop, message):
    with pytest.raises(UserError, match=message):
        read_stop(CharacterTokenizer.from_text("abc"), stop, "--stop")


def test_the_text_follows_its_prompt():
    written = written_before("3 4", IdTokenizer(9), [1], _draws([2, 3, 4, 5]))
    assert [each.text for each in written] == [" 2", " "]


def test_bytes_that_are_no_character_come_last():
    byte_pairs = BpeTokenizer(tuple(BYTE_SYMBOLS.values()), ())
    euro = [list(BYTE_SYMBOLS).index(byte) for byte in "€".encode()]
    written = list(written_before(None, byte_pairs, [], _draws([*euro, euro[0]])))
    assert [each.text for each in written] == ["", "", "€", "", "\ufffd"]
    assert written[-1].draw is None
