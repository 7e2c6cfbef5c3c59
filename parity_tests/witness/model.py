"""GPT-2's forward pass over lists of Scalars, position by position and channel by channel.

Written from the papers (Vaswani et al. 2017; Radford et al. 2019), for one sequence without biases and dropout, with
tied weights and the tanh GELU: the model that ships. Where the twins have matrices, masks and shapes, this has loops.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import mpmath
from mpmath import mpf

from parity_tests.witness.scalar import DIGITS, Scalar, backward, dot, total

Row = list[Scalar]
Ids = Sequence[Sequence[int]]


@dataclass(frozen=True)
class Truth:
    """Loss and gradients in 50 digits; gradients as nested lists of mpf by parameter name."""

    loss: mpf
    gradients: Mapping[str, Any]


def truth(values: Mapping[str, Any], tokens: Ids, targets: Ids, heads: int, epsilon: float) -> Truth:
    """Return mean loss and all gradients; ``values`` are nested lists of floats by GPT-2's names."""
    with mpmath.workdps(DIGITS):
        weights = {name: _to_scalars(value) for name, value in values.items()}
        layers = len({name.split(".")[1] for name in weights if name.startswith("h.")})
        losses = []
        for sequence, wanted in zip(tokens, targets, strict=True):
            stream = [
                [a + b for a, b in zip(weights["wte.weight"][token], weights["wpe.weight"][place], strict=True)]
                for place, token in enumerate(sequence)
            ]
            for layer in range(layers):
                stream = _block(stream, weights, f"h.{layer}.", heads, mpf(epsilon))
            for row, target in zip(stream, wanted, strict=True):
                final = _layer_norm(row, weights["ln_f.weight"], mpf(epsilon))
                losses.append(_surprise([dot(final, word) for word in weights["wte.weight"]], target))
        loss = total(losses).times(mpf(1) / len(losses))
        backward(loss)
        return Truth(loss.value, {name: _gradients(value) for name, value in weights.items()})


def _block(stream: list[Row], weights: Mapping[str, Any], prefix: str, heads: int, epsilon: mpf) -> list[Row]:
    normed = [_layer_norm(row, weights[f"{prefix}ln_1.weight"], epsilon) for row in stream]
    mixed = _attention(normed, weights[f"{prefix}attn.c_attn.weight"], heads)
    projected = [_through(row, weights[f"{prefix}attn.c_proj.weight"]) for row in mixed]
    stream = [_sum(row, other) for row, other in zip(stream, projected, strict=True)]
    after = []
    for row in stream:
        normed_row = _layer_norm(row, weights[f"{prefix}ln_2.weight"], epsilon)
        hidden = [_gelu(x) for x in _through(normed_row, weights[f"{prefix}mlp.c_fc.weight"])]
        after.append(_sum(row, _through(hidden, weights[f"{prefix}mlp.c_proj.weight"])))
    return after


def _attention(rows: list[Row], c_attn: list[Row], heads: int) -> list[Row]:
    width = len(rows[0])
    size = width // heads
    triples = [_through(row, c_attn) for row in rows]
    mixed: list[Row] = []
    for place, triple in enumerate(triples):
        out: Row = []
        for head in range(heads):
            query = triple[head * size : (head + 1) * size]
            past = triples[: place + 1]  # causal: a query never even meets a later key
            keys = [other[width + head * size : width + (head + 1) * size] for other in past]
            scores = [dot(query, key).times(1 / mpmath.sqrt(size)).exp() for key in keys]
            norm = total(scores)
            shares = [score / norm for score in scores]
            for channel in range(head * size, (head + 1) * size):
                out.append(dot(shares, [other[2 * width + channel] for other in past]))
        mixed.append(out)
    return mixed


def _layer_norm(row: Row, weight: Row, epsilon: mpf) -> Row:
    share = mpf(1) / len(row)
    mean = total(row).times(share)
    centered = [x - mean for x in row]
    deviation = dot(centered, centered).times(share).plus(epsilon).sqrt()
    return [x / deviation * w for x, w in zip(centered, weight, strict=True)]


def _gelu(x: Scalar) -> Scalar:
    cube = x * x * x
    inner = (x + cube.times(mpf("0.044715"))).times(mpmath.sqrt(2 / mpmath.pi))
    return (x * inner.tanh().plus(mpf(1))).times(mpf(1) / 2)


def _surprise(logits: Row, target: int) -> Scalar:
    # 50 digits and an unlimited range: exp needs no shift by the maximum.
    return total([logit.exp() for logit in logits]).log() - logits[target]


def _through(row: Row, matrix: list[Row]) -> Row:
    return [dot(row, [line[column] for line in matrix]) for column in range(len(matrix[0]))]


def _sum(left: Row, right: Row) -> Row:
    return [a + b for a, b in zip(left, right, strict=True)]


def _to_scalars(value: Any) -> Any:
    return [_to_scalars(each) for each in value] if isinstance(value, list) else Scalar(mpf(value))


def _gradients(value: Any) -> Any:
    return [_gradients(each) for each in value] if isinstance(value, list) else value.gradient
