"""Configs and the list of names: every field is checked, and errors suggest a remedy."""

from __future__ import annotations

import json
from dataclasses import asdict
from fractions import Fraction
from math import prod

import numpy as np
import pytest

from gpt_data.errors import UserError
from numpy_gpt.shared.model.config import NORMS, BigramConfig, GPTConfig, config_from_dict, config_to_dict
from numpy_gpt.shared.model.names import (
    activation_shapes,
    dropout_shapes,
    gradient_name,
    parameter_count,
    parameter_shapes,
)
from numpy_gpt.shared.training.recipe import TrainingConfig

TINY = {"vocab_size": 32, "block_size": 8, "n_layer": 2, "n_head": 2, "n_embd": 6}
MICROGPT = {"vocab_size": 27, "block_size": 16, "n_layer": 1, "n_head": 4, "n_embd": 16}
MICROGPT |= {"bias": False, "tie_weights": False, "activation": "relu", "norm": "rms_norm"}


@pytest.mark.parametrize(
    ("changes", "count"),
    [
        ({"bias": False}, 1_134),
        ({"bias": False, "n_embd": 16}, 6_864),
        ({"n_embd": 16}, 7_232),
        ({"bias": False, "n_embd": 16, "tie_weights": False}, 7_376),
        (MICROGPT, 4_192),
    ],
)
def test_known_parameter_counts(changes, count):
    assert parameter_count(GPTConfig(**{**TINY, **changes})) == count


@pytest.mark.parametrize(
    "config",
    [
        *(
            GPTConfig(**{**TINY, "n_layer": layers}, bias=bias, tie_weights=tie, norm=norm)
            for norm in NORMS
            for layers in (0, 3)
            for bias in (True, False)
            for tie in (True, False)
        ),
        BigramConfig(vocab_size=7, block_size=3),
    ],
    ids=str,
)
def test_the_parameter_count_is_that_of_the_shapes(config):
    assert parameter_count(config) == sum(prod(shape) for shape in parameter_shapes(config).values())


@pytest.mark.parametrize("changes", [{"vocab_size": 2**31}, {"block_size": 10**30}])
def test_a_huge_bigram_is_refused(changes):
    with pytest.raises(UserError, match="must be at most 2⁶⁰"):
        BigramConfig(**{"vocab_size": 5, "block_size": 8, **changes})


def test_gpt2_names_and_shapes():
    shapes = parameter_shapes(GPTConfig(vocab_size=50257, block_size=1024, n_layer=12, n_head=12, n_embd=768))
    assert len(shapes) == 148
    assert shapes["h.11.attn.c_attn.weight"] == (768, 2304)
    assert shapes["h.0.mlp.c_proj.weight"] == (3072, 768)
    assert sum(1 for name in shapes if name.startswith("h.3.")) == 12


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"n_embd": 10, "n_head": 4}, "n_embd=10 is not divisible by n_head=4; try 8 or 12"),
        ({"n_embd": 3, "n_head": 4}, "try 4$"),
        ({"n_embd": 0}, "n_embd must be a whole number of at least 1, not 0"),
        ({"n_layer": -1}, "n_layer must be a whole number of at least 0"),
        ({"vocab_size": 2.0}, "vocab_size must be a whole number"),
        ({"block_size": True}, "block_size must be a whole number"),
        ({"block_size": np.True_}, "block_size must be a whole number"),
        ({"block_size": "8" * 1000}, "block_size must be a whole number of at least 1, not .{,90}$"),
        ({"activation": "gelu"}, "activation must be one of gelu_tanh, gelu_erf, relu, not 'gelu'"),
        ({"norm": "rmsnorm"}, "norm must be one of layer_norm, rms_norm, not 'rmsnorm'"),
        ({"bias": 1}, "bias must be True or False"),
        ({"dropout": 1.0}, r"dropout must lie in \[0, 1\)"),
        ({"dropout": float("nan")}, "dropout must lie"),
        ({"dropout": True}, "dropout must be a number, not True"),
        ({"dropout": np.True_}, "dropout must be a number, not"),
        ({"layer_norm_epsilon": 10**5000}, "layer_norm_epsilon must be a number of at most 1"),
        ({"dropout": np.float32(1)}, r"dropout must lie in \[0, 1\), not 1\.0"),
        ({"layer_norm_epsilon": 0.0}, "layer_norm_epsilon must be positive"),
        ({"layer_norm_epsilon": Fraction(10**400)}, "layer_norm_epsilon must be a number"),
        ({"n_layer": 10_001}, "n_layer must be at most 10,000, not 10001: each block has up to 12 tensors"),
        ({"n_layer": 10**30}, "n_layer must be at most 10,000"),
        ({"n_layer": 10**5000}, "n_layer must be at most 10,000, not a number of about 5,000 digits"),
        (
            {"vocab_size": 10**18},
            "the number of parameters must be at most 2⁶⁰, not 6000000000000001080: no array has room",
        ),
        ({"n_embd": 10**18}, "the number of parameters must be at most 2⁶⁰"),
        ({"n_embd": 10**5000 + 1}, "the number of parameters must be at most 2⁶⁰, not a number of about 10,001 digits"),
        ({"n_head": 10**5000}, "n_embd=6 is not divisible by n_head=a number of about 5,000 digits"),
        ({"block_size": 10**30}, "block_size must be at most 2⁶⁰"),
    ],
)
def test_bad_config_is_refused(changes, message):
    with pytest.raises(UserError, match=message):
        GPTConfig(**{**TINY, **changes})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda values: values.pop("n_embd"), "incomplete: .*n_embd"),
        (lambda values: values.update(n_heads=2), "unknown config field 'n_heads'"),
        (lambda values: values.update(kind=[1]), r"kind of a model must be one of gpt, bigram, not \[1\]"),
        (lambda values: values.update(n_layer=10**30), "n_layer must be at most 10,000"),
    ],
)
def test_bad_stored_config_is_refused(change, message):
    values = asdict(GPTConfig(**TINY))
    assert config_from_dict(values) == GPTConfig(**TINY)
    change(values)
    with pytest.raises(UserError, match=message):
        config_from_dict(values)


@pytest.mark.parametrize("values", [None, [], "gpt", 5])
def test_a_stored_config_is_an_object(values):
    with pytest.raises(UserError, match="a config must be an object with named fields, not "):
        config_from_dict(values)


def test_numpy_numbers_become_builtin():
    tokens = np.array([3, 31])
    config = GPTConfig(
        vocab_size=tokens.max() + 1,
        block_size=np.int32(8),
        n_layer=1,
        n_head=2,
        n_embd=np.uint8(6),
        dropout=np.float32(0.5),
    )
    assert config == GPTConfig(vocab_size=32, block_size=8, n_layer=1, n_head=2, n_embd=6, dropout=0.5)
    training = TrainingConfig(max_iters=np.int64(5), learning_rate=np.float64(0.25), seed=np.uint64(7))
    bigram = BigramConfig(vocab_size=np.int16(5), block_size=np.int16(8))
    json.dumps([config_to_dict(config), config_to_dict(bigram), asdict(training)])
    assert {type(value) for value in asdict(training).values()} <= {int, float, str, type(None)}
    with pytest.raises(UserError, match=r"n_layer must be a whole number of at least 0, not 1\.0"):
        GPTConfig(vocab_size=32, block_size=8, n_layer=np.float64(1), n_head=2, n_embd=6)


def test_rms_norms_have_no_parameters():
    assert list(parameter_shapes(GPTConfig(**MICROGPT))) == [
        *("wte.weight", "wpe.weight", "h.0.attn.c_attn.weight", "h.0.attn.c_proj.weight"),
        *("h.0.mlp.c_fc.weight", "h.0.mlp.c_proj.weight", "lm_head.weight"),
    ]
    names = list(activation_shapes(GPTConfig(**MICROGPT), 1, 16))
    assert names[3:9] == [
        *(f"embedding.norm.{name}" for name in ("mean_square", "rrms", "out")),
        *(f"h.0.ln_1.{name}" for name in ("mean_square", "rrms", "out")),
    ]
    assert names[names.index("h.0.mlp.residual") + 1] == "logits"


def test_what_is_stored_of_a_gpt2_says_nothing_of_its_norm():
    assert "norm" not in config_to_dict(GPTConfig(**TINY))
    values = config_to_dict(GPTConfig(**MICROGPT))
    assert values["norm"] == "rms_norm" and config_from_dict(values) == GPTConfig(**MICROGPT)


def test_gradient_names():
    names = activation_shapes(GPTConfig(**TINY), 2, 3, dropout=True)
    gradients = [gradient_name(name) for name in names]
    assert len(set(gradients)) == len(names)
    assert not set(gradients) & set(names)
    assert (gradient_name("h.0.attn.q"), gradient_name("logits")) == ("h.0.attn.dq", "dlogits")


def test_dropout_shapes():
    shapes = dropout_shapes(GPTConfig(**TINY), 4, 5)
    assert list(shapes) == [
        "embedding.dropout",
        *(f"h.{i}.{name}_dropout" for i in (0, 1) for name in ("attn.weights", "attn.out", "mlp.out")),
    ]
    assert shapes["h.1.attn.weights_dropout"] == (4, 2, 5, 5)
