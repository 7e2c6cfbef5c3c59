"""The character tokenizer: lossless for every string, with clear messages about unknown characters."""

import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpt_data.tokens.character_tokenizer import CharacterTokenizer, survey_characters
from gpt_data.tokens.tokenizer_kinds import tokenizer_from_dict
from parity_tests.gpt_data.refusals import refusal

ABC = CharacterTokenizer(("a", "b", "c"))
ANY = st.text(alphabet=st.characters(), min_size=1)  # includes half surrogate pairs


@given(ANY)
def test_round_trip_of_any_text(text):
    tokenizer = CharacterTokenizer.from_text(text)
    ids = tokenizer.encode(text)
    assert ids.dtype == np.int64
    assert len(ids) == len(text)
    assert tokenizer.decode(ids) == text
    assert list(tokenizer.vocabulary) == sorted(set(text))
    assert [tokenizer.vocabulary[number] for number in ids] == list(text)


@pytest.mark.parametrize(
    "text", ["a", "\0", "\ufeff", "\r\n\r", "e\u0301é", "\ud800", "\udfff\ud800", "😀", "\U0010ffff", "aé東😀"]
)
def test_round_trip_of_odd_characters(text):
    tokenizer = CharacterTokenizer.from_text(text)
    assert tokenizer.vocabulary == tuple(sorted(set(text)))
    assert tokenizer.decode(tokenizer.encode(text)) == text


def test_round_trip_of_every_character():
    everything = "".join(map(chr, range(sys.maxunicode + 1)))
    tokenizer = CharacterTokenizer.from_text(everything[::-1])
    assert tokenizer.vocab_size == 0x110000
    np.testing.assert_array_equal(tokenizer.encode(everything), np.arange(0x110000))
    assert tokenizer.decode(np.arange(0x110000)) == everything


def test_round_trip_of_a_vocabulary():
    tokenizer = CharacterTokenizer(("c", "a", "é"))
    assert tokenizer.encode("acéa").tolist() == [1, 0, 2, 1]
    assert tokenizer.decode(np.array([2, 0], dtype=">u8")) == "éc"
    assert tokenizer_from_dict(tokenizer.to_dict()) == tokenizer != ABC
    assert tokenizer_from_dict({"kind": "characters", "vocabulary": ["a", "b", "c"]}) == ABC
    assert hash(ABC) == hash(CharacterTokenizer.from_text("cab"))
    with pytest.raises(AttributeError):
        ABC.vocabulary = ()


@given(st.lists(st.text(alphabet="ab\né😀", max_size=5)))
def test_vocabulary_of_a_text_in_pieces(pieces):
    text = "".join(pieces)
    assert survey_characters(pieces) == (tuple(sorted(set(text))), len(text))


@pytest.mark.parametrize("place", [0, (1 << 17) - 1, 1 << 17, (1 << 18) + 5])
def test_texts_of_many_slices(place):
    text = "abc" * 100_000
    assert ABC.encode(text).tolist() == [0, 1, 2] * 100_000
    assert ABC.decode(ABC.encode(text)) == text
    for odd in "z\0\U0010ffff\ud800":
        changed = text[:place] + odd + text[place + 1 :]
        assert f"unknown character {odd!r} (character {place + 1});" in refusal(ABC.encode, changed)
        assert survey_characters([changed]) == (tuple(sorted("abc" + odd)), len(text))


def test_empty_text():
    assert "text must not be empty" in refusal(ABC.encode, "")
    assert "text must not be empty" in refusal(CharacterTokenizer.from_text, "")
    assert ABC.decode([]) == ""


@pytest.mark.parametrize(
    ("vocabulary", "text", "message"),
    [
        ("abc", "abx", "unknown character 'x' (character 3); the vocabulary has 3 tokens: 'a', 'b', 'c'"),
        ("abc", "aB", "unknown character 'B' (character 2); did you mean 'b'? the vocabulary"),
        ("ABC", "Ab", "unknown character 'b' (character 2); did you mean 'B'? the vocabulary"),
        ("ae", "aé", "unknown character 'é' (character 2); did you mean 'e'?"),
        ("aeé", "ae\u0301", "(character 3); did you mean 'é'?"),
        ("a'", "a’", 'did you mean "\'"?'),
        ("a-", "—", "unknown character '—' (character 1); did you mean '-'?"),
        (" a", "a\u00a0", r"unknown character '\xa0' (character 2); did you mean ' '?"),
        ("a", "\n", r"unknown character '\n' (character 1); the vocabulary has 1 tokens: 'a'"),
        ("a", "ß", "unknown character 'ß' (character 1); the"),
    ],
)
def test_unknown_characters_are_named(vocabulary, text, message):
    assert message in refusal(CharacterTokenizer(tuple(vocabulary)).encode, text)


def test_a_long_vocabulary_is_cut():
    tokenizer = CharacterTokenizer(tuple(map(chr, range(0x4E00, 0x4E00 + 120))))
    assert refusal(tokenizer.encode, "a").endswith("and 70 more")


@pytest.mark.parametrize(
    ("ids", "reason"),
    [
        ([0, -1], "got id -1 at index 1"),
        ([0, 1, 3], "got id 3 at index 2"),
        (np.array([2**63], dtype=np.uint64), "got id 9223372036854775808"),
        ([1.0], "must be integers, not float64"),
        ([[0, 1]], "shape (1, 2)"),
    ],
)
def test_bad_ids_are_refused(ids, reason):
    assert reason in refusal(ABC.decode, ids)


@pytest.mark.parametrize(
    ("vocabulary", "reason"),
    [
        ((), "at least one token"),
        ("abc", "must be a list"),
        (None, "must be a list"),
        (("a", "b", "a"), "'a' occurs twice, at 0 and 2"),
        (("a", 3), "entry 1 is 3"),
        (("ab",), "'ab', is not a token: a token is a single character"),
        (("",), "is not a token"),
    ],
)
def test_bad_vocabularies_are_refused(vocabulary, reason):
    assert reason in refusal(CharacterTokenizer, vocabulary)
