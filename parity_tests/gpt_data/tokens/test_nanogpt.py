"""nanoGPT's directories: genuine ones are read, contradictions are refused in one line."""

import os
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpt_data.tokens.character_tokenizer import CharacterTokenizer
from gpt_data.tokens.nanogpt import read_nanogpt_directory
from gpt_data.tokens.word_tokenizer import WordTokenizer
from parity_tests.gpt_data.nanogpt_directories import LETTERS, TRAIN, VAL, directory_refusal, meta_of, write_directory


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_genuine_directories_are_read(tmp_path, protocol):
    tokenizer, train, val = read_nanogpt_directory(write_directory(tmp_path, meta_of(LETTERS), protocol))
    assert tokenizer == CharacterTokenizer(LETTERS)
    assert (train.tolist(), val.tolist()) == (TRAIN, VAL)
    assert tokenizer.decode(train) == "a \n😀éa"
    assert not train.flags.writeable


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("size", [255, 256, 257, 60_000])
def test_large_vocabularies_are_read(tmp_path, protocol, size):
    letters = tuple(chr(0x20000 + number) for number in range(size))
    assert read_nanogpt_directory(write_directory(tmp_path, meta_of(letters), protocol))[0] == CharacterTokenizer(
        letters
    )


def test_only_words_are_read(tmp_path):
    words = (" ", "don't", "hello", ",", "x")
    assert read_nanogpt_directory(write_directory(tmp_path, meta_of(words)))[0] == WordTokenizer(words)
    assert "meta.pkl: vocabulary entry 0, 'a b', is not a token" in directory_refusal(
        write_directory(tmp_path, meta_of(("a b", *LETTERS)))
    )


@given(st.lists(st.characters(codec="utf-8"), min_size=5, max_size=40, unique=True), st.integers(0, 5))
def test_any_letters_are_read(tmp_path_factory, letters, protocol):
    folder = write_directory(tmp_path_factory.mktemp("nano"), meta_of(letters), protocol)
    assert read_nanogpt_directory(folder)[0].vocabulary == tuple(letters)


GOOD = meta_of(LETTERS)


@pytest.mark.parametrize(
    ("meta", "reason"),
    [
        ({}, "must contain a dict of vocab_size, itos and stoi"),
        ("text", "must contain a dict"),
        ({**GOOD, "more": 1}, "nothing else"),
        ({**GOOD, "vocab_size": "5"}, "vocab_size must be a number"),
        ({**GOOD, "vocab_size": 0}, "vocab_size is 0"),
        ({**GOOD, "vocab_size": 6}, "vocab_size is 6 and itos has 5 entries"),
        ({**GOOD, "vocab_size": 70_000}, "0 … 65536"),
        ({**GOOD, "vocab_size": -1}, "0 … 65536"),
        ({**GOOD, "vocab_size": True}, "instruction NEWTRUE"),
        ({**GOOD, "itos": "abc"}, "must be dicts"),
        ({**GOOD, "stoi": 3}, "must be dicts"),
        ({**GOOD, "itos": list(LETTERS)}, "instruction"),
        ({**GOOD, "itos": {**GOOD["itos"], 0: 7}}, "itos must contain strings"),
        ({**GOOD, "itos": {**GOOD["itos"], 0: "a"}}, "stoi must be the inverse of itos"),
        ({**GOOD, "stoi": {**GOOD["stoi"], "a": 3}}, "stoi must be the inverse of itos"),
        ({**GOOD, "stoi": {**GOOD["stoi"], "z": 3}}, "stoi must be the inverse of itos"),
        ({**GOOD, "stoi": {**GOOD["stoi"], "a": {}}}, "stoi must be the inverse of itos"),
        (meta_of(("", *LETTERS)), "is not a token"),
        (meta_of(LETTERS[:3]), "train.bin must lie in 0 … 2"),
    ],
)
def test_contradictions_are_refused(tmp_path, meta, reason):
    assert reason in directory_refusal(write_directory(tmp_path, meta))


def test_its_token_files_are_checked(tmp_path):
    write_directory(tmp_path, GOOD)
    (tmp_path / "train.bin").write_bytes(np.array([1, 2], dtype=">u2").tobytes())
    assert "big-endian" in directory_refusal(tmp_path)
    (tmp_path / "train.bin").write_bytes(b"\0\0\0")
    assert "tokens of 2 bytes, not 3 bytes" in directory_refusal(tmp_path)
    (tmp_path / "train.bin").unlink()
    assert "train.bin: No such file" in directory_refusal(tmp_path)


@pytest.mark.parametrize("name", ["meta.pkl", "train.bin", "val.bin"])
def test_special_files_are_refused(tmp_path, name):
    place = write_directory(tmp_path, GOOD) / name
    place.unlink()
    place.mkdir()
    assert f"{name}: it is not a regular file" in directory_refusal(tmp_path)
    place.rmdir()
    os.mkfifo(place)
    assert f"{name}: it is not a regular file" in directory_refusal(tmp_path)
    place.unlink()
    place.symlink_to("/dev/zero")
    assert f"{name}: it is not a regular file" in directory_refusal(tmp_path)


def test_a_directory_without_meta(tmp_path):
    write_directory(tmp_path, GOOD)
    (tmp_path / "meta.pkl").unlink()
    message = directory_refusal(tmp_path)
    assert "contains neither meta.json nor meta.pkl" in message
    assert "numpy_gpt prepare" in message
    (tmp_path / "meta.json").write_text("{}")
    assert "open it with gpt_data.texts.corpora.open_corpus" in directory_refusal(tmp_path)
    assert "No such file" in directory_refusal(tmp_path / "nowhere")
