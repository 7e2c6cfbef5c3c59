"""nanoGPT's directories: genuine ones are read, and what contradicts itself is refused in one line."""

import os
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpt_data.errors import UserError
from gpt_data.tokens.character_tokenizer import CharacterTokenizer
from gpt_data.tokens.nanogpt import read_nanogpt_directory
from gpt_data.tokens.word_tokenizer import WordTokenizer

LETTERS = ("\n", " ", "a", "é", "😀")
TRAIN, VAL = [2, 1, 0, 4, 3, 2], [1, 2]


def meta_of(vocabulary):
    itos = dict(enumerate(vocabulary))
    return {"vocab_size": len(itos), "itos": itos, "stoi": {token: number for number, token in itos.items()}}


def made(folder, meta, protocol=None):
    (folder / "meta.pkl").write_bytes(meta if isinstance(meta, bytes) else pickle.dumps(meta, protocol))
    for name, ids in (("train.bin", TRAIN), ("val.bin", VAL)):
        (folder / name).write_bytes(np.array(ids, dtype="<u2").tobytes())
    return folder


def refusal(folder):
    with pytest.raises(UserError) as caught:
        read_nanogpt_directory(folder)
    message = str(caught.value)
    assert len(message.splitlines()) == 1
    assert len(message) < 500 + len(str(folder))
    return message


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_genuine_directory_is_read_whatever_the_protocol(tmp_path, protocol):
    tokenizer, train, val = read_nanogpt_directory(made(tmp_path, meta_of(LETTERS), protocol))
    assert tokenizer == CharacterTokenizer(LETTERS)
    assert (train.tolist(), val.tolist()) == (TRAIN, VAL)
    assert tokenizer.decode(train) == "a \n😀éa"
    assert not train.flags.writeable


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("size", [255, 256, 257, 60_000])
def test_large_vocabularies_are_read(tmp_path, protocol, size):
    letters = tuple(chr(0x20000 + number) for number in range(size))
    assert read_nanogpt_directory(made(tmp_path, meta_of(letters), protocol))[0] == CharacterTokenizer(letters)


def test_words_are_read_and_other_strings_are_not(tmp_path):
    words = (" ", "don't", "hello", ",", "x")
    assert read_nanogpt_directory(made(tmp_path, meta_of(words)))[0] == WordTokenizer(words)
    assert "meta.pkl: vocabulary entry 0, 'a b', is no token" in refusal(made(tmp_path, meta_of(("a b", *LETTERS))))


@given(st.lists(st.characters(codec="utf-8"), min_size=5, max_size=40, unique=True), st.integers(0, 5))
def test_any_letters_are_read(tmp_path_factory, letters, protocol):
    folder = made(tmp_path_factory.mktemp("nano"), meta_of(letters), protocol)
    assert read_nanogpt_directory(folder)[0].vocabulary == tuple(letters)


GOOD = meta_of(LETTERS)


@pytest.mark.parametrize(
    ("meta", "reason"),
    [
        ({}, "must hold a dict of vocab_size, itos and stoi"),
        ("text", "must hold a dict"),
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
        ({**GOOD, "itos": {**GOOD["itos"], 0: 7}}, "itos must hold strings"),
        ({**GOOD, "itos": {**GOOD["itos"], 0: "a"}}, "stoi must be itos the other way round"),
        ({**GOOD, "stoi": {**GOOD["stoi"], "a": 3}}, "stoi must be itos the other way round"),
        ({**GOOD, "stoi": {**GOOD["stoi"], "z": 3}}, "stoi must be itos the other way round"),
        ({**GOOD, "stoi": {**GOOD["stoi"], "a": {}}}, "stoi must be itos the other way round"),
        (meta_of(("", *LETTERS)), "is no token"),
        (meta_of(LETTERS[:3]), "train.bin must lie in 0 … 2"),
    ],
)
def test_what_contradicts_itself_is_refused(tmp_path, meta, reason):
    assert reason in refusal(made(tmp_path, meta))


def test_token_files_beside_it_are_checked(tmp_path):
    made(tmp_path, GOOD)
    (tmp_path / "train.bin").write_bytes(np.array([1, 2], dtype=">u2").tobytes())
    assert "big-endian" in refusal(tmp_path)
    (tmp_path / "train.bin").write_bytes(b"\0\0\0")
    assert "tokens of 2 bytes, and has 3 bytes" in refusal(tmp_path)
    (tmp_path / "train.bin").unlink()
    assert "train.bin: No such file" in refusal(tmp_path)


@pytest.mark.parametrize("name", ["meta.pkl", "train.bin", "val.bin"])
def test_directories_pipes_and_devices_are_no_files(tmp_path, name):
    place = made(tmp_path, GOOD) / name
    place.unlink()
    place.mkdir()
    assert f"{name}: it is not a regular file" in refusal(tmp_path)
    place.rmdir()
    os.mkfifo(place)
    assert f"{name}: it is not a regular file" in refusal(tmp_path)
    place.unlink()
    place.symlink_to("/dev/zero")
    assert f"{name}: it is not a regular file" in refusal(tmp_path)


def test_a_directory_without_meta_says_what_to_do(tmp_path):
    made(tmp_path, GOOD)
    (tmp_path / "meta.pkl").unlink()
    message = refusal(tmp_path)
    assert "holds neither meta.json nor meta.pkl" in message
    assert "numpy_gpt prepare" in message
    (tmp_path / "meta.json").write_text("{}")
    assert "open it with gpt_data.texts.corpora.open_corpus" in refusal(tmp_path)
    assert "No such file" in refusal(tmp_path / "nowhere")
