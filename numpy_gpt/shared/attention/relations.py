"""The relations between the words of a sentence of the corpus ``grammar``, as targets of attention."""

from __future__ import annotations

from functools import partial

import numpy as np

from gpt_data.texts.grammar_relations import RELATIONS, is_grammar_text, text_relations
from gpt_data.tokens.tokenizer import Tokenizer
from numpy_gpt.shared.attention.targets import Mask, Target, Text


def relation_targets(tokenizer: Tokenizer) -> tuple[Target, ...]:
    """Return a target for each relation, or none if the vocabulary is not that of the corpus ``grammar``."""
    if not is_grammar_text(tokenizer.vocabulary):
        return ()
    return tuple(Target(name, title, partial(_select, tokenizer, name)) for name, title in RELATIONS.items())


def _select(tokenizer: Tokenizer, name: str, text: Text) -> Mask:
    known = text.tokens < tokenizer.vocab_size
    ids = np.where(known, text.tokens, 0).tolist()
    tokens = [tokenizer.vocabulary[token] if real else "" for token, real in zip(ids, known.tolist(), strict=True)]
    mask = np.zeros((len(tokens), len(tokens)), bool)
    for word, earlier in text_relations(tokens)[name]:
        mask[word, earlier] = True
    return mask
