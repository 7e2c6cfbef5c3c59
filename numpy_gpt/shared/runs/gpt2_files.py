"""GPT-2's own files, as Hugging Face writes them: config.json and model.safetensors.

Every checkpoint of a GPT with layer norm has both.

So a checkpoint directory is a GPT-2 directory: ``GPT2LMHeadModel.from_pretrained`` loads it, and computes the same
logits. Three things differ from the model's own parameters: GPT-2 always has biases, so those that a model lacks are
zeros; the tensors of a model with an untied head have the prefix ``transformer.``, without which older releases of
transformers refuse ``lm_head.weight``; and the header says ``format: pt``, which they require.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeGuard

import numpy as np

from gpt_data.errors import UserError
from gpt_data.tokens.bpe_tokenizer import END_OF_TEXT, BpeTokenizer
from gpt_data.tokens.special_tokenizer import SpecialTokenizer
from gpt_data.tokens.tokenizer import Tokenizer
from gpt_data.wording import show_path
from numpy_gpt.shared.model.arrays import Array
from numpy_gpt.shared.model.config import GPTConfig, ModelConfig
from numpy_gpt.shared.model.names import Shape, parameter_shapes
from numpy_gpt.shared.runs.tensor_files import FileRecord, read_tensors, tensor_bytes

CONFIG_FILE, MODEL_FILE = "config.json", "model.safetensors"
_ACTIVATIONS = {"gelu_tanh": "gelu_new", "gelu_erf": "gelu", "relu": "relu"}


def is_gpt2(config: ModelConfig) -> TypeGuard[GPTConfig]:
    """Return whether GPT2LMHeadModel computes the model: a GPT whose norms are layer norms."""
    return isinstance(config, GPTConfig) and config.norm == "layer_norm"


def gpt2_files(config: GPTConfig, tokenizer: Tokenizer, values: Mapping[str, Array]) -> dict[str, bytes]:
    """Return the contents of config.json and model.safetensors, in the precision of ``values``."""
    dtype = values["wte.weight"].dtype
    tensors = {
        stored: values[name] if name in values else np.zeros(shape, dtype)
        for (name, shape), stored in zip(_complete_shapes(config).items(), tensor_shapes(config), strict=True)
    }
    fields = config_to_gpt2(config) | {
        "torch_dtype": dtype.name,
        "bos_token_id": end_of_text_id(tokenizer),
        "eos_token_id": end_of_text_id(tokenizer),
    }
    return {
        CONFIG_FILE: json.dumps(fields, indent=2).encode() + b"\n",
        MODEL_FILE: tensor_bytes(tensors, {"format": "pt"}),
    }


def config_to_gpt2(config: GPTConfig) -> dict[str, Any]:
    """Return the fields of a ``config.json`` for a model, whose missing biases are then zeros."""
    return {
        "model_type": "gpt2",
        "architectures": ["GPT2LMHeadModel"],
        "vocab_size": config.vocab_size,
        "n_positions": config.block_size,
        "n_ctx": config.block_size,
        "n_embd": config.n_embd,
        "n_layer": config.n_layer,
        "n_head": config.n_head,
        "n_inner": None,
        "activation_function": _ACTIVATIONS[config.activation],
        **dict.fromkeys(("embd_pdrop", "attn_pdrop", "resid_pdrop"), config.dropout),
        "layer_norm_epsilon": config.layer_norm_epsilon,
        "scale_attn_weights": True,
        "scale_attn_by_inverse_layer_idx": False,
        "reorder_and_upcast_attn": False,
        "add_cross_attention": False,
        "tie_word_embeddings": config.tie_weights,
    }


def end_of_text_id(tokenizer: Tokenizer) -> int | None:
    """Return the id of <|endoftext|> if it is one of the tokenizer's special tokens, otherwise None."""
    if isinstance(tokenizer, BpeTokenizer) and END_OF_TEXT in tokenizer.special:
        return tokenizer.symbols.index(END_OF_TEXT)
    if isinstance(tokenizer, SpecialTokenizer) and END_OF_TEXT in tokenizer.vocabulary:
        return tokenizer.vocabulary.index(END_OF_TEXT)
    return None


def tensor_shapes(config: GPTConfig) -> dict[str, Shape]:
    """Return every name in model.safetensors, and the tensor's shape."""
    prefix = "" if config.tie_weights else "transformer."
    return {
        name if name == "lm_head.weight" else f"{prefix}{name}": shape
        for name, shape in _complete_shapes(config).items()
    }


def read_values(path: Path, record: FileRecord, config: GPTConfig) -> dict[str, Array]:
    """Return the parameters of the model in a file that ``gpt2_files`` made.

    Raises
    ------
    UserError
        As ``read_tensors``, or if a bias that the model lacks is not zero.
    """
    tensors = read_tensors(path, record, tensor_shapes(config))
    named = dict(zip(_complete_shapes(config), tensors.values(), strict=True))
    names = parameter_shapes(config)
    if wrong := next((name for name, array in named.items() if name not in names and array.any()), None):
        raise UserError(f"{show_path(path)}: {wrong} must be zeros, as config has bias=False; use another checkpoint")
    return {name: named[name] for name in names}


def _complete_shapes(config: GPTConfig) -> dict[str, Shape]:
    return parameter_shapes(replace(config, bias=True))
