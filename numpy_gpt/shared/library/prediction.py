"""What a model predicts after each token of a text, before or after it has learned the text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from gpt_data.errors import UserError
from gpt_data.wording import describe, list_names, make_visible, quote, short_repr
from numpy_gpt.shared.cli.tokens import best_guess, likeliest, verdict
from numpy_gpt.shared.html_table import html_paragraph, html_table
from numpy_gpt.shared.model.arrays import Array, Tokens

_SHOWN = 5


@dataclass(frozen=True, eq=False, repr=False)
class Prediction:
    """The probabilities (T, V) of every next token after each of the tokens (T,) of a text.

    ``vocabulary`` has the V tokens as text; a token's id is its index.
    """

    text: str
    tokens: Tokens
    probabilities: Array
    vocabulary: tuple[str, ...]

    def likeliest(self, count: int = _SHOWN, position: int = -1) -> list[tuple[str, float]]:
        """Return the ``count`` likeliest next tokens after a position, by default the last, with their probabilities.

        Raises
        ------
        UserError
            If ``count`` is not a whole number, or the text has no such position.
        """
        row = self._row(position)
        if not _is_whole(count):
            raise UserError(f"count must be a whole number, not {describe(count)}")
        return [(self.vocabulary[token], float(row[token])) for token in likeliest(row, max(count, 0))]

    def probability(self, token: str, position: int = -1) -> float:
        """Return the probability that ``token`` comes next after a position, by default the last.

        Raises
        ------
        UserError
            If the vocabulary has no such token, or the text has no such position.
        """
        if not isinstance(token, str) or token not in self.vocabulary:
            known = list_names(self.vocabulary)
            raise UserError(f"token must be one of the vocabulary, not {describe(token)}; there are {known}")
        return float(self._row(position)[self.vocabulary.index(token)])

    def _row(self, position: Any) -> Array:
        time = len(self.tokens)
        if not _is_whole(position) or not -time <= position < time:
            raise UserError(f"position must be a whole number from {-time} to {time - 1}, not {describe(position)}")
        row: Array = self.probabilities[position]
        return row

    def __repr__(self) -> str:
        best = ", ".join(f"{quote(token, 20)} {probability:.4f}" for token, probability in self.likeliest(3))
        return short_repr(f"Prediction after {quote(self.text, 40)}: {best}")

    def _repr_html_(self) -> str:
        ranks = range(1, min(_SHOWN, len(self.vocabulary)) + 1)
        rows = [
            [
                f"{position} {make_visible(self.vocabulary[token])}",
                *(f"{make_visible(word)} {share:.4f}" for word, share in self.likeliest(_SHOWN, position)),
            ]
            for position, token in enumerate(self.tokens.tolist())
        ]
        return html_table(f"What comes next in {quote(self.text)}", ["after", *(f"{rank}." for rank in ranks)], rows)


@dataclass(frozen=True, eq=False, repr=False)
class LearnedExample:
    """What one training step on a text changed: the losses in nats per token, and the probabilities (T, V).

    ``tokens`` (T + 1,) are the text's; each but the first is the target after the one before it.
    """

    text: str
    tokens: Tokens
    learning_rate: float
    loss_before: float
    loss_after: float
    before: Array
    after: Array
    vocabulary: tuple[str, ...]

    def __repr__(self) -> str:
        losses = f"loss {self.loss_before:.6f} -> {self.loss_after:.6f} nats per token"
        return short_repr(f"LearnedExample {quote(self.text, 40)}: {losses} at learning rate {self.learning_rate:g}")

    def _repr_html_(self) -> str:
        words = [make_visible(self.vocabulary[token]) for token in self.tokens.tolist()]
        rows = []
        for position, target in enumerate(self.tokens[1:].tolist()):
            before, after = self.before[position], self.after[position]
            change = f"{after[target] - before[target]:+.6f}"
            guesses = map(best_guess, (before, after))
            judged = (f"{make_visible(self.vocabulary[guess])} {verdict(guess, target)}" for guess in guesses)
            rows.append(
                [
                    f"{position} {words[position]}",
                    words[position + 1],
                    f"{before[target]:.6f}",
                    f"{after[target]:.6f}",
                    change,
                    *judged,
                ]
            )
        header = ["after", "comes", "before", "after the step", "change", "best guess before", "and after"]
        losses = f"loss {self.loss_before:.6f} → {self.loss_after:.6f} nats per token"
        caption = f"One step on {quote(self.text)} at learning rate {self.learning_rate:g}"
        return html_table(caption, header, rows) + html_paragraph(losses)


def _is_whole(value: Any) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)
