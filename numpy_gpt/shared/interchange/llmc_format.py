"""llm.c's model file: a header of 256 little-endian int32, then all parameters, in blocks of one kind for all layers.

The header contains: the magic number, the version, block_size, vocab_size, n_layer, n_head, n_embd, and the vocabulary
size with padding. Version 3 has float32 numbers, version 5 bfloat16.
Matrices are stored (out, in), the token embedding (padded vocabulary, C); the padding takes part in no computation.
The model is GPT-2's: tied, with biases, tanh GELU, epsilon 1e-5, no dropout.
"""

from __future__ import annotations

from typing import Any

from numpy_gpt.shared.model.config import GPTConfig

MAGIC = 20240326
HEADER_NUMBERS = 256
HEADER_BYTES = 4 * HEADER_NUMBERS
FLOAT32_VERSION, BFLOAT16_VERSION = 3, 5
PADDING_MULTIPLE = 128
"""llm.c pads the vocabulary to a multiple of this."""
FIXED: dict[str, Any] = {
    "norm": "layer_norm",
    "tie_weights": True,
    "activation": "gelu_tanh",
    "layer_norm_epsilon": 1e-5,
}
"""What is the same in every model of llm.c."""

_IN_BLOCK = (
    *("ln_1.weight", "ln_1.bias", "attn.c_attn.weight", "attn.c_attn.bias", "attn.c_proj.weight", "attn.c_proj.bias"),
    *("ln_2.weight", "ln_2.bias", "mlp.c_fc.weight", "mlp.c_fc.bias", "mlp.c_proj.weight", "mlp.c_proj.bias"),
)


def header_numbers(config: GPTConfig, version: int) -> list[int]:
    """Return the header of a model, without the zeros at its end."""
    sizes = [config.block_size, config.vocab_size, config.n_layer, config.n_head, config.n_embd]
    return [MAGIC, version, *sizes, padded_vocab_size(config.vocab_size)]


def config_from_header(sizes: list[int]) -> GPTConfig:
    """Return the config of a model from the header's block_size, vocab_size, n_layer, n_head and n_embd.

    Raises
    ------
    UserError
        If a size is out of range.
    """
    block_size, vocab_size, n_layer, n_head, n_embd = sizes
    return GPTConfig(block_size=block_size, vocab_size=vocab_size, n_layer=n_layer, n_head=n_head, n_embd=n_embd)


def padded_vocab_size(vocab_size: int) -> int:
    """Return the vocabulary size rounded up to llm.c's multiple."""
    return -(-vocab_size // PADDING_MULTIPLE) * PADDING_MULTIPLE


def names_in_order(config: GPTConfig) -> list[str]:
    """Return every parameter in the file's order: embeddings, each kind of tensor for all layers, the last norm."""
    blocks = [f"h.{layer}.{name}" for name in _IN_BLOCK for layer in range(config.n_layer)]
    return ["wte.weight", "wpe.weight", *blocks, "ln_f.weight", "ln_f.bias"]
