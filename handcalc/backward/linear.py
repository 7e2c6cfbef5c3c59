"""Linear maps undone: what the weights of a sum of products get, and what its input gets, (2.2) to (2.4)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from handcalc.arithmetic.expression import Cells, total
from handcalc.backward.gradient import gradient, gradient_step
from handcalc.forward.affine import affine_weights
from handcalc.tracing.steps import Sizes, Step, last_part
from numpy_gpt.shared.model.names import gradient_name


class Linear(NamedTuple):
    """A forward step out[t,o] = Σ_i x[t,i]·weight[i,o] + bias[o]; ``inner`` and ``outer`` are its index letters.

    ``x`` and ``out`` are names of activations, ``owner`` is whose weight it is, such as ``h.0.mlp.c_fc``.
    """

    owner: str
    x: str
    out: str
    inner: str
    outer: str


def linear_parameter_steps(linear: Linear, sizes: Sizes, *, bias: bool) -> Iterator[Step]:
    """Yield the gradients of the weight (2.3) and the bias (2.4)."""
    owner, x, out, i, o = linear
    values, dout, positions = Cells(x), gradient(out), range(sizes.t)
    name, source, given = last_part(owner), short_name(x), f"d{last_part(out)}[t,{o}]"
    yield gradient_step(
        f"{owner}.weight",
        i + o,
        f"{name}.dweight[{i},{o}] = Σ_t {source}[t,{i}]·{given}",
        "2.3",
        "What each weight gets: the number that it multiplied, times the gradient of the sum that it went into. All "
        "positions use the same weight, so their parts add up.",
        lambda a, b: total(values[t, a] * dout[t, b] for t in positions),
        undoes=(out,),
    )
    if bias:
        yield gradient_step(
            f"{owner}.bias",
            o,
            f"{name}.dbias[{o}] = Σ_t {given}",
            "2.4",
            "The bias was added at every position, so it gets the gradients of all of them.",
            lambda b: total(dout[t, b] for t in positions),
            undoes=(out,),
        )


def linear_input_step(linear: Linear, sizes: Sizes, *, section: str, meaning: str) -> Step:
    """Return the gradient of the input (2.2): the same weights, summed the other way."""
    owner, x, out, i, o = linear
    weight, dout, outputs = Cells(f"{owner}.weight"), gradient(out), range(getattr(sizes, o))
    left, given = gradient_name(short_name(x)), f"d{last_part(out)}[t,{o}]"
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


def short_name(name: str) -> str:
    """Return what an equation calls an activation: the last part of its name, and whose ``out`` an ``out`` is."""
    *_, owner, last = name.split(".")
    return f"{owner}.{last}" if last == "out" else last
