"""Clipping and AdamW (§13): for every parameter the clipped gradient, both moments, and the new weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from numpy_gpt.golden.operations.operation import UPDATE, Operation, Value
from numpy_gpt.shared.model.names import gradient_name

CLIPPING = Operation("clipping")
ADAMW = Operation("adamw")
_ADDED = 1e-6


def _gradients(s: Any) -> list[Value]:
    return [s.at(gradient_name(name)) for name in s.evaluation.graph.parameters]


@CLIPPING.array("norm", "", "13.1", UPDATE)
def norm(s: Any) -> Value:
    """Take the root of the sum of all squares."""
    return s.o.norm(_gradients(s))


@CLIPPING.array("scale", "", "13.2", UPDATE)
def scale(s: Any) -> Value:
    """Divide the largest length by the length, if that is longer."""
    return _scale(s, _ADDED)


def _scale(s: Any, added: float) -> Value:
    limit = s.optimizer["grad_clip"]
    if limit == 0:
        return s.o.exact(np.asarray(1.0), s.evaluation.dtype)
    return s.o.smooth(lambda length: np.minimum(1.0, limit / (length + added)), s["norm"], roundings=3)


def _gradient(s: Any) -> Value:
    return s.at(gradient_name(s.link("parameter")))


@ADAMW.array("clipped", "P", "13.2", UPDATE)
def clipped(s: Any) -> Value:
    """Scale the gradient."""
    return s.o.multiply(_gradient(s), s.at("clipping.scale"))


def _before(s: Any, key: str) -> Value | None:
    return None if s.step == 1 else s.at(s.link(key), s.step - 1)


def _moment(s: Any, key: str, beta: float, new: Value) -> Value:
    before, added = _before(s, key), s.o.scale(new, 1 - beta)
    return added if before is None else s.o.add(s.o.scale(before, beta), added)


@ADAMW.array("m", "P", "13.4", UPDATE)
def first_moment(s: Any) -> Value:
    """Average the gradients."""
    return _moment(s, "m", s.optimizer["beta1"], s["clipped"])


@ADAMW.array("v", "P", "13.5", UPDATE)
def second_moment(s: Any) -> Value:
    """Average their squares."""
    return _moment(s, "v", s.optimizer["beta2"], s.o.multiply(s["clipped"], s["clipped"]))


@ADAMW.array("updated", "P", "13.8", UPDATE)
def updated(s: Any) -> Value:
    """Decay matrices, and subtract the step."""
    return _update(s)


def _theta(s: Any) -> Value:
    return s.at(s.link("parameter"))


def _is_matrix(s: Any) -> bool:
    return len(s.node.shape) > 1


def _update(
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
    below = (denominator or _denominator)(s, s["v"], second)
    change = s.o.scale(s.o.divide(s["m"], below), rate / first)
    decays = _is_matrix(s) if decays is None else decays
    kept = s.o.scale(_theta(s), 1 - rate * numbers["weight_decay"]) if decays else _theta(s)
    return s.o.subtract(kept, change)


def _denominator(s: Any, v: Value, second: float) -> Value:
    return s.o.shift(s.o.scale(s.o.root(v), second**-0.5), s.optimizer["epsilon"])


# Mistakes in clipping.


def _not_scaled(s: Any) -> Value:
    return s.o.scale(_scale(s, _ADDED), 1 / float(s.evaluation.value_of(_scale(s, _ADDED))))


CLIPPING.mistake(
    "clipping.missing", "the gradient is not clipped", "13.2", {"adamw:clipped": lambda s: s.o.scale(_gradient(s), 1.0)}
)
CLIPPING.mistake("clipping.missing", "the gradient is not clipped", "13.2", {"scale": _not_scaled})


def _per_tensor(s: Any) -> Value:
    limit = s.optimizer["grad_clip"]
    s.require(limit > 0)
    own = s.o.smooth(lambda length: np.minimum(1.0, limit / (length + _ADDED)), s.o.norm([_gradient(s)]), roundings=3)
    return s.o.multiply(_gradient(s), own)


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
    {"scale": lambda s: _scale(s, 0.0)},
)
CLIPPING.mistake(
    "clipping.always",
    "the gradient is scaled to the largest length even where it is shorter",
    "13.2",
    {
        "scale": lambda s: s.o.smooth(
            lambda length: s.optimizer["grad_clip"] / (length + _ADDED), s["norm"], roundings=3
        )
    },
)


def _by_value(s: Any) -> Value:
    limit = s.optimizer["grad_clip"]
    return s.o.smooth(lambda g: np.clip(g, -limit, limit), _gradient(s), roundings=0)


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
    {"norm": lambda s: s.o.multiply(s.o.norm(_gradients(s)), s.o.norm(_gradients(s)))},
)


def _tied_twice(s: Any) -> Value:
    s.require(s.config.tie_weights)
    return s.o.norm([*_gradients(s), s.at(gradient_name("wte.weight"))])


CLIPPING.mistake("clipping.tied_twice", "the tied table counts twice in the norm", "13.1", {"norm": _tied_twice})
CLIPPING.mistake(
    "clipping.rms",
    "the norm is divided by the root of the number of parameters",
    "13.1",
    {"norm": lambda s: s.o.scale(s.o.norm(_gradients(s)), s.config.parameter_count**-0.5)},
)

# Mistakes in AdamW.


def _update_mistake(identifier: str, sentence: str, equation: str, **options: Any) -> None:
    ADAMW.mistake(identifier, sentence, equation, {"updated": lambda s: _update(s, **options)})


_update_mistake("adamw.no_correction", "the bias corrections of m and v are missing", "13.6", m=False, v=False)
_update_mistake("adamw.no_m_correction", "the bias correction of m is missing", "13.6", m=False)
_update_mistake("adamw.no_v_correction", "the bias correction of v is missing", "13.7", v=False)
for _by, _words in ((-1, "one too small: it is counted from 0"), (1, "one too large")):
    ADAMW.mistake(
        f"adamw.step_{'early' if _by < 0 else 'late'}",
        f"the step in the bias corrections is {_words}",
        "13.6",
        {"updated": lambda s, by=_by: _update(s, step=s.step + by)},
    )
ADAMW.mistake(
    "adamw.step_constant", "the step in the bias corrections stays 1", "13.6", {"updated": lambda s: _update(s, step=1)}
)


def _with_rate(by: int) -> Any:
    def rule(s: Any) -> Value:
        place = s.step + by
        s.require(1 <= place <= len(s.evaluation.setting.learning_rates))
        rate = s.learning_rate(place)
        s.require(rate != s.learning_rate())
        return _update(s, rate=rate)

    return rule


ADAMW.mistake("adamw.rate_late", "the learning rate is that of the step before", "13.9", {"updated": _with_rate(-1)})
ADAMW.mistake("adamw.rate_early", "the learning rate is that of the next step", "13.9", {"updated": _with_rate(1)})


def _constant_rate(s: Any) -> Value:
    s.require(s.step > 1 and s.learning_rate(1) != s.learning_rate())
    return _update(s, rate=s.learning_rate(1))


ADAMW.mistake(
    "adamw.rate_constant", "the learning rate stays that of the first step", "13.9", {"updated": _constant_rate}
)


def _without_decay(s: Any) -> Value:
    s.require(_is_matrix(s) and s.optimizer["weight_decay"] > 0)
    return _update(s, decays=False)


def _decayed_vector(s: Any) -> Value:
    s.require(not _is_matrix(s) and s.optimizer["weight_decay"] > 0)
    return _update(s, decays=True)


ADAMW.mistake("adamw.no_decay", "matrices do not decay", "13.3", {"updated": _without_decay})
ADAMW.mistake(
    "adamw.vectors_decay", "vectors decay too: norms and biases should not", "13.3", {"updated": _decayed_vector}
)


def _decays_whole(s: Any) -> Value:
    s.require(_is_matrix(s) and s.optimizer["weight_decay"] > 0)
    kept = s.o.scale(_theta(s), 1 - s.optimizer["weight_decay"])
    return s.o.subtract(kept, s.o.subtract(_theta(s), _update(s, decays=False)))


ADAMW.mistake(
    "adamw.decay_without_rate", "the decay is not multiplied by the learning rate", "13.3", {"updated": _decays_whole}
)


def _decayed_after(s: Any) -> Value:
    s.require(_is_matrix(s) and s.optimizer["weight_decay"] > 0)
    return s.o.scale(_update(s, decays=False), 1 - s.learning_rate() * s.optimizer["weight_decay"])


ADAMW.mistake(
    "adamw.decay_after", "the decay comes after the update, not before it", "13.3", {"updated": _decayed_after}
)


def _with_l2(s: Any, vectors: bool = True) -> Value:
    s.require(s.optimizer["weight_decay"] > 0)
    if not (_is_matrix(s) or vectors):
        return s["clipped"]
    return s.o.add(s["clipped"], s.o.scale(_theta(s), s.optimizer["weight_decay"]))


for _vectors in (True, False):
    ADAMW.mistake(
        "adamw.l2",
        "the decay is added to the gradient (L2), and so goes through the moments: Adam, not AdamW",
        "13.3",
        {
            "m": lambda s, vectors=_vectors: _moment(s, "m", s.optimizer["beta1"], _with_l2(s, vectors)),
            "v": lambda s, vectors=_vectors: _moment(
                s, "v", s.optimizer["beta2"], s.o.multiply(_with_l2(s, vectors), _with_l2(s, vectors))
            ),
            "updated": lambda s: _update(s, decays=False),
        },
    )
_update_mistake(
    "adamw.epsilon_inside",
    "ε is added inside the root: √(v̂ + ε)",
    "13.8",
    denominator=lambda s, v, second: s.o.root(s.o.shift(s.o.scale(v, 1 / second), s.optimizer["epsilon"])),
)
_update_mistake(
    "adamw.epsilon_uncorrected",
    "ε is added to √v before its bias correction",
    "13.8",
    denominator=lambda s, v, second: s.o.scale(s.o.shift(s.o.root(v), s.optimizer["epsilon"]), second**-0.5),
)
_update_mistake(
    "adamw.no_epsilon",
    "ε is missing",
    "13.8",
    denominator=lambda s, v, second: s.o.scale(s.o.root(v), second**-0.5),
)
_update_mistake(
    "adamw.no_root",
    "the root of v is forgotten",
    "13.8",
    denominator=lambda s, v, second: s.o.shift(s.o.scale(v, 1 / second), s.optimizer["epsilon"]),
)
for _value in (1e-10, 1e-7, 1e-6, 1e-5, 1e-3):
    _update_mistake(
        "adamw.epsilon",
        f"AdamW's ε is {_value:g}, not the pack's",
        "13.8",
        denominator=lambda s, v, second, value=_value: s.o.shift(s.o.scale(s.o.root(v), second**-0.5), value),
    )


def _betas(identifier: str, sentence: str, first: Any, second: Any) -> None:
    def betas(s: Any) -> tuple[float, float]:
        found = first(s.optimizer), second(s.optimizer)
        s.require(found != (s.optimizer["beta1"], s.optimizer["beta2"]))
        return found

    def changed_update(s: Any) -> Value:
        beta1, beta2 = betas(s)
        factors = (1 - s.optimizer["beta1"] ** s.step) / (1 - beta1**s.step), 1 - beta2**s.step
        kept = s.o.scale(_theta(s), 1 - s.learning_rate() * s.optimizer["weight_decay"] * _is_matrix(s))
        rate = s.learning_rate() * factors[0] / (1 - s.optimizer["beta1"] ** s.step)
        return s.o.subtract(kept, s.o.scale(s.o.divide(s["m"], _denominator(s, s["v"], factors[1])), rate))

    ADAMW.mistake(
        identifier,
        sentence,
        "13.4",
        {
            "m": lambda s: _moment(s, "m", betas(s)[0], s["clipped"]),
            "v": lambda s: _moment(s, "v", betas(s)[1], s.o.multiply(s["clipped"], s["clipped"])),
            "updated": changed_update,
        },
    )


_betas("adamw.betas_swapped", "β₁ and β₂ are swapped", lambda o: o["beta2"], lambda o: o["beta1"])
for _beta in (0.9, 0.95, 0.98, 0.99, 0.999):
    _betas("adamw.beta2", f"β₂ is {_beta}, not the pack's", lambda o: o["beta1"], lambda o, b=_beta: b)
    _betas("adamw.beta1", f"β₁ is {_beta}, not the pack's", lambda o, b=_beta: b, lambda o: o["beta2"])
ADAMW.mistake(
    "adamw.m_undamped",
    "m adds the gradient itself, not (1 − β₁) of it",
    "13.4",
    {
        "m": lambda s: (
            s["clipped"] if s.step == 1 else s.o.add(s.o.scale(_before(s, "m"), s.optimizer["beta1"]), s["clipped"])
        )
    },
)
ADAMW.mistake(
    "adamw.v_of_gradient",
    "v averages the gradients' sizes, not their squares",
    "13.5",
    {"v": lambda s: _moment(s, "v", s.optimizer["beta2"], s.o.smooth(np.abs, s["clipped"], roundings=0))},
)
ADAMW.mistake(
    "adamw.v_of_m",
    "v averages the squares of m, not of the gradient",
    "13.5",
    {"v": lambda s: _moment(s, "v", s.optimizer["beta2"], s.o.multiply(s["m"], s["m"]))},
)
ADAMW.mistake(
    "adamw.v_unclipped",
    "the moments average the gradient before clipping",
    "13.4",
    {
        "m": lambda s: _moment(s, "m", s.optimizer["beta1"], _gradient(s)),
        "v": lambda s: _moment(s, "v", s.optimizer["beta2"], s.o.multiply(_gradient(s), _gradient(s))),
    },
)


def _restarted(s: Any, key: str, new: Value) -> Value:
    s.require(s.step > 1)
    return s.o.scale(new, 1 - s.optimizer["beta1" if key == "m" else "beta2"])


ADAMW.mistake(
    "adamw.moments_reset",
    "the moments start from 0 in every step",
    "13.4",
    {
        "m": lambda s: _restarted(s, "m", s["clipped"]),
        "v": lambda s: _restarted(s, "v", s.o.multiply(s["clipped"], s["clipped"])),
    },
)


def _gradient_step(s: Any) -> Value:
    below = _denominator(s, s["v"], 1 - s.optimizer["beta2"] ** s.step)
    kept = s.o.scale(_theta(s), 1 - s.learning_rate() * s.optimizer["weight_decay"] * _is_matrix(s))
    return s.o.subtract(kept, s.o.scale(s.o.divide(s["clipped"], below), s.learning_rate()))


ADAMW.mistake("adamw.no_momentum", "the step takes the gradient, not m", "13.8", {"updated": _gradient_step})


def _ascent(s: Any) -> Value:
    rate = s.learning_rate() / (1 - s.optimizer["beta1"] ** s.step)
    below = _denominator(s, s["v"], 1 - s.optimizer["beta2"] ** s.step)
    kept = s.o.scale(_theta(s), 1 - s.learning_rate() * s.optimizer["weight_decay"] * _is_matrix(s))
    return s.o.add(kept, s.o.scale(s.o.divide(s["m"], below), rate))


ADAMW.mistake("adamw.ascent", "the step is added, not subtracted", "13.8", {"updated": _ascent})
ADAMW.mistake(
    "adamw.not_updated", "the parameter is not updated", "13.8", {"updated": lambda s: s.o.scale(_theta(s), 1.0)}
)
