"""What each target selects, of a text short enough to do by hand; and what holds of every text."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from gpt_data.tokens.word_tokenizer import WordTokenizer
from numpy_gpt.shared.attention.targets import TARGETS, read_tokens

TEXT = "the cat the dog the cat"
TOKENIZER = WordTokenizer.from_text(TEXT)
BY_HAND = {  # query → keys, of the positions: the0 _1 cat2 _3 the4 _5 dog6 _7 the8 _9 cat10
    "itself": {t: {t} for t in range(11)},
    "previous": {t: {t - 1} for t in range(1, 11)},
    "previous_word": {1: {0}, 2: {0}, 3: {2}, 4: {2}, 5: {4}, 6: {4}, 7: {6}, 8: {6}, 9: {8}, 10: {8}},
    "first": {t: {0} for t in range(11)},
    "copy": {3: {1}, 4: {0}, 5: {1, 3}, 7: {1, 3, 5}, 8: {0, 4}, 9: {1, 3, 5, 7}, 10: {2}},
    "induction": {
        # a space came after "the", "cat", "dog"; after a space came cat, the, dog, the, cat
        3: {2},
        4: {1},
        5: {2, 4},
        7: {2, 4, 6},
        8: {1, 5},
        9: {2, 4, 6, 8},
        10: {3},
    },
    "space": {t: {s for s in range(1, t + 1, 2)} for t in range(1, 11)},
}


def test_targets_of_a_text_done_by_hand():
    text = read_tokens(TOKENIZER, TOKENIZER.encode(TEXT))
    for target in TARGETS:
        expected = np.zeros((11, 11), bool)
        for query, keys in BY_HAND[target.name].items():
            expected[query, sorted(keys)] = True
        assert np.array_equal(target.select(text), expected), target.name


def test_the_others_of_a_copy_are_of_its_kind():
    text = read_tokens(TOKENIZER, TOKENIZER.encode(TEXT))
    others = {target.name: target.others(text) for target in TARGETS if target.others}
    assert list(others) == ["copy", "induction"]
    # from the last cat, at 10, whose copy is at 2; what followed that is a space
    assert np.flatnonzero(others["copy"][10]).tolist() == [0, 4, 6, 8]
    assert np.flatnonzero(others["induction"][10]).tolist() == [1, 5, 7, 9]
    # from the space at 9, all earlier spaces are copies; what followed them are words
    assert not others["copy"][9].any()
    assert np.flatnonzero(others["induction"][9]).tolist() == [0]


@given(st.lists(st.integers(0, TOKENIZER.vocab_size + 1), min_size=1, max_size=20))
def test_no_target_is_in_the_future(tokens):
    text = read_tokens(TOKENIZER, tokens)
    for target in TARGETS:
        mask = target.select(text)
        assert mask.shape == (len(tokens), len(tokens)) and mask.dtype == bool
        assert not np.triu(mask, 1).any()
