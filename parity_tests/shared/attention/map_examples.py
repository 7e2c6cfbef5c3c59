"""Maps made by hand for the tests of what measures and draws them."""

from __future__ import annotations

import numpy as np

from gpt_data.tokens.character_tokenizer import CharacterTokenizer
from gpt_data.tokens.word_tokenizer import WordTokenizer
from gpt_data.wording import make_visible
from numpy_gpt.shared.attention.maps import AttentionMaps
from numpy_gpt.shared.attention.targets import read_tokens


def random_weights(rng, layers, heads, time, sharpness=2.0):
    """Return weights (L, H, T, T) as a causal softmax makes them: rows that add up to 1, and nothing in the future."""
    weights = np.exp(sharpness * rng.standard_normal((layers, heads, time, time))) * np.tri(time)
    return weights / weights.sum(axis=-1, keepdims=True)


def maps_of(text, weights, *, words=True, note=""):
    """Return maps (L, H, T, T) of a text of T words and spaces, or of T characters."""
    tokenizer = (WordTokenizer if words else CharacterTokenizer).from_text(text)
    tokens = tokenizer.encode(text)
    layers, heads, time, _ = weights.shape
    assert len(tokens) == time
    shown = tuple(make_visible(tokenizer.vocabulary[token]) for token in tokens)
    numbers = tuple(range(layers)), tuple(range(heads))
    return AttentionMaps("a model", text, read_tokens(tokenizer, tokens), shown, *numbers, weights, note)


def random_maps(text, layers=1, heads=1, *, words=True, seed=0, note=""):
    """Return random maps of a text."""
    time = len((WordTokenizer if words else CharacterTokenizer).from_text(text).encode(text))
    return maps_of(text, random_weights(np.random.default_rng(seed), layers, heads, time), words=words, note=note)
