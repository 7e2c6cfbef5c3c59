"""Your own text: prepared completely, to the last character, or refused in one line."""

import codecs
import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpt_data.errors import UserError
from gpt_data.texts.corpora import open_corpus
from gpt_data.tokens import text_corpus
from gpt_data.tokens.text_corpus import prepare_text
from gpt_data.tokens.token_files import write_token_files
from gpt_data.tokens.tokenizer_kinds import KINDS
from parity_tests.gpt_data.refusals import refusal

ODD = "\ufeffx\r\nNUL\0 é e\u0301 東京 😀\u2028\r don't well-known\n"
SLICE = 1 << 18  # bytes read at a time


def write_files(folder, *contents):
    files = []
    for number, content in enumerate(contents):
        files.append(folder / f"text{number}.txt")
        files[-1].write_bytes(content.encode() if isinstance(content, str) else content)
    return files


def text_refusal(files, directory, kind="characters", **options):
    return refusal(prepare_text, files, directory, kind=kind, **options)


def text_of(corpus):
    return corpus.tokenizer.decode(np.concatenate([corpus.train, corpus.val]))


@pytest.mark.parametrize("kind", list(KINDS))
class TestEachKind:
    @pytest.mark.parametrize("text", ["a ", "a b\n" * 50, ODD, ODD * 9_000, "é" * SLICE + "a a", "😀 " * 100_000])
    def test_round_trip_of_a_text(self, tmp_path, kind, text):
        prepare_text(write_files(tmp_path, text[:1], text[1:]), tmp_path / "own", kind=kind, val_share=0.25)
        corpus = open_corpus(tmp_path / "own")
        text = text.removeprefix("\ufeff")
        assert text_of(corpus) == text
        assert corpus.tokenizer == KINDS[kind].tokenizer.from_text(text)
        assert (corpus.name, corpus.phrases) == ("own", None)
        total = len(corpus.train) + len(corpus.val)
        assert len(corpus.train) == total - -(-total // 4)

    def test_files_equal_those_of_prepare(self, tmp_path, kind):
        text = ODD[1:] * 20_000
        prepare_text(write_files(tmp_path, text), tmp_path / "a", kind=kind, name="x")
        tokenizer = KINDS[kind].tokenizer.from_text(text)
        ids = tokenizer.encode(text)
        cut = len(ids) * 9 // 10
        meta = {"name": "x", "tokenizer": tokenizer.to_dict(), "phrases": None}
        write_token_files(tmp_path / "b", ids[:cut], ids[cut:], tokenizer.vocab_size, meta)
        for name in ("train.bin", "val.bin", "meta.json"):
            assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()

    def test_files_are_joined_without_separator(self, tmp_path, kind):
        files = write_files(tmp_path, "\ufeffone", "\ufeff two\n", "", "\ufeff", "\ufeff\ufeffx", "'", "s")
        prepare_text([*files, files[0]], tmp_path / "own", kind=kind)
        assert text_of(open_corpus(tmp_path / "own")) == "one two\n\ufeffx'sone"

    def test_a_vocabulary_of_four_byte_ids(self, tmp_path, kind):
        letters = [chr(0x20000 + i) for i in range(42_000)] + [chr(0xF0000 + i) for i in range(24_000)]
        text = " ".join(letters)
        prepare_text(write_files(tmp_path, text), tmp_path / "own", kind=kind)
        assert (tmp_path / "own" / "val.bin").stat().st_size % 4 == 0
        corpus = open_corpus(tmp_path / "own")
        assert (corpus.train.dtype, corpus.tokenizer.vocab_size) == (np.uint32, 66_001)
        assert text_of(corpus) == text

    def test_preparing_again_replaces_the_files(self, tmp_path, kind):
        prepare_text(write_files(tmp_path, "old text"), tmp_path / "own", kind=kind)
        (tmp_path / "own" / ".train.bin.1-00c0ffee.tmp").write_bytes(b"a crash's")
        prepare_text(write_files(tmp_path, "a new text"), tmp_path / "own", kind=kind, name="mine")
        assert sorted(path.name for path in (tmp_path / "own").iterdir()) == ["meta.json", "train.bin", "val.bin"]
        assert (text_of(open_corpus(tmp_path / "own")), open_corpus(tmp_path / "own").name) == ("a new text", "mine")

    def test_texts_that_are_too_short(self, tmp_path, kind):
        for files in (write_files(tmp_path, ""), write_files(tmp_path, "\ufeff", "")):
            assert "must contain at least one token" in text_refusal(files, tmp_path / "own", kind)
        files = write_files(tmp_path, "a")
        assert "at least 2 tokens for two splits with val_share=0.1, and has 1" in text_refusal(
            files, tmp_path / "own", kind
        )
        files = write_files(tmp_path, "a b" * 5)
        message = text_refusal(files, tmp_path / "own", kind, val_share=0.99)
        assert "at least 100 tokens" in message
        assert not (tmp_path / "own").exists()


@given(st.integers(1, 300), st.integers(1, 99))
def test_shares_are_decimal_numbers(tokens, percent):
    share = text_corpus._exact_share(percent / 100)
    least = -(-100 // (100 - percent))
    if tokens < least:
        with pytest.raises(UserError, match=f"at least {least} tokens"):
            text_corpus._train_tokens(tokens, share)
    else:
        assert text_corpus._train_tokens(tokens, share) == tokens * (100 - percent) // 100 in range(1, tokens)


@pytest.mark.parametrize("value", [0, 1, 0.0, 1.0, -0.1, 1.5, float("nan"), float("inf"), True, None, "0.1", [0.1]])
def test_other_shares_are_refused(tmp_path, value):
    message = text_refusal(write_files(tmp_path, "abc"), tmp_path / "own", val_share=value)
    assert "val_share must be a number between 0 and 1" in message


def test_missing_files_and_unknown_kinds(tmp_path):
    assert "name at least one text file" in text_refusal([], tmp_path / "own")
    assert "kind must be characters or words or bpe, not 'byte'" in text_refusal(
        write_files(tmp_path, "ab"), tmp_path / "own", "byte"
    )
    assert "kind must be" in text_refusal(write_files(tmp_path, "ab"), tmp_path / "own", ["words"])
    assert not (tmp_path / "own").exists()


def test_special_files_are_refused(tmp_path):
    good = write_files(tmp_path, "abc")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    for name in ("pipe", "folder"):
        assert f"{name}: it is not a regular file" in text_refusal([*good, tmp_path / name], tmp_path / "own")
    assert "not a regular file" in text_refusal([os.devnull], tmp_path / "own")
    bad = write_files(tmp_path, b"\xff")
    assert "none: No such file" in text_refusal(
        [*bad, tmp_path / "none"], tmp_path / "own"
    )  # reported before any is read
    assert not (tmp_path / "own").exists()


@pytest.mark.parametrize(
    ("content", "offset", "byte"),
    [
        (b"\xff", 0, "ff"),
        (b"abc\x80def", 3, "80"),
        (codecs.BOM_UTF8 + b"ab\xc3", 5, "c3"),
        ("é".encode() + b"\xe6\x9d", 2, "e6"),
        (b"a\xe6\x9dz", 1, "e6"),
        (b"\xc0\x80", 0, "c0"),
        (b"a" + "\ud800".encode("utf-8", "surrogatepass"), 1, "ed"),
        (b"a" * (SLICE - 1) + b"\xe6\x9dz", SLICE - 1, "e6"),
        (codecs.BOM_UTF8 + b"a" * (SLICE - 3) + b"\xf0\x9f\x98", SLICE, "f0"),
        (b"a" * SLICE * 2 + b"\xfe" + b"a" * SLICE, SLICE * 2, "fe"),
        (b"\xef\xbb", 0, "ef"),
    ],
)
def test_the_byte_that_is_not_utf_8(tmp_path, content, offset, byte):
    files = write_files(tmp_path, "good é", content, b"\xff")
    message = text_refusal(files, tmp_path / "own")
    assert f"text1.txt must be UTF-8; byte 0x{byte} at offset {offset} is not" in message
    assert not (tmp_path / "own").exists()


def test_utf_16_is_recognised(tmp_path):
    assert "looks like UTF-16" in text_refusal(write_files(tmp_path, "hello".encode("utf-16")), tmp_path / "own")


def test_directories_with_other_files_are_unchanged(tmp_path):
    files = write_files(tmp_path, "some text")
    place = tmp_path / "own"
    place.mkdir()
    (place / "meta.pkl").write_bytes(b"")
    (place / "train.bin").write_bytes(b"0123")
    assert "own must be new, empty or one of token files, and contains 'meta.pkl'" in text_refusal(files, place)
    (place / "meta.pkl").unlink()
    assert "contains 'train.bin'" in text_refusal(files, place)
    assert "contains 'own'" in text_refusal(files, tmp_path)
    assert (place / "train.bin").read_bytes() == b"0123"
    for below in (files[0], files[0] / "below"):
        assert f"cannot make the directory {below}" in text_refusal(files, below)
    assert "File name too long" in text_refusal(files, tmp_path / ("x" * 300))
    assert "File name too long" in text_refusal(files, tmp_path / "new" / ("x" * 300))
    assert not (tmp_path / "new").exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is read-only to root")
def test_a_read_only_directory_is_named(tmp_path):
    files = write_files(tmp_path, "some text")
    tmp_path.chmod(0o500)
    try:
        assert "cannot make the directory" in text_refusal(files, tmp_path / "own" / "deep")
    finally:
        tmp_path.chmod(0o700)


@pytest.mark.parametrize("change", ["abcabX", "abcabcabc", "ab", ""])
def test_a_changing_text_is_refused(tmp_path, monkeypatch, change):
    files, real = write_files(tmp_path, "abcabc"), text_corpus._train_tokens

    def change_text(*arguments):
        files[0].write_text(change)
        return real(*arguments)

    monkeypatch.setattr(text_corpus, "_train_tokens", change_text)
    assert "changed between two readings" in text_refusal(files, tmp_path / "own" / "deep")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["text0.txt"]


PEAK = """
import re, sys
from pathlib import Path
from gpt_data.texts.corpora import open_corpus
from gpt_data.tokens.text_corpus import prepare_text

def peak():  # getrusage's peak would include that of the parent process
    return int(re.search(r"VmHWM:\\s*(\\d+) kB", Path("/proc/self/status").read_text())[1])

def growth(text, place):
    before = peak()
    prepare_text([text], place, kind=sys.argv[2], vocab_size=270 if sys.argv[2] == "bpe" else None)
    open_corpus(place)
    return peak() - before

folder = Path(sys.argv[1])
growth(folder / "text0.txt", folder / "small")
print(growth(folder / "text1.txt", folder / "large"))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")
@pytest.mark.parametrize(("kind", "times"), [("characters", 750_000), ("words", 50_000), ("bpe", 30_000)])
def test_memory_is_independent_of_the_text(tmp_path, kind, times):
    text = ODD[1:] * 10_000
    write_files(tmp_path, text, text * (times // 10_000))
    result = subprocess.run(
        [sys.executable, "-c", PEAK, str(tmp_path), kind], check=True, capture_output=True, text=True
    )
    assert int(result.stdout) * 1024 < 10e6
