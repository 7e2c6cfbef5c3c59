"""Damaged token files: every truncation, every flipped bit and every special file is refused."""

import json
import os

import numpy as np
import pytest

from gpt_data.files import sealed_json
from gpt_data.files.sealed_json import seal
from gpt_data.texts.corpora import Corpus, load_corpus, open_corpus, prepare
from gpt_data.tokens.word_tokenizer import WordTokenizer
from parity_tests.gpt_data.refusals import refusal


@pytest.fixture
def folder(tmp_path):
    prepare(load_corpus("tiny"), tmp_path / "tiny")
    return tmp_path / "tiny"


@pytest.fixture
def small(tmp_path):
    """Make token files so small that a change of every single bit can be tested."""
    prepare(Corpus("small", WordTokenizer((" ", "a")), np.array([1, 0, 1, 0, 1]), np.array([1, 0])), tmp_path / "small")
    return tmp_path / "small"


def resign(folder, **changes):
    """Write meta.json with other entries and their valid checksum."""
    meta = json.loads((folder / "meta.json").read_text())
    del meta["sha256"]
    (folder / "meta.json").write_bytes(seal({**meta, **changes}))


@pytest.mark.parametrize("name", ["train.bin", "val.bin", "meta.json"])
class TestDamage:
    def test_missing(self, folder, name):
        (folder / name).unlink()
        assert f"{name}: No such file" in refusal(open_corpus, folder)

    def test_empty(self, folder, name):
        (folder / name).write_bytes(b"")
        assert name in refusal(open_corpus, folder)

    def test_every_truncation(self, small, name):
        content = (small / name).read_bytes()
        for length in range(len(content)):
            (small / name).write_bytes(content[:length])
            assert name in refusal(open_corpus, small)

    def test_longer(self, folder, name):
        content = (folder / name).read_bytes()
        for more in (b"\0", b"\0\0", b"\n"):
            (folder / name).write_bytes(content + more)
            assert name in refusal(open_corpus, folder)

    def test_a_directory(self, folder, name):
        (folder / name).unlink()
        (folder / name).mkdir()
        assert f"{name}: it is not a regular file" in refusal(open_corpus, folder)
        assert f"{name}: it is not a regular file" in refusal(prepare, load_corpus("tiny"), folder)

    def test_a_pipe_is_refused_at_once(self, folder, name):
        (folder / name).unlink()
        os.mkfifo(folder / name)
        assert f"{name}: it is not a regular file" in refusal(open_corpus, folder)

    def test_a_device(self, folder, name):
        (folder / name).unlink()
        (folder / name).symlink_to("/dev/zero")
        assert f"{name}: it is not a regular file" in refusal(open_corpus, folder)
        assert f"{name}: it is not a regular file" in refusal(prepare, load_corpus("tiny"), folder)

    def test_a_full_disk_leaves_the_old_files(self, folder, name, monkeypatch):
        before = {path.name: path.read_bytes() for path in folder.iterdir()}
        failing = ["train.bin", "val.bin", "meta.json"].index(name)
        real, calls = os.fsync, []

        def fsync(descriptor):
            calls.append(descriptor)
            if len(calls) == failing + 1:
                raise OSError(28, "No space left on device")
            real(descriptor)

        monkeypatch.setattr(os, "fsync", fsync)
        other = Corpus("other", WordTokenizer((" ", "a")), np.array([0, 1]), np.array([1]))
        assert "No space left on device" in refusal(prepare, other, folder)
        assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


@pytest.mark.parametrize("name", ["train.bin", "val.bin"])
def test_every_flipped_bit_of_the_tokens(small, name):
    content = (small / name).read_bytes()
    for changed in flip_each_bit(content):
        (small / name).write_bytes(changed)
        assert f"{name} is not the file that meta.json describes" in refusal(open_corpus, small)
    (small / name).write_bytes(content)
    open_corpus(small)


def test_every_flipped_bit_of_meta(small, monkeypatch):
    content = (small / "meta.json").read_bytes()
    for changed in flip_each_bit(content):
        # Passed directly to the reader: writing thousands of files takes long.
        monkeypatch.setattr(sealed_json, "read_regular", lambda path, *limit, changed=changed: changed)
        assert "meta.json" in refusal(open_corpus, small)
    monkeypatch.setattr(sealed_json, "read_regular", lambda path, *limit: content)
    open_corpus(small)


def flip_each_bit(content):
    for bit in range(len(content) * 8):
        changed = bytearray(content)
        changed[bit // 8] ^= 1 << bit % 8
        yield bytes(changed)


def test_ids_outside_with_valid_checksums(folder):
    resign(folder, vocab_size=31)
    assert "must lie in 0 … 30" in refusal(open_corpus, folder)
    resign(folder, vocab_size=33)
    assert "vocab_size must be the tokenizer's 32, not 33" in refusal(open_corpus, folder)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"format_version": 2}, "format_version 1, not 2"),
        ({"format_version": None}, "format_version"),
        ({"format_version": True}, "format_version"),
        ({"format_version": "1"}, "format_version"),
        ({"vocab_size": 0}, "vocab_size"),
        ({"vocab_size": 32.0}, "vocab_size"),
        ({"dtype": "uint32"}, "dtype must be uint16 for 32 tokens, not 'uint32'"),
        ({"train": None}, "train must be an object, not None"),
        ({"val": {"tokens": 340}}, "val.sha256 is missing"),
        ({"val": {"tokens": -1, "sha256": ""}}, "val.tokens must be at least 1, not -1"),
        ({"val": {"tokens": 340, "sha256": [], "more": 1}}, "val has the unknown field 'more'"),
        ({"name": 3}, "name must be text, not 3"),
        ({"phrases": "hello"}, "phrases must be a list or null, not 'hello'"),
        ({"phrases": ["hello", 1]}, "phrases[1] must be text, not 1"),
        ({"phrases": []}, "phrases must be null or contain at least one phrase"),
        ({"nmae": "mine"}, "has the unknown field 'nmae'; did you mean 'name'?"),
        ({"tokenizer": None}, "tokenizer must be an object, not None"),
        ({"tokenizer": {"kind": [], "vocabulary": ["a"]}}, "tokenizer: a tokenizer must be"),
        ({"tokenizer": {"kind": "words", "vocabulary": {"a": 1}}}, "tokenizer: a vocabulary must be a list"),
        ({"vocab_size": 10**30, "dtype": "uint32"}, "meta.json"),
        ({"tokenizer": {"kind": "words", "vocabulary": ["a", "a"]}}, "occurs twice"),
    ],
)
def test_wrong_entries_with_valid_checksum(folder, changes, reason):
    resign(folder, **changes)
    message = refusal(open_corpus, folder)
    assert reason in message
    assert "meta.json" in message


@pytest.mark.parametrize(
    "content",
    [
        b"{",
        b"null",
        b"[]",
        b"\xff",
        b"\xef\xbb\xbf{}",
        b"<html>",
        b"[" * 100_000,
        b"1" * 5000,
        b"{}",
        b"\0" * 10,
    ],
)
def test_other_content_is_refused(folder, content):
    (folder / "meta.json").write_bytes(content)
    assert "meta.json" in refusal(open_corpus, folder)


def test_edited_meta_is_refused(folder):
    meta = json.loads((folder / "meta.json").read_text())
    (folder / "meta.json").write_text(json.dumps(meta, indent=2))
    assert "was changed" in refusal(open_corpus, folder)
    (folder / "meta.json").write_text('{"format_version": 1, "x": ' + "[" * 600 + "]" * 600 + "}")
    assert "was changed" in refusal(open_corpus, folder)
