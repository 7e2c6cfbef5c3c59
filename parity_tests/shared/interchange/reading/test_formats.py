"""Every format gives back exactly the parameters that were written in it, and says what it left out."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gpt_data.tokens.character_tokenizer import CharacterTokenizer
from gpt_data.tokens.id_tokenizer import IdTokenizer
from numpy_gpt.shared.interchange.reading.place import is_foreign, read_foreign
from parity_tests.gpt_data.refusals import refusal
from parity_tests.shared.interchange.foreign_files import (
    NANOGPT,
    config_of,
    linear_state_dict,
    random_values,
    write_gpt_by_hand,
    write_huggingface,
    write_llmc,
    write_mingpt,
    write_nanogpt,
)


def assert_same(model, config, values):
    """Assert that a model has this config, and these values bit for bit, in order of computation."""
    assert model.checkpoint.config == config
    assert list(model.checkpoint.values) == list(values)
    for name, value in model.checkpoint.values.items():
        assert value.dtype == values[name].dtype
        assert np.array_equal(value, values[name]), name


@pytest.mark.parametrize("zipped", [True, False])
@settings(max_examples=8)
@given(
    n_head=st.integers(1, 3),
    size=st.integers(1, 3),
    n_layer=st.integers(0, 2),
    bias=st.booleans(),
    masks=st.booleans(),
    prefix=st.sampled_from(["", "_orig_mod.", "module.", "_orig_mod.module."]),
    dtype=st.sampled_from(["float32", "float64"]),
)
def test_nanogpt(tmp_path_factory, zipped, n_head, size, n_layer, bias, masks, prefix, dtype):
    config = config_of(n_head=n_head, n_embd=n_head * size, n_layer=n_layer, bias=bias, dropout=0.2, **NANOGPT)
    values = random_values(config, n_layer, dtype)
    path = tmp_path_factory.mktemp("nanogpt") / "ckpt.pt"
    write_nanogpt(path, config, values, prefix=prefix, masks=masks, zipped=zipped)
    for place in (path, path.parent):
        assert is_foreign(place)
        model = read_foreign(place)
        assert_same(model, config, values)
        assert model.checkpoint.step == 250
        assert model.checkpoint.tokenizer == IdTokenizer(config.vocab_size)
        said = " ".join(model.left_out)
        assert "optimizer" in said and "lm_head.weight" in said
        assert ("h.*.attn.bias" in said) == (masks and n_layer > 0)


@pytest.mark.parametrize("tied", [True, False])
def test_huggingface(tmp_path, tied):
    for dtype in ("float32", "float64"):
        config = config_of(tie_weights=tied, dropout=0.1)
        values = random_values(config, 1, dtype)
        assert_same(read_foreign(write_huggingface(tmp_path, config, values)), config, values)


def test_gpt_by_hand(tmp_path):
    for bias in (True, False):
        config = config_of(bias=bias, dropout=0.1, **NANOGPT)
        values = random_values(config)
        model = read_foreign(write_gpt_by_hand(tmp_path / "ckpt.pt", config, values))
        assert_same(model, config, values)
        assert (model.kind, model.checkpoint.step) == ("GPT-by-Hand, ckpt.pt", 9)


def test_mingpt(tmp_path):
    config = config_of(tie_weights=False, dropout=0.1)
    values = random_values(config)
    for model in ({}, {"vocab_size": config.vocab_size, "block_size": config.block_size}):
        write_mingpt(tmp_path, config, values, model)
        assert_same(read_foreign(tmp_path), config, values)
    write_mingpt(tmp_path, config, values, {"embd_pdrop": 0.2})
    (note,) = read_foreign(tmp_path).notes
    assert "dropout in training is 0.2" in note and "attn_pdrop=0.1" in note


def test_mingpt_by_the_name_of_its_size(tmp_path):
    config = config_of(n_layer=3, n_head=3, n_embd=48, tie_weights=False)
    values = random_values(config)
    nothing = dict.fromkeys(("n_layer", "n_head", "n_embd"))
    write_mingpt(tmp_path, config, values, {"model_type": "gpt-nano", **nothing})
    assert_same(read_foreign(tmp_path), config, values)
    for change in ({"model_type": "gpt-huge", **nothing}, {"n_layer": None}):
        write_mingpt(tmp_path, config, values, change)
        assert "n_layer, n_head and n_embd, or only model_type" in refusal(read_foreign, tmp_path)


@pytest.mark.parametrize("version", [3, 5])
@pytest.mark.parametrize("vocab_size", [11, 128])
def test_llmc(tmp_path, version, vocab_size):
    config = config_of(vocab_size=vocab_size)
    values = random_values(config)
    if version == 5:
        values = {name: torch.tensor(value).bfloat16().float().numpy() for name, value in values.items()}
    model = read_foreign(write_llmc(tmp_path / "gpt2.bin", config, values, version=version))
    assert_same(model, config, values)
    assert (model.left_out == ("117 rows of wte.weight that pad the vocabulary to 128",)) == (vocab_size == 11)
    assert ("bfloat16 numbers are read as float32" in model.notes) == (version == 5)


def test_a_head_that_differs_is_kept(tmp_path):
    config = config_of(**NANOGPT | {"tie_weights": False})
    values = random_values(config)
    model = read_foreign(write_nanogpt(tmp_path / "ckpt.pt", config, values))
    assert_same(model, config, values)
    assert model.notes == ("lm_head.weight differs from wte.weight, so the weights are not tied",)


def test_the_vocabulary_is_found(tmp_path, monkeypatch):
    config = config_of(**NANOGPT)
    letters = "abcdefghijk"
    meta = pickle.dumps(
        {"vocab_size": 11, "itos": dict(enumerate(letters)), "stoi": {letter: i for i, letter in enumerate(letters)}}
    )
    out, data = tmp_path / "out", tmp_path / "data" / "letters"
    out.mkdir()
    data.mkdir(parents=True)
    write_nanogpt(out / "ckpt.pt", config, random_values(config))
    (tmp_path / "given.pkl").write_bytes(meta)
    expected = CharacterTokenizer(tuple(letters))
    assert read_foreign(out, str(tmp_path / "given.pkl")).checkpoint.tokenizer == expected
    (data / "meta.pkl").write_bytes(meta)  # where nanoGPT's sample.py looks
    monkeypatch.chdir(out)
    assert read_foreign(out).checkpoint.tokenizer == expected
    (out / "meta.pkl").write_bytes(pickle.dumps({"vocab_size": 1, "itos": {0: "x"}, "stoi": {"x": 0}}))
    found = read_foreign(out)
    assert found.checkpoint.tokenizer == CharacterTokenizer(("x",))
    assert found.tokens == f"1 token of {out / 'meta.pkl'}, and 10 rows of the model have no token"
    message = refusal(read_foreign, write_llmc(tmp_path / "small.bin", config_of(vocab_size=2), _two()), str(data))
    assert "has 11 tokens, but the model has 2; give" in message


def _two():
    return random_values(config_of(vocab_size=2))


def test_weights_alone_are_refused(tmp_path):
    config = config_of()
    torch.save(linear_state_dict(random_values(config)), tmp_path / "model.pt")
    message = refusal(read_foreign, tmp_path)
    assert "neither how many heads they are for nor how matrices are stored" in message
