"""Generating with a cache: the logits of new tokens from those tokens and the kept keys and values of the old ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from gpt_data.errors import UserError
from numpy_gpt.layers.cached_attention import KeyValues, cached_attention_forward
from numpy_gpt.layers.feed_forward import feed_forward_forward
from numpy_gpt.layers.layer_norm import layer_norm_forward
from numpy_gpt.layers.linear import linear_forward
from numpy_gpt.layers.rows import as_before, as_rows
from numpy_gpt.parameters import Parameters
from numpy_gpt.shared.model.arrays import Array, Tokens
from numpy_gpt.shared.model.config import GPTConfig
from numpy_gpt.shared.model.inputs import check_tokens, require_gpt


class Decoder:
    """A GPT reading a text piece by piece; it remembers keys and values of at most block_size tokens.

    Raises
    ------
    UserError
        If the model is no GPT: no other has keys and values.
    """

    def __init__(self, parameters: Parameters, batch: int = 1) -> None:
        config = require_gpt(parameters.config)
        shape = (batch, config.n_head, config.block_size, config.head_size)
        dtype = parameters.flat.dtype
        self._parameters, self._config = parameters, config
        self._batch = batch
        self._past = [KeyValues(np.empty(shape, dtype), np.empty(shape, dtype)) for _ in range(config.n_layer)]
        self.length = 0

    def read(self, tokens: Any) -> Array:
        """Return the logits (B, T, V) after each of the tokens (B, T), which follow those read before.

        Raises
        ------
        UserError
            If the tokens are not integers in [0, V), not of the B texts, or more than block_size would have been read.
        """
        tokens = check_tokens(tokens, self._config)
        if len(tokens) != self._batch:
            raise UserError(f"a Decoder for a batch of {self._batch} cannot read one of {len(tokens)}; begin a new one")
        end, block_size = self.length + tokens.shape[1], self._config.block_size
        if end > block_size:
            raise UserError(f"{end} tokens do not fit into block_size={block_size}; begin a new Decoder")
        return self.go_on(tokens)

    def go_on(self, tokens: Tokens) -> Array:
        """Return what ``read`` does without its checks, which take time: for the model's own tokens, while they fit."""
        parameters, config = self._parameters, self._config
        end, views = self.length + tokens.shape[1], parameters.views
        embedded = views["wte.weight"].take(tokens, axis=0) + views["wpe.weight"][self.length : end]
        x = as_rows(embedded)
        for block, past in zip(parameters.blocks, self._past, strict=True):
            x = _block(x, block, config, past, self.length)
        self.length = end
        x, _ = layer_norm_forward(x, views["ln_f.weight"], views.get("ln_f.bias"), config.layer_norm_epsilon)
        logits, _ = linear_forward(x, parameters.head.T, None)
        return as_before(logits, embedded)


def _block(x: Array, p: Mapping[str, Array], config: GPTConfig, past: KeyValues, length: int) -> Array:
    epsilon = config.layer_norm_epsilon
    normed, _ = layer_norm_forward(x, p["ln_1.weight"], p.get("ln_1.bias"), epsilon)
    a = x + cached_attention_forward(
        normed,
        p["attn.c_attn.weight"],
        p.get("attn.c_attn.bias"),
        p["attn.c_proj.weight"],
        p.get("attn.c_proj.bias"),
        config.n_head,
        past,
        length,
    )
    normed, _ = layer_norm_forward(a, p["ln_2.weight"], p.get("ln_2.bias"), epsilon)
    fed, _ = feed_forward_forward(
        normed,
        p["mlp.c_fc.weight"],
        p.get("mlp.c_fc.bias"),
        p["mlp.c_proj.weight"],
        p.get("mlp.c_proj.bias"),
        config.activation,
    )
    return a + fed
