"""The forward pass once more, with the new weights: the same steps, each name with ``updated.`` before it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from handcalc.arithmetic.expression import (
    Constant,
    Difference,
    Expression,
    Function,
    Masked,
    Maximum,
    Product,
    Quotient,
    Ref,
    Sum,
)
from handcalc.tracing.steps import AGAIN, UPDATED, Step


def steps_again(steps: Iterable[Step]) -> Iterator[Step]:
    """Yield the forward steps over the updated weights."""
    for step in steps:
        yield step._replace(
            name=f"{UPDATED}.{step.name}",
            cell=_with_updated(step.cell),
            weights=tuple(weights._replace(name=f"{UPDATED}.{weights.name}") for weights in step.weights),
            phase=AGAIN,
        )


def _with_updated(cell: Callable[..., Expression]) -> Callable[..., Expression]:
    return lambda *index: _updated(cell(*index))


def _updated(node: Expression) -> Expression:
    """Return the tree with ``updated.`` before the name of every cell that it refers to."""
    match node:
        case Ref():
            return Ref(f"{UPDATED}.{node.name}", node.index)
        case Sum():
            return Sum(tuple(map(_updated, node.terms)))
        case Product():
            return Product(tuple(map(_updated, node.factors)))
        case Difference():
            return Difference(_updated(node.left), _updated(node.right))
        case Quotient():
            return Quotient(_updated(node.numerator), _updated(node.denominator))
        case Function():
            return Function(node.name, _updated(node.argument))
        case Maximum():
            return Maximum(tuple(map(_updated, node.arguments)))
        case Constant() | Masked():
            return node
    raise TypeError(f"{type(node).__name__} is not a node of the forward pass")
