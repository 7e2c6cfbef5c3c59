"""The windows of a text over which attention is measured, and which are drawn again and again for its intervals.

They do not overlap, so that each is as good as independent of the others.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt

from gpt_data.texts.grammar_relations import is_grammar_text
from gpt_data.tokens.batches import evaluation_windows
from gpt_data.tokens.tokenizer import Tokenizer
from numpy_gpt.shared.model.arrays import Tokens


def text_windows(tokens: npt.ArrayLike, block_size: int) -> list[Tokens]:
    """Return the inputs (T) of the evaluation windows at distance ``block_size``; the last may be shorter.

    Raises
    ------
    UserError
        If the text is too short for one window.
    """
    return [row for inputs, _ in evaluation_windows(tokens, block_size, block_size) for row in inputs]


def sentence_windows(tokens: npt.ArrayLike, block_size: int, line_break: int) -> list[Tokens]:
    """Return each complete sentence of at most ``block_size`` tokens: the line break before it, and its words.

    The break tells the model that a sentence begins. The break after it belongs to the next sentence.
    """
    text = np.asarray(tokens, np.int64)
    sentences = [text[start:end] for start, end in pairwise(np.flatnonzero(text == line_break))]
    return [sentence for sentence in sentences if 1 < len(sentence) <= block_size]


def windows_of(tokens: npt.ArrayLike, block_size: int, tokenizer: Tokenizer) -> tuple[str, list[Tokens]]:
    """Return what a window is, a sentence in a text like ``grammar`` or a window, and all of them in order.

    Raises
    ------
    UserError
        If the text is too short for one window.
    """
    if is_grammar_text(tokenizer.vocabulary):
        return "sentence", sentence_windows(tokens, block_size, tokenizer.vocabulary.index("\n"))
    return "window", text_windows(tokens, block_size)


def spread(windows: list[Tokens], count: int) -> list[Tokens]:
    """Return ``count`` of the windows, or all if there are fewer, evenly spread over the text."""
    if count >= len(windows):
        return windows
    return [windows[place * len(windows) // count] for place in range(count)]
