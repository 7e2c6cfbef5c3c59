"""Your own text as byte pairs: learned from its training part only, the same on every machine, and back unchanged."""

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpt_data.files import regular_file
from gpt_data.texts.corpora import fingerprint, open_corpus
from gpt_data.texts.tiny import tiny_text
from gpt_data.tokens import bpe_tokenizer
from gpt_data.tokens.bpe_tokenizer import BYTE_SYMBOLS, END_OF_TEXT, BpeTokenizer
from gpt_data.tokens.bpe_training import train_bpe
from gpt_data.tokens.text_corpus import prepare_text
from parity_tests.gpt_data.bpe_vocabularies import HARD, SMALL, gpt2
from parity_tests.gpt_data.refusals import refusal

tokenizers = pytest.importorskip("tokenizers", reason="byte pairs need the extra `bpe`")
TEXT = tiny_text() + "".join(HARD)


def write(folder, *contents):
    files = []
    for number, content in enumerate(contents):
        files.append(folder / f"text{number}.txt")
        files[-1].write_bytes(content.encode())
    return files


def learned_by_hand(text, merges):
    """Return the most frequent merges of a text's words, worked out the slow way."""
    cutter = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    words = Counter(tuple(word) for part in text.split(END_OF_TEXT) for word, _ in cutter.pre_tokenize_str(part))
    ids = {symbol: index for index, symbol in enumerate(BYTE_SYMBOLS.values())}
    found = []
    for _ in range(merges):
        pairs = Counter()
        for word, count in words.items():
            for pair in pairwise(word):
                pairs[pair] += count
        first, second = min(pairs, key=lambda pair: (-pairs[pair], ids[pair[0]], ids[pair[1]]))
        found.append(f"{first} {second}")
        ids.setdefault(first + second, len(ids))
        joined = Counter()
        for word, count in words.items():
            joined[join(word, first, second)] += count
        words = joined
    return tuple(found)


def join(word, first, second):
    """Return a word with every such pair joined, from the left."""
    parts, left = [], list(word)
    while left:
        pair = left[:2] == [first, second]
        parts.append(first + second if pair else left[0])
        left = left[1 + pair :]
    return tuple(parts)


def test_the_merges_are_the_most_frequent_pairs():
    tokenizer = train_bpe([TEXT], 340)
    assert tokenizer.symbols[:256] == tuple(BYTE_SYMBOLS.values())
    assert (tokenizer.symbols[-1], tokenizer.special, tokenizer.vocab_size) == (END_OF_TEXT, (END_OF_TEXT,), 340)
    assert tokenizer.merges[:60] == learned_by_hand(TEXT, 60)


@given(st.integers(1, 400))
def test_pieces_do_not_change_what_is_learned(size):
    text = TEXT[-1500:] * 2
    pieces = [text[start : start + size] for start in range(0, len(text), size)]
    assert train_bpe(pieces, 300) == train_bpe([text], 300)


def test_prepared_files(tmp_path):
    files = write(tmp_path, TEXT[:1000], TEXT[1000:])
    prepare_text(files, tmp_path / "own", kind="bpe", vocab_size=300, val_share=0.25, name="x")
    corpus = open_corpus(tmp_path / "own")
    cut = len(TEXT) * 3 // 4
    assert corpus.tokenizer == train_bpe([TEXT[:cut]], 300) != train_bpe([TEXT], 300)
    decode = corpus.tokenizer.decode
    assert (decode(corpus.train), decode(corpus.val)) == (TEXT[:cut], TEXT[cut:])
    assert corpus.train.tolist() == corpus.tokenizer.encode(TEXT[:cut]).tolist()
    assert corpus.train.dtype == np.uint16
    prepare_text(files, tmp_path / "again", kind="bpe", vocab_size=300, val_share=0.25, name="x")
    for name in ("train.bin", "val.bin", "meta.json"):
        assert (tmp_path / "own" / name).read_bytes() == (tmp_path / "again" / name).read_bytes()


@pytest.mark.parametrize("size", [3, 64, 1000])
def test_blocks_do_not_change_the_files(tmp_path, monkeypatch, size):
    text = "".join(HARD) * 3
    prepare_text(write(tmp_path, text), tmp_path / "whole", kind="bpe", tokenizer=SMALL)
    monkeypatch.setattr(regular_file, "_SLICE", size)
    monkeypatch.setattr(bpe_tokenizer, "_SLICE", size)
    prepare_text(write(tmp_path, text), tmp_path / "blocks", kind="bpe", tokenizer=SMALL)
    whole, blocks = open_corpus(tmp_path / "whole"), open_corpus(tmp_path / "blocks")
    assert (whole.train.tolist(), whole.val.tolist()) == (blocks.train.tolist(), blocks.val.tolist())
    assert whole.train.tolist() == SMALL.encode(text[: len(text) * 9 // 10]).tolist()


def test_gpt2s_vocabulary(tmp_path):
    prepare_text(write(tmp_path, TEXT), tmp_path / "own", kind="bpe", tokenizer=gpt2())
    corpus = open_corpus(tmp_path / "own")
    assert corpus.tokenizer == gpt2()
    assert corpus.tokenizer.decode(np.concatenate([corpus.train, corpus.val])) == TEXT
    assert fingerprint(corpus) == fingerprint(open_corpus(tmp_path / "own"))


def test_bad_choices_are_refused(tmp_path):
    files, place = write(tmp_path, TEXT), tmp_path / "own"
    for options in ({}, {"vocab_size": 300, "tokenizer": SMALL}):
        assert "needs either a vocab_size" in refusal(prepare_text, files, place, kind="bpe", **options)
    for options in ({"vocab_size": 300}, {"tokenizer": SMALL}):
        assert "and no other, needs" in refusal(prepare_text, files, place, kind="words", **options)
    for size in (256, 0, -1, "300", 300.0, True):
        assert "at least 257" in refusal(prepare_text, files, place, kind="bpe", vocab_size=size)
    assert "only enough repeated pairs for 409 tokens" in refusal(
        prepare_text, files, place, kind="bpe", vocab_size=10**6
    )
    assert "is empty" in refusal(prepare_text, write(tmp_path, ""), place, kind="bpe", vocab_size=300)
    assert "at least 2 characters" in refusal(prepare_text, write(tmp_path, "a"), place, kind="bpe", vocab_size=300)
    assert not place.exists()


def test_a_text_that_changes_is_refused(tmp_path, monkeypatch):
    (path,) = write(tmp_path, TEXT)
    encode = BpeTokenizer.encode

    def encode_and_write(self, text):
        path.write_text("short")
        return encode(self, text)

    monkeypatch.setattr(BpeTokenizer, "encode", encode_and_write)
    message = refusal(prepare_text, [path], tmp_path / "own", kind="bpe", tokenizer=SMALL)
    assert "changed between two readings" in message
    assert not (tmp_path / "own").exists()


def test_the_end_of_text_is_never_learned():
    text = f"{END_OF_TEXT}a b a b" * 50
    assert train_bpe([text], 258).merges == ("Ġ b",)
