"""What is exported and imported again has the same weights, byte for byte, and the same vocabulary."""

from __future__ import annotations

import pickle
from dataclasses import replace

import numpy as np
import pytest
import torch

from gpt_data.tokens.id_tokenizer import IdTokenizer
from numpy_gpt.shared.interchange.reading.place import read_foreign
from numpy_gpt.shared.interchange.writing.exported import write_exported
from numpy_gpt.shared.interchange.writing.formats import EXPORTERS
from numpy_gpt.shared.interchange.writing.huggingface import export_huggingface
from numpy_gpt.shared.interchange.writing.llmc import export_llmc
from numpy_gpt.shared.interchange.writing.nanogpt import export_nanogpt
from numpy_gpt.shared.model.config import BigramConfig
from numpy_gpt.shared.model.initial_values import initial_values
from numpy_gpt.shared.runs.checkpoint import Checkpoint
from parity_tests.gpt_data.bpe_vocabularies import SMALL, gpt2
from parity_tests.gpt_data.refusals import refusal
from parity_tests.shared.interchange.exported_models import TOKENIZERS, model_of

NANOGPT = {"activation": "gelu_erf"}
KINDS = [*TOKENIZERS]


def assert_same_values(read, written):
    for name, array in read.values.items():
        if name in written.values:
            assert array.dtype == written.values[name].dtype
            assert array.tobytes() == np.ascontiguousarray(written.values[name]).tobytes(), name
        else:
            assert name.endswith(".bias") and not array.any()
    assert set(written.values) <= set(read.values)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "changes",
    [
        {"dropout": 0.1},
        {"bias": False, "activation": "gelu_erf", "layer_norm_epsilon": 1e-3},
        {"tie_weights": False, "activation": "relu", "dtype": "float64"},
        {"bias": False, "tie_weights": False, "n_layer": 0},
    ],
)
def test_huggingface(tmp_path, kind, changes):
    model = model_of(kind, **changes)
    write_exported(tmp_path, export_huggingface(model))
    read = read_foreign(tmp_path).checkpoint
    assert read.config == replace(model.config, bias=True)
    assert read.tokenizer == model.tokenizer
    assert_same_values(read, model)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("changes", [{"dropout": 0.1}, {"bias": False, "dtype": "float64"}, {"n_layer": 0}])
def test_nanogpt(tmp_path, kind, changes):
    model = model_of(kind, **NANOGPT, **changes)
    write_exported(tmp_path, export_nanogpt(model))
    read = read_foreign(tmp_path).checkpoint
    assert (read.config, read.step) == (model.config, model.step)
    assert read.tokenizer == model.tokenizer
    assert_same_values(read, model)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("changes", [{}, {"bias": False}, {"n_layer": 0, "block_size": 64}])
def test_llmc(tmp_path, kind, changes):
    model = model_of(kind, **changes)
    write_exported(tmp_path, export_llmc(model))
    read = read_foreign(tmp_path / "gpt2_124M.bin").checkpoint
    assert read.config == replace(model.config, bias=True)
    assert read.tokenizer == (SMALL if kind == "bpe" else IdTokenizer(model.config.vocab_size))
    assert_same_values(read, model)


@pytest.mark.parametrize("name", [*EXPORTERS])
def test_the_bytes_are_always_the_same(name):
    one, two = (EXPORTERS[name](model_of("words", **NANOGPT if name == "nanogpt" else {})) for _ in range(2))
    assert one == two


def test_nanogpt_reads_what_it_wants(tmp_path):
    model = model_of("words", **NANOGPT, vocab_size=13)  # two rows have no token
    write_exported(tmp_path, export_nanogpt(replace(model, recipe={"dataset": "../my texts"})))
    saved = torch.load(tmp_path / "ckpt.pt", weights_only=True)
    assert saved["config"] == {"dataset": "numpy_gpt_my_texts"}
    assert saved["model_args"]["vocab_size"] == 13 and set(saved["model_args"]) == {
        *("n_layer", "n_head", "n_embd", "block_size", "bias", "vocab_size", "dropout"),
    }
    state = saved["model"]
    assert state["lm_head.weight"].data_ptr() == state["transformer.wte.weight"].data_ptr()
    weight = state["transformer.h.1.mlp.c_fc.weight"].numpy()
    assert np.array_equal(weight, model.values["h.1.mlp.c_fc.weight"].T)
    meta = pickle.loads((tmp_path / "data" / "numpy_gpt_my_texts" / "meta.pkl").read_bytes())
    assert [meta["itos"][index] for index in range(13)] == [*model.tokenizer.vocabulary, "<|11|>", "<|12|>"]
    assert meta["vocab_size"] == 13 and all(meta["itos"][index] == token for token, index in meta["stoi"].items())


def test_llmc_reads_what_it_wants(tmp_path):
    model = model_of("bpe", vocab_size=300, dropout=0.1, bias=False)
    exported = export_llmc(model)
    header = np.frombuffer(exported.files["gpt2_124M.bin"], "<i4", 256)
    assert header[:9].tolist() == [20240326, 3, 6, 300, 2, 2, 8, 384, 0]
    numbers = np.frombuffer(exported.files["gpt2_124M.bin"], "<f4", offset=1024)
    assert np.array_equal(numbers[: 300 * 8].reshape(300, 8), model.values["wte.weight"])
    assert not numbers[300 * 8 : 384 * 8].any() and numbers[384 * 8] == model.values["wpe.weight"][0, 0]
    content = exported.files["gpt2_tokenizer.bin"]
    assert np.frombuffer(content, "<u4", 5).tolist() == [20240328, 2, 300, 260, 0]
    tokens, place = [], 1024
    while place < len(content):
        tokens.append(content[place + 1 : place + 1 + content[place]])
        place += 1 + content[place]
    assert len(tokens) == 300 and tuple(tokens[:261]) == SMALL.token_bytes and tokens[299] == b"<|299|>"
    assert "left out: dropout=0.1" in " ".join(exported.notes)


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        (
            "nanogpt",
            {"activation": "relu"},
            "nanoGPT's model always has activation='gelu_erf', but this one has 'relu'",
        ),
        (
            "huggingface",
            {"norm": "rms_norm"},
            "GPT-2's model always has norm='layer_norm', but this one has 'rms_norm'",
        ),
        ("nanogpt", {**NANOGPT, "norm": "rms_norm"}, "nanoGPT's model always has norm='layer_norm'"),
        ("llmc", {"norm": "rms_norm"}, "llm.c's model always has norm='layer_norm'"),
        ("nanogpt", {**NANOGPT, "tie_weights": False}, "nanoGPT's model always has tie_weights=True"),
        ("nanogpt", {**NANOGPT, "layer_norm_epsilon": 1e-6}, "layer_norm_epsilon=1e-05, but this one has 1e-06"),
        ("llmc", {"activation": "gelu_erf"}, "llm.c's model always has activation='gelu_tanh'"),
        ("llmc", {"tie_weights": False}, "llm.c's model always has tie_weights=True, but this one has False; use"),
        ("llmc", {"layer_norm_epsilon": 1e-6}, "layer_norm_epsilon=1e-05, but this one has 1e-06"),
        ("llmc", {"vocab_size": 2**20, "n_embd": 2, "block_size": 2**31}, "must fit into 32 bits"),
    ],
)
def test_what_a_format_cannot_express_is_refused(name, changes, message, monkeypatch):
    model = model_of() if changes.get("block_size") else model_of(**changes)
    config = replace(model.config, **changes)
    assert message in refusal(EXPORTERS[name], replace(model, config=config))


@pytest.mark.parametrize("name", [*EXPORTERS])
def test_a_bigram_model_is_refused(name):
    config = BigramConfig(vocab_size=13, block_size=2)
    model = Checkpoint(config, TOKENIZERS["characters"], initial_values(config, 1))
    assert "the model must be a GPT, but this one is a bigram model" in refusal(EXPORTERS[name], model)


def test_numbers_that_float32_cannot_express_are_said_or_refused():
    model = model_of(dtype="float64")
    assert "the weights are rounded from float64 to float32" in export_llmc(model).notes
    whole = {name: np.round(array) for name, array in model.values.items()}
    assert "the weights are rounded from float64 to float32" not in export_llmc(replace(model, values=whole)).notes
    whole["wpe.weight"][1, 2] = 1e39
    assert "wpe.weight has a number that is too large for float32" in refusal(export_llmc, replace(model, values=whole))


def test_nanogpt_has_the_tokens_of_gpt2_already():
    model = model_of("ids", **NANOGPT, vocab_size=gpt2().vocab_size, n_embd=2)
    exported = export_nanogpt(replace(model, tokenizer=gpt2()))
    assert [*exported.files] == ["ckpt.pt", "tokenizer.json", "vocab.json", "merges.txt"]
    assert exported.notes == () and "cp -r" not in exported.usage
    small = export_nanogpt(model_of("bpe", **NANOGPT))
    assert "data/numpy_gpt_model/meta.pkl" in small.files and "cp -r" in small.usage


def test_what_is_left_out_is_said():
    model = model_of("ids", **NANOGPT)
    trained = replace(model, moments=(model.values, model.values))
    assert export_nanogpt(trained).notes == (
        "left out: the optimizer's moments, so training cannot resume from it",
        "left out: the tokens of the ids, which are not known; sample.py takes them for GPT-2's",
    )
    assert "train_gpt2 prints ids" in " ".join(export_llmc(model_of("ids")).notes)
    assert "left out: the tokenizer" in " ".join(export_huggingface(model_of("ids")).notes)
    assert export_huggingface(model_of("bpe")).notes == ()
