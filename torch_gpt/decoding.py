"""Generation with a cache: the logits of new tokens from these tokens and the cached keys and values of the past."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor

from gpt_data.errors import UserError
from numpy_gpt.shared.model.argument_checks import check_flags
from numpy_gpt.shared.model.arrays import Tokens
from numpy_gpt.shared.model.config import ModelConfig
from numpy_gpt.shared.model.config_checks import require_gpt
from numpy_gpt.shared.model.token_checks import check_tokens
from torch_gpt.layers.block import attention_parameters, block_forward
from torch_gpt.layers.cached_attention import KeyValues, cached_attention_forward
from torch_gpt.layers.linear import linear_forward, linear_fused
from torch_gpt.layers.norm import norm_forward
from torch_gpt.parameters import by_block, check_parameters, head, on_host, tensor_from


class Decoder:
    """A GPT that reads a text piece by piece and keeps the keys and values of at most block_size tokens.

    ``fused`` selects torch's fused operations: the same function.

    Raises
    ------
    UserError
        If the model is not a GPT (only a GPT has keys and values), or the parameters do not fit the config.
    """

    def __init__(self, parameters: Mapping[str, Tensor], config: ModelConfig, fused: bool = False) -> None:
        config = require_gpt(config)
        check_parameters(parameters, config)
        check_flags(fused=fused)
        self._parameters, self._config, self._fused = parameters, config, fused
        self._blocks = by_block(parameters, config.n_layer)
        self._past: list[KeyValues] = []
        self._batch = 0  # set by the first read
        self.length = 0

    @torch.no_grad()
    def read(self, tokens: Any) -> Tensor:
        """Return the logits (B, T, V) after each of the tokens (B, T), which follow those read earlier.

        Raises
        ------
        UserError
            If the tokens are not integers in [0, V), the batch size changes, or more than block_size would be read.
        """
        ids, config = check_tokens(on_host(tokens), self._config), self._config
        self._batch = self._batch or len(ids)
        if len(ids) != self._batch:
            raise UserError(f"a Decoder for a batch of {self._batch} cannot read one of {len(ids)}; make a new one")
        end = self.length + ids.shape[1]
        if end > config.block_size:
            raise UserError(f"{end} tokens do not fit into block_size={config.block_size}; make a new Decoder")
        return self.read_checked(ids)

    @torch.no_grad()
    def read_checked(self, ids: Tokens, *, last: bool = False) -> Tensor:
        """Return the result of ``read`` for tokens known to be valid and to fit, such as the model's own.

        With ``last``, only the logits after the last of them are computed, (B, 1, V).
        """
        p, config, end = self._parameters, self._config, self.length + ids.shape[1]
        wte, wpe = p["wte.weight"], p["wpe.weight"]
        if not self._past:
            shape = (len(ids), config.n_head, config.block_size, config.head_size)
            self._past = [KeyValues(wte.new_empty(shape), wte.new_empty(shape)) for _ in self._blocks]
        x = wte[tensor_from(ids, wte.device, torch.int64)] + wpe[self.length : end]
        if config.has_embedding_norm:
            x = norm_forward(x, p, "embedding.norm", config, fused=self._fused)
        for layer, block in enumerate(self._blocks):
            x = block_forward(x, block, config, fused=self._fused, attend=partial(self._attend, layer))
        self.length = end
        x = x[:, -1:] if last else x
        if not config.has_embedding_norm:
            x = norm_forward(x, p, "ln_f", config, fused=self._fused)
        return (linear_fused if self._fused else linear_forward)(x, head(p, config).T, None)

    def _attend(self, layer: int, x: Tensor) -> Tensor:
        parameters, past = attention_parameters(self._blocks[layer]), self._past[layer]
        return cached_attention_forward(x, *parameters, self._config.n_head, past, self.length, self._fused)
