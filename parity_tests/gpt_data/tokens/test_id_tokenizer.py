"""Bare ids: their text is the ids themselves."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpt_data.tokens.id_tokenizer import IdTokenizer
from gpt_data.tokens.token_text import stream_text
from gpt_data.tokens.tokenizer import match_case
from gpt_data.tokens.tokenizer_kinds import tokenizer_from_dict
from parity_tests.gpt_data.refusals import refusal

GPT2 = IdTokenizer(50304)


@given(st.lists(st.integers(0, 50303), min_size=1))
def test_ids_come_back(ids):
    text = GPT2.decode(ids)
    assert text == " ".join(map(str, ids)) == stream_text(GPT2, ids) == match_case(GPT2, text)
    assert GPT2.encode(text).tolist() == ids


def test_white_space_separates_ids():
    assert GPT2.encode(" 15496\n995\t0 ").tolist() == [15496, 995, 0]
    assert tokenizer_from_dict(GPT2.to_dict()) == GPT2
    assert (GPT2.vocab_size, GPT2.vocabulary[995]) == (50304, "995")
    assert stream_text(GPT2, [1, 60_000]) == "1 <|60000|>"


@pytest.mark.parametrize("text", ["hello", "50304", "-1", "1,2", "1.0", "٣", "9" * 5000, "0x1", "1 b"])
def test_other_texts_are_refused(text):
    assert "must be an id in 0 … 50303" in refusal(GPT2.encode, text)


def test_nothing_is_refused():
    assert "must not be empty" in refusal(GPT2.encode, "")
    assert "has only white space" in refusal(GPT2.encode, " ")
    refusal(GPT2.decode, [50304])
    refusal(GPT2.decode, [-1])


@pytest.mark.parametrize("size", [0, -1, "5", 1.5, True, 1 << 25])
def test_bad_sizes_are_refused(size):
    assert "vocab_size must be" in refusal(IdTokenizer, size)
