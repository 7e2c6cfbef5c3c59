"""The attention maps of a text: the very weights with which each head of the forward pass averaged its values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from gpt_data.errors import UserError
from gpt_data.tokens.token_text import stream_text, token_text
from gpt_data.tokens.tokenizer import Tokenizer
from gpt_data.wording import count_of, make_visible, quote, short_repr
from numpy_gpt.shared.attention.targets import Text, read_tokens
from numpy_gpt.shared.model.arrays import Array, Tokens
from numpy_gpt.shared.model.config_checks import require_attention
from numpy_gpt.shared.training.engine import Engine


class AttentionMaps(NamedTuple):
    """What heads attend to in a text: weights (L, H, T, S) of the layers and heads with these numbers.

    ``words`` are the tokens (T,) as readers see them, with spaces and control characters made visible; ``model`` names
    the model, and ``note`` says which part of a longer text this is, or nothing.
    """

    model: str
    text: str
    tokens: Text
    words: tuple[str, ...]
    layers: tuple[int, ...]
    heads: tuple[int, ...]
    weights: Array
    note: str = ""

    def __repr__(self) -> str:
        layers, heads, time, _ = self.weights.shape
        shape = f"{count_of(layers, 'layer')} × {count_of(heads, 'head')}, {time} × {time} weights each"
        return short_repr(f"AttentionMaps of {quote(self.text, 40)}: {shape}")

    def _repr_html_(self) -> str:
        from numpy_gpt.shared.attention.drawing.page import maps_fragment  # which draws these maps

        return maps_fragment(self)


def record_maps(
    engine: Engine,
    tokenizer: Tokenizer,
    tokens: Tokens,
    *,
    model: str,
    layer: int | None = None,
    head: int | None = None,
    note: str = "",
) -> AttentionMaps:
    """Return the maps of tokens (T,), of one layer and head or of all.

    Raises
    ------
    UserError
        If the model has no attention, the text does not fit into its context, or a weight is not finite.
    """
    config = require_attention(engine.recipe.model)
    layers, heads = _chosen(layer, config.n_layer), _chosen(head, config.n_head)
    weights = _recorded_weights(engine, tokens, layers, heads)
    words = tuple(make_visible(token_text(tokenizer, token)) for token in tokens.tolist())
    text = stream_text(tokenizer, tokens.tolist())
    return AttentionMaps(model, text, read_tokens(tokenizer, tokens), words, layers, heads, weights, note)


def _chosen(number: int | None, count: int) -> tuple[int, ...]:
    return tuple(range(count)) if number is None else (number,)


def _recorded_weights(engine: Engine, tokens: Tokens, layers: Sequence[int], heads: Sequence[int]) -> Array:
    kept: dict[str, Array] = {}
    names = [f"h.{layer}.attn.weights" for layer in layers]

    def record(name: str, array: Any) -> None:
        if name in names:
            kept[name] = array[0, list(heads)]  # a copy, as every choice by a list is

    engine.predict(tokens[None], record)
    weights = np.stack([kept[name] for name in names])
    if not np.isfinite(weights).all():
        raise UserError("the attention weights must be finite, but some are not; is the model damaged?")
    return weights
