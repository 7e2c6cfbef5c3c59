"""Embedding: the word and its place become one vector."""

from __future__ import annotations

from collections.abc import Iterator

from handcalc.arithmetic.expression import Cells
from handcalc.tracing.steps import Step, Weights


def embedding_steps(tokens: tuple[int, ...]) -> Iterator[Step]:
    """Yield the steps x = wte[token] + wpe[position], (T, C)."""
    wte, wpe = Cells("wte.weight"), Cells("wpe.weight")
    word, place = Cells("embedding.token"), Cells("embedding.position")
    yield Step(
        name="embedding.token",
        axes="tc",
        equation="token[t,c] = wte.weight[id of the word at t, c]",
        section="3.1",
        meaning="Each word is looked up: its vector is the row of wte.weight that its id points to.",
        cell=lambda t, c: wte[tokens[t], c],
        weights=(Weights("wte.weight", "vc"),),
    )
    yield Step(
        name="embedding.position",
        axes="tc",
        equation="position[t,c] = wpe.weight[t,c]",
        section="3.1",
        meaning="Each place in the text has a vector too: row t of wpe.weight, whatever the word.",
        cell=lambda t, c: wpe[t, c],
        weights=(Weights("wpe.weight", "tc"),),
    )
    yield Step(
        name="embedding.sum",
        axes="tc",
        equation="sum[t,c] = token[t,c] + position[t,c]",
        section="3.1",
        meaning="Word and place are added. This vector is the residual stream, to which each part of the model adds.",
        cell=lambda t, c: word[t, c] + place[t, c],
    )
