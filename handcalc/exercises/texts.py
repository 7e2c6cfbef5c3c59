"""The texts of the exercises: a few words that the model knows, from its corpus or from the model itself."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

import numpy as np

from gpt_data.errors import UserError
from gpt_data.texts.tiny import tiny_phrases
from numpy_gpt.parameters import parameters_from
from numpy_gpt.sampling import generate
from numpy_gpt.shared.model.config_checks import require_gpt
from numpy_gpt.shared.runs.checkpoint import Checkpoint

WORDS = 3
_CORPORA_OF_PHRASES = ("tiny", "tiny-characters")
_TOKENS, _TOP_P, _TRIES = 5, 0.9, 20


def known_text(model: Checkpoint, rng: Random) -> str:
    """Return a few words that the model knows, at most as many as it reads at once.

    If its recipe names a corpus of phrases, they are consecutive words of that corpus; otherwise the model itself says
    them. Random words would be no example of what it does: it would be surprised by each of them.
    """
    text = _words_of_corpus(model, rng) if (model.recipe or {}).get("dataset") in _CORPORA_OF_PHRASES else ""
    return text or _say(model, rng)


def _words_of_corpus(model: Checkpoint, rng: Random) -> str:
    """Return three words from two phrases in a row, or fewer where the model reads fewer; none that it cannot read.

    Where a phrase ends, the next word is uncertain, so that there is something to ask about its probability.
    """
    first, second = (phrase.split() for phrase in rng.sample(tiny_phrases(), 2))
    words = (first + second)[rng.randrange(len(first)) :][:WORDS]
    while words and not _fits(model, " ".join(words)):
        words.pop()
    return " ".join(words)


def _fits(model: Checkpoint, text: str) -> bool:
    try:
        return len(model.tokenizer.encode(text)) <= model.config.block_size
    except UserError:  # it is not in the vocabulary of a model that was trained on another text
        return False


def _say(model: Checkpoint, rng: Random) -> str:
    """Return a text that the model says after a space, or after any token if it has no space, without that token."""
    require_gpt(model.config)
    vocabulary: Sequence[str] = model.tokenizer.vocabulary
    values = {name: np.array(array, dtype=np.float64) for name, array in model.values.items()}
    parameters = parameters_from(model.config, values)
    text = ""
    for _ in range(_TRIES):
        start = vocabulary.index(" ") if " " in vocabulary else rng.randrange(len(vocabulary))
        uniforms = [rng.random() for _ in range(min(_TOKENS, model.config.block_size))]
        ids = list(generate(parameters, [start], uniforms, top_p=_TOP_P))
        text = model.tokenizer.decode(ids).strip()
        if text and _fits(model, text):
            return text
    return rng.choice([word for word in vocabulary if word.strip()] or list(vocabulary))
