"""Linear maps, x · weight + bias, which attention and the feed-forward network are made of; (2.1) to (2.4)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from handcalc.arithmetic.expression import Cells, Expression, total
from handcalc.formulas.step import Sizes, Step, Weights, gradient, gradient_step, last_part
from numpy_gpt.shared.model.names import gradient_name


def affine(x: Cells, t: int, linear: str, column: int, *, width: int, bias: bool) -> Expression:
    """Return Σ_c x[t,c]·weight[c,column] (+ bias[column]), the sum over the ``width`` channels of ``x``."""
    weight = Cells(f"{linear}.weight")
    products = total(x[t, c] * weight[c, column] for c in range(width))
    return products + Cells(f"{linear}.bias")[column] if bias else products


def affine_equation(out: str, x: str, linear: str, column: str, *, sum_over: str, bias: bool) -> str:
    """Return the same in index letters: ``out`` and ``x`` are cells, the sum runs over the letter ``sum_over``."""
    added = f" + {linear}.bias[{column}]" if bias else ""
    return f"{out} = Σ_{sum_over} {x}·{linear}.weight[{sum_over},{column}]{added}"


def affine_weights(
    owner: str, axes: str, *, bias: bool, start: int = 0, stop: int | None = None
) -> tuple[Weights, ...]:
    """Return the weight and the bias of a linear map or norm, the columns from ``start`` to before ``stop``."""
    weight = Weights(f"{owner}.weight", axes, start, stop)
    return (weight, Weights(f"{owner}.bias", axes[-1], start, stop)) if bias else (weight,)


class Linear(NamedTuple):
    """A forward step out[t,o] = Σ_i x[t,i]·weight[i,o] + bias[o]; ``inner`` and ``outer`` are its index letters.

    ``x`` and ``out`` are names of activations; ``owner`` is the prefix of the parameters, such as ``h.0.mlp.c_fc``.
    """

    owner: str
    x: str
    out: str
    inner: str
    outer: str


def linear_step(linear: Linear, sizes: Sizes, *, bias: bool, section: str, meaning: str) -> Step:
    """Return the forward step (2.1)."""
    owner, x, out, i, o = linear
    values, width = Cells(x), getattr(sizes, i)
    left, given = f"{last_part(out)}[t,{o}]", f"{_short_name(x)}[t,{i}]"
    return Step(
        name=out,
        axes=f"t{o}",
        equation=affine_equation(left, given, last_part(owner), o, sum_over=i, bias=bias),
        section=section,
        meaning=meaning,
        cell=lambda t, column: affine(values, t, owner, column, width=width, bias=bias),
        weights=affine_weights(owner, i + o, bias=bias),
    )


# Backward


def linear_parameter_gradient_steps(linear: Linear, sizes: Sizes, *, bias: bool) -> Iterator[Step]:
    """Yield the gradients of the weight (2.3) and the bias (2.4)."""
    owner, x, out, i, o = linear
    values, dout, positions = Cells(x), gradient(out), range(sizes.t)
    name, source, given = last_part(owner), _short_name(x), f"d{last_part(out)}[t,{o}]"
    yield gradient_step(
        f"{owner}.weight",
        i + o,
        f"{name}.dweight[{i},{o}] = Σ_t {source}[t,{i}]·{given}",
        "2.3",
        "The gradient of each weight: the number it multiplied times the gradient of the sum it went into. All "
        "positions use the same weight, so their contributions add up.",
        lambda a, b: total(values[t, a] * dout[t, b] for t in positions),
        undoes=(out,),
    )
    if bias:
        yield gradient_step(
            f"{owner}.bias",
            o,
            f"{name}.dbias[{o}] = Σ_t {given}",
            "2.4",
            "The bias was added at every position, so its gradient is the sum over all positions.",
            lambda b: total(dout[t, b] for t in positions),
            undoes=(out,),
        )


def linear_input_gradient_step(linear: Linear, sizes: Sizes, *, section: str, meaning: str) -> Step:
    """Return the gradient of the input (2.2): the same weights, summed the other way."""
    owner, x, out, i, o = linear
    weight, dout, outputs = Cells(f"{owner}.weight"), gradient(out), range(getattr(sizes, o))
    left, given = gradient_name(_short_name(x)), f"d{last_part(out)}[t,{o}]"
    return gradient_step(
        x,
        f"t{i}",
        f"{left}[t,{i}] = Σ_{o} {given}·{last_part(owner)}.weight[{i},{o}]",
        section,
        meaning,
        lambda t, a: total(dout[t, b] * weight[a, b] for b in outputs),
        undoes=(out,),
        weights=affine_weights(owner, i + o, bias=False),
    )


def _short_name(name: str) -> str:
    """Return an activation's name in equations: the last part, preceded by its owner if that part is ``out``."""
    *_, owner, last = name.split(".")
    return f"{owner}.{last}" if last == "out" else last
