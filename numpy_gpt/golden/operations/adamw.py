"""Clipping and AdamW (§13): for every parameter the clipped gradient, both moments, and the new weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from numpy_gpt.golden.operations.operation import UPDATE, Operation, Value
from numpy_gpt.shared.model.names import gradient_name

CLIPPING = Operation("clipping")
ADAMW = Operation("adamw")
ADDED = 1e-6


def gradients_of(s: Any) -> list[Value]:
    """Return every parameter's gradient."""
    return [s.at(gradient_name(name)) for name in s.evaluation.graph.parameters]


@CLIPPING.array("norm", "", "13.1", UPDATE)
def norm(s: Any) -> Value:
    """Take the root of the sum of all squares."""
    return s.o.norm(gradients_of(s))


@CLIPPING.array("scale", "", "13.2", UPDATE)
def scale(s: Any) -> Value:
    """Divide the largest length by the length, if that is longer."""
    return clipping_scale(s, ADDED)


def clipping_scale(s: Any, added: float) -> Value:
    """Return min(1, limit/(norm + added)); 1 without clipping."""
    limit = s.optimizer["grad_clip"]
    if limit == 0:
        return s.o.exact(np.ones(()), s.evaluation.dtype)
    return s.o.smooth(lambda length: np.minimum(1.0, limit / (length + added)), s["norm"], roundings=3)


def gradient_of(s: Any) -> Value:
    """Return this parameter's gradient."""
    return s.at(gradient_name(s.link("parameter")))


@ADAMW.array("clipped", "P", "13.2", UPDATE)
def clipped(s: Any) -> Value:
    """Scale the gradient."""
    return s.o.multiply(gradient_of(s), s.at("clipping.scale"))


def earlier(s: Any, key: str) -> Value | None:
    """Return an array of this parameter as it was after the step before; None before the first."""
    return None if s.step == 1 else s.at(s.link(key), s.step - 1)


def moment(s: Any, key: str, beta: float, new: Value) -> Value:
    """Return β·before + (1 − β)·new."""
    before, added = earlier(s, key), s.o.scale(new, 1 - beta)
    return added if before is None else s.o.add(s.o.scale(before, beta), added)


@ADAMW.array("m", "P", "13.4", UPDATE)
def first_moment(s: Any) -> Value:
    """Average the gradients."""
    return moment(s, "m", s.optimizer["beta1"], s["clipped"])


@ADAMW.array("v", "P", "13.5", UPDATE)
def second_moment(s: Any) -> Value:
    """Average their squares."""
    return moment(s, "v", s.optimizer["beta2"], s.o.multiply(s["clipped"], s["clipped"]))


@ADAMW.array("updated", "P", "13.8", UPDATE)
def updated(s: Any) -> Value:
    """Decay matrices, and subtract the step."""
    return update(s)


def theta(s: Any) -> Value:
    """Return the parameter before the step."""
    return s.at(s.link("parameter"))


def is_matrix(s: Any) -> bool:
    """Return whether the parameter decays."""
    return len(s.node.shape) > 1


def update(
    s: Any,
    *,
    step: int | None = None,
    rate: float | None = None,
    decays: bool | None = None,
    m: bool = True,
    v: bool = True,
    denominator: Callable[[Any, Value, float], Value] | None = None,
) -> Value:
    """Return the new weights, with whatever a mistake changes: the step, the rate, the decay, the corrections."""
    numbers = s.optimizer
    step = s.step if step is None else step
    rate = s.learning_rate() if rate is None else rate
    first = 1 - numbers["beta1"] ** step if m else 1.0
    second = 1 - numbers["beta2"] ** step if v else 1.0
    s.require(first > 0 and second > 0)
    below = (denominator or denominator_of)(s, s["v"], second)
    change = s.o.scale(s.o.divide(s["m"], below), rate / first)
    decays = is_matrix(s) if decays is None else decays
    kept = s.o.scale(theta(s), 1 - rate * numbers["weight_decay"]) if decays else theta(s)
    return s.o.subtract(kept, change)


def denominator_of(s: Any, v: Value, second: float) -> Value:
    """Return √(v/second) + ε."""
    return s.o.shift(s.o.scale(s.o.root(v), second**-0.5), s.optimizer["epsilon"])
