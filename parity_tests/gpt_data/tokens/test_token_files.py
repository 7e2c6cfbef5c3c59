"""Token files: what is written is read back, and other content is refused in one line."""

import hashlib
import json
import shutil

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpt_data.files.atomic import atomic_files
from gpt_data.texts.corpora import Corpus, load_corpus, open_corpus, prepare
from gpt_data.tokens.token_files import read_token_file, read_token_files, write_token_chunks, write_token_files
from gpt_data.tokens.word_tokenizer import WordTokenizer
from parity_tests.gpt_data.refusals import refusal


@pytest.fixture
def folder(tmp_path):
    prepare(load_corpus("tiny"), tmp_path / "tiny")
    return tmp_path / "tiny"


def test_round_trip_of_a_corpus(folder):
    corpus, again = load_corpus("tiny"), open_corpus(folder)
    assert (again.name, again.tokenizer, again.phrases) == (corpus.name, corpus.tokenizer, corpus.phrases)
    np.testing.assert_array_equal(again.train, corpus.train)
    np.testing.assert_array_equal(again.val, corpus.val)
    assert sorted(path.name for path in folder.iterdir()) == ["meta.json", "train.bin", "val.bin"]
    assert (folder / "val.bin").read_bytes() == corpus.val.astype("<u2").tobytes()
    prepare(again, folder)  # over the files that are mapped
    np.testing.assert_array_equal(open_corpus(str(folder)).train, corpus.train)


def test_round_trip_without_phrases(tmp_path):
    prepare(Corpus("own", WordTokenizer((" ", "a")), np.array([0, 1]), np.array([1])), tmp_path)
    assert open_corpus(tmp_path).phrases is None


def test_meta_is_as_documented(folder):
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
def test_round_trip_of_any_ids(tmp_path_factory, vocab_size, data):
    ids = st.lists(st.integers(0, vocab_size - 1), min_size=1, max_size=20)
    train, val = data.draw(ids), data.draw(ids)
    folder = tmp_path_factory.mktemp("ids")
    write_token_files(folder, train, val, vocab_size, {})
    files = read_token_files(folder)
    assert (files.train.tolist(), files.val.tolist()) == (train, val)


def test_messages_contain_the_numbers(folder):
    content = (folder / "val.bin").read_bytes()
    (folder / "val.bin").write_bytes(content[:-1])
    assert "tokens of 2 bytes, not 679 bytes" in refusal(open_corpus, folder)
    (folder / "val.bin").write_bytes(content[:-2])
    assert "must contain 340 tokens in 680 bytes, as meta.json says, not 678" in refusal(open_corpus, folder)
    (folder / "val.bin").write_bytes(content[2:] + content[:2])
    assert "its SHA-256 differs" in refusal(open_corpus, folder)


def test_a_file_without_meta_is_checked(tmp_path):
    path = tmp_path / "train.bin"
    path.write_bytes(np.array([1, 31, 2], dtype="<u2").tobytes())
    assert read_token_file(path, 32).tolist() == [1, 31, 2]
    assert "must lie in 0 … 30" in refusal(read_token_file, path, 31)
    for content in (b"", b"\0", b"\0\0\0"):
        path.write_bytes(content)
        assert f"not {len(content)} bytes" in refusal(read_token_file, path, 32)


@pytest.mark.parametrize("vocab_size", [32, 300, 70_000])
def test_the_other_byte_order_is_recognised(tmp_path, vocab_size):
    path, size = tmp_path / "train.bin", 2 if vocab_size <= 1 << 16 else 4
    ids = np.array([1, 31, 2, vocab_size - 1] * 300_000)
    path.write_bytes(ids.astype(f">u{size}").tobytes())
    message = refusal(read_token_file, path, vocab_size)
    assert "at index" in message
    assert "its bytes seem to be in big-endian order" in message
    path.write_bytes(ids.astype(f"<u{size}").tobytes())
    assert read_token_file(path, vocab_size).tolist() == ids.tolist()
    path.write_bytes(np.array([1, vocab_size], dtype=f"<u{size}").tobytes())
    assert "at index 1; was it made with another vocabulary?" in refusal(read_token_file, path, vocab_size)


def test_ids_outside_are_found_anywhere(tmp_path):
    path = tmp_path / "train.bin"
    for place in (0, (1 << 19) - 1, 1 << 19, 1_234_567):
        ids = np.zeros(1_300_000, dtype="<u2")
        ids[place:] = 7
        path.write_bytes(ids.tobytes())
        assert f"got id 7 at index {place};" in refusal(read_token_file, path, 7)
        assert f"got id 7 at index {place};" in refusal(write_token_files, tmp_path / "new", ids, ids, 7, {})
    assert not (tmp_path / "new").exists()


def numbers(*chunks):
    return iter([np.array(chunk, dtype=np.int64) for chunk in chunks])


@given(st.lists(st.lists(st.integers(0, 9), max_size=5), max_size=8), st.integers(0, 20))
def test_chunks_are_split_at_the_boundary(tmp_path_factory, chunks, train_tokens):
    ids, folder = [number for chunk in chunks for number in chunk], tmp_path_factory.mktemp("chunks")
    if 0 < train_tokens < len(ids):
        write_token_chunks(folder, numbers(*chunks), train_tokens, 10, {})
        files = read_token_files(folder)
        assert (files.train.tolist(), files.val.tolist()) == (ids[:train_tokens], ids[train_tokens:])
    else:
        split = "train" if not ids or not train_tokens else "val"
        message = refusal(write_token_chunks, folder / "new", numbers(*chunks), train_tokens, 10, {})
        assert f"the {split} split must contain at least one token" in message
        assert not any(folder.iterdir())


def test_bad_chunks_leave_the_old_files(folder):
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert "val tokens must lie in" in refusal(write_token_chunks, folder, numbers([1, 2], [3, 10]), 3, 10, {})
    assert "got id -1 at index 1" in refusal(write_token_chunks, folder, numbers([1, -1], [3]), 2, 10, {})
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_mixed_files_are_refused(folder, tmp_path):
    other = Corpus("other", WordTokenizer((" ", "a")), np.array([0, 1]), np.array([1]))
    prepare(other, tmp_path / "other")
    shutil.copy(tmp_path / "other" / "train.bin", folder / "train.bin")
    assert "train.bin must contain 1356 tokens" in refusal(open_corpus, folder)


def test_temporary_files_are_ignored(folder):
    (folder / ".train.bin.1-00c0ffee.tmp").write_bytes(b"half")
    assert open_corpus(folder).name == "tiny"


def test_bad_splits_are_refused(tmp_path):
    place = tmp_path / "new"
    assert "the val split must contain at least one token" in refusal(write_token_files, place, [1], [], 4, {})
    assert "train tokens must lie in 0 … 3" in refusal(write_token_files, place, [4], [1], 4, {})
    assert "got id -1 at index 0" in refusal(write_token_files, place, [1], [-1], 4, {})
    assert "must be integers" in refusal(write_token_files, place, [1.5], [1], 4, {})
    assert "'train' is a reserved entry of meta.json" in refusal(write_token_files, place, [1], [1], 4, {"train": 1})
    assert not place.exists()


def test_unwritable_directories_are_named(tmp_path):
    (tmp_path / "file").write_text("")
    for place in (tmp_path / "file", tmp_path / "file" / "below"):
        assert f"cannot make the directory {place}" in refusal(prepare, load_corpus("tiny"), place)


def test_files_larger_than_a_slice(tmp_path):
    ids = np.arange((1 << 20) + 5) % 7
    write_token_files(tmp_path, ids, ids[:1], 7, {})
    np.testing.assert_array_equal(read_token_files(tmp_path).train, ids)


def test_directory_missing(tmp_path):
    assert "No such file or directory" in refusal(open_corpus, tmp_path / "nowhere")
    with atomic_files(tmp_path / "meta.json") as (file,):
        file.write(b"{}")
    assert "format_version" in refusal(open_corpus, tmp_path)
