"""Models whose weights are written by hand, so that each head does what its name says, and nothing else.

A position's vector is a one for its token and a one for its position; the second layer of the induction model also
finds a one for the previous token. Layer norm turns each such vector into the same multiple of itself less its mean,
which the weights and biases undo. So queries and keys are any linear function of token and position that is wanted.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from gpt_data.texts.grammar_relations import ARTICLES, NOUNS, VERBS, words_of
from gpt_data.tokens.tokenizer import Tokenizer
from numpy_gpt.shared.model.arrays import Array
from numpy_gpt.shared.model.config import GPTConfig
from numpy_gpt.shared.model.names import parameter_shapes

_SURE = 60.0  # the score of what a head looks at; everything else has 0


class Planted:
    """The weights of a GPT with one head a layer, zero except for what is planted."""

    def __init__(self, vocab_size: int, block_size: int, n_layer: int = 1) -> None:
        v, t = vocab_size, block_size
        self.config = GPTConfig(vocab_size=v, block_size=t, n_layer=n_layer, n_head=1, n_embd=2 * v + t)
        self.tokens, self.positions, self.previous = slice(0, v), slice(v, v + t), slice(v + t, 2 * v + t)
        self.values = {
            name: np.full(shape, float("ln_" in name and name.endswith("weight")))
            for name, shape in parameter_shapes(self.config).items()
        }
        self.values["wte.weight"][:, self.tokens] = np.eye(v)
        self.values["wpe.weight"][:, self.positions] = np.eye(t)

    def zeros(self) -> Array:
        """Return a matrix (C, C) to fill."""
        return np.zeros((self.config.n_embd, self.config.n_embd))

    def plant(self, layer: int, q: Array, k: Array, *, v: Array | None = None, ones: int = 2) -> None:
        """Make q, k and v these functions (C, C) of vectors with that many ones."""
        width = self.config.n_embd
        mean = ones / width
        deviation = np.sqrt(mean - mean**2 + self.config.layer_norm_epsilon)
        functions = np.concatenate([q * np.sqrt(width), k, self.zeros() if v is None else v], axis=1)
        self.values[f"h.{layer}.attn.c_attn.weight"][...] = functions * deviation
        self.values[f"h.{layer}.attn.c_attn.bias"][...] = mean * functions.sum(0)
        self.values[f"h.{layer}.attn.c_proj.weight"][...] = np.eye(width)


def previous_model(vocab_size: int, block_size: int, n_layer: int = 1) -> Planted:
    """Return a model whose layer 0 looks at the previous token, and copies it."""
    model = Planted(vocab_size, block_size, n_layer)
    q, k, v = model.zeros(), model.zeros(), model.zeros()
    q[model.positions, model.positions] = np.eye(block_size, k=-1) * _SURE
    k[model.positions, model.positions] = np.eye(block_size)
    v[model.tokens, model.previous] = np.eye(vocab_size)
    model.plant(0, q, k, v=v)
    return model


def first_model(vocab_size: int, block_size: int) -> Planted:
    """Return a model that looks at the first token."""
    model = Planted(vocab_size, block_size)
    q, k = model.zeros(), model.zeros()
    q[model.positions, 0] = 1
    k[model.positions.start, 0] = _SURE
    model.plant(0, q, k)
    return model


def copy_model(vocab_size: int, block_size: int) -> Planted:
    """Return a model that looks at earlier copies of the token, and not at itself."""
    model = Planted(vocab_size, block_size)
    q, k = model.zeros(), model.zeros()
    for where, score in ((model.tokens, _SURE), (model.positions, -2 * _SURE)):
        q[where, where] = np.eye(where.stop - where.start) * score
        k[where, where] = np.eye(where.stop - where.start)
    model.plant(0, q, k)
    return model


def induction_model(vocab_size: int, block_size: int) -> Planted:
    """Return a model whose layer 1 looks at tokens after earlier copies, because layer 0 tells what precedes them."""
    model = previous_model(vocab_size, block_size, n_layer=2)
    q, k = model.zeros(), model.zeros()
    q[model.tokens, model.tokens] = np.eye(vocab_size) * _SURE
    k[model.previous, model.tokens] = np.eye(vocab_size)
    q[model.positions, model.positions.start] = -2 * _SURE  # the first token has none before it, and sees itself
    k[model.positions.start, model.positions.start] = 1
    model.plant(1, q, k, ones=3)
    return model


def words_model(tokenizer: Tokenizer, block_size: int) -> Planted:
    """Return a model that looks at all words evenly, and at no space."""
    model = Planted(tokenizer.vocab_size, block_size)
    q, k = model.zeros(), model.zeros()
    q[model.positions, 0] = 1
    k[_ids(tokenizer, [word for word in tokenizer.vocabulary if not word.isspace()]), 0] = _SURE
    model.plant(0, q, k)
    return model


def article_model(tokenizer: Tokenizer, block_size: int) -> Planted:
    """Return a model that looks from each noun of ``grammar`` at the last article."""
    return _class_model(tokenizer, block_size, words_of(NOUNS), words_of(ARTICLES))


def noun_model(tokenizer: Tokenizer, block_size: int, *, last: bool) -> Planted:
    """Return a model that looks from each verb of ``grammar`` at the last noun, or at the first."""
    return _class_model(tokenizer, block_size, words_of(VERBS), words_of(NOUNS), 1 if last else -1)


def _class_model(
    tokenizer: Tokenizer, block_size: int, queries: Iterable[str], keys: Iterable[str], direction: int = 1
) -> Planted:
    """Return a model that looks from some words at the last of others, or at the first."""
    model = Planted(tokenizer.vocab_size, block_size)
    q, k = model.zeros(), model.zeros()
    q[_ids(tokenizer, queries), 0] = 1
    k[_ids(tokenizer, keys), 0] = 1000 * _SURE
    k[model.positions, 0] = direction * _SURE * np.arange(block_size)
    model.plant(0, q, k)
    return model


def _ids(tokenizer: Tokenizer, words: Iterable[str]) -> list[int]:
    return [tokenizer.vocabulary.index(word) for word in words]
