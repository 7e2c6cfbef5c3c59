"""Learn a byte-pair vocabulary from a text: the merges are those of the pairs that occur most often in its words."""

from __future__ import annotations

import json
from collections.abc import Iterable

from gpt_data.errors import UserError
from gpt_data.tokens.bpe_tokenizer import BYTE_SYMBOLS, END_OF_TEXT, BpeTokenizer, bpe_library, separable_pieces

LEAST_VOCABULARY = len(BYTE_SYMBOLS) + 1
"""All bytes and <|endoftext|>, and no merge."""
_LEAST_COUNT = 2  # a pair that occurs once says nothing about other texts


def train_bpe(pieces: Iterable[str], vocab_size: int) -> BpeTokenizer:
    """Return the tokenizer with ``vocab_size`` tokens: the 256 bytes, what the merges make, and last <|endoftext|>.

    The result depends only on the text: of pairs that are equally frequent, the one with the smaller ids is merged.

    Raises
    ------
    UserError
        If ``vocab_size`` is too small for the bytes or too large for the text, or the library is missing.
    """
    tokenizers = bpe_library()
    if vocab_size < LEAST_VOCABULARY:
        raise UserError(
            f"vocab_size must be at least {LEAST_VOCABULARY}, for all bytes and {END_OF_TEXT}, not {vocab_size}"
        )
    library = tokenizers.Tokenizer(tokenizers.models.BPE())
    library.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=vocab_size - 1,
        min_frequency=_LEAST_COUNT,
        initial_alphabet=list(BYTE_SYMBOLS.values()),
        show_progress=False,
    )
    parts = (part for piece in separable_pieces(pieces) for part in piece.split(END_OF_TEXT))
    library.train_from_iterator(parts, trainer)
    model = json.loads(library.to_str())["model"]
    symbols = sorted(model["vocab"], key=model["vocab"].get)
    if len(symbols) + 1 < vocab_size:
        raise UserError(
            f"vocab_size={vocab_size} is too large: the training text has only enough repeated pairs for "
            f"{len(symbols) + 1} tokens; use a longer text or a smaller vocab_size"
        )
    merges = [merge if isinstance(merge, str) else " ".join(merge) for merge in model["merges"]]
    return BpeTokenizer((*symbols, END_OF_TEXT), tuple(merges), (END_OF_TEXT,))
