"""The word tokenizer: lossless, with clear messages about unknown tokens."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpt_data.tokens.tokenizer_kinds import tokenizer_from_dict
from gpt_data.tokens.word_tokenizer import WordTokenizer, survey_words, whole_words
from parity_tests.gpt_data.refusals import refusal

TINY = WordTokenizer((" ", "hello", "world"))


def tokens_of(text):
    tokenizer = WordTokenizer.from_text(text)
    return [tokenizer.vocabulary[number] for number in tokenizer.encode(text)]


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("hello world", ["hello", " ", "world"]),
        ("bird.\nThe", ["bird", ".", "\n", "The"]),
        ("don't stop", ["don't", " ", "stop"]),
        ("the well-known o’clock", ["the", " ", "well-known", " ", "o’clock"]),
        ("jack-in-the-box's", ["jack-in-the-box's"]),
        ("'quoted'", ["'", "quoted", "'"]),
        ("wait--what?!", ["wait", "-", "-", "what", "?", "!"]),
        ("dogs' -1", ["dogs", "'", " ", "-", "1"]),
        ("x_1 = 3.14", ["x_1", " ", "=", " ", "3", ".", "14"]),
        ("a \r\n\t\0b", ["a", " ", "\r", "\n", "\t", "\0", "b"]),
        ("  two   three", [" ", " ", "two", " ", " ", " ", "three"]),
        ("Größe 東京 мир", ["Größe", " ", "東京", " ", "мир"]),
        ("e\u0301te\u0301", ["e", "\u0301", "te", "\u0301"]),
        ("é\u00a0😀\u2028", ["é", "\u00a0", "😀", "\u2028"]),
        ("\ud800a", ["\ud800", "a"]),
    ],
)
def test_definition_of_a_token(text, tokens):
    assert tokens_of(text) == tokens
    assert tokens_of(text * 3 + " ")[: len(tokens) - 1] == tokens[:-1]  # the last token may become longer


@given(st.text(alphabet="ab1_ '-’.,\n\u0301é", min_size=1))
def test_tokens_agree_with_the_definition(text):
    # The same rule, written letter by letter.
    tokens, joiners = [""], "'-’"
    for place, letter in enumerate(text):
        word = letter.isalnum() or letter == "_"
        after = text[place + 1 : place + 2]
        inner = letter in joiners and tokens[-1][-1:].isalnum() | tokens[-1].endswith("_")
        if word and (tokens[-1][-1:].isalnum() or tokens[-1].endswith("_") or len(tokens[-1]) > 1):
            tokens[-1] += letter
        elif inner and (after.isalnum() or after == "_"):
            tokens[-1] += letter
        else:
            tokens.append(letter)
    assert tokens_of(text) == tokens[1:]


@given(st.lists(st.text(alphabet="ab '-.\n é", max_size=9)), st.booleans())
def test_pieces_make_no_difference(pieces, long):
    pieces = [piece * 40_000 for piece in pieces] if long and len(pieces) < 4 else pieces
    text = "".join(pieces)
    cut = list(whole_words(pieces))
    assert "".join(cut) == text
    assert "" not in cut
    assert [token for piece in cut for token in tokens_of(piece)] == (tokens_of(text) if text else [])
    vocabulary, count = survey_words(pieces)
    assert count == sum(len(tokens_of(piece)) for piece in cut)
    assert not text or vocabulary == tuple(sorted(set(tokens_of(text)))) == WordTokenizer.from_text(text).vocabulary


def test_a_text_of_many_slices():
    words = [f"word{i % 700}" for i in range(60_000)]
    text = " ".join(words)
    tokenizer = WordTokenizer((" ", *sorted(set(words))))
    expected = [number for word in words for number in (tokenizer.vocabulary.index(word), 0)][:-1]
    assert tokenizer.encode(text).tolist() == expected


def test_a_word_longer_than_a_slice():
    text = "x" * 500_000
    assert survey_words([text[:200_000], text[200_000:], " ", text]) == ((" ", text), 3)
    assert WordTokenizer((text, " ")).encode(f"{text} {text}").tolist() == [0, 1, 0]


@given(st.text(min_size=1))
def test_round_trip_of_any_text(text):
    tokenizer = WordTokenizer.from_text(text)
    assert tokenizer.decode(tokenizer.encode(text)) == text
    assert list(tokenizer.vocabulary) == sorted(tokenizer.vocabulary)


@given(st.text(alphabet=" ab\t\n\r\u00a0\u2028", min_size=1))
def test_round_trip_of_white_space(text):
    tokenizer = WordTokenizer.from_text(text)
    ids = tokenizer.encode(text)
    assert ids.dtype == np.int64
    assert tokenizer.decode(ids) == text
    spaces = [" "] * text.count(" ")
    assert [tokenizer.vocabulary[i] for i in ids if tokenizer.vocabulary[i] == " "] == spaces


@given(st.lists(st.integers(0, 2), min_size=1))
def test_round_trip_of_ids(ids):
    text = " ".join(TINY.vocabulary[i] for i in ids)
    assert TINY.decode(TINY.encode(text)) == text


def test_round_trip_of_a_vocabulary():
    tokenizer = WordTokenizer(("world", " ", "hello"))
    assert tokenizer.encode("hello world").tolist() == [2, 1, 0]
    assert tokenizer_from_dict(tokenizer.to_dict()) == tokenizer
    assert tokenizer != TINY
    assert hash(tokenizer) == hash(WordTokenizer(("world", " ", "hello")))
    with pytest.raises(AttributeError):
        tokenizer.vocabulary = ()


def test_empty_text():
    assert "text must not be empty" in refusal(TINY.encode, "")
    assert "text must not be empty" in refusal(WordTokenizer.from_text, "")


def test_unknown_words_are_named():
    assert refusal(TINY.encode, "hello  wrld hello") == (
        "unknown word 'wrld' (word 2, character 8); did you mean 'world'? "
        "the vocabulary has 3 tokens: ' ', 'hello', 'world'"
    )
    assert "'Hello' (word 1, character 1); did you mean 'hello'?" in refusal(TINY.encode, "Hello world")
    assert "'WRLD' (word 1, character 1); did you mean 'world'?" in refusal(TINY.encode, "WRLD")
    assert "'zzz' (word 3, character 13); the vocabulary" in refusal(TINY.encode, "hello world zzz hello")


def test_lower_case_is_suggested_first():
    tokenizer = WordTokenizer(("GPTx", "gpt"))
    assert "did you mean 'gpt'?" in refusal(tokenizer.encode, "GPT")


def test_unknown_space_and_odd_characters():
    assert "unknown space (after word 1, character 3)" in refusal(WordTokenizer(("ab", "c")).encode, "ab c")
    assert r"unknown character '\t' (after word 1, character 6); the" in refusal(TINY.encode, "hello\tworld")
    assert r"unknown character '\u2028' (after word 2, character 12)" in refusal(TINY.encode, "hello world\u2028")
    assert "unknown character ',' (after word 0, character 2)" in refusal(TINY.encode, " , hello")
    assert "unknown word 'a' (word 3, character 13)" in refusal(TINY.encode, "hello world a")


def test_long_words_and_vocabularies_are_cut():
    tokenizer = WordTokenizer(tuple(f"w{i:03}" for i in range(120)))
    message = refusal(tokenizer.encode, "x" * 100_000)
    assert "(100,000 characters)" in message
    assert message.endswith("'w049' and 70 more")
    assert len(message) < 1000


@pytest.mark.parametrize(
    ("ids", "reason"),
    [
        ([0, -1], "got id -1 at index 1"),
        ([0, 1, 3], "got id 3 at index 2"),
        ([-(2**63)], "got id -9223372036854775808 at index 0"),
        (np.array([2**63], dtype=np.uint64), "got id 9223372036854775808"),
        ([1.0], "must be integers, not float64"),
        ([True], "must be integers, not bool"),
        (["a"], "must be integers"),
        ([2**70], "must be integers"),
        ([[0, 1]], "shape (1, 2)"),
        ([[0], [0, 1]], "unequal length"),
        (1, "shape ()"),
    ],
)
def test_bad_ids_are_refused(ids, reason):
    assert reason in refusal(TINY.decode, ids)


def test_no_ids_are_an_empty_text():
    assert TINY.decode([]) == ""
    assert TINY.decode(np.array([1, 2], dtype=">u2")) == "helloworld"


@pytest.mark.parametrize(
    ("vocabulary", "reason"),
    [
        ((), "at least one token"),
        ("abc", "must be a list"),
        (None, "must be a list"),
        (("a", "b", "a"), "'a' occurs twice, at 0 and 2"),
        (("a", 3), "entry 1 is 3"),
        (("a b",), "is not a token"),
        (("",), "is not a token"),
        (("  ",), "is not a token"),
        (("a ",), "is not a token"),
        (("a\n ",), r"'a\n ', is not a token"),
        (("bird.",), "'bird.', is not a token: a token is a word (letters,"),
        (("'a",), "is not a token"),
        (("a-",), "is not a token"),
        (("a--b",), "is not a token"),
        (("e\u0301",), "is not a token"),
    ],
)
def test_bad_vocabularies_are_refused(vocabulary, reason):
    assert reason in refusal(WordTokenizer, vocabulary)


@pytest.mark.parametrize(
    "values",
    [
        None,
        [],
        {},
        {"kind": "words"},
        {"kind": "words", "vocabulary": 3},
        {"kind": "characters", "vocabulary": ["ab"]},
        {"kind": "bpe", "vocabulary": ["a"]},
        {"kind": ["words"], "vocabulary": ["a"]},
        {"kind": {}, "vocabulary": ["a"]},
        {"kind": None, "vocabulary": ["a"]},
        {"kind": 1, "vocabulary": ["a"]},
        {"kind": "words", "vocabulary": ["a"], "more": 1},
    ],
)
def test_bad_dicts_are_refused(values):
    refusal(tokenizer_from_dict, values)
