"""A logit is the sum of what each part of the model wrote into the residual stream, with the final norm's 1/σ as it is.

The independent form is numpy_gpt's float64: each part's vector is taken out of the last residual stream, the norm's
factor is kept, and the logits change by exactly what the attribution says.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handcalc.arithmetic.expression import Cells
from handcalc.formulas.attribution import ATTRIBUTION, LOGITS, attribution_steps, parts_of
from handcalc.tracing.trace import Trace, extend
from parity_tests.handcalc.variants import VARIANTS

DIGITS = 24
"""So many that what is left is float64's rounding, in the independent form."""


def array_of(trace: Trace, name: str) -> Any:
    cells = trace.numbers[name]
    shape = tuple(largest + 1 for largest in max(cells))
    return np.array([float(value) for value in cells.values()]).reshape(shape)


def attribute(trace: Trace) -> Trace:
    return extend(trace, attribution_steps(trace.plan.config, trace.plan.sizes))


def independent_parts(trace: Trace) -> dict[tuple[str, int | None], Any]:
    """Return each part's change of the logits (T, V) when its vector leaves the last residual stream."""
    config = trace.plan.config
    get = lambda name: array_of(trace, name)  # noqa: E731
    head = get("wte.weight" if config.tie_weights else "lm_head.weight")
    written = {("token", None): get("embedding.token"), ("position", None): get("embedding.position")}
    for layer in range(config.n_layer):
        attn, width = f"h.{layer}.attn", config.head_size
        merged, projection = get(f"{attn}.merged"), get(f"{attn}.c_proj.weight")
        for number in range(config.n_head):
            own = slice(number * width, (number + 1) * width)
            written[attn, number] = merged[:, own] @ projection[own]
        if config.bias:
            written[f"{attn}.bias", None] = np.tile(get(f"{attn}.c_proj.bias"), (len(merged), 1))
        written[f"h.{layer}.mlp", None] = get(f"h.{layer}.mlp.out")
    if config.norm == "rms_norm":
        factor = get("embedding.norm.rrms")[:, None]
        scaled = {part: x * factor if part[0] in ("token", "position") else x for part, x in written.items()}
        return {part: x @ head.T for part, x in scaled.items()}
    stream = sum(written.values())
    factor = get("ln_f.rstd")[:, None] * get("ln_f.weight")

    def logits(x: Any) -> Any:
        return (x - x.mean(axis=-1, keepdims=True)) * factor @ head.T

    parts = {part: logits(stream) - logits(stream - vector) for part, vector in written.items()}
    if config.bias:
        parts["bias", None] = np.tile(head @ get("ln_f.bias"), (len(stream), 1))
    return parts


@settings(max_examples=25, deadline=None)
@given(
    tokens=st.lists(st.integers(0, 5), min_size=1, max_size=4).map(tuple),
    seed=st.integers(0, 10_000),
    changes=VARIANTS,
)
def test_every_part_and_their_sum(
    tokens: tuple[int, ...], seed: int, changes: dict[str, Any], trace_random: Callable[..., Trace]
) -> None:
    trace = attribute(trace_random(tokens, DIGITS, seed, **changes))
    expected = independent_parts(trace)
    parts = parts_of(trace.plan.config)
    assert [(part.name.removeprefix(f"{ATTRIBUTION}."), part.head) for part in parts] == list(expected)
    logits = array_of(trace, "logits")
    size = max(1.0, *(np.abs(part).max() for part in expected.values()), np.abs(logits).max())
    for part, right in zip(parts, expected.values(), strict=True):
        own = array_of(trace, part.name)
        own = own if part.head is None else own[part.head]
        assert np.abs(own - right).max() <= 1e-12 * size, part
    assert np.abs(array_of(trace, LOGITS) - logits).max() <= 1e-18 * size


def test_the_sum_of_the_shipped_model_is_its_logit_to_the_last_digits(trace_shipped: Callable[..., Trace]) -> None:
    trace = attribute(trace_shipped("hello world"))
    for index, logit in trace.numbers["logits"].items():
        assert abs(trace.numbers[LOGITS][index] - logit) < 0.05, index


@pytest.mark.parametrize("name", ["read", "mean", "direction", "h.1.attn.out", "h.0.attn", "h.1.mlp"])
def test_a_mistake_is_noticed(name: str, trace_random: Callable[..., Trace]) -> None:
    trace = trace_random((1, 0, 2), DIGITS, n_layer=2)
    steps = [
        step._replace(cell=lambda *index: Cells("ln_f.weight")[index[-1] % 4] * Cells("ln_f.weight")[0])
        if step.name == f"{ATTRIBUTION}.{name}"
        else step
        for step in attribution_steps(trace.plan.config, trace.plan.sizes)
    ]
    wrong = extend(trace, steps)
    difference = np.abs(array_of(wrong, LOGITS) - array_of(wrong, "logits")).max()
    assert difference > 1e-3
