"""Checkpoints are read back bit for bit, and damaged ones are refused."""

from __future__ import annotations

import json
import os
import stat
from dataclasses import asdict, replace
from functools import reduce
from pathlib import Path

import numpy as np
import pytest

from gpt_data.errors import UserError
from gpt_data.files import regular_file
from gpt_data.files.sealed_json import seal
from gpt_data.tokens.character_tokenizer import CharacterTokenizer
from gpt_data.tokens.word_tokenizer import WordTokenizer
from numpy_gpt import GPTConfig, initial_values
from numpy_gpt.shared.model.config import BigramConfig
from numpy_gpt.shared.runs import checkpoint
from numpy_gpt.shared.runs.checkpoint import Checkpoint, read_checkpoint, save_checkpoint
from numpy_gpt.shared.runs.run_directory import load_checkpoint, load_newest, save_in_run
from numpy_gpt.shared.runs.run_state import Evaluation, RunState
from numpy_gpt.shared.training.presets import preset
from numpy_gpt.shared.training.recipe import stored_recipe

CONFIG = GPTConfig(vocab_size=3, block_size=2, n_layer=1, n_head=1, n_embd=2)
FILES = ("checkpoint.json", "config.json", "model.safetensors", "optimizer.safetensors")


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


def test_a_training_is_not_replaced_by_a_mere_model(tmp_path):
    save_checkpoint(tmp_path / "c", _checkpoint())
    with pytest.raises(UserError, match=r"training can be resumed from .*c, and would not be; choose another place"):
        save_checkpoint(tmp_path / "c", replace(_checkpoint(), moments=None))
    assert sorted(path.name for path in (tmp_path / "c").iterdir()) == sorted(FILES)


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


@pytest.mark.parametrize("name", ["checkpoint.json", "model.safetensors", "optimizer.safetensors"])
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
        ({"files": {}}, "config.json, and for training optimizer.safetensors, not none"),
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


@pytest.fixture
def in_training(tmp_path) -> Path:
    """Make a checkpoint with everything that a run stores."""
    recipe = replace(preset("tiny"), model=CONFIG).to_dict()
    evaluation = Evaluation(5, 1.5, 1.25, 1e-3)
    state, scaler = RunState(5, 1.25, 5, 0, evaluation), {"scaler": {"scale": 65536.0, "growth_interval": 2000}}
    training = {"recipe": recipe, "facts": asdict(evaluation), "state": state, "corpus": "text", "engine_state": scaler}
    save_checkpoint(tmp_path / "c", replace(_checkpoint(), **training))
    return tmp_path / "c"


def test_a_run_is_read_as_it_was_written(in_training):
    loaded = read_checkpoint(in_training)
    assert loaded.state == RunState(5, 1.25, 5, 0, Evaluation(5, 1.5, 1.25, 1e-3))
    assert stored_recipe(loaded) == replace(preset("tiny"), model=CONFIG)
    assert loaded.engine_state == {"scaler": {"scale": 65536.0, "growth_interval": 2000}}


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("step", [], "step must be a whole number, not []"),
        ("step", -1, "step must be at least 0, not -1"),
        ("step", 6, "state.step must be 6, the step of the checkpoint, not 5"),
        ("config", "gpt", "config must be an object, not 'gpt'"),
        ("config.n_layer", "1", "config: n_layer must be a whole number of at least 0, not '1'"),
        ("config.kind", "x", "config: the kind of a model must be one of gpt, bigram, not 'x'"),
        ("recipe", [], "recipe must be an object or null, not []"),
        ("recipe.dataset", ["a"], "recipe.dataset must be text, not ['a']"),
        ("recipe.model", "gpt", "recipe.model must be an object, not 'gpt'"),
        ("recipe.model.n_layer", 2, "recipe.model must be the same as config, and differs"),
        ("recipe.training", None, "recipe.training must be an object, not None"),
        ("recipe.training.ema_decay", {}, "recipe.training.ema_decay must be "),
        ("recipe.training.max_iters", 1.5, "recipe.training.max_iters must be a whole number, not 1.5"),
        ("recipe.training.max_iters", 4, "recipe.training.max_iters must be at least the step 5, not 4"),
        ("recipe.training.beta1", 2, "recipe.training: beta1 must be in [0, 1), not 2"),
        ("facts", 1, "facts must be an object or null, not 1"),
        ("facts.val_loss", {}, "facts.val_loss must be a finite number or null, not {}"),
        ("state", {}, "state.step must be 5, the step of the checkpoint, not 0"),
        ("state.step", None, "state.step must be a whole number, not None"),
        ("state.best_step", [], "state.best_step must be a whole number or null, not []"),
        ("state.best_step", 6, "state: best_step and best_val_loss must be of a step up to 5, or both null, not 6 and"),
        ("state.best_val_loss", None, "state: best_step and best_val_loss must be of a step up to 5, or both null"),
        ("state.evaluation.val_loss", {}, "state.evaluation.val_loss must be a finite number, not {}"),
        ("state.evaluation.step", 4, "state: evaluation.step must be 5, the state's step, not 4"),
        ("state.evaluation.more", 4, "state.evaluation has the unknown field 'more'"),
        ("corpus", 7, "corpus must be text or null, not 7"),
        ("engine_state.scaler", None, "engine_state.scaler must be an object, not None"),
        ("tokenizer.vocabulary", {"a": 1}, "tokenizer: a vocabulary must be a list"),
        (
            "files",
            {"../x": {"bytes": 1, "sha256": ""}},
            "files must be model.safetensors, of a GPT with layer norm config.json, and",
        ),
        ("files", {"model.safetensors": {"bytes": 1}}, "files.model.safetensors.sha256 is missing"),
        ("more", 1, "it has the unknown field 'more'"),
    ],
)
def test_a_lie_under_a_good_checksum_is_named(in_training, field, value, message):
    path = in_training / "checkpoint.json"
    manifest = json.loads(path.read_text())
    del manifest["sha256"]
    *parents, last = field.split(".")
    reduce(dict.__getitem__, parents, manifest)[last] = value
    path.write_bytes(seal(manifest))
    with pytest.raises(UserError) as caught:
        stored_recipe(read_checkpoint(in_training))
    assert str(caught.value).startswith(f"{path}: ")
    assert message in str(caught.value)
    assert str(caught.value).endswith("; use another checkpoint")


def test_parameters_are_counted_before_they_are_listed(tmp_path, monkeypatch):
    save_checkpoint(tmp_path / "c", _checkpoint())
    path = tmp_path / "c" / "checkpoint.json"
    manifest = json.loads(path.read_text()) | {"config": {**asdict(CONFIG), "n_layer": 3000}}
    del manifest["sha256"]
    path.write_bytes(seal(manifest))
    monkeypatch.setattr(checkpoint, "parameter_shapes", None)
    with pytest.raises(
        UserError, match=r"checkpoint\.json: config has 222,014 parameters, too many for model\.safetensors; use"
    ):
        read_checkpoint(tmp_path / "c")


def test_infinity_is_not_written_as_json(in_training):
    path = in_training / "checkpoint.json"
    content = path.read_bytes().replace(b'"best_step": 5', b'"best_step": Infinity')
    path.write_bytes(content)
    with pytest.raises(UserError, match="must be JSON in UTF-8: Infinity is not JSON"):
        read_checkpoint(in_training)


@pytest.mark.parametrize("name", FILES)
def test_sparse_files_are_never_read(in_training, monkeypatch, name):
    os.truncate(in_training / name, 1 << 40)
    real = regular_file.read_bytes

    def read_bytes(file, path, size=-1):
        assert path.name != name
        return real(file, path, size)

    monkeypatch.setattr(regular_file, "read_bytes", read_bytes)
    with pytest.raises(UserError, match=rf"{name} must have at most [\d,]+ bytes, and has 1,099,511,627,776"):
        read_checkpoint(in_training)


def test_a_replaced_checkpoint_keeps_its_modes(tmp_path):
    save_checkpoint(tmp_path / "c", _checkpoint(1))
    (tmp_path / "c").chmod(0o700)
    (tmp_path / "c" / "model.safetensors").chmod(0o600)
    save_checkpoint(tmp_path / "c", _checkpoint(2))
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "c", tmp_path / "c" / "model.safetensors")]
    assert modes == [0o700, 0o600]
    assert load_checkpoint(tmp_path / "c").step == 2


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
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r"^cannot write new/inner/d: Read-only"):  # the path as it was written
        save_checkpoint(Path("new/inner/d"), _checkpoint(2))
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
