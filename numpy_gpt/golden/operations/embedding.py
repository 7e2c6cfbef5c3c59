"""Token and position embedding (§3), and the gradients of its two tables."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from numpy_gpt.golden.operations.operation import BACKWARD, Operation, Value
from numpy_gpt.shared.model.config import GPTConfig
from numpy_gpt.shared.model.names import gradient_name

EMBEDDING = Operation("embedding")


def _tied(config: GPTConfig) -> bool:
    return config.tie_weights


@EMBEDDING.array("token", "B,T,C", "3.1")
def token(s: Any) -> Value:
    """Look up each token's row."""
    return s.o.shaped(s["wte.weight"], lambda a: a[s.tokens])


@EMBEDDING.array("position", "T,C", "3.1")
def position(s: Any) -> Value:
    """Take the first T rows."""
    return s.o.shaped(s["wpe.weight"], lambda a: a[: s.tokens.shape[1]])


@EMBEDDING.array("sum", "B,T,C", "3.1")
def embedding_sum(s: Any) -> Value:
    """Add both."""
    return s.o.add(s["token"], s["position"])


@EMBEDDING.array("dropout", "B,T,C", "7.1")
def dropout(s: Any) -> Value:
    """Multiply by the mask."""
    return s.o.multiply(s["sum"], s.mask("dropout"))


# Backward, from the gradient of the stream that enters the first block.


@EMBEDDING.array("ddropout", "B,T,C", "10.4", BACKWARD)
def ddropout(s: Any) -> Value:
    """Add what came through the first block's norm and around it."""
    return s.o.add(s["dnorm"], s["dbypass"]) if s.link("dbypass") else s["dnorm"]


@EMBEDDING.array("dsum", "B,T,C", "10.4", BACKWARD)
def dsum(s: Any) -> Value:
    """Undo the dropout, if any."""
    mask = s.mask("dropout")
    return ddropout(s) if mask is None else s.o.multiply(s["ddropout"], mask)


@EMBEDDING.array("dtoken", "B,T,C", "3.2", BACKWARD)
def dtoken(s: Any) -> Value:
    """Pass the gradient on."""
    return s["dsum"]


@EMBEDDING.array("dposition", "T,C", "3.3", BACKWARD)
def dposition(s: Any) -> Value:
    """Sum over the batch."""
    return s.o.total(s["dsum"], 0)


@EMBEDDING.array("dweight", "V,C", "3.2", BACKWARD, exists=_tied)
def dweight(s: Any) -> Value:
    """Add up the rows of equal tokens: the embedding's part of a tied gradient."""
    return s.o.scatter_rows(s["dtoken"], s.tokens, s.config.vocab_size)


@EMBEDDING.array("wte.dweight", "V,C", "12.6", BACKWARD)
def dwte(s: Any) -> Value:
    """Add the head's part, if tied."""
    return s.o.add(s["dweight"], s["head.dweight"]) if s.config.tie_weights else dweight(s)


@EMBEDDING.array("wpe.dweight", "block_size,C", "3.3", BACKWARD)
def dwpe(s: Any) -> Value:
    """Leave the rows of unused positions 0."""
    summed = s.o.loosened(s["dposition"], s.o.total(s["dsum"], 0))  # gradients of parts of a batch are added here
    return s.o.scatter_rows(summed, np.arange(s.tokens.shape[1]), s.config.block_size)


# Mistakes.


def _shifted_rows(by: int) -> Any:
    def rule(s: Any) -> Value:
        time = s.tokens.shape[1]
        s.require(time + max(by, 0) <= s.config.block_size)
        return s.o.shaped(s["wpe.weight"], lambda a: a[(np.arange(time) + by) % len(a)])

    return rule


def _dwpe_shifted(by: int) -> Any:
    def rule(s: Any) -> Value:
        time = s.tokens.shape[1]
        s.require(time + max(by, 0) <= s.config.block_size)
        places = (np.arange(time) + by) % s.config.block_size
        return s.o.scatter_rows(s["dposition"], places, s.config.block_size)

    return rule


EMBEDDING.mistake(
    "embedding.positions_from_1",
    "positions are counted from 1, not from 0",
    "3.1",
    {"position": _shifted_rows(1), "wpe.dweight": _dwpe_shifted(1)},
)
EMBEDDING.mistake(
    "embedding.positions_from_-1",
    "positions are counted from −1, so that each takes the row before its own",
    "3.1",
    {"position": _shifted_rows(-1), "wpe.dweight": _dwpe_shifted(-1)},
)


def _declare_places(identifier: str, sentence: str, places: Callable[[Any], Any]) -> None:
    """Declare a wrong row for each position, forward and backward; ``places`` gets a Scope, and returns T rows."""
    EMBEDDING.mistake(
        identifier,
        sentence,
        "3.1",
        {
            "position": lambda s: s.o.shaped(s["wpe.weight"], lambda a: a[places(s)]),
            "wpe.dweight": lambda s: s.o.scatter_rows(s["dposition"], places(s), s.config.block_size),
        },
    )


def _time(s: Any) -> int:
    return int(s.tokens.shape[1])


_declare_places(
    "embedding.position_first", "every position takes the first row of wpe", lambda s: np.zeros(_time(s), int)
)
_declare_places(
    "embedding.position_last",
    "every position takes the last position's row of wpe",
    lambda s: np.full(_time(s), _time(s) - 1),
)
_declare_places(
    "embedding.position_reversed",
    "positions are counted from the end of the sequence",
    lambda s: np.arange(_time(s))[::-1],
)


def _by_sequence(s: Any) -> Value:
    s.require(len(s.tokens) <= s.config.block_size)
    return s.o.add(s["token"], s.o.shaped(s["wpe.weight"], lambda a: a[: len(s.tokens), None]))


EMBEDDING.mistake(
    "embedding.position_by_sequence",
    "wpe is indexed by the place in the batch, not by the position",
    "3.1",
    {"sum": _by_sequence},
)
EMBEDDING.mistake(
    "embedding.position_by_token",
    "wpe is indexed by the token, not by the position",
    "3.1",
    {"sum": lambda s: s.o.add(s["token"], s.o.shaped(s["wpe.weight"], lambda a: a[s.tokens % len(a)]))},
)
for _rules in (
    {"sum": lambda s: s.o.scale(s["token"], 1.0)},
    {
        "position": lambda s: s.o.scale(position(s), 0.0),
        "dposition": lambda s: s.o.scale(dposition(s), 0.0),
        "wpe.dweight": lambda s: s.o.scale(dwpe(s), 0.0),
    },
):
    EMBEDDING.mistake("embedding.no_position", "the position embedding is forgotten", "3.1", _rules)
EMBEDDING.mistake(
    "embedding.scaled",
    "the token embedding is multiplied by √C, as in the original transformer but not in GPT",
    "3.1",
    {"token": lambda s: s.o.scale(s.right("token"), s.config.n_embd**0.5)},
)
EMBEDDING.mistake(
    "embedding.overwritten",
    "a repeated token's gradient is overwritten instead of added: dwte[tokens] = dx",
    "3.2",
    {"dweight": lambda s: _overwritten(s), "wte.dweight": lambda s: _dwte_of(s, _overwritten(s))},
)
EMBEDDING.mistake(
    "embedding.overwritten",
    "a repeated token's gradient is overwritten instead of added: dwte[tokens] = dx",
    "3.2",
    {
        "dweight": lambda s: _first_written(s),
        "wte.dweight": lambda s: _dwte_of(s, _first_written(s)),
    },
)
EMBEDDING.mistake(
    "embedding.tied_head_only",
    "the tied gradient is only the head's part: that of the embedding is lost",
    "12.6",
    {"wte.dweight": lambda s: _tied_part(s, "head.dweight")},
)


def _norm_with_copy(s: Any) -> Value:
    s.require(s.config.tie_weights)
    return s.o.norm([*(s.at(gradient_name(name)) for name in s.evaluation.graph.parameters), s.at("head.dweight")])


def _copied_head(s: Any, step: int) -> Value:
    """Return the head as a separate copy, which is trained on its own gradient."""
    s.require(s.config.tie_weights)
    if step == 1:
        return s.at("wte.weight", 1)
    o, numbers, before = s.o, s.optimizer, step - 1
    m = v = None
    for earlier in range(1, step):
        g = o.multiply(s.at("head.dweight", earlier), s.at("clipping.scale", earlier))
        m = _averaged(o, m, g, numbers["beta1"])
        v = _averaged(o, v, o.multiply(g, g), numbers["beta2"])
    root = o.scale(o.root(v), (1 - numbers["beta2"] ** before) ** -0.5)
    change = o.divide(m, o.shift(root, numbers["epsilon"]))
    rate = s.learning_rate(before)
    kept = o.scale(_copied_head(s, before), 1 - rate * numbers["weight_decay"])
    return o.subtract(kept, o.scale(change, rate / (1 - numbers["beta1"] ** before)))


def _averaged(o: Any, before: Value | None, new: Value, beta: float) -> Value:
    added = o.scale(new, 1 - beta)
    return added if before is None else o.add(o.scale(before, beta), added)


def _copy_logits(s: Any) -> Value:
    return s.o.matmul(s["x"], s.o.shaped(_copied_head(s, s.step), lambda a: a.T))


EMBEDDING.mistake(
    "embedding.untied_copy",
    "the head is a copy of the embedding with a gradient of its own: it is not tied",
    "12.6",
    {
        "wte.dweight": lambda s: _tied_part(s, "dweight"),
        "clipping:norm": _norm_with_copy,
        "head:logits": _copy_logits,
        "head:dx": lambda s: s.o.matmul(s["dlogits"], _copied_head(s, s.step)),
    },
)
EMBEDDING.mistake(
    "embedding.tied_embedding_only",
    "the tied gradient is only the embedding's part: that of the head is lost",
    "12.6",
    {"wte.dweight": lambda s: _tied_part(s, "dweight")},
)
for _which, _keep in (("last", -1), ("first", 0)):
    EMBEDDING.mistake(
        f"embedding.dposition_{_which}",
        f"the position embedding's gradient is that of the {_which} sequence, not the sum over the batch",
        "3.3",
        {"dposition": lambda s, keep=_keep: s.o.shaped(s["dsum"], lambda a: a[keep])},
    )
EMBEDDING.mistake(
    "embedding.dposition_mean",
    "the position embedding's gradient is the mean over the batch, not the sum",
    "3.3",
    wraps={"dposition": lambda s, right: s.o.scale(right, 1 / len(s.tokens))},
)
for _identifier, _sentence, _factor in (
    ("not_rescaled", "dropout does not divide by 1 − rate", lambda rate: 1 - rate),
    ("scaled_by_keep", "dropout multiplies by 1 − rate, where it should divide", lambda rate: (1 - rate) ** 2),
    ("scaled_by_rate", "dropout divides by the rate, not by 1 − rate", lambda rate: (1 - rate) / rate),
    ("scaled_twice", "dropout divides by 1 − rate twice", lambda rate: 1 / (1 - rate)),
):
    EMBEDDING.mistake(
        f"dropout.{_identifier}",
        _sentence,
        "7.1",
        {
            key: lambda s, x=x, mask=mask, factor=_factor: _rescaled(s, x, mask, factor)
            for key, x, mask in (
                ("dropout", "sum", "dropout"),
                ("dsum", "ddropout", "dropout"),
                ("attention:weights_dropout", "weights", "weights_dropout"),
                ("attention:dweights", "dweights_dropout", "weights_dropout"),
                ("branch:out_dropout", "out", "out_dropout"),
                ("branch:dout", "dout_dropout", "out_dropout"),
            )
        },
    )


def _rescaled(s: Any, key: str, mask: str, factor: Callable[[float], float]) -> Value:
    kept = s.mask(mask)
    s.require(kept is not None and s.config.dropout > 0)
    return s.o.multiply(s[key], s.o.scale(kept, factor(s.config.dropout)))


def _written(s: Any, places: Any) -> Value:
    return s.o.scatter_rows(
        s.o.shaped(s["dtoken"], lambda a: a.reshape(-1, a.shape[-1])[places]), _ids(s)[places], s.config.vocab_size
    )


def _ids(s: Any) -> Any:
    return s.tokens.reshape(-1)


def _overwritten(s: Any) -> Value:
    ids = _ids(s)
    return _written(s, np.array([place for place in range(len(ids)) if ids[place] not in ids[place + 1 :]]))


def _first_written(s: Any) -> Value:
    return _written(s, np.unique(_ids(s), return_index=True)[1])


def _dwte_of(s: Any, part: Value) -> Value:
    return s.o.add(part, s["head.dweight"]) if s.config.tie_weights else part


def _tied_part(s: Any, key: str) -> Value:
    s.require(s.config.tie_weights)
    return s.o.scale(s[key], 1.0)
