"""Every step lies within a first-order bound of numpy_gpt's float64 activation of the same name.

The bound is worked out in ``rounding_bounds``; a list of mistakes at the end shows what it notices.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handcalc.arithmetic.expression import Cells, Constant, Expression, sqrt
from handcalc.formulas.step import Step
from handcalc.tracing import plan
from handcalc.tracing.trace import Trace
from parity_tests.handcalc.formulas.rounding_bounds import Bounds, steps_outside
from parity_tests.handcalc.formulas.training_reference import shown_shapes
from parity_tests.handcalc.variants import MODELS


def test_step_names(trace_random: Callable[..., Trace]) -> None:
    gpts = {}, {"activation": "relu", "n_layer": 2}, {"n_layer": 0, "tie_weights": False}, {"norm": "rms_norm"}
    for changes in (*gpts, {"kind": "bigram"}):
        trace = trace_random((1, 0, 2), 4, **changes)
        shapes = shown_shapes(trace.plan.config, 3)
        expected = {n: s if n == "embedding.position" else s[1:] for n, s in shapes.items() if not n.startswith("loss")}
        assert [(step.name, trace.plan.sizes.shape(step.axes)) for step in trace.plan.steps] == list(expected.items())


@pytest.mark.parametrize("digits", [4, 8, 16])
@pytest.mark.parametrize("text", ["hello world", "gpt", "be or"])
def test_shipped_model(text: str, digits: int, trace_shipped: Callable[..., Trace]) -> None:
    assert steps_outside(trace_shipped(text, digits)) == []


def test_bounds_are_tight(trace_shipped: Callable[..., Trace]) -> None:
    for digits, largest in ((4, 0.1), (16, 1e-11)):
        bounded = Bounds(trace_shipped("hello world", digits)).bounded
        assert max(bound for _, bound in bounded["probabilities"].values()) < largest


@settings(max_examples=40, deadline=None)
@given(
    tokens=st.lists(st.integers(0, 5), min_size=1, max_size=4).map(tuple),
    digits=st.sampled_from([6, 12, 20, 34]),
    seed=st.integers(0, 10_000),
    scale=st.sampled_from([0.02, 0.3, 1.0]),
    changes=MODELS,
)
def test_random_models(
    tokens: tuple[int, ...],
    digits: int,
    seed: int,
    scale: float,
    changes: dict[str, Any],
    trace_random: Callable[..., Trace],
) -> None:
    assert steps_outside(trace_random(tokens, digits, seed, scale, **changes)) == []


SCOPE = "h.0.attn"
MUTANTS: dict[str, tuple[str, Callable[[Step], Callable[..., Expression]]]] = {
    "scores divided by the root of the width": (
        f"{SCOPE}.scaled",
        lambda step: lambda h, t, s: Cells(f"{SCOPE}.scores")[h, t, s] / sqrt(Constant(6)),
    ),
    "the key's query": (
        f"{SCOPE}.scores",
        lambda step: lambda h, t, s: Cells(f"{SCOPE}.q")[h, s, 0] * Cells(f"{SCOPE}.k")[h, t, 0],
    ),
    "keys taken from the values' columns": (f"{SCOPE}.k", lambda step: lambda h, s, d: step.cell(1 - h, s, d)),
    "variance divided by C - 1": (
        "h.0.ln_1.variance",
        lambda step: lambda t: step.cell(t) * Constant("1.2"),
    ),
    "no epsilon": (
        "h.0.ln_1.rstd",
        lambda step: lambda t: Constant(1) / sqrt(Cells("h.0.ln_1.variance")[t]),
    ),
    "attention's residual forgotten": (
        "h.0.attn.residual",
        lambda step: lambda t, c: Cells("embedding.sum")[t, c],
    ),
    "heads merged the other way round": (
        f"{SCOPE}.merged",
        lambda step: lambda t, c: Cells(f"{SCOPE}.heads")[c % 2, t, c // 2],
    ),
    "another constant in GELU": (
        "h.1.mlp.gelu.argument",
        lambda step: lambda t, f: Constant("0.7979") * Cells("h.1.mlp.hidden")[t, f],
    ),
    "a scale wrong by 0.1 %": (
        "h.1.mlp.out",
        lambda step: lambda t, c: step.cell(t, c) * Constant("1.001"),
    ),
    "the position before": ("embedding.position", lambda step: lambda t, c: step.cell(max(t - 1, 0), c)),
}
SEEN_ONLY_WITH_MANY_DIGITS = {"no epsilon", "a scale wrong by 0.1 %"}


@pytest.mark.parametrize("digits", [4, 16])
@pytest.mark.parametrize("mutant", MUTANTS)
def test_bounds_notice_mistakes(
    mutant: str, digits: int, trace_shipped: Callable[..., Trace], monkeypatch: pytest.MonkeyPatch
) -> None:
    name, mutate = MUTANTS[mutant]
    original = plan.forward_steps

    def mutated(*arguments: Any, **options: Any) -> list[Step]:
        steps = original(*arguments, **options)
        return [step._replace(cell=mutate(step)) if step.name == name else step for step in steps]

    monkeypatch.setattr(plan, "forward_steps", mutated)
    noticed = name in steps_outside(trace_shipped("hello world", digits))
    assert noticed == (digits == 16 or mutant not in SEEN_ONLY_WITH_MANY_DIGITS)
