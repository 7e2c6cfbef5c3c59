"""What ports get wrong in clipping (§13)."""

from __future__ import annotations

from typing import Any

import numpy as np

from numpy_gpt.golden.operations.adamw import ADDED, CLIPPING, clipping_scale, gradient_of, gradients_of
from numpy_gpt.golden.operations.operation import Value
from numpy_gpt.shared.model.names import gradient_name


def _not_scaled(s: Any) -> Value:
    return s.o.scale(clipping_scale(s, ADDED), 1 / float(s.evaluation.value_of(clipping_scale(s, ADDED))))


CLIPPING.mistake(
    "clipping.missing",
    "the gradient is not clipped",
    "13.2",
    {"adamw:clipped": lambda s: s.o.scale(gradient_of(s), 1.0)},
)
CLIPPING.mistake("clipping.missing", "the gradient is not clipped", "13.2", {"scale": _not_scaled})


def _per_tensor(s: Any) -> Value:
    limit = s.optimizer["grad_clip"]
    s.require(limit > 0)
    own = s.o.smooth(lambda length: np.minimum(1.0, limit / (length + ADDED)), s.o.norm([gradient_of(s)]), roundings=3)
    return s.o.multiply(gradient_of(s), own)


for _rules in ({}, {"scale": _not_scaled}):
    CLIPPING.mistake(
        "clipping.per_tensor",
        "each tensor is clipped by its own norm, not all by the norm of the whole gradient",
        "13.2",
        {"adamw:clipped": _per_tensor, **_rules},
    )
CLIPPING.mistake(
    "clipping.without_epsilon",
    "clipping divides by the norm without adding 1e-6",
    "13.2",
    {"scale": lambda s: clipping_scale(s, 0.0)},
)
CLIPPING.mistake(
    "clipping.always",
    "the gradient is scaled to the largest length even where it is shorter",
    "13.2",
    {"scale": lambda s: s.o.smooth(lambda length: s.optimizer["grad_clip"] / (length + ADDED), s["norm"], roundings=3)},
)


def _by_value(s: Any) -> Value:
    limit = s.optimizer["grad_clip"]
    return s.o.smooth(lambda g: np.clip(g, -limit, limit), gradient_of(s), roundings=0)


for _rules in ({}, {"scale": _not_scaled}):
    CLIPPING.mistake(
        "clipping.by_value",
        "each number is clipped by itself, not the gradient by its norm",
        "13.2",
        {"adamw:clipped": _by_value, **_rules},
    )
CLIPPING.mistake(
    "clipping.squared_norm",
    "the norm is not the root of the sum of squares: the root is forgotten",
    "13.1",
    {"norm": lambda s: s.o.multiply(s.o.norm(gradients_of(s)), s.o.norm(gradients_of(s)))},
)


def _tied_twice(s: Any) -> Value:
    s.require(s.config.tie_weights)
    return s.o.norm([*gradients_of(s), s.at(gradient_name("wte.weight"))])


CLIPPING.mistake("clipping.tied_twice", "the tied table counts twice in the norm", "13.1", {"norm": _tied_twice})
CLIPPING.mistake(
    "clipping.rms",
    "the norm is divided by the root of the number of parameters",
    "13.1",
    {"norm": lambda s: s.o.scale(s.o.norm(gradients_of(s)), s.config.parameter_count**-0.5)},
)
