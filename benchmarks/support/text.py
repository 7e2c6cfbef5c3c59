"""The text that a recipe is measured on, without the network: its corpus, or random tokens."""

from __future__ import annotations

import os
from typing import NamedTuple

import numpy as np

from gpt_data.checks import TokenIds
from gpt_data.texts.corpora import load_corpus
from gpt_data.texts.shakespeare import cache_file
from numpy_gpt.shared.training.recipe import Recipe

_RANDOM_TOKENS = (1_003_854, 111_540)  # the numbers of training and validation tokens of Tiny Shakespeare


class Text(NamedTuple):
    """The two splits of a text and its origin in words; ``real`` is False for random tokens."""

    train: TokenIds
    val: TokenIds
    origin: str
    real: bool


def text_for(recipe: Recipe, source: str | None) -> Text:
    """Return a recipe's text, never from the network.

    Tiny Shakespeare is read from the file ``source``, the directory in GPT_DATA_DIR, or the user's cache. If none of
    them has it, the text is random tokens of the same vocabulary and number: suitable for times, not for losses.

    Raises
    ------
    UserError
        If the named file is missing or a different one.
    """
    available = source is not None or os.environ.get("GPT_DATA_DIR") or cache_file().is_file()
    if recipe.dataset == "shakespeare" and not available:
        return random_text(recipe)
    corpus = load_corpus(recipe.dataset, source if recipe.dataset == "shakespeare" else None)
    return Text(corpus.train, corpus.val, corpus.name, True)


def random_text(recipe: Recipe) -> Text:
    """Return random tokens of the recipe's vocabulary, as many as Tiny Shakespeare has."""
    generator = np.random.default_rng(0)
    train, val = (generator.integers(recipe.model.vocab_size, size=size) for size in _RANDOM_TOKENS)
    return Text(train, val, "random tokens", False)
