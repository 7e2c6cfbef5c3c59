"""The output head (§12) and the loss (§11), forward and backward."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from numpy_gpt.golden.operations.linear import READINGS, misread, miswritten, rows, transposed
from numpy_gpt.golden.operations.operation import BACKWARD, Operation, Value
from numpy_gpt.golden.operations.softmax import declare_softmax

HEAD = Operation("head")
LOSS = Operation("loss")


@HEAD.array("logits", "B,T,V", "12.3")
def logits(s: Any) -> Value:
    """Multiply by the transposed table."""
    return _product(s, s["x"], s["head"])


def _product(s: Any, x: Value, table: Value) -> Value:
    return s.o.matmul(x, s.o.shaped(table, transposed))


@HEAD.array("dweight", "V,C", "12.5", BACKWARD)
def dweight(s: Any) -> Value:
    """Multiply dlogitsᵀ and the head's input."""
    return s.o.matmul(s.o.shaped(s.o.shaped(s["dlogits"], rows), transposed), s.o.shaped(s["x"], rows))


@HEAD.array("dx", "B,T,C", "12.4", BACKWARD)
def dx(s: Any) -> Value:
    """Multiply by the table."""
    return s.o.matmul(s["dlogits"], s["head"])


def _without_norm(s: Any) -> Value:
    s.require(s.config.norm == "layer_norm")
    return _product(s, s["stream"], s["head"])


def _nothing(key: str) -> Callable[[Any], Value]:
    """Return a rule for a gradient of ln_f's parameters: 0, because the norm is not used."""

    def rule(s: Any) -> Value:
        s.require(s.node.plain.startswith("ln_f."))
        return s.o.scale(s.right(key), 0.0)

    return rule


def _without_last_norm(s: Any) -> Value:
    s.require(s.link("dnorm") == "ln_f.dx")
    return s.o.scale(s.at("ln_f.dout"), 1.0)


HEAD.mistake(
    "head.unnormed",
    "the last norm (ln_f) is forgotten",
    "12.3",
    {
        "logits": _without_norm,
        "dweight": lambda s: _of_stream(s),
        "norm:dweight": _nothing("dweight"),
        "norm:dbias": _nothing("dbias"),
        "branch:dresidual": _without_last_norm,
    },
)
HEAD.mistake("head.unnormed", "the last norm (ln_f) is forgotten", "12.3", {"logits": _without_norm})
for _reading in READINGS:
    HEAD.mistake(
        "head.transposed",
        "the head's table is read as if it were stored (C, V): it is (V, C)",
        "12.3",
        {
            "logits": lambda s, reading=_reading: _product(s, s["x"], s.o.shaped(s["head"], reading)),
            "dx": lambda s, reading=_reading: s.o.matmul(s["dlogits"], s.o.shaped(s["head"], reading)),
        },
    )
    HEAD.mistake(
        "head.transposed",
        "the head's table is read as if it were stored (C, V): it is (V, C)",
        "12.3",
        {
            "logits": lambda s, reading=_reading: _product(s, s["x"], s.o.shaped(s["head"], reading)),
            "dx": lambda s, reading=_reading: s.o.matmul(s["dlogits"], s.o.shaped(s["head"], reading)),
            "dweight": lambda s, reading=_reading: s.o.shaped(
                s.right("dweight"), miswritten if reading is misread else misread
            ),
        },
    )


def _embedding_as_head(s: Any) -> Value:
    s.require(not s.config.tie_weights)
    return s.at("wte.weight")


HEAD.mistake(
    "head.tied",
    "the token embedding is used as the head, but the head has weights of its own",
    "12.3",
    {
        "logits": lambda s: _product(s, s["x"], _embedding_as_head(s)),
        "dx": lambda s: s.o.matmul(s["dlogits"], _embedding_as_head(s)),
    },
)
HEAD.mistake(
    "head.scaled",
    "the logits are divided by √C",
    "12.3",
    wraps={"logits": lambda s, right: s.o.scale(right, s.config.n_embd**-0.5)},
)
for _which, _keep in (("last", -1), ("first", 0)):

    def _of_one(s: Any, keep: int = _keep) -> Value:
        s.require(len(s.tokens) > 1)
        return s.o.matmul(
            s.o.shaped(s["dlogits"], lambda a: transposed(a[keep])), s.o.shaped(s["x"], lambda a: a[keep])
        )

    HEAD.mistake(
        f"head.batch_{_which}",
        f"the head's gradient is that of the {_which} sequence, not the sum over the batch",
        "12.5",
        {"dweight": _of_one},
    )
HEAD.mistake(
    "head.dweight_input",
    "the head's gradient takes the stream before the last norm",
    "12.5",
    {"dweight": lambda s: _of_stream(s)},
)


def _of_stream(s: Any) -> Value:
    s.require(s.config.norm == "layer_norm")
    return s.o.matmul(s.o.shaped(s.o.shaped(s["dlogits"], rows), transposed), s.o.shaped(s["stream"], rows))


# The loss.

declare_softmax(LOSS, "logits", "probabilities", "B,T,V", "6.4", skip=False)


@LOSS.array("losses", "B,T", "11.1")
def losses(s: Any) -> Value:
    """Take log S + max − z at the target."""
    return s.o.cross_entropy(s["logits"], s.targets).losses


@LOSS.array("loss", "", "11.2")
def loss(s: Any) -> Value:
    """Average over the targets that count."""
    return _mean_of(s, s.targets >= 0)


def _mean_of(s: Any, counted: Any) -> Value:
    return s.o.mean(s.o.shaped(s["losses"], lambda a: a[counted]))


@LOSS.array("dlogits", "B,T,V", "11.3", BACKWARD)
def dlogits(s: Any) -> Value:
    """Subtract the one-hot targets, and divide by their number."""
    return s.o.cross_entropy_backward(s["probabilities"], s.targets)


# Mistakes.


def _other_targets(change: Callable[[Any], Any]) -> dict[str, Any]:
    def changed(s: Any) -> Any:
        other = change(s)
        s.require(not np.array_equal(other, s.targets))
        return other

    return {
        "losses": lambda s: s.o.cross_entropy(s["logits"], changed(s)).losses,
        "dlogits": lambda s: s.o.cross_entropy_backward(s["probabilities"], changed(s)),
    }


LOSS.mistake(
    "loss.not_shifted",
    "the targets are the tokens themselves: they are not shifted by one",
    "11.1",
    _other_targets(lambda s: s.tokens),
)
LOSS.mistake(
    "loss.shifted_twice",
    "the targets are shifted by two: the next target is taken, and the first one wraps round",
    "11.1",
    _other_targets(lambda s: np.roll(s.targets, -1, 1)),
)


def _factor(identifier: str, sentence: str, factor: Callable[[Any], float], *, both: bool = True) -> None:
    wraps = {"dlogits": lambda s, right: s.o.scale(right, _changing(s, factor))}
    if both:
        wraps["loss"] = lambda s, right: s.o.scale(right, _changing(s, factor))
    LOSS.mistake(identifier, sentence, "11.2" if both else "11.3", wraps=wraps)


def _changing(s: Any, factor: Callable[[Any], float]) -> float:
    value = factor(s)
    s.require(value != 1)
    return value


def _count(s: Any) -> float:
    return float((s.targets >= 0).sum())


_factor("loss.summed", "the loss is the sum over the positions, not their mean", _count)
_factor(
    "loss.per_sequence",
    "the loss is divided by the batch size only: a sum over the positions of each sequence",
    lambda s: _count(s) / len(s.tokens),
)
_factor(
    "loss.per_position",
    "the loss is divided by the number of positions only: a sum over the batch",
    lambda s: _count(s) / s.tokens.shape[1],
)
_factor("loss.dlogits_summed", "the gradient of the loss is not divided by the number of positions", _count, both=False)
_factor(
    "loss.dlogits_per_sequence",
    "the gradient of the loss is divided by the batch size only",
    lambda s: _count(s) / len(s.tokens),
    both=False,
)
_factor(
    "loss.dlogits_per_position",
    "the gradient of the loss is divided by the number of positions only: sequences accumulate undivided",
    lambda s: _count(s) / s.tokens.shape[1],
    both=False,
)
_factor(
    "loss.dlogits_twice",
    "the gradient of the loss is divided by the number of positions twice",
    lambda s: 1 / _count(s),
    both=False,
)


def _parts_of(parts: int) -> Callable[[Any], float]:
    """Return a factor; where each sequence is a part, ``loss.per_position`` says the same."""
    return lambda s: float(parts) if parts != len(s.tokens) else 1.0


for _parts in (2, 3, 4):
    for _both in (True, False):
        _factor(
            "loss.accumulated",
            "gradients of parts of the batch are added without dividing by the number of parts",
            _parts_of(_parts),
            both=_both,
        )
_factor("loss.dlogits_sign", "the gradient of the loss has the wrong sign", lambda s: -1.0, both=False)
LOSS.mistake(
    "loss.padding",
    "positions whose target does not count are in the mean: the loss is over padding",
    "11.2",
    wraps={
        "loss": lambda s, right: s.o.scale(right, _changing(s, lambda s: _count(s) / s.targets.size)),
        "dlogits": lambda s, right: s.o.scale(right, _changing(s, lambda s: _count(s) / s.targets.size)),
    },
)
LOSS.mistake(
    "loss.padding_predicted",
    "positions whose target does not count are predicted, as token 0",
    "11.1",
    {
        **_other_targets(lambda s: np.maximum(s.targets, 0)),
        "loss": lambda s: s.o.scale(s.o.mean(s["losses"]), _padded(s) ** 0),
    },
)


def _at_padding(s: Any, value: Callable[[Any], Any], count: Callable[[Any], float]) -> Value:
    ignored = s.targets < 0
    s.require(bool(ignored.any()))

    def formula(p: Any) -> Any:
        onehot = np.zeros_like(p)
        np.put_along_axis(onehot, np.maximum(s.targets, 0)[..., None], 1.0, -1)
        rows_of = np.where(ignored[..., None], value(p - np.where(ignored[..., None], 0.0, onehot)), p - onehot)
        return rows_of / count(s)

    return s.o.smooth(formula, s["probabilities"])


LOSS.mistake(
    "loss.padding_gradient",
    "positions whose target does not count pass a gradient back",
    "11.3",
    {"dlogits": lambda s: _at_padding(s, lambda p: p, _count)},
)
LOSS.mistake(
    "loss.padding_gradient",
    "positions whose target does not count pass a gradient back",
    "11.3",
    {
        "dlogits": lambda s: s.o.scale(
            s.o.cross_entropy_backward(s["probabilities"], np.maximum(s.targets, 0)), _padded(s)
        )
    },
)


def _padded(s: Any) -> float:
    s.require(bool((s.targets < 0).any()))
    return float(s.targets.size / _count(s))


LOSS.mistake(
    "loss.padding_predicted",
    "positions whose target does not count are predicted, as token 0",
    "11.1",
    {
        **_other_targets(lambda s: np.maximum(s.targets, 0)),
        "loss": lambda s: s.o.scale(s.o.mean(s["losses"]), _padded(s)),
        "dlogits": lambda s: s.o.scale(
            s.o.cross_entropy_backward(s["probabilities"], np.maximum(s.targets, 0)), _padded(s)
        ),
    },
)
LOSS.mistake(
    "loss.bits",
    "the loss is in bits, not in nats",
    "11.1",
    wraps={"losses": lambda s, right: s.o.scale(right, 1 / math.log(2))},
)
LOSS.mistake(
    "loss.of_probabilities",
    "the loss takes the softmax of probabilities: a softmax was applied already",
    "11.1",
    {"losses": lambda s: s.o.cross_entropy(s["probabilities"], s.targets).losses},
)
LOSS.mistake(
    "loss.dlogits_no_target",
    "the gradient of the loss lacks the one-hot targets: probabilities/N only",
    "11.3",
    {"dlogits": lambda s: s.o.scale(s["probabilities"], 1 / _count(s))},
)
LOSS.mistake(
    "loss.last_only",
    "the loss is that of the last position only",
    "11.2",
    {"loss": lambda s: s.o.mean(s.o.shaped(s["losses"], lambda a: a[:, -1]))},
)
for _which, _keep in (("last", -1), ("first", 0)):
    LOSS.mistake(
        f"loss.{_which}_sequence",
        f"the loss is that of the {_which} sequence only",
        "11.2",
        {"loss": lambda s, keep=_keep: s.o.mean(s.o.shaped(s["losses"], lambda a: a[keep][s.targets[keep] >= 0]))},
    )
