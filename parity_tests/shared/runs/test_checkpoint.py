"""Checkpoints are read back bit for bit, and damaged ones are refused."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from gpt_data.errors import UserError
from gpt_data.files.sealed_json import seal
from gpt_data.tokens.character_tokenizer import CharacterTokenizer
from gpt_data.tokens.word_tokenizer import WordTokenizer
from numpy_gpt import GPTConfig, initial_values
from numpy_gpt.shared.model.config import BigramConfig
from numpy_gpt.shared.runs.checkpoint import Checkpoint, read_checkpoint, save_checkpoint
from numpy_gpt.shared.runs.run_directory import load_checkpoint, load_newest, save_in_run
from numpy_gpt.shared.runs.run_state import RunState

CONFIG = GPTConfig(vocab_size=3, block_size=2, n_layer=1, n_head=1, n_embd=2)
FILES = ("checkpoint.json", "model.safetensors", "optimizer.safetensors")


def _checkpoint(step: int = 5, dtype: str = "float64") -> Checkpoint:
    values, m, v = (initial_values(CONFIG, seed, dtype) for seed in (1, 2, 3))
    tokenizer = WordTokenizer((" ", "a", "bee"))
    return Checkpoint(CONFIG, tokenizer, values, step, None, {"val_loss": 0.1}, (m, v))


@pytest.fixture(scope="module")
def saved(tmp_path_factory) -> Path:
    directory = tmp_path_factory.mktemp("saved") / "checkpoint"
    save_checkpoint(directory, _checkpoint())
    return directory


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_round_trip(tmp_path, dtype):
    original = _checkpoint(dtype=dtype)
    save_checkpoint(tmp_path / "c", original)
    loaded = load_checkpoint(tmp_path / "c")
    assert (loaded.config, loaded.tokenizer, loaded.step) == (original.config, original.tokenizer, original.step)
    assert (loaded.recipe, loaded.facts) == (original.recipe, original.facts)
    for old, new in zip((original.values, *original.moments), (loaded.values, *loaded.moments), strict=True):
        assert list(old) == list(new)
        assert all(np.array_equal(old[name], new[name]) and old[name].dtype == new[name].dtype for name in old)
    assert sorted(path.name for path in (tmp_path / "c").iterdir()) == sorted(FILES)


def test_other_contents_are_never_replaced(tmp_path):
    place = tmp_path / "mine"
    place.mkdir()
    (place / "thesis.txt").write_text("years of work")
    with pytest.raises(UserError, match=r"or a checkpoint's, and contains 'thesis\.txt'; choose another"):
        save_checkpoint(place, _checkpoint())
    with pytest.raises(UserError, match=r"cannot make the directory .*thesis\.txt: Not a directory; choose another"):
        save_checkpoint(place / "thesis.txt", _checkpoint())
    assert [path.name for path in tmp_path.rglob("*")] == ["mine", "thesis.txt"]


def test_saving_to_the_current_directory(tmp_path, monkeypatch):
    place = tmp_path / "new"
    place.mkdir()
    (place / ".DS_Store").write_bytes(b"what macOS leaves wherever somebody looked")
    monkeypatch.chdir(place)
    save_checkpoint(Path(), _checkpoint())
    assert load_checkpoint(place).step == 5


def test_damaged_newest_falls_back(tmp_path):
    for step in (9, 10):
        directory = save_in_run(tmp_path, _checkpoint(step))
    (directory / "model.safetensors").write_bytes(b"")
    assert load_checkpoint(tmp_path).step == 9


def test_temporary_directories_are_removed(tmp_path):
    left_over = tmp_path / "checkpoints" / ".step-000000011.77-00c0ffee.tmp"
    left_over.mkdir(parents=True)
    save_in_run(tmp_path, _checkpoint(10))
    assert load_checkpoint(tmp_path).step == 10
    assert not left_over.exists()


@pytest.mark.parametrize("name", FILES)
def test_flipped_bits_and_truncations_fall_back(tmp_path, name):
    good, bad = (save_in_run(tmp_path, _smallest(step)) for step in (9, 10))
    path = bad / name
    content = path.read_bytes()
    damaged = [content[:place] for place in range(len(content))] + [content + b"\0"]
    for place in range(8 * len(content)):
        flipped = bytearray(content)
        flipped[place // 8] ^= 1 << place % 8
        damaged.append(bytes(flipped))
    for number, wrong in enumerate(damaged):
        path.write_bytes(wrong)
        with pytest.raises(UserError) as caught:
            read_checkpoint(bad)
        assert "\n" not in str(caught.value)
        if number % 97 == 0:
            assert load_newest(tmp_path)[0].path == good
    path.write_bytes(content)
    assert load_newest(tmp_path)[0].path == bad


def _smallest(step: int) -> Checkpoint:
    config = BigramConfig(vocab_size=2, block_size=1)
    values, m, v = (initial_values(config, seed, "float32") for seed in (1, 2, 3))
    return Checkpoint(config, CharacterTokenizer(("a", "b")), values, step, None, None, (m, v), RunState(step))


@pytest.mark.parametrize("name", FILES)
def test_missing_file_directory_or_pipe(tmp_path, name):
    save_checkpoint(tmp_path / "c", _checkpoint())
    path = tmp_path / "c" / name
    path.unlink()
    for make in (lambda: None, path.mkdir, lambda: (path.rmdir(), os.mkfifo(path))):
        make()
        with pytest.raises(UserError):
            load_checkpoint(tmp_path / "c")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format_version": 2}, "must have format_version 1, not 2"),
        ({"format": "other"}, "not a manifest of this program"),
        ({"config": {"vocab_size": 3}}, "config: the config is incomplete"),
        ({"tokenizer": None}, "tokenizer must be an object, not None"),
        ({"config": {**asdict(CONFIG), "n_embd": 4}}, r"must be float32 or float64 of shape"),
        ({"config": {**asdict(CONFIG), "bias": False}}, "is unknown for its config"),
        ({"config": {**asdict(CONFIG), "n_layer": 2}}, "is missing for its config"),
        ({"files": {}}, "files must be model.safetensors and for training optimizer.safetensors, not none"),
    ],
)
def test_bad_manifest_with_good_checksum(tmp_path, change, message):
    save_checkpoint(tmp_path / "c", _checkpoint())
    path = tmp_path / "c" / "checkpoint.json"
    manifest = json.loads(path.read_text()) | change
    del manifest["sha256"]
    path.write_bytes(seal(manifest))
    with pytest.raises(UserError, match=message):
        load_checkpoint(tmp_path / "c")


def test_failed_write_keeps_the_old_checkpoint(tmp_path, monkeypatch):
    directory = tmp_path / "c"
    save_checkpoint(directory, _checkpoint(1))
    real, calls = os.fsync, 0

    def failing(limit):
        def fsync(descriptor):
            nonlocal calls
            calls += 1
            if calls > limit:
                raise OSError(28, "No space left on device")
            real(descriptor)

        return fsync

    for limit in range(4):  # three files and their directory; the rename follows
        calls = 0
        monkeypatch.setattr(os, "fsync", failing(limit))
        with pytest.raises(UserError, match="No space left on device"):
            save_checkpoint(directory, _checkpoint(2))
        assert load_checkpoint(directory).step == 1
        assert [path.name for path in tmp_path.iterdir()] == ["c"]


def test_unwritable_place(tmp_path, monkeypatch):
    save_checkpoint(tmp_path / "c", _checkpoint(1))
    real = Path.mkdir

    def mkdir(path, *arguments, **options):  # root ignores a directory's mode
        if path.name.endswith(".tmp"):
            raise OSError(30, "Read-only file system")
        real(path, *arguments, **options)

    monkeypatch.setattr(Path, "mkdir", mkdir)
    with pytest.raises(UserError, match=r"Read-only file system; is the place writable and not full\?"):
        save_checkpoint(tmp_path / "c", _checkpoint(2))
    assert load_checkpoint(tmp_path / "c").step == 1
    assert [path.name for path in tmp_path.iterdir()] == ["c"]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: None, "there is no such file"),
        (lambda path: path.mkdir(), "give a run directory"),
        (lambda path: path.write_bytes(b"x"), "give a run directory"),
    ],
)
def test_not_a_checkpoint(tmp_path, make, message):
    make(tmp_path / "x")
    with pytest.raises(UserError, match=message):
        load_checkpoint(tmp_path / "x")
