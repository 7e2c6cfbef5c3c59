"""The page's formulas are handcalc's: every name, shape, worked line and number, character by character."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from itertools import islice
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handcalc.arithmetic.writing import arithmetic, cell_label, format_number
from handcalc.formulas.adamw import Optimizer
from handcalc.page.web.web_data import web_data
from handcalc.tracing.plan import make_plan
from handcalc.tracing.trace import Trace, take_step, work_out
from numpy_gpt.shared.model.config import GPTConfig
from numpy_gpt.shared.model.names import parameter_shapes
from parity_tests.handcalc.page.web.script_page import Call, open_script
from parity_tests.handcalc.variants import WEB_VARIANTS

WORDS = (" ", "and", "cat", "dog", "sees", "the")
GLUE = "work_out_data.js"

FORWARD_ONLY, GRADIENTS, UPDATE = "forward", "gradients", "update"


@pytest.fixture(scope="module")
def call(browser: Any) -> Call:
    return open_script(browser, GLUE)


def trace_of(
    tokens: tuple[int, ...], digits: int, extent: str = UPDATE, *, seed: int = 0, grad_clip: str = "1", **changes: Any
) -> Trace:
    """Return a random model worked out as far as ``extent``; the last token is only a target."""
    fields = {"vocab_size": 6, "block_size": 5, "n_layer": 1, "n_head": 2, "n_embd": 4} | changes
    config = GPTConfig(**fields)
    rng = np.random.default_rng(seed)
    arrays = {
        name: rng.normal(float(name.endswith(("_1.weight", "_2.weight", "f.weight"))), 0.5, shape)
        for name, shape in parameter_shapes(config).items()
    }
    optimizer = Optimizer(*map(Decimal, ("0.01", "0.1", "0.9", "0.99", "1e-8", grad_clip)))
    plan = make_plan(
        config,
        tokens[:-1],
        () if extent == FORWARD_ONLY else tokens[1:],
        optimizer if extent == UPDATE else None,
        digits=digits,
    )
    return work_out(plan, arrays, WORDS, "".join(WORDS[token] for token in tokens), model="random")


def differences(found: list[Any], trace: Trace) -> list[str]:
    """Return the first lines of the page that are not Python's; its names, axes, phases and shapes must be."""
    plan = trace.plan
    shapes = [[step.name, step.axes, step.phase, list(plan.sizes.shape(step.axes))] for step in plan.steps]
    assert [step[:4] for step in found] == shapes
    return list(islice(_different_lines(found, trace), 5))


def _different_lines(found: list[Any], trace: Trace) -> Any:
    for step, (*_, cells) in zip(trace.plan.steps, found, strict=True):
        for index, (line, value) in zip(trace.plan.sizes.indices(step.axes), cells, strict=True):
            right = arithmetic(step.cell(*index), trace.numbers), format_number(trace.numbers[step.name][index])
            if (line, value) != right:
                yield f"{cell_label(step.name, index)} = {line} = {value}, not {right[0]} = {right[1]}"


def test_shipped_model_over_two_updates(call: Call, train_shipped: Callable[..., Trace]) -> None:
    trace = train_shipped("hello world")
    for found in call("workOutData", web_data(trace), 2):
        assert differences(found, trace) == []
        trace = take_step(trace)


CASES: dict[str, tuple[tuple[int, ...], int, str, dict[str, Any]]] = {
    "tanh GELU, 3 digits": ((1, 0, 2, 0), 3, UPDATE, {"n_layer": 2}),
    "untied, without biases, one head": ((1, 0, 2), 5, UPDATE, {"bias": False, "tie_weights": False, "n_head": 1}),
    "ReLU, untied, four heads": ((5, 4, 5, 4), 6, UPDATE, {"activation": "relu", "tie_weights": False, "n_head": 4}),
    "erf GELU": ((2, 1, 0), 5, UPDATE, {"activation": "gelu_erf", "tie_weights": False}),
    "no layer, no clipping": ((3, 1, 3, 2), 8, UPDATE, {"n_layer": 0, "grad_clip": "0"}),
    "short gradient, untied": ((3, 1, 3), 7, UPDATE, {"tie_weights": False, "grad_clip": "1000"}),
    "one prediction": ((4, 1), 4, UPDATE, {}),
    "as long as the context": ((1, 2, 3, 4, 5, 0), 4, GRADIENTS, {"layer_norm_epsilon": 1e-3}),
    "no targets": ((1, 2, 3, 4), 4, FORWARD_ONLY, {"activation": "relu", "bias": False}),
}


@pytest.mark.parametrize("case", CASES)
def test_random_models(case: str, call: Call) -> None:
    tokens, digits, extent, changes = CASES[case]
    trace = trace_of(tokens, digits, extent, **changes)
    updates = {"one prediction": 3}.get(case, 2) if extent == UPDATE else 1
    for found in call("workOutData", web_data(trace), updates):
        assert differences(found, trace) == []
        if extent == UPDATE:
            trace = take_step(trace)


@pytest.mark.prove
@settings(max_examples=10, deadline=None)
@given(
    tokens=st.lists(st.integers(0, 5), min_size=2, max_size=6).map(tuple),
    digits=st.integers(3, 8),
    seed=st.integers(0, 10_000),
    grad_clip=st.sampled_from(["0", "0.5", "1000"]),
    changes=WEB_VARIANTS,
)
def test_any_model(
    tokens: tuple[int, ...], digits: int, seed: int, grad_clip: str, changes: dict[str, Any], call: Call
) -> None:
    trace = trace_of(tokens, digits, seed=seed, grad_clip=grad_clip, **changes)
    for found in call("workOutData", web_data(trace), 3):
        assert differences(found, trace) == []
        trace = take_step(trace)


def test_other_words_need_only_other_tokens(call: Call) -> None:
    data = web_data(trace_of((1, 0, 2, 0), 4))
    for tokens in ((5, 0, 0, 3), (4, 4, 4, 4)):
        trace = trace_of(tokens, 4)
        changed = data | {"tokens": list(tokens[:-1]), "targets": list(tokens[1:])}
        assert differences(call("workOutData", changed, 1)[0], trace) == []
        assert web_data(trace) == changed | {"text": trace.text}


MUTANTS = {
    # the step where a mistake shows first: the right formula, and the wrong one
    "h.0.attn.q": ("first + h * sizes.d + d", "first + h + d"),
    "h.0.attn.scaled": ("divide(scores(h, t, s), root)", "scores(h, t, s)"),
    "losses": ("logits(t, targets[t])", "logits(t, targets[0])"),
    "ln_f.dx": ("add(dcentered(t, c), divide(dmean(t), width))", "add(dcentered(t, c), dmean(t))"),
    "h.0.attn.dv": ("multiply(weights(h, t, s), dheads(h, t, d))", "multiply(dheads(h, t, d), weights(h, t, s))"),
    "wpe.dweight": ("p < sizes.t ? dposition(p, c) : ZERO", "dposition(p % sizes.t, c)"),
    "updated.wte.weight": ("subtract(start(...index), step(...index))", "subtract(before(...index), step(...index))"),
}


@pytest.fixture(scope="module")
def right_trace() -> Trace:
    return trace_of((1, 0, 2, 5), 4)


@pytest.mark.parametrize("mutant", MUTANTS)
def test_mistakes_are_noticed(mutant: str, right_trace: Trace, browser: Any) -> None:
    right, wrong = MUTANTS[mutant]

    def change(script: str) -> str:
        assert right in script
        return script.replace(right, wrong)

    (found,) = open_script(browser, GLUE, change)("workOutData", web_data(right_trace), 1)
    assert differences(found, right_trace)[0].startswith((f"{mutant}[", f"{mutant} "))
