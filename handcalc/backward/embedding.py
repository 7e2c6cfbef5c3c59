"""The embedding undone: each word's row and each place's row get what the stream got where they were used."""

from __future__ import annotations

from collections.abc import Iterator

from handcalc.arithmetic.expression import Constant, Expression, total
from handcalc.backward.gradient import gradient, gradient_step
from handcalc.backward.head import HEAD
from handcalc.tracing.steps import Sizes, Step
from numpy_gpt.shared.model.config import GPTConfig

LOOKED_UP = "embedding.weight"
"""Of a tied matrix, the part that it gets as the token embedding; its gradient is ``embedding.dweight``."""


def embedding_gradient_steps(config: GPTConfig, tokens: tuple[int, ...], sizes: Sizes) -> Iterator[Step]:
    """Yield the gradients of the two embeddings' vectors, and of ``wpe.weight`` (P, C) and ``wte.weight`` (V, C)."""
    dsum = gradient("embedding.sum")
    for name, what, section in (("token", "The word's vector", "3.2"), ("position", "The place's vector", "3.3")):
        yield gradient_step(
            f"embedding.{name}",
            "tc",
            f"d{name}[t,c] = dsum[t,c]",
            section,
            f"{what} was added, so it gets the gradient of the sum as it is.",
            lambda t, c: dsum[t, c],
            undoes=("embedding.sum",),
        )
    yield _place_step(sizes)
    yield _lookup_step(config, tokens)
    if config.tie_weights:
        yield _tied_step()


def _place_step(sizes: Sizes) -> Step:
    dposition = gradient("embedding.position")
    return gradient_step(
        "wpe.weight",
        "pc",
        f"wpe.dweight[p,c] = dposition[p,c] for the places 0 to {sizes.t - 1} of the text, 0 for the others",
        "3.3",
        "Each place's row gets the gradient of the one position that used it. Places that the text did not reach were "
        "not used, and get 0.",
        lambda p, c: dposition[p, c] if p < sizes.t else Constant(0),
        undoes=("embedding.position",),
    )


def _lookup_step(config: GPTConfig, tokens: tuple[int, ...]) -> Step:
    dtoken = gradient("embedding.token")

    def cell(v: int, c: int) -> Expression:
        places = [t for t, token in enumerate(tokens) if token == v]
        return total(dtoken[t, c] for t in places) if places else Constant(0)

    return gradient_step(
        LOOKED_UP if config.tie_weights else "wte.weight",
        "vc",
        "dweight[v,c] = Σ of dtoken[t,c] over the positions t where word v stands, 0 if it stands nowhere",
        "3.2",
        "Each word's row gets the gradients of all positions where the word was looked up: a word that the text "
        "repeats gets their sum, a word that is not in the text gets 0."
        + " This is what wte.weight gets for its work at the beginning of the model."
        * config.tie_weights,
        cell,
        undoes=("embedding.token",),
    )


def _tied_step() -> Step:
    head, looked_up = gradient(HEAD), gradient(LOOKED_UP)
    return gradient_step(
        "wte.weight",
        "vc",
        "wte.dweight[v,c] = head.dweight[v,c] + embedding.dweight[v,c]",
        "12.6",
        "One matrix did two jobs: its rows were looked up at the beginning, and compared with the final vector at the "
        "end. What it gets for the two is added.",
        lambda v, c: head[v, c] + looked_up[v, c],
        undoes=("logits", "embedding.token"),
    )
