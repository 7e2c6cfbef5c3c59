"""Generation with a cache: the logits of new tokens from these tokens and the cached keys and values of the past."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gpt_data.checks import whole_number
from gpt_data.errors import UserError
from gpt_data.wording import describe
from numpy_gpt.layers.attention import KeyValues
from numpy_gpt.layers.block import block_forward
from numpy_gpt.layers.embedding import embedding_forward
from numpy_gpt.layers.linear import linear_forward
from numpy_gpt.layers.norm import norm_forward
from numpy_gpt.parameters import Parameters, check_parameters
from numpy_gpt.replay.replayed import Replayed, Workspace
from numpy_gpt.shared.model.arrays import Array, Tokens, ieee
from numpy_gpt.shared.model.config_checks import require_gpt
from numpy_gpt.shared.model.memory import check_memory
from numpy_gpt.shared.model.token_checks import check_tokens

_MOST_CALLS = 1 << 14  # on the tapes of a decoder: a call takes about a kilobyte


class Decoder:
    """A GPT that reads a text piece by piece and keeps the keys and values of at most block_size tokens.

    To begin another text, set ``length`` to 0. With ``replays``, what is read at the same place of several texts is
    written down and replayed: the same numbers, sooner.

    Raises
    ------
    UserError
        If the model is not a GPT (only a GPT has keys and values), or ``batch`` is not a whole number of at least 1
        whose keys and values fit into memory.
    """

    def __init__(self, parameters: Parameters, batch: int = 1, *, replays: bool = False) -> None:
        config = require_gpt(check_parameters(parameters).config)
        whole_number("batch", batch, 1)
        numbers = 2 * config.n_layer * batch * config.block_size * config.n_embd
        check_memory(f"the keys and values of batch={describe(batch)}", numbers, parameters.flat.itemsize)
        shape = (batch, config.n_head, config.block_size, config.head_size)
        dtype = parameters.flat.dtype
        self._parameters, self._config = parameters, config
        self._batch = batch
        self._past = [KeyValues(np.empty(shape, dtype), np.empty(shape, dtype)) for _ in range(config.n_layer)]
        self._tapes = _Tapes(parameters, self._past) if replays else None
        self.length = 0

    def read(self, tokens: Any) -> Array:
        """Return the logits (B, T, V) after each of the tokens (B, T), which follow those read earlier.

        Raises
        ------
        UserError
            If the tokens are not integers in [0, V), the batch size changes, or more than block_size would be read.
        """
        tokens = check_tokens(tokens, self._config)
        if len(tokens) != self._batch:
            raise UserError(f"a Decoder for a batch of {self._batch} cannot read one of {len(tokens)}; make a new one")
        end, block_size = self.length + tokens.shape[1], self._config.block_size
        if end > block_size:
            raise UserError(f"{end} tokens do not fit into block_size={block_size}; make a new Decoder")
        return self.read_checked(tokens).copy()

    @ieee
    def read_checked(self, tokens: Tokens, *, last: bool = False) -> Array:
        """Return the result of ``read`` for tokens known to be valid and to fit, such as the model's own.

        It is valid until the next tokens are read. With ``last``, only the logits after the last of them are computed,
        (B, 1, V).
        """
        first, self.length = self.length, self.length + tokens.shape[1]
        if self._tapes is None:
            return decode(self._parameters, self._past, tokens, first, last=last)
        return self._tapes.read(tokens, first, last)


def decode(parameters: Parameters, past: Sequence[KeyValues], tokens: Tokens, length: int, *, last: bool) -> Array:
    """Return the logits (B, T, V) after tokens (B, T), which follow ``length`` earlier ones in ``past``.

    Their own keys and values are appended to it. With ``last``, only the logits after the last token are computed.
    """
    config, batch = require_gpt(parameters.config), len(tokens)
    wte, wpe, views = parameters["wte.weight"], parameters["wpe.weight"], parameters.views
    x, _ = embedding_forward(tokens, wte, wpe, first=length)
    x = x.reshape(-1, config.n_embd)
    if config.has_embedding_norm:
        x, _ = norm_forward(x, views, "embedding.norm", config)
    for block, each in zip(parameters.blocks, past, strict=True):
        x, _ = block_forward(x, block, config, batch, past=each, length=length)
    if last and tokens.shape[1] > 1:
        x = x.reshape(batch, -1, config.n_embd)[:, -1]
    if not config.has_embedding_norm:
        x, _ = norm_forward(x, views, "ln_f", config)
    logits, _ = linear_forward(x, parameters.head.T, None)
    return logits.reshape(batch, -1, config.vocab_size)


class _Tapes:
    """The tapes of a decoder: one for each place in the context, because the shapes differ from place to place.

    A copy has none of them.
    """

    def __init__(self, parameters: Parameters, past: Sequence[KeyValues]) -> None:
        self._parameters, self._past = parameters, past
        self._workspace, self._places = Workspace(), dict[tuple[int, tuple[int, ...], bool], Replayed]()

    def __reduce__(self) -> tuple[type[_Tapes], tuple[Parameters, Sequence[KeyValues]]]:
        return _Tapes, (self._parameters, self._past)

    def read(self, tokens: Tokens, length: int, last: bool) -> Array:
        """Return the logits of ``decode``."""
        place = length, tokens.shape, last
        replayed = self._places.get(place)
        if replayed is None:

            def compute(tokens: Tokens, flat: Array, *past: Array) -> tuple[Array]:
                parameters = Parameters(self._parameters.config, flat)
                return (decode(parameters, list(map(KeyValues, past[::2], past[1::2])), tokens, length, last=last),)

            state = [array for each in self._past for array in each]
            replayed = Replayed(compute, self._workspace, (self._parameters.flat,), state, worth=1)
            self._places[place] = replayed
        if len(replayed) == 0 and sum(map(len, self._places.values())) >= _MOST_CALLS:
            return decode(self._parameters, self._past, tokens, length, last=last)
        return replayed(tokens)[0]
