"""The files of a byte-pair vocabulary: all forms are read, the library agrees, and a damaged file is one clear line."""

import json
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpt_data.errors import UserError
from gpt_data.tokens.bpe_files import bpe_file_contents, read_bpe_directory
from gpt_data.tokens.bpe_tokenizer import BYTE_SYMBOLS, BpeTokenizer
from parity_tests.gpt_data.bpe_vocabularies import HARD, SMALL, gpt2, tokenizer_json, write_bpe
from parity_tests.gpt_data.refusals import refusal

PAIR = ("vocab.json", "merges.txt")


def changed(**changes):
    """Return tokenizer.json of the small vocabulary with other entries: ``model__type`` is type inside model."""
    record = tokenizer_json(SMALL)
    for name, value in changes.items():
        *outer, last = name.split("__")
        place = record
        for part in outer:
            place = place[part]
        place[last] = value
    return record


def json_refusal(folder, record):
    (folder / "tokenizer.json").write_text(record if isinstance(record, str) else json.dumps(record))
    return refusal(read_bpe_directory, folder)


def test_all_forms_are_read(tmp_path):
    for number, names in enumerate((("tokenizer.json",), PAIR, ())):
        assert read_bpe_directory(write_bpe(tmp_path / str(number), SMALL, *names)) == SMALL
    place = write_bpe(tmp_path / "windows", SMALL, *PAIR)
    (place / "merges.txt").write_bytes((place / "merges.txt").read_bytes().replace(b"\n", b"\r\n"))
    assert read_bpe_directory(place) == SMALL
    (place / "merges.txt").write_text("\n".join(SMALL.merges), encoding="utf-8")  # no version, no last line break
    assert read_bpe_directory(place) == SMALL
    assert read_bpe_directory(tmp_path) is None
    assert read_bpe_directory(tmp_path / "nowhere") is None


def test_pairs_as_lists_and_tokens_outside_the_model_are_read(tmp_path):
    record = changed(model__merges=[merge.split(" ") for merge in SMALL.merges])
    record["model"]["vocab"].pop(SMALL.special[0])
    (tmp_path / "tokenizer.json").write_text(json.dumps(record))
    assert read_bpe_directory(tmp_path) == SMALL


def test_gpt2s_files_come_back(tmp_path):
    for name in ("tokenizer.json", "vocab.json"):
        place = write_bpe(tmp_path / name, gpt2(), name, "merges.txt")
        assert read_bpe_directory(place) == gpt2()


def test_the_library_reads_what_is_written(tmp_path):
    tokenizers = pytest.importorskip("tokenizers", reason="byte pairs need the extra `bpe`")
    place = write_bpe(tmp_path, SMALL)
    library = tokenizers.Tokenizer.from_file(str(place / "tokenizer.json"))
    pair = tokenizers.ByteLevelBPETokenizer(str(place / "vocab.json"), str(place / "merges.txt"))
    pair.add_special_tokens(list(SMALL.special))
    for text in HARD:
        assert library.encode(text).ids == pair.encode(text).ids == SMALL.encode(text).tolist()
        assert library.decode(library.encode(text).ids, skip_special_tokens=False) == text


def test_what_the_library_trains_and_saves_is_read(tmp_path):
    tokenizers = pytest.importorskip("tokenizers", reason="byte pairs need the extra `bpe`")
    theirs = tokenizers.ByteLevelBPETokenizer()
    theirs.train_from_iterator(HARD, 300, 2, False, special_tokens=["<s>", "<pad>", "[MASK]"])
    theirs.save_model(str(tmp_path))
    (tmp_path / "whole").mkdir()
    theirs.save(str(tmp_path / "whole" / "tokenizer.json"))
    ours = read_bpe_directory(tmp_path)
    assert ours.special == ("<s>", "<pad>", "[MASK]")
    assert read_bpe_directory(tmp_path / "whole") == ours
    for text in (*HARD, "<s>hello<pad>"):
        assert ours.encode(text).tolist() == theirs.encode(text).ids


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"model": None}, "model.type must be 'BPE', not None"),
        ({"model__type": "WordPiece"}, "model.type must be 'BPE', not 'WordPiece'"),
        ({"model__type": []}, "model.type must be 'BPE', not []"),
        ({"model__dropout": 0.1}, "model.dropout must be unset, not 0.1"),
        ({"model__byte_fallback": True}, "model.byte_fallback must be unset"),
        ({"model__ignore_merges": True}, "model.ignore_merges must be unset"),
        ({"model__end_of_word_suffix": "</w>"}, "model.end_of_word_suffix must be unset, not '</w>'"),
        ({"model__continuing_subword_prefix": "##"}, "model.continuing_subword_prefix must be unset"),
        ({"normalizer": {"type": "NFC"}}, "normalizer must be null"),
        ({"pre_tokenizer": None}, "pre_tokenizer.type must be 'ByteLevel', not None"),
        ({"pre_tokenizer": {"type": "Metaspace"}}, "pre_tokenizer.type must be 'ByteLevel', not 'Metaspace'"),
        ({"pre_tokenizer__add_prefix_space": True}, "pre_tokenizer.add_prefix_space must be false"),
        ({"pre_tokenizer__use_regex": False}, "pre_tokenizer.use_regex must be true"),
        ({"added_tokens": 3}, "added_tokens must be a list of objects, not 3"),
        ({"added_tokens": [3]}, "added_tokens must be a list of objects"),
        ({"added_tokens": [{"id": 260}]}, "must have content and id"),
        ({"added_tokens": [{"content": "<x>", "id": True}]}, "must have content and id"),
        ({"added_tokens": [{"content": "<x>", "id": 260, "lstrip": True}]}, "'<x>' must have lstrip false"),
        ({"added_tokens": [{"content": "<x>", "id": 261}] * 2}, "'<x>' occurs twice"),
        ({"added_tokens": [{"content": "he", "id": 1}]}, "'he' has two ids, 257 and 1"),
        ({"added_tokens": [{"content": "<x>", "id": 900}]}, "must have the ids 0 … 261"),
        ({"added_tokens": []}, "1 token such as '<|endoftext|>'"),
        ({"model__vocab": []}, "model.vocab must be an object of at least one token, not []"),
        ({"model__vocab": {}}, "model.vocab must be an object"),
        ({"model__vocab": {"a": 1.5}}, "the id of 'a' must be a number, not 1.5"),
        ({"model__vocab": {"a": -1}, "added_tokens": []}, "must have the ids 0 … 0"),
        ({"model__vocab": {"a": 10**400}, "added_tokens": []}, "must have the ids 0 … 0"),
        ({"model__merges": None}, "model.merges must be a list, not None"),
        ({"model__merges": [3]}, "merge 1 must be two tokens"),
        ({"model__merges": [["a", 3]]}, "merge 1 must be two tokens"),
        ({"model__merges": [["Ġ", "t", "h"]]}, "merge 1 must be two tokens"),
        ({"model__merges": ["Ġ t", "Ġ t", "h e", "Ġt he", "ð Ł"]}, "the merge 'Ġ t' occurs twice"),
        ({"model__merges": ["Ġ t"]}, "are not; are merges missing?"),
    ],
)
def test_other_tokenizers_and_contradictions_are_refused(tmp_path, changes, reason):
    message = json_refusal(tmp_path, changed(**changes))
    assert reason in message
    assert "tokenizer.json" in message


@pytest.mark.parametrize("content", ["", "{", "[]", "3", "nonsense", "[" * 100_000, '{"model": NaN}', '{"a": 1e999'])
def test_what_is_not_json_is_refused(tmp_path, content):
    assert "tokenizer.json must be" in json_refusal(tmp_path, content).replace("tokenizer.json: model.type", "x")


@pytest.mark.parametrize("name", PAIR)
def test_a_missing_or_special_file_is_refused(tmp_path, name):
    place = write_bpe(tmp_path, SMALL, *PAIR)
    (place / name).unlink()
    assert f"and must also have {name}" in refusal(read_bpe_directory, place)
    os.mkfifo(place / name)
    assert f"{name}: it is not a regular file" in refusal(read_bpe_directory, place)


@pytest.mark.parametrize("name", [*PAIR, "tokenizer.json"])
def test_a_huge_file_is_refused_before_it_is_read(tmp_path, name):
    place = write_bpe(tmp_path, SMALL, *(PAIR if name in PAIR else (name,)))
    with (place / name).open("r+b") as file:
        file.truncate(1 << 40)
    assert "must have at most 67,108,864 bytes" in refusal(read_bpe_directory, place)


@pytest.mark.parametrize(
    ("merges", "reason"),
    [
        (b"", "must make every token of vocab.json, and 4 tokens"),
        (b"#version: 0.2\n", "4 tokens such as"),
        ("#version: 0.2\nĠ t\nh e\n".encode(), "2 tokens such as 'Ġthe' are missing; is the file complete?"),
        ("#version: 0.2\nĠ t\nh e\nĠt he\nð Ł\nĠ t\n".encode(), "the merge 'Ġ t' occurs twice"),
        ("#version: 0.2\nĠ t\nh e\nĠt he\nð Ł\nx\n".encode(), "merge 5 must be two tokens"),
        ("#version: 0.2\nĠ t\nh e\nĠt he\nð Ł\n\n".encode(), "merge 5 must be two tokens"),
        ("#version: 0.2\nĠ t\nh e\nĠt he\nð Ł\nx y\n".encode(), "merge 5, 'x y', needs the token 'xy'"),
        (b"#version: 0.2\n\xff \xfe\n", "must be UTF-8, and byte 14 is not"),
    ],
)
def test_bad_merges_are_refused(tmp_path, merges, reason):
    (write_bpe(tmp_path, SMALL, *PAIR) / "merges.txt").write_bytes(merges)
    assert reason in refusal(read_bpe_directory, tmp_path)


def test_every_truncation_is_refused_or_says_the_same(tmp_path):
    for name, content in bpe_file_contents(SMALL).items():
        place = write_bpe(tmp_path / name, SMALL, *(PAIR if name in PAIR else (name,)))
        for length in range(0, len(content) - 1, 131 if name == "tokenizer.json" else 13):
            (place / name).write_bytes(content[:length])
            refusal(read_bpe_directory, place)


@given(st.integers(0, 10**6), st.binary(max_size=3))
def test_damage_is_one_line_or_a_valid_tokenizer(tmp_path_factory, place, content):
    folder = write_bpe(tmp_path_factory.mktemp("bpe"), SMALL)
    for name in ("tokenizer.json", *PAIR):
        whole = (folder / name).read_bytes()
        cut = place % len(whole)
        (folder / name).write_bytes(whole[:cut] + content + whole[cut + len(content) :])
        try:
            tokenizer = read_bpe_directory(folder)
        except UserError as error:
            assert str(error).isprintable()
        else:
            assert isinstance(tokenizer, BpeTokenizer) and set(tokenizer.symbols) & set(BYTE_SYMBOLS.values())
        (folder / name).unlink()
        if name == "vocab.json":
            (folder / name).write_bytes(whole)
