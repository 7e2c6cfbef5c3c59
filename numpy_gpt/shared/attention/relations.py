"""The relations between the words of a sentence of the corpus ``grammar``, as targets of attention."""

from __future__ import annotations

from functools import partial

import numpy as np

from gpt_data.texts.grammar_relations import CLASSES, RELATIONS, is_grammar_text, text_relations
from gpt_data.tokens.tokenizer import Tokenizer
from numpy_gpt.shared.attention.targets import Mask, Target, Text


def relation_targets(tokenizer: Tokenizer) -> tuple[Target, ...]:
    """Return a target for each relation, or none if the vocabulary is not that of the corpus ``grammar``."""
    if not is_grammar_text(tokenizer.vocabulary):
        return ()
    return tuple(
        Target(name, title, partial(_select, tokenizer, name), others=partial(_select_others, tokenizer, name))
        for name, title in RELATIONS.items()
    )


def _select(tokenizer: Tokenizer, name: str, text: Text) -> Mask:
    tokens = _tokens(tokenizer, text)
    mask = np.zeros((len(tokens), len(tokens)), bool)
    for word, earlier in text_relations(tokens)[name]:
        mask[word, earlier] = True
    return mask


def _select_others(tokenizer: Tokenizer, name: str, text: Text) -> Mask:
    """Return all earlier words of the class to which the relation leads, except those to which it does."""
    mask = _select(tokenizer, name, text)
    in_class = np.array([token in CLASSES[name] for token in _tokens(tokenizer, text)])
    has_target = mask.any(axis=1, keepdims=True)
    others: Mask = np.tri(len(in_class), k=-1, dtype=bool) & in_class & has_target & ~mask
    return others


def _tokens(tokenizer: Tokenizer, text: Text) -> list[str]:
    """Return the text of each token; that of an id without one, of a padded vocabulary, is empty."""
    known = dict(enumerate(tokenizer.vocabulary))
    return [known.get(token, "") for token in text.tokens.tolist()]
