"""What ports get wrong in AdamW (§13)."""

from __future__ import annotations

from typing import Any

import numpy as np

from numpy_gpt.golden.operations.adamw import (
    ADAMW,
    denominator_of,
    earlier,
    gradient_of,
    is_matrix,
    moment,
    theta,
    update,
)
from numpy_gpt.golden.operations.operation import Value


def _update_mistake(identifier: str, sentence: str, equation: str, **options: Any) -> None:
    ADAMW.mistake(identifier, sentence, equation, {"updated": lambda s: update(s, **options)})


_update_mistake("adamw.no_correction", "the bias corrections of m and v are missing", "13.6", m=False, v=False)
_update_mistake("adamw.no_m_correction", "the bias correction of m is missing", "13.6", m=False)
_update_mistake("adamw.no_v_correction", "the bias correction of v is missing", "13.7", v=False)
for _by, _words in ((-1, "one too small: it is counted from 0"), (1, "one too large")):
    ADAMW.mistake(
        f"adamw.step_{'early' if _by < 0 else 'late'}",
        f"the step in the bias corrections is {_words}",
        "13.6",
        {"updated": lambda s, by=_by: update(s, step=s.step + by)},
    )
ADAMW.mistake(
    "adamw.step_constant", "the step in the bias corrections stays 1", "13.6", {"updated": lambda s: update(s, step=1)}
)


def _with_rate(by: int) -> Any:
    def rule(s: Any) -> Value:
        place = s.step + by
        s.require(1 <= place <= len(s.evaluation.setting.learning_rates))
        rate = s.learning_rate(place)
        s.require(rate != s.learning_rate())
        return update(s, rate=rate)

    return rule


ADAMW.mistake("adamw.rate_late", "the learning rate is that of the step before", "13.9", {"updated": _with_rate(-1)})
ADAMW.mistake("adamw.rate_early", "the learning rate is that of the next step", "13.9", {"updated": _with_rate(1)})


def _constant_rate(s: Any) -> Value:
    s.require(s.step > 1 and s.learning_rate(1) != s.learning_rate())
    return update(s, rate=s.learning_rate(1))


ADAMW.mistake(
    "adamw.rate_constant", "the learning rate stays that of the first step", "13.9", {"updated": _constant_rate}
)


def _without_decay(s: Any) -> Value:
    s.require(is_matrix(s) and s.optimizer["weight_decay"] > 0)
    return update(s, decays=False)


def _decayed_vector(s: Any) -> Value:
    s.require(not is_matrix(s) and s.optimizer["weight_decay"] > 0)
    return update(s, decays=True)


ADAMW.mistake("adamw.no_decay", "matrices do not decay", "13.3", {"updated": _without_decay})
ADAMW.mistake(
    "adamw.vectors_decay", "vectors decay too: norms and biases should not", "13.3", {"updated": _decayed_vector}
)


def _decays_whole(s: Any) -> Value:
    s.require(is_matrix(s) and s.optimizer["weight_decay"] > 0)
    kept = s.o.scale(theta(s), 1 - s.optimizer["weight_decay"])
    return s.o.subtract(kept, s.o.subtract(theta(s), update(s, decays=False)))


ADAMW.mistake(
    "adamw.decay_without_rate", "the decay is not multiplied by the learning rate", "13.3", {"updated": _decays_whole}
)


def _decayed_after(s: Any) -> Value:
    s.require(is_matrix(s) and s.optimizer["weight_decay"] > 0)
    return s.o.scale(update(s, decays=False), 1 - s.learning_rate() * s.optimizer["weight_decay"])


ADAMW.mistake(
    "adamw.decay_after", "the decay comes after the update, not before it", "13.3", {"updated": _decayed_after}
)


def _with_l2(s: Any, vectors: bool = True) -> Value:
    s.require(s.optimizer["weight_decay"] > 0)
    if not (is_matrix(s) or vectors):
        return s["clipped"]
    return s.o.add(s["clipped"], s.o.scale(theta(s), s.optimizer["weight_decay"]))


for _vectors in (True, False):
    ADAMW.mistake(
        "adamw.l2",
        "the decay is added to the gradient (L2), and so goes through the moments: Adam, not AdamW",
        "13.3",
        {
            "m": lambda s, vectors=_vectors: moment(s, "m", s.optimizer["beta1"], _with_l2(s, vectors)),
            "v": lambda s, vectors=_vectors: moment(
                s, "v", s.optimizer["beta2"], s.o.multiply(_with_l2(s, vectors), _with_l2(s, vectors))
            ),
            "updated": lambda s: update(s, decays=False),
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
        kept = s.o.scale(theta(s), 1 - s.learning_rate() * s.optimizer["weight_decay"] * is_matrix(s))
        rate = s.learning_rate() * factors[0] / (1 - s.optimizer["beta1"] ** s.step)
        return s.o.subtract(kept, s.o.scale(s.o.divide(s["m"], denominator_of(s, s["v"], factors[1])), rate))

    ADAMW.mistake(
        identifier,
        sentence,
        "13.4",
        {
            "m": lambda s: moment(s, "m", betas(s)[0], s["clipped"]),
            "v": lambda s: moment(s, "v", betas(s)[1], s.o.multiply(s["clipped"], s["clipped"])),
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
            s["clipped"] if s.step == 1 else s.o.add(s.o.scale(earlier(s, "m"), s.optimizer["beta1"]), s["clipped"])
        )
    },
)
ADAMW.mistake(
    "adamw.v_of_gradient",
    "v averages the gradients' sizes, not their squares",
    "13.5",
    {"v": lambda s: moment(s, "v", s.optimizer["beta2"], s.o.smooth(np.abs, s["clipped"], roundings=0))},
)
ADAMW.mistake(
    "adamw.v_of_m",
    "v averages the squares of m, not of the gradient",
    "13.5",
    {"v": lambda s: moment(s, "v", s.optimizer["beta2"], s.o.multiply(s["m"], s["m"]))},
)
ADAMW.mistake(
    "adamw.v_unclipped",
    "the moments average the gradient before clipping",
    "13.4",
    {
        "m": lambda s: moment(s, "m", s.optimizer["beta1"], gradient_of(s)),
        "v": lambda s: moment(s, "v", s.optimizer["beta2"], s.o.multiply(gradient_of(s), gradient_of(s))),
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
    below = denominator_of(s, s["v"], 1 - s.optimizer["beta2"] ** s.step)
    kept = s.o.scale(theta(s), 1 - s.learning_rate() * s.optimizer["weight_decay"] * is_matrix(s))
    return s.o.subtract(kept, s.o.scale(s.o.divide(s["clipped"], below), s.learning_rate()))


ADAMW.mistake("adamw.no_momentum", "the step takes the gradient, not m", "13.8", {"updated": _gradient_step})


def _ascent(s: Any) -> Value:
    rate = s.learning_rate() / (1 - s.optimizer["beta1"] ** s.step)
    below = denominator_of(s, s["v"], 1 - s.optimizer["beta2"] ** s.step)
    kept = s.o.scale(theta(s), 1 - s.learning_rate() * s.optimizer["weight_decay"] * is_matrix(s))
    return s.o.add(kept, s.o.scale(s.o.divide(s["m"], below), rate))


ADAMW.mistake("adamw.ascent", "the step is added, not subtracted", "13.8", {"updated": _ascent})
ADAMW.mistake(
    "adamw.not_updated", "the parameter is not updated", "13.8", {"updated": lambda s: s.o.scale(theta(s), 1.0)}
)
