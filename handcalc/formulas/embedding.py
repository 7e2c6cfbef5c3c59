"""Embedding: a word and its position become one vector."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from handcalc.arithmetic.expression import ZERO, Cells, Expression, total
from handcalc.formulas.step import Sizes, Step, Weights, gradient, gradient_step
from handcalc.formulas.tokens import Token, cell_of_token, terms_where
from numpy_gpt.shared.model.config import GPTConfig
from numpy_gpt.shared.model.names import EMBEDDING_USE, HEAD_USE


def embedding_steps(tokens: tuple[Token, ...], sizes: Sizes) -> Iterator[Step]:
    """Yield the steps x = wte[token] + wpe[position], (T, C)."""
    wte, wpe = Cells("wte.weight"), Cells("wpe.weight")
    word, position = Cells("embedding.token"), Cells("embedding.position")
    yield Step(
        name="embedding.token",
        axes="tc",
        equation="token[t,c] = wte.weight[id of the word at t, c]",
        section="3.1",
        meaning="Each word is looked up: its vector is the row of wte.weight given by its id.",
        cell=lambda t, c: cell_of_token(tokens[t], sizes.v, lambda word: wte[word, c]),
        weights=(Weights("wte.weight", "vc"),),
    )
    yield Step(
        name="embedding.position",
        axes="tc",
        equation="position[t,c] = wpe.weight[t,c]",
        section="3.1",
        meaning="Each position in the text has a vector too: row t of wpe.weight, whatever the word is.",
        cell=lambda t, c: wpe[t, c],
        weights=(Weights("wpe.weight", "tc"),),
    )
    yield Step(
        name="embedding.sum",
        axes="tc",
        equation="sum[t,c] = token[t,c] + position[t,c]",
        section="3.1",
        meaning="The vectors of word and position are added. The sum is the residual stream, to which each part of the "
        "model adds.",
        cell=lambda t, c: word[t, c] + position[t, c],
    )


# Backward


def embedding_gradient_steps(config: GPTConfig, tokens: tuple[Token, ...], sizes: Sizes) -> Iterator[Step]:
    """Yield the gradients of the two embeddings' vectors, and of ``wpe.weight`` (P, C) and ``wte.weight`` (V, C)."""
    dsum = gradient("embedding.sum")
    for name, what, section in (("token", "The word's vector", "3.2"), ("position", "The position's vector", "3.3")):
        yield gradient_step(
            f"embedding.{name}",
            "tc",
            f"d{name}[t,c] = dsum[t,c]",
            section,
            f"{what} was added, so its gradient is that of the sum, unchanged.",
            lambda t, c: dsum[t, c],
            undoes=("embedding.sum",),
        )
    yield _position_gradient_step(sizes)
    yield _lookup_gradient_step(config, tokens)
    if config.tie_weights:
        yield _tied_gradient_step()


def _position_gradient_step(sizes: Sizes) -> Step:
    dposition = gradient("embedding.position")
    return gradient_step(
        "wpe.weight",
        "pc",
        f"wpe.dweight[p,c] = dposition[p,c] for positions 0 to {sizes.t - 1} of the text, 0 for the others",
        "3.3",
        "The gradient of each row is that of the one position that used it. Rows beyond the end of the text were not "
        "used, so their gradient is 0.",
        lambda p, c: dposition[p, c] if p < sizes.t else ZERO,
        undoes=("embedding.position",),
    )


def _lookup_gradient_step(config: GPTConfig, tokens: tuple[Token, ...]) -> Step:
    return gradient_step(
        EMBEDDING_USE if config.tie_weights else "wte.weight",
        "vc",
        "dweight[v,c] = Σ of dtoken[t,c] over all positions t of word v, 0 if there are none",
        "3.2",
        "The gradient of each word's row is the sum over all positions where the word was looked up, and 0 for a word "
        "that is not in the text."
        + " This is the part of wte's gradient that comes from its use at the start of the model."
        * config.tie_weights,
        looked_up_gradient(gradient("embedding.token"), tokens),
        undoes=("embedding.token",),
    )


def looked_up_gradient(drows: Cells, tokens: tuple[Token, ...]) -> Callable[[int, int], Expression]:
    """Return the cells of the gradient of a table (V, …) of which ``tokens`` (T) looked up ``rows`` (T, …); (3.2)."""

    def cell(word: int, column: int) -> Expression:
        terms = [term for t, token in enumerate(tokens) for term in terms_where(token, word, drows[t, column])]
        return total(terms) if terms else ZERO

    return cell


def _tied_gradient_step() -> Step:
    head, looked_up = gradient(HEAD_USE), gradient(EMBEDDING_USE)
    return gradient_step(
        "wte.weight",
        "vc",
        "wte.dweight[v,c] = head.dweight[v,c] + embedding.dweight[v,c]",
        "12.6",
        "One matrix was used twice: its rows were looked up at the start, and compared with the final vector at the "
        "end. Its gradient is the sum of both.",
        lambda v, c: head[v, c] + looked_up[v, c],
        undoes=("logits", "embedding.token"),
    )
