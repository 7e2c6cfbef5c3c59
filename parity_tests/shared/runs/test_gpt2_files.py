"""A checkpoint's config.json and model.safetensors have the names, biases and metadata of GPT-2's."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file

from gpt_data.errors import UserError
from gpt_data.files.sealed_json import seal
from gpt_data.tokens.character_tokenizer import CharacterTokenizer
from numpy_gpt import GPTConfig, initial_values
from numpy_gpt.shared.model.config import BigramConfig
from numpy_gpt.shared.model.names import parameter_shapes
from numpy_gpt.shared.runs.checkpoint import SHIPPED_MODEL, Checkpoint, is_saved, read_checkpoint, save_checkpoint
from numpy_gpt.shared.runs.tensor_files import tensor_bytes

SIZES = {"vocab_size": 3, "block_size": 2, "n_layer": 1, "n_head": 1, "n_embd": 2}
COMPLETE = set(parameter_shapes(GPTConfig(**SIZES)))
TOKENIZER = CharacterTokenizer(("a", "b", "c"))


def _save(place: Path, config: GPTConfig, dtype: str = "float32") -> Checkpoint:
    rng = np.random.default_rng(5)
    values = {name: rng.normal(size=shape).astype(dtype) for name, shape in parameter_shapes(config).items()}
    save_checkpoint(place, Checkpoint(config, TOKENIZER, values))
    return read_checkpoint(place)


def _replace_tensors(place: Path, content: bytes, *, is_old: bool = False) -> None:
    (place / "model.safetensors").write_bytes(content)
    manifest = json.loads((place / "checkpoint.json").read_text())
    del manifest["sha256"]
    manifest["files"]["model.safetensors"] = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    if is_old:
        del manifest["files"]["config.json"]
        (place / "config.json").unlink()
    (place / "checkpoint.json").write_bytes(seal(manifest))


def test_a_model_with_rms_norm_is_not_gpt2(tmp_path):
    model = _save(tmp_path / "c", GPTConfig(**SIZES, norm="rms_norm"))
    assert sorted(path.name for path in (tmp_path / "c").iterdir()) == ["checkpoint.json", "model.safetensors"]
    assert set(load_file(tmp_path / "c" / "model.safetensors")) == set(parameter_shapes(model.config))
    (tmp_path / "c" / "config.json").write_text("{}")
    manifest = json.loads((tmp_path / "c" / "checkpoint.json").read_text())
    manifest["files"]["config.json"] = {"bytes": 2, "sha256": hashlib.sha256(b"{}").hexdigest()}
    del manifest["sha256"]
    (tmp_path / "c" / "checkpoint.json").write_bytes(seal(manifest))
    with pytest.raises(UserError, match=r"files must be model\.safetensors, of a GPT with layer norm config\.json"):
        read_checkpoint(tmp_path / "c")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("tie_weights", [True, False])
def test_the_file_has_every_tensor_of_gpt2(tmp_path, bias, tie_weights, dtype):
    model = _save(tmp_path / "c", GPTConfig(**SIZES, bias=bias, tie_weights=tie_weights), dtype)
    stored = load_file(tmp_path / "c" / "model.safetensors")
    prefixed = {f"transformer.{name}" for name in COMPLETE} | {"lm_head.weight"}
    assert set(stored) == (COMPLETE if tie_weights else prefixed)
    for name, array in stored.items():
        own = model.values.get(name.removeprefix("transformer."))
        assert array.dtype == dtype
        assert np.array_equal(array, own) if own is not None else name.endswith(".bias") and not array.any()
    assert list(model.values) == list(parameter_shapes(model.config))
    with safe_open(tmp_path / "c" / "model.safetensors", "numpy") as file:
        assert file.metadata() == {"format": "pt"}
    assert json.loads((tmp_path / "c" / "config.json").read_text())["torch_dtype"] == dtype


def test_a_bias_that_the_model_lacks_must_be_zero(tmp_path):
    _save(tmp_path / "c", GPTConfig(**SIZES, bias=False))
    tensors = load_file(tmp_path / "c" / "model.safetensors")
    tensors["h.0.ln_2.bias"][1] = 1e-30
    _replace_tensors(tmp_path / "c", tensor_bytes(tensors))
    with pytest.raises(UserError, match=r"model\.safetensors: h\.0\.ln_2\.bias must be zeros, as config has bias="):
        read_checkpoint(tmp_path / "c")


@pytest.mark.parametrize("damage", [b"", b"{}", b'{"n_layer": 2}'])
def test_a_damaged_config_is_noticed(tmp_path, damage):
    _save(tmp_path / "c", GPTConfig(**SIZES))
    path = tmp_path / "c" / "config.json"
    path.write_bytes(damage)
    with pytest.raises(UserError, match=r"config\.json is damaged: its checksum is wrong; use another checkpoint"):
        read_checkpoint(tmp_path / "c")


@pytest.mark.parametrize("changes", [{}, {"bias": False}, {"tie_weights": False}])
def test_checkpoints_of_earlier_releases_are_read(tmp_path, changes):
    model = _save(tmp_path / "c", GPTConfig(**SIZES, **changes))
    _replace_tensors(tmp_path / "c", tensor_bytes(model.values), is_old=True)
    old = read_checkpoint(tmp_path / "c")
    assert all(np.array_equal(old.values[name], array) for name, array in model.values.items())
    save_checkpoint(tmp_path / "c", old)
    assert (tmp_path / "c" / "config.json").exists()


def test_a_bigram_model_is_no_gpt2(tmp_path):
    config = BigramConfig(vocab_size=3, block_size=2)
    save_checkpoint(tmp_path / "c", Checkpoint(config, TOKENIZER, initial_values(config, 1)))
    assert sorted(path.name for path in (tmp_path / "c").iterdir()) == ["checkpoint.json", "model.safetensors"]
    assert set(load_file(tmp_path / "c" / "model.safetensors")) == {"wte.weight"}


def test_the_shipped_model_is_what_this_release_writes():
    assert is_saved(SHIPPED_MODEL, read_checkpoint(SHIPPED_MODEL))
