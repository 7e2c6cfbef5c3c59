"""Bigram model: the logits of the next word are the row of one table, forward (15.1) and backward (15.2)."""

from __future__ import annotations

from collections.abc import Iterator

from handcalc.arithmetic.expression import Cells
from handcalc.formulas.embedding import looked_up_gradient
from handcalc.formulas.head import probability_steps
from handcalc.formulas.step import TABLE, Sizes, Step, gradient, gradient_step
from handcalc.formulas.tokens import Token, cell_of_token


def bigram_steps(tokens: tuple[Token, ...], sizes: Sizes) -> Iterator[Step]:
    """Yield the steps from the tokens to ``probabilities`` (T, V)."""
    table = Cells(TABLE.name)
    yield Step(
        name="logits",
        axes="tv",
        equation=f"logits[t,v] = {TABLE.name}[id of the word at t, v]",
        section="15.1",
        meaning="How well each word fits as the next one is looked up, in the row of the table given by the id of the "
        "word just read. The words before that one play no part.",
        cell=lambda t, v: cell_of_token(tokens[t], sizes.v, lambda word: table[word, v]),
        weights=(TABLE,),
    )
    yield from probability_steps(sizes)


# Backward


def bigram_gradient_steps(tokens: tuple[Token, ...]) -> Iterator[Step]:
    """Yield the gradient of the table (V, V), from that of the logits."""
    yield gradient_step(
        TABLE.name,
        TABLE.axes,
        "dweight[u,v] = Σ of dlogits[t,v] over all positions t of word u, 0 if there are none",
        "15.2",
        "The gradient of each word's row is the sum over all positions where the word was looked up, and 0 for a word "
        "that was not read.",
        looked_up_gradient(gradient("logits"), tokens),
        undoes=("logits",),
    )
