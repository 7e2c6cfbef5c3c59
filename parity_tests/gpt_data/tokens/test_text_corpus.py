"""Text of one's own: what is prepared is the text to the last character, and what cannot be is refused in one line."""

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
from gpt_data.tokens.tokenizer import KINDS

ODD = "\ufeffx\r\nNUL\0 é e\u0301 東京 😀\u2028\r don't well-known\n"
SLICE = 1 << 18  # bytes that are read at a time


def written(folder, *contents):
    files = []
    for number, content in enumerate(contents):
        files.append(folder / f"text{number}.txt")
        files[-1].write_bytes(content.encode() if isinstance(content, str) else content)
    return files


def refusal(files, directory, kind="characters", **options):
    with pytest.raises(UserError) as caught:
        prepare_text(files, directory, kind=kind, **options)
    message = str(caught.value)
    assert len(message.splitlines()) == 1
    return message


def text_of(corpus):
    return corpus.tokenizer.decode(np.concatenate([corpus.train, corpus.val]))


@pytest.mark.parametrize("kind", list(KINDS))
class TestEachKind:
    @pytest.mark.parametrize("text", ["a ", "a b\n" * 50, ODD, ODD * 9_000, "é" * SLICE + "a a", "😀 " * 100_000])
    def test_the_text_comes_back(self, tmp_path, kind, text):
        prepare_text(written(tmp_path, text[:1], text[1:]), tmp_path / "own", kind=kind, val_share=0.25)
        corpus = open_corpus(tmp_path / "own")
        text = text.removeprefix("\ufeff")
        assert text_of(corpus) == text
        assert corpus.tokenizer == KINDS[kind].from_text(text)
        assert (corpus.name, corpus.phrases) == ("own", None)
        total = len(corpus.train) + len(corpus.val)
        assert len(corpus.train) == total - -(-total // 4)

    def test_the_files_are_those_of_the_text_in_memory(self, tmp_path, kind):
        text = ODD[1:] * 20_000
        prepare_text(written(tmp_path, text), tmp_path / "a", kind=kind, name="x")
        tokenizer = KINDS[kind].from_text(text)
        ids = tokenizer.encode(text)
        cut = len(ids) * 9 // 10
        meta = {"name": "x", "tokenizer": tokenizer.to_dict(), "phrases": None}
        write_token_files(tmp_path / "b", ids[:cut], ids[cut:], tokenizer.vocab_size, meta)
        for name in ("train.bin", "val.bin", "meta.json"):
            assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()

    def test_files_follow_each_other_with_nothing_between(self, tmp_path, kind):
        files = written(tmp_path, "\ufeffone", "\ufeff two\n", "", "\ufeff", "\ufeff\ufeffx", "'", "s")
        prepare_text([*files, files[0]], tmp_path / "own", kind=kind)
        assert text_of(open_corpus(tmp_path / "own")) == "one two\n\ufeffx'sone"

    def test_more_symbols_than_two_bytes_can_number(self, tmp_path, kind):
        letters = [chr(0x20000 + i) for i in range(42_000)] + [chr(0xF0000 + i) for i in range(24_000)]
        text = " ".join(letters)
        prepare_text(written(tmp_path, text), tmp_path / "own", kind=kind)
        assert (tmp_path / "own" / "val.bin").stat().st_size % 4 == 0
        corpus = open_corpus(tmp_path / "own")
        assert (corpus.train.dtype, corpus.tokenizer.vocab_size) == (np.uint32, 66_001)
        assert text_of(corpus) == text

    def test_preparing_again_replaces_the_files(self, tmp_path, kind):
        prepare_text(written(tmp_path, "old text"), tmp_path / "own", kind=kind)
        (tmp_path / "own" / ".train.bin.1-0.tmp").write_bytes(b"a crash's")
        prepare_text(written(tmp_path, "a new text"), tmp_path / "own", kind=kind, name="mine")
        assert (text_of(open_corpus(tmp_path / "own")), open_corpus(tmp_path / "own").name) == ("a new text", "mine")

    def test_an_empty_text_and_one_too_short(self, tmp_path, kind):
        for files in (written(tmp_path, ""), written(tmp_path, "\ufeff", "")):
            assert "must hold at least one token" in refusal(files, tmp_path / "own", kind)
        files = written(tmp_path, "a")
        assert "at least 2 tokens for two splits with val_share=0.1, and has 1" in refusal(
            files, tmp_path / "own", kind
        )
        files = written(tmp_path, "a b" * 5)
        message = refusal(files, tmp_path / "own", kind, val_share=0.99)
        assert "at least 100 tokens" in message
        assert not (tmp_path / "own").exists()


@given(st.integers(1, 300), st.integers(1, 99))
def test_the_share_is_what_its_digits_say(tokens, percent):
    share = text_corpus._share(percent / 100)
    least = -(-100 // (100 - percent))
    if tokens < least:
        with pytest.raises(UserError, match=f"at least {least} tokens"):
            text_corpus._train_tokens(tokens, share)
    else:
        assert text_corpus._train_tokens(tokens, share) == tokens * (100 - percent) // 100 in range(1, tokens)


@pytest.mark.parametrize("value", [0, 1, 0.0, 1.0, -0.1, 1.5, float("nan"), float("inf"), True, None, "0.1", [0.1]])
def test_shares_that_are_none(tmp_path, value):
    message = refusal(written(tmp_path, "abc"), tmp_path / "own", val_share=value)
    assert "val_share must be a number between 0 and 1" in message


def test_no_file_and_no_such_kind(tmp_path):
    assert "name at least one text file" in refusal([], tmp_path / "own")
    assert "kind must be characters or words, not 'bpe'" in refusal(written(tmp_path, "ab"), tmp_path / "own", "bpe")
    assert "kind must be" in refusal(written(tmp_path, "ab"), tmp_path / "own", ["words"])
    assert not (tmp_path / "own").exists()


def test_what_is_no_text_file_is_refused_and_not_waited_for(tmp_path):
    good = written(tmp_path, "abc")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    for name in ("pipe", "folder"):
        assert f"{name}: it is not a regular file" in refusal([*good, tmp_path / name], tmp_path / "own")
    assert "not a regular file" in refusal([os.devnull], tmp_path / "own")
    bad = written(tmp_path, b"\xff")
    assert "none: No such file" in refusal([*bad, tmp_path / "none"], tmp_path / "own")  # said before any is read
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
def test_what_is_not_utf_8_is_named_with_its_place(tmp_path, content, offset, byte):
    files = written(tmp_path, "good é", content, b"\xff")
    message = refusal(files, tmp_path / "own")
    assert f"text1.txt must be UTF-8; byte 0x{byte} at offset {offset} is not" in message
    assert not (tmp_path / "own").exists()


def test_utf_16_is_recognised(tmp_path):
    assert "looks like UTF-16" in refusal(written(tmp_path, "hello".encode("utf-16")), tmp_path / "own")


def test_places_that_hold_something_else_are_left_alone(tmp_path):
    files = written(tmp_path, "some text")
    place = tmp_path / "own"
    place.mkdir()
    (place / "meta.pkl").write_bytes(b"")
    (place / "train.bin").write_bytes(b"0123")
    assert "own must be new, empty or one of token files, and holds 'meta.pkl'" in refusal(files, place)
    (place / "meta.pkl").unlink()
    assert "holds 'train.bin'" in refusal(files, place)
    assert "holds 'own'" in refusal(files, tmp_path)
    assert (place / "train.bin").read_bytes() == b"0123"
    for below in (files[0], files[0] / "below"):
        assert f"cannot make the directory {below}" in refusal(files, below)
    assert "File name too long" in refusal(files, tmp_path / ("x" * 300))
    assert "File name too long" in refusal(files, tmp_path / "new" / ("x" * 300))
    assert not (tmp_path / "new").exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is read-only to root")
def test_a_read_only_place_is_named(tmp_path):
    files = written(tmp_path, "some text")
    tmp_path.chmod(0o500)
    try:
        assert "cannot make the directory" in refusal(files, tmp_path / "own" / "deep")
    finally:
        tmp_path.chmod(0o700)


@pytest.mark.parametrize("change", ["abcabX", "abcabcabc", "ab", ""])
def test_a_text_that_changes_between_the_readings_is_refused(tmp_path, monkeypatch, change):
    files, real = written(tmp_path, "abcabc"), text_corpus._train_tokens

    def meanwhile(*arguments):
        files[0].write_text(change)
        return real(*arguments)

    monkeypatch.setattr(text_corpus, "_train_tokens", meanwhile)
    assert "changed between two readings" in refusal(files, tmp_path / "own" / "deep")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["text0.txt"]


PEAK = """
import re, sys
from pathlib import Path
from gpt_data.texts.corpora import open_corpus
from gpt_data.tokens.text_corpus import prepare_text

def peak():  # not getrusage's, which begins with the peak of the process that started this one
    return int(re.search(r"VmHWM:\\s*(\\d+) kB", Path("/proc/self/status").read_text())[1])

def grown(text, place):
    before = peak()
    prepare_text([text], place, kind=sys.argv[2])
    open_corpus(place)
    return peak() - before

folder = Path(sys.argv[1])
grown(folder / "text0.txt", folder / "small")
print(grown(folder / "text1.txt", folder / "large"))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")
@pytest.mark.parametrize(("kind", "times"), [("characters", 750_000), ("words", 50_000)])
def test_memory_does_not_grow_with_the_text(tmp_path, kind, times):
    text = ODD[1:] * 10_000
    written(tmp_path, text, text * (times // 10_000))
    result = subprocess.run(
        [sys.executable, "-c", PEAK, str(tmp_path), kind], check=True, capture_output=True, text=True
    )
    assert int(result.stdout) * 1024 < 10e6
