"""nanoGPT's directories: genuine ones are read, contradictions are refused in one line."""

import os
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpt_data.texts.corpora import open_dataset
from gpt_data.tokens.character_tokenizer import CharacterTokenizer
from gpt_data.tokens.id_tokenizer import IdTokenizer
from gpt_data.tokens.nanogpt import read_nanogpt_directory
from gpt_data.tokens.token_text import stream_text
from gpt_data.tokens.tokenizer_kinds import tokenizer_from_dict
from gpt_data.tokens.word_tokenizer import WordTokenizer
from parity_tests.gpt_data.bpe_vocabularies import SMALL, write_bpe
from parity_tests.gpt_data.nanogpt_directories import LETTERS, TRAIN, VAL, directory_refusal, meta_of, write_directory
from parity_tests.gpt_data.refusals import refusal


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
        ({**GOOD, "vocab_size": "5"}, "vocab_size must be a number"),
        ({**GOOD, "vocab_size": 0}, "vocab_size is 0"),
        ({**GOOD, "vocab_size": 6}, "vocab_size is 6 and itos has 5 entries"),
        ({**GOOD, "vocab_size": 70_000}, "vocab_size is 70000 and itos has 5 entries"),
        ({**GOOD, "vocab_size": -1}, "its numbers must lie in 0 … "),
        ({**GOOD, "vocab_size": True}, "vocab_size must be a number, not True"),
        ({**GOOD, "vocab_size": None}, "vocab_size must be a number, not None"),
        ({**GOOD, "vocab_size": 5.0}, "vocab_size must be a number, not 5.0"),
        ({**GOOD, "itos": "abc"}, "itos must be a dict or a list"),
        ({**GOOD, "stoi": 3}, "and stoi a dict"),
        ({**GOOD, "stoi": list(LETTERS)}, "stoi must be the inverse of itos"),
        ({**GOOD, "itos": list(LETTERS[1:])}, "vocab_size is 5 and itos has 4 entries"),
        ({**GOOD, "itos": [*LETTERS[1:], []]}, "itos must contain strings"),
        ({**GOOD, "itos": []}, "vocab_size is 5 and itos has 0 entries"),
        ({"vocab_size": 0, "itos": [], "stoi": {}}, "vocab_size is 0"),
        ({"vocab_size": 3, "itos": [], "stoi": {}}, "train.bin must lie in 0 … 2"),
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


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_lists_and_other_entries_are_read(tmp_path, protocol):
    more = {"chars": list(LETTERS), "empty": [], "tokenization": "word", "length": 1 << 40, "share": 0.9, "unk": None}
    for itos in (GOOD["itos"], list(LETTERS)):
        folder = write_directory(tmp_path, {**GOOD, "itos": itos, **more, "lower": True}, protocol)
        assert read_nanogpt_directory(folder)[0] == CharacterTokenizer(LETTERS)


def named(*vocabulary):
    """Return the content of meta.pkl as GPT-by-Hand writes it."""
    return {**meta_of(vocabulary), "chars": list(vocabulary)}


def test_special_tokens_have_names(tmp_path):
    folder = write_directory(tmp_path, named("\n", "<UNK>", "a", "<PAD24>", "é"))
    tokenizer, train, _ = read_nanogpt_directory(folder)
    assert tokenizer.decode(train) == "a<UNK>\né<PAD24>a"
    assert tokenizer.encode("a<UNK>\né<PAD24>a").tolist() == TRAIN
    assert tokenizer_from_dict(tokenizer.to_dict()) == tokenizer
    assert stream_text(tokenizer, [1, 2, 9]) == "<UNK>a<|9|>"
    assert "unknown character 'b' (character 1)" in refusal(tokenizer.encode, "ba<UNK>")
    assert "after '<UNK>': unknown character '<' (character 2)" in refusal(tokenizer.encode, "<UNK>a<bos>")
    words, *_ = read_nanogpt_directory(write_directory(tmp_path, named(" ", "hello", "<bos>", "<unk>", "a")))
    assert words.encode("<bos>hello a <unk>").tolist() == [2, 1, 0, 4, 0, 3]
    assert words.decode([2, 1, 0, 4, 0, 3]) == "<bos>hello a <unk>"
    assert repr(words) == "<SpecialTokenizer of 5 tokens>"


def test_a_vocabulary_of_names_only_is_refused(tmp_path):
    message = directory_refusal(write_directory(tmp_path, named("<a>", "<b>", "<c>", "<d>", "<e>")))
    assert "at least one token" in message


class TestBareIds:
    def folder(self, tmp_path):
        write_directory(tmp_path, GOOD)
        (tmp_path / "meta.pkl").unlink()
        return tmp_path

    def test_their_number_is_given(self, tmp_path):
        corpus = open_dataset(str(self.folder(tmp_path)), None, IdTokenizer(5))
        assert (corpus.tokenizer, corpus.train.tolist(), corpus.val.tolist()) == (IdTokenizer(5), TRAIN, VAL)
        message = refusal(open_dataset, str(tmp_path), None, IdTokenizer(4))
        assert "train.bin must lie in 0 … 3" in message

    def test_their_tokens_lie_next_to_them(self, tmp_path):
        write_bpe(self.folder(tmp_path), SMALL, "vocab.json", "merges.txt")
        tokenizer, train, _ = read_nanogpt_directory(tmp_path, IdTokenizer(300))
        assert tokenizer == SMALL
        assert tokenizer.decode(train) == '#"!%$#'

    def test_a_large_vocabulary_has_four_bytes(self, tmp_path):
        for split in ("train", "val"):
            (tmp_path / f"{split}.bin").write_bytes(np.array([70_000, 1], dtype="<u4").tobytes())
        assert read_nanogpt_directory(tmp_path, IdTokenizer(70_001))[1].tolist() == [70_000, 1]

    def test_only_their_number_is_in_the_meta_file(self, tmp_path):
        folder = write_directory(tmp_path, {"vocab_size": 5, "itos": [], "stoi": {}})
        assert read_nanogpt_directory(folder)[0] == IdTokenizer(5)


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
    assert "--vocab_size N (GPT-2 has 50257), or put GPT-2's vocab.json and merges.txt there" in message
    (tmp_path / "meta.json").write_text("{}")
    assert "has meta.json: open it with gpt_data.texts.corpora.open_corpus" in directory_refusal(tmp_path)
    assert "No such file" in directory_refusal(tmp_path / "nowhere")
