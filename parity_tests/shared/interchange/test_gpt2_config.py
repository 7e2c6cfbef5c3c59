"""GPT-2's config.json: every field is used, harmless, required to have one value, or mentioned."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpt_data.errors import UserError
from numpy_gpt import GPTConfig
from numpy_gpt.shared.interchange.gpt2_config import config_from_gpt2
from numpy_gpt.shared.interchange.llmc_format import config_from_header, header_numbers, names_in_order
from numpy_gpt.shared.interchange.nanogpt_config import config_from_nanogpt, config_to_nanogpt
from numpy_gpt.shared.model.names import parameter_shapes
from numpy_gpt.shared.runs.gpt2_files import config_to_gpt2

GPT2 = {"model_type": "gpt2"}


def sizes():
    return {
        "vocab_size": st.integers(1, 99),
        "block_size": st.integers(1, 99),
        "n_layer": st.integers(0, 3),
        "n_head": st.just(2),
        "n_embd": st.sampled_from([2, 4, 8]),
        "dropout": st.sampled_from([0.0, 0.1]),
    }


@given(
    st.fixed_dictionaries(
        {
            **sizes(),
            "tie_weights": st.booleans(),
            "activation": st.sampled_from(["gelu_tanh", "gelu_erf", "relu"]),
            "layer_norm_epsilon": st.sampled_from([1e-5, 1e-6]),
        }
    )
)
def test_there_and_back(values):
    config = GPTConfig(**values)
    read = config_from_gpt2(config_to_gpt2(config))
    assert read.config == config
    assert read.notes == ()
    assert read.score_scales == (1.0,) * config.n_layer


@given(st.fixed_dictionaries({**sizes(), "bias": st.booleans()}))
def test_nanogpt_there_and_back(values):
    config = GPTConfig(**values, tie_weights=True, activation="gelu_erf")
    assert config_from_nanogpt(config_to_nanogpt(config)) == config


@pytest.mark.parametrize("change", [{"tie_weights": False}, {"activation": "relu"}, {"layer_norm_epsilon": 1e-6}])
def test_nanogpt_has_no_such_model(change):
    config = GPTConfig(vocab_size=3, block_size=3, n_layer=1, n_head=1, n_embd=2, **{"activation": "gelu_erf"} | change)
    with pytest.raises(UserError, match=f"always has {next(iter(change))}="):
        config_to_nanogpt(config)
    with pytest.raises(UserError, match="model_args has 'rotary', which"):
        config_from_nanogpt({"rotary": True})


def test_llmc_there_and_back():
    config = GPTConfig(vocab_size=130, block_size=4, n_layer=2, n_head=2, n_embd=4)
    magic, version, *header, padded = header_numbers(config, 3)
    assert (magic, version, padded) == (20240326, 3, 256)
    assert config_from_header(header) == config
    assert sorted(names_in_order(config)) == sorted(parameter_shapes(config))


def test_defaults_are_gpt2s():
    read = config_from_gpt2(GPT2)
    config = GPTConfig(vocab_size=50257, block_size=1024, n_layer=12, n_head=12, n_embd=768, dropout=0.1)
    assert (read.config, read.notes) == (config, ())
    assert config.parameter_count == 124_439_808


@pytest.mark.parametrize(
    ("name", "activation"),
    [
        *((name, "gelu_tanh") for name in ("gelu_new", "gelu_pytorch_tanh", "gelu_fast", "gelu_accurate")),
        ("gelu", "gelu_erf"),
        ("relu", "relu"),
    ],
)
def test_activations(name, activation):
    assert config_from_gpt2({**GPT2, "activation_function": name}).config.activation == activation


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("n_inner", 100),
        ("activation_function", "quick_gelu"),
        ("activation_function", "gelu_10"),
        ("activation_function", 3),
        ("add_cross_attention", True),
        ("is_causal", False),
        ("pruned_heads", {"0": [1]}),
        ("quantization_config", {"bits": 4}),
        ("auto_map", {"AutoModel": "code.Model"}),
        ("architectures", ["GPT2ForSequenceClassification"]),
        ("model_type", "gpt_neo"),
        ("model_type", None),
        ("layer_norm_epsilon", 0),
        ("layer_norm_epsilon", "small"),
        ("attn_pdrop", 1.5),
        ("attn_pdrop", None),
        ("scale_attn_weights", "no"),
        ("n_head", 7),
        ("n_layer", 10**9),
        ("vocab_size", "many"),
        ("n_positions", 0),
        ("vocab_size", 10**30),
        ("tie_word_embeddings", 1),
    ],
)
def test_what_is_not_supported_is_refused_by_name(field, value):
    with pytest.raises(UserError, match=field) as caught:
        config_from_gpt2({**GPT2, field: value})
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 400


def test_other_names_of_sizes():
    sizes = {"hidden_size": 8, "max_position_embeddings": 5, "num_attention_heads": 2, "num_hidden_layers": 1}
    config = config_from_gpt2({**GPT2, **sizes}).config
    assert (config.n_embd, config.block_size, config.n_head, config.n_layer) == (8, 5, 2, 1)
    with pytest.raises(UserError, match="n_positions=1024 and n_ctx=512 must be the same"):
        config_from_gpt2({**GPT2, "n_positions": 1024, "n_ctx": 512})


def test_nothing_is_ignored_in_silence():
    (note,) = config_from_gpt2({**GPT2, "window_size": 256, "my_note": "x", "bos_token_id": 1}).notes
    assert "'my_note', 'window_size'" in note
    (note,) = config_from_gpt2({**GPT2, "attn_pdrop": 0.2}).notes
    assert "dropout in training is 0.2" in note
    (note,) = config_from_gpt2({**GPT2, "reorder_and_upcast_attn": True}).notes
    assert "mixed precision" in note


def test_scales_of_scores():
    read = config_from_gpt2({**GPT2, "n_layer": 3, "scale_attn_by_inverse_layer_idx": True})
    assert read.score_scales == (1, 1 / 2, 1 / 3)
    read = config_from_gpt2({**GPT2, "n_layer": 2, "scale_attn_weights": False})
    assert np.allclose(read.score_scales, 8, rtol=1e-15)
    assert "scale_attn_weights=False is now in q's weights" in read.notes[0]
    read = config_from_gpt2({**GPT2, "scale_attn_weights": False, "scale_attn_by_inverse_layer_idx": True})
    assert "scale_attn_by_inverse_layer_idx=True are now in q's weights" in read.notes[0]
