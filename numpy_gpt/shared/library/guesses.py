"""What a model guesses at every token of an example: its best guess, and one drawn at random."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gpt_data.wording import count_of, make_visible, quote, short_repr
from numpy_gpt.shared.cli.tokens import best_guess, verdict
from numpy_gpt.shared.html_table import html_table
from numpy_gpt.shared.model.arrays import Array, Tokens

_MOST_WORDS, _MOST_POSITIONS = 40, 12


@dataclass(frozen=True, eq=False, repr=False)
class Guesses:
    """A model's guesses at each token of a text but the first. Axis letters: T tokens to guess, V vocabulary.

    ``tokens`` (T + 1,) are the text's. ``logits`` and ``probabilities`` (T, V) are those of every possible token,
    ``sampled`` (T,) are ids drawn with these probabilities. ``vocabulary`` has the V tokens as text.
    """

    text: str
    tokens: Tokens
    logits: Array
    probabilities: Array
    sampled: Tokens
    vocabulary: tuple[str, ...]

    @property
    def targets(self) -> Tokens:
        """The ids (T,) that are to be guessed."""
        return self.tokens[1:]

    @property
    def best(self) -> Tokens:
        """The ids (T,) of the likeliest tokens."""
        return np.array([best_guess(row) for row in self.probabilities], dtype=np.int64)

    @property
    def succeeded(self) -> npt.NDArray[np.bool_]:
        """Whether each best guess is the token that comes (T,)."""
        return np.array([guess == target for guess, target in zip(self.best, self.targets, strict=True)], dtype=bool)

    def __repr__(self) -> str:
        right = f"{self.succeeded.sum()} of {count_of(len(self.targets), 'token')} guessed right"
        return short_repr(f"Guesses at {quote(self.text, 40)}: {right}")

    def _repr_html_(self) -> str:
        words = [make_visible(word) for word in self.vocabulary]
        header = ["after", "comes", "its probability", "best guess", "", "sampled guess", ""]
        html = html_table(f"Guesses at {quote(self.text)}", header, list(self._rows(words)))
        if len(words) > _MOST_WORDS or len(self.targets) > _MOST_POSITIONS:
            return html
        columns = ["", *(f"after {place} {words[token]}" for place, token in enumerate(self.tokens[:-1].tolist()))]
        for caption, values in (("Every probability", self.probabilities), ("Every logit", self.logits)):
            rows = [[word, *(f"{value:.4f}" for value in column)] for word, column in zip(words, values.T, strict=True)]
            html += html_table(caption, columns, rows)
        return html

    def _rows(self, words: list[str]) -> Iterator[list[str]]:
        tokens, best, sampled = self.tokens.tolist(), self.best.tolist(), self.sampled.tolist()
        for place, row in enumerate(self.probabilities):
            target = tokens[place + 1]
            cells = [f"{place} {words[tokens[place]]}", words[target], f"{row[target]:.4f}"]
            for guess in (best[place], sampled[place]):
                cells += [f"{words[guess]} {row[guess]:.4f}", verdict(guess, target)]
            yield cells
