"""Token files: what is written is read, and whatever else lies there is refused in one line."""

import hashlib
import json
import os
import shutil

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpt_data.atomic import atomic_files
from gpt_data.corpora import Corpus, load_corpus, open_corpus, prepare
from gpt_data.errors import UserError
from gpt_data.sealed_json import seal
from gpt_data.token_files import read_token_file, read_token_files, write_token_files
from gpt_data.tokenizer import WordTokenizer


@pytest.fixture
def folder(tmp_path):
    prepare(load_corpus("tiny"), tmp_path / "tiny")
    return tmp_path / "tiny"


def refusal(call, *arguments, **options):
    with pytest.raises(UserError) as caught:
        call(*arguments, **options)
    message = str(caught.value)
    assert len(message.splitlines()) == 1
    return message


def resign(folder, **changes):
    """Write meta.json with other entries and a checksum that fits them."""
    meta = json.loads((folder / "meta.json").read_text())
    del meta["sha256"]
    (folder / "meta.json").write_bytes(seal({**meta, **changes}))


def test_a_corpus_comes_back(folder):
    corpus, again = load_corpus("tiny"), open_corpus(folder)
    assert (again.name, again.tokenizer, again.phrases) == (corpus.name, corpus.tokenizer, corpus.phrases)
    np.testing.assert_array_equal(again.train, corpus.train)
    np.testing.assert_array_equal(again.val, corpus.val)
    assert sorted(path.name for path in folder.iterdir()) == ["meta.json", "train.bin", "val.bin"]
    assert (folder / "val.bin").read_bytes() == corpus.val.astype("<u2").tobytes()
    prepare(again, folder)  # over the very files that are mapped
    np.testing.assert_array_equal(open_corpus(str(folder)).train, corpus.train)


def test_a_corpus_without_phrases_comes_back(tmp_path):
    prepare(Corpus("own", WordTokenizer((" ", "a")), np.array([0, 1]), np.array([1])), tmp_path)
    assert open_corpus(tmp_path).phrases is None


def test_meta_says_what_the_readme_says(folder):
    meta = json.loads((folder / "meta.json").read_text())
    digest = hashlib.sha256((folder / "val.bin").read_bytes()).hexdigest()
    assert meta["val"] == {"tokens": 340, "sha256": digest}
    assert (meta["format_version"], meta["dtype"], meta["vocab_size"]) == (1, "uint16", 32)
    assert (meta["name"], meta["tokenizer"]["kind"]) == ("tiny", "words")
    own = meta.pop("sha256")
    assert own == hashlib.sha256(json.dumps(meta, indent=1).encode() + b"\n").hexdigest()


def test_tokens_are_mapped_and_read_only(folder):
    tokens = open_corpus(folder).train
    base = tokens
    while isinstance(base, np.ndarray):
        assert not base.flags.writeable
        base = base.base
    assert type(base).__name__ == "mmap"


@pytest.mark.parametrize(("vocab_size", "size"), [(65_535, 2), (65_536, 2), (65_537, 4)])
def test_numbers_grow_with_the_vocabulary(tmp_path, vocab_size, size):
    ids = np.array([0, vocab_size - 1, 1])
    write_token_files(tmp_path, ids, ids[:2], vocab_size, {})
    assert (tmp_path / "train.bin").stat().st_size == 3 * size
    assert read_token_files(tmp_path).train.tolist() == ids.tolist()
    assert read_token_files(tmp_path).meta["dtype"] == f"uint{8 * size}"


@settings(max_examples=30)
@given(st.integers(1, 70_000), st.data())
def test_any_ids_come_back(tmp_path_factory, vocab_size, data):
    ids = st.lists(st.integers(0, vocab_size - 1), min_size=1, max_size=20)
    train, val = data.draw(ids), data.draw(ids)
    folder = tmp_path_factory.mktemp("ids")
    write_token_files(folder, train, val, vocab_size, {})
    files = read_token_files(folder)
    assert (files.train.tolist(), files.val.tolist()) == (train, val)


@pytest.mark.parametrize("name", ["train.bin", "val.bin", "meta.json"])
class TestDamage:
    def test_missing(self, folder, name):
        (folder / name).unlink()
        assert f"{name}: No such file" in refusal(open_corpus, folder)

    def test_empty(self, folder, name):
        (folder / name).write_bytes(b"")
        assert name in refusal(open_corpus, folder)

    def test_every_truncation(self, folder, name):
        content = (folder / name).read_bytes()
        for length in range(1, len(content), 7):
            (folder / name).write_bytes(content[:length])
            assert name in refusal(open_corpus, folder)

    def test_longer(self, folder, name):
        content = (folder / name).read_bytes()
        for more in (b"\0", b"\0\0", b"\n"):
            (folder / name).write_bytes(content + more)
            assert name in refusal(open_corpus, folder)

    def test_a_flipped_bit_in_every_byte(self, folder, name):
        content = (folder / name).read_bytes()
        for place in range(0, len(content), 3):
            changed = bytearray(content)
            changed[place] ^= 1 << (place // 3) % 8
            (folder / name).write_bytes(changed)
            assert name in refusal(open_corpus, folder)

    def test_a_directory(self, folder, name):
        (folder / name).unlink()
        (folder / name).mkdir()
        assert f"{name}: it is not a regular file" in refusal(open_corpus, folder)
        assert f"{name}: it is not a regular file" in refusal(prepare, load_corpus("tiny"), folder)

    def test_a_pipe_is_refused_and_not_waited_for(self, folder, name):
        (folder / name).unlink()
        os.mkfifo(folder / name)
        assert f"{name}: it is not a regular file" in refusal(open_corpus, folder)

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


def test_messages_say_the_numbers(folder):
    content = (folder / "val.bin").read_bytes()
    (folder / "val.bin").write_bytes(content[:-1])
    assert "tokens of 2 bytes, and has 679 bytes" in refusal(open_corpus, folder)
    (folder / "val.bin").write_bytes(content[:-2])
    assert "must hold 340 tokens in 680 bytes, as meta.json says, and has 678" in refusal(open_corpus, folder)
    (folder / "val.bin").write_bytes(content[2:] + content[:2])
    assert "its SHA-256 differs" in refusal(open_corpus, folder)


def test_a_file_without_meta_is_checked_too(tmp_path):
    path = tmp_path / "train.bin"
    path.write_bytes(np.array([1, 31, 2], dtype="<u2").tobytes())
    assert read_token_file(path, 32).tolist() == [1, 31, 2]
    assert "must lie in 0 … 30" in refusal(read_token_file, path, 31)
    for content in (b"", b"\0", b"\0\0\0"):
        path.write_bytes(content)
        assert f"has {len(content)} bytes" in refusal(read_token_file, path, 32)
    path.write_bytes(np.array([1, 31, 2], dtype=">u2").tobytes())
    assert "id 256 came at index 0" in refusal(read_token_file, path, 32)


def test_ids_outside_the_vocabulary_are_refused_though_all_checksums_fit(folder):
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
        ({"train": None}, "train must hold tokens and sha256"),
        ({"val": {"tokens": 340}}, "val must hold tokens and sha256"),
        ({"val": {"tokens": -1, "sha256": ""}}, "tokens of val"),
        ({"name": 3}, "name must be a string"),
        ({"phrases": "hello"}, "phrases must be"),
        ({"phrases": [1]}, "phrases must be"),
        ({"tokenizer": None}, "a tokenizer must be"),
        ({"tokenizer": {"kind": "words", "vocabulary": ["a", "a"]}}, "comes twice"),
    ],
)
def test_entries_of_meta_are_checked_though_its_checksum_fits(folder, changes, reason):
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
def test_what_is_no_meta_is_refused(folder, content):
    (folder / "meta.json").write_bytes(content)
    assert "meta.json" in refusal(open_corpus, folder)


def test_a_meta_of_another_hand_is_refused(folder):
    meta = json.loads((folder / "meta.json").read_text())
    (folder / "meta.json").write_text(json.dumps(meta, indent=2))
    assert "was changed" in refusal(open_corpus, folder)
    (folder / "meta.json").write_text('{"format_version": 1, "x": ' + "[" * 600 + "]" * 600 + "}")
    assert "was changed" in refusal(open_corpus, folder)


def test_a_mix_of_two_writings_is_refused(folder, tmp_path):
    other = Corpus("other", WordTokenizer((" ", "a")), np.array([0, 1]), np.array([1]))
    prepare(other, tmp_path / "other")
    shutil.copy(tmp_path / "other" / "train.bin", folder / "train.bin")
    assert "train.bin must hold 1356 tokens" in refusal(open_corpus, folder)


def test_a_left_over_temporary_file_does_no_harm(folder):
    (folder / ".train.bin.1-0.tmp").write_bytes(b"half")
    assert open_corpus(folder).name == "tiny"


def test_bad_splits_are_refused_before_anything_is_written(tmp_path):
    place = tmp_path / "new"
    assert "the val split must hold at least one token" in refusal(write_token_files, place, [1], [], 4, {})
    assert "train tokens must lie in 0 … 3" in refusal(write_token_files, place, [4], [1], 4, {})
    assert "id -1 came at index 0" in refusal(write_token_files, place, [1], [-1], 4, {})
    assert "must be integers" in refusal(write_token_files, place, [1.5], [1], 4, {})
    assert "keeps 'train' for itself" in refusal(write_token_files, place, [1], [1], 4, {"train": 1})
    assert not place.exists()


def test_unwritable_directories_are_named(tmp_path):
    (tmp_path / "file").write_text("")
    for place in (tmp_path / "file", tmp_path / "file" / "below"):
        assert f"cannot make the directory {place}" in refusal(prepare, load_corpus("tiny"), place)


def test_files_larger_than_a_slice_are_written_whole(tmp_path):
    ids = np.arange((1 << 20) + 5) % 7
    write_token_files(tmp_path, ids, ids[:1], 7, {})
    np.testing.assert_array_equal(read_token_files(tmp_path).train, ids)


def test_directory_missing(tmp_path):
    assert "No such file or directory" in refusal(open_corpus, tmp_path / "nowhere")
    with atomic_files(tmp_path / "meta.json") as (file,):
        file.write(b"{}")
    assert "format_version" in refusal(open_corpus, tmp_path)
