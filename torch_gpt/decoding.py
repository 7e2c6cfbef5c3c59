"""Generating with a cache: the logits of new tokens from those tokens and the kept keys and values of the old ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from gpt_data.errors import UserError
from numpy_gpt.shared.model.config import GPTConfig, ModelConfig
from numpy_gpt.shared.model.inputs import check_tokens, require_gpt
from torch_gpt.layers.cached_attention import KeyValues, cached_attention_forward
from torch_gpt.layers.feed_forward import feed_forward_forward, feed_forward_fused
from torch_gpt.layers.layer_norm import layer_norm_forward, layer_norm_fused
from torch_gpt.layers.linear import linear_forward, linear_fused
from torch_gpt.parameters import head, inside, tensor_from


class Decoder:
    """A GPT reading a text piece by piece; it remembers keys and values of at most block_size tokens.

    ``fused`` chooses torch's fused operations: the same function.

    Raises
    ------
    UserError
        If the model is no GPT: no other has keys and values.
    """

    def __init__(self, parameters: Mapping[str, Tensor], config: ModelConfig, fused: bool = False) -> None:
        config = require_gpt(config)
        self._parameters, self._config, self._fused = parameters, config, fused
        self._blocks = [inside(parameters, f"h.{layer}") for layer in range(config.n_layer)]
        self._past: list[KeyValues | None] = [None] * config.n_layer
        self._batch = 0  # known from the first reading on
        self.length = 0

    @torch.no_grad()
    def read(self, tokens: Any) -> Tensor:
        """Return the logits (B, T, V) after each of the tokens (B, T), which follow those read before.

        Raises
        ------
        UserError
            If the tokens are not integers in [0, V), not as many texts as before, or more than block_size would have
            been read.
        """
        p, config = self._parameters, self._config
        ids = check_tokens(tokens, config)
        self._batch = self._batch or len(ids)
        if len(ids) != self._batch:
            raise UserError(f"a Decoder for a batch of {self._batch} cannot read one of {len(ids)}; begin a new one")
        end = self.length + ids.shape[1]
        if end > config.block_size:
            raise UserError(f"{end} tokens do not fit into block_size={config.block_size}; begin a new Decoder")
        wte, wpe = p["wte.weight"], p["wpe.weight"]
        x = wte[tensor_from(ids, wte.device, torch.int64)] + wpe[self.length : end]
        for layer, block in enumerate(self._blocks):
            x, self._past[layer] = _block(x, block, config, self._past[layer], self._fused)
        self.length = end
        layer_norm = layer_norm_fused if self._fused else layer_norm_forward
        x = layer_norm(x, p["ln_f.weight"], p.get("ln_f.bias"), config.layer_norm_epsilon)
        return (linear_fused if self._fused else linear_forward)(x, head(p, config).T, None)


def _block(
    x: Tensor, p: Mapping[str, Tensor], config: GPTConfig, past: KeyValues | None, fused: bool
) -> tuple[Tensor, KeyValues]:
    layer_norm = layer_norm_fused if fused else layer_norm_forward
    feed_forward = feed_forward_fused if fused else feed_forward_forward
    epsilon = config.layer_norm_epsilon
    attended, seen = cached_attention_forward(
        layer_norm(x, p["ln_1.weight"], p.get("ln_1.bias"), epsilon),
        p["attn.c_attn.weight"],
        p.get("attn.c_attn.bias"),
        p["attn.c_proj.weight"],
        p.get("attn.c_proj.bias"),
        config.n_head,
        past,
        fused,
    )
    a = x + attended
    fed = feed_forward(
        layer_norm(a, p["ln_2.weight"], p.get("ln_2.bias"), epsilon),
        p["mlp.c_fc.weight"],
        p.get("mlp.c_fc.bias"),
        p["mlp.c_proj.weight"],
        p.get("mlp.c_proj.bias"),
        config.activation,
    )
    return a + fed, seen
