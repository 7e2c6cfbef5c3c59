"""What a head may look at: for each query, which earlier keys are itself, the previous token or an earlier copy."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from gpt_data.tokens.token_text import token_text
from gpt_data.tokens.tokenizer import Tokenizer

Mask = npt.NDArray[np.bool_]
Place = Literal["itself", "distance", "distance or kind", "distance and kind"]
"""What a control for attention to places alone holds fixed: nothing if the target is a place (the previous token).

Otherwise it is the distance, and the kind of the query: white space or not. But where words and spaces alternate, these
two determine what the previous word is, and what is a space. So for a space it is the distance only. The previous word
has two such controls, of which the larger counts: the distance, or the kinds of query and key at any distance, because
a head may prefer all words to spaces.
"""


class Text(NamedTuple):
    """Token ids (T,), and which of them (T,) are white space."""

    tokens: npt.NDArray[np.int64]
    blank: Mask


class Target(NamedTuple):
    """Something to look at: its name, its title in a sentence, and the keys (T, S) that it is for each query.

    ``place`` is what a control for attention to places alone holds fixed. ``others`` are the keys (T, S) of the same
    class that are not the target, such as the nouns that are not the verb's subject, or what is white space, or not, as
    an earlier copy is.
    """

    name: str
    title: str
    select: Callable[[Text], Mask]
    place: Place = "distance and kind"
    others: Callable[[Text], Mask] | None = None


def read_tokens(tokenizer: Tokenizer, tokens: npt.ArrayLike) -> Text:
    """Return token ids (T,) as a text; an id without a token, of a padded vocabulary, is not white space."""
    ids = np.asarray(tokens, np.int64)
    return Text(ids, np.array([token_text(tokenizer, token).isspace() for token in ids.tolist()], dtype=bool))


def _itself(text: Text) -> Mask:
    return np.eye(len(text.tokens), dtype=bool)


def _previous(text: Text) -> Mask:
    return np.eye(len(text.tokens), k=-1, dtype=bool)


def _previous_word(text: Text) -> Mask:
    """Return the last token before each query that is not white space."""
    places = np.arange(len(text.tokens))
    latest = np.maximum.accumulate(np.where(text.blank, -1, places))  # up to and including each position
    before = np.concatenate(([-1], latest[:-1]))
    return _both(places == before[:, None], before[:, None] >= 0)


def _first(text: Text) -> Mask:
    return _both(_past(text), np.arange(len(text.tokens)) == 0)


def _copy(text: Text) -> Mask:
    return _both(_earlier(text), text.tokens[:, None] == text.tokens)


def _after_copy(text: Text) -> Mask:
    """Return the keys whose previous token equals the query: induction, which looks for what came next last time."""
    previous = np.concatenate(([-1], text.tokens[:-1]))
    return _both(_past(text), text.tokens[:, None] == previous)


def _others_of_kind(select: Callable[[Text], Mask], text: Text) -> Mask:
    """Return the earlier keys that are white space, or not, as one of the target's keys is, and are not the target."""
    mask = select(text)
    of_kind = [(mask & kind).any(axis=1, keepdims=True) & kind for kind in (text.blank, ~text.blank)]
    return _both(_both(_earlier(text), of_kind[0] | of_kind[1]), ~mask)


def _space(text: Text) -> Mask:
    return _both(_past(text), text.blank)


def _both(one: Mask, other: Mask) -> Mask:
    mask: Mask = one & other
    return mask


def _earlier(text: Text) -> Mask:
    return np.tri(len(text.tokens), k=-1, dtype=bool)


def _past(text: Text) -> Mask:
    """Return the keys that a causal model may look at: the query itself and everything before it."""
    return np.tri(len(text.tokens), dtype=bool)


TARGETS = (
    Target("itself", "itself", _itself, "itself"),
    Target("previous", "the previous token", _previous, "itself"),
    Target("previous_word", "the previous word", _previous_word, "distance or kind"),
    Target("first", "the first token", _first, "itself"),
    Target("copy", "an earlier copy of the token", _copy, others=partial(_others_of_kind, _copy)),
    Target("induction", "the token after an earlier copy", _after_copy, others=partial(_others_of_kind, _after_copy)),
    Target("space", "a space or line break", _space, "distance"),
)
"""Everything that a head may be found to look at. One key can be several of these."""
