"""In 34-digit arithmetic every activation, gradient and new weight is numpy_gpt's and torch_gpt's float64.

handcalc derives each gradient one named activation at a time, numpy_gpt by fused formulas, torch by autograd: three
ways, one result. A list of mistakes at the end shows what the comparison notices.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handcalc.arithmetic.expression import Cells, Constant, Expression
from handcalc.formulas.step import AGAIN, BACKWARD, FORWARD, UPDATE, Step
from handcalc.tracing import plan
from handcalc.tracing.trace import Trace
from numpy_gpt.shared.model.config import GPTConfig
from numpy_gpt.shared.model.names import gradient_name, parameter_shapes
from parity_tests.handcalc.formulas.training_reference import (
    Arrays,
    numpy_step,
    second_forward,
    shown_shapes,
    torch_step,
    update_of_own_gradients,
)
from parity_tests.handcalc.variants import VARIANTS

Train = Callable[..., tuple[Trace, Arrays]]

TOLERANCE = 1e-12
BY_HAND_ONLY = ("row_squares", "squares", "decayed", "corrected_m", "corrected_v", "step", "change")
TOKENS = st.lists(st.integers(0, 5), min_size=3, max_size=5).map(tuple)


def of(trace: Trace, name: str, shape: tuple[int, ...]) -> Any:
    return np.array([float(value) for value in trace.numbers[name].values()]).reshape(shape)


def deviating_steps(trace: Trace, exact: Arrays) -> list[str]:
    """Return the names of the steps that are farther from ``exact`` than rounding explains.

    Masked cells are not worked out; ``exact`` is NaN where it is uncertain.
    """
    names = []
    for name in [step.name for step in trace.plan.steps if step.name in exact]:
        array = np.where(np.isneginf(exact[name]), 0, exact[name])
        mine = of(trace, name, array.shape)
        mine[np.isnan(array)] = array[np.isnan(array)] = 0
        for masked, index in trace.masked:
            if masked == name:
                mine[index] = array[index] = 0
        if not np.all(np.abs(mine - array) <= TOLERANCE * np.max(np.abs(array), initial=0)):
            names.append(name)
    return names


# Always the same examples: in one of a thousand, larger terms of a tensor cancel by chance, and then float64 itself
# does not have 12 correct digits.
@settings(max_examples=60, deadline=None, derandomize=True)
@given(tokens=TOKENS, seed=st.integers(0, 10_000), scale=st.sampled_from([0.1, 0.4, 0.6]), changes=VARIANTS)
def test_equals_numpy_and_torch(
    tokens: tuple[int, ...], seed: int, scale: float, changes: dict[str, Any], train_random: Train
) -> None:
    trace, arrays = train_random(tokens, 34, seed, scale, **changes)
    assert deviating_steps(trace, numpy_step(trace, arrays)) == []
    assert deviating_steps(trace, torch_step(trace, arrays)) == []
    assert deviating_steps(trace, update_of_own_gradients(trace, arrays)) == []
    assert deviating_steps(trace, second_forward(trace)) == []
    for layer in range(trace.plan.config.n_layer * changes["bias"]):
        c = trace.plan.config.n_embd
        assert np.max(np.abs(of(trace, f"h.{layer}.attn.c_attn.dbias", (3 * c,))[c : 2 * c])) < 1e-30  # (8.18)


def test_one_prediction(train_random: Train) -> None:
    trace, arrays = train_random((4, 1), 34)
    assert deviating_steps(trace, numpy_step(trace, arrays)) == []
    assert deviating_steps(trace, torch_step(trace, arrays)) == []
    assert not any(trace.numbers["h.0.attn.dq"].values())  # there is nothing else to look at


def test_every_number_is_compared(train_random: Train) -> None:
    gpts = (
        {"bias": True, "n_layer": 2},
        {"tie_weights": False, "activation": "relu"},
        {"norm": "rms_norm", "n_layer": 2},
    )
    for changes in (*gpts, {"kind": "bigram"}):
        trace, arrays = train_random((1, 0, 2, 0, 2), 34, **changes)
        compared = set(numpy_step(trace, arrays)) | set(torch_step(trace, arrays)) | set(second_forward(trace))
        rest = {step.name for step in trace.plan.steps} - compared
        rest = {name for name in rest if not name.startswith(tuple(f"{prefix}." for prefix in BY_HAND_ONLY))}
        zeros = {name for name in rest if name.endswith("softmax.dmax")}
        assert all(not any(trace.numbers[name].values()) for name in zeros)
        assert rest - zeros == {"clipping.scale"}  # it is compared in the gradients that it scales


def test_step_names(train_random: Train) -> None:
    gpts = {"bias": True}, {"n_layer": 2, "activation": "relu", "tie_weights": False}, {"n_layer": 0}
    gpts += ({"norm": "rms_norm", "n_layer": 2}, {"norm": "rms_norm", "n_layer": 0})
    for changes in (*gpts, {"kind": "bigram"}):
        trace, _ = train_random((1, 0, 2), 4, **changes)
        shapes = shown_shapes(trace.plan.config, 2)
        unbatched = {name: s if name in ("embedding.position", "loss") else s[1:] for name, s in shapes.items()}
        of_phase = {
            phase: {step.name: trace.plan.sizes.shape(step.axes) for step in trace.plan.steps if step.phase == phase}
            for phase in (FORWARD, BACKWARD, UPDATE, AGAIN)
        }
        assert list(of_phase[FORWARD].items()) == list(unbatched.items())
        assert of_phase[AGAIN] == {f"updated.{name}": shape for name, shape in unbatched.items()}
        wanted = {gradient_name(name): shape for name, shape in unbatched.items() if name != "probabilities"}
        parameters = parameter_shapes(trace.plan.config)
        wanted |= {gradient_name(name): shape for name, shape in parameters.items()}
        assert wanted.items() <= of_phase[BACKWARD].items()
        for name, shape in parameters.items():
            prefixes = ("clipped", "m", "v", "corrected_m", "corrected_v", "step", "updated", "change")
            assert {of_phase[UPDATE][f"{prefix}.{name}"] for prefix in prefixes} == {shape}
            assert (f"decayed.{name}" in of_phase[UPDATE]) == (len(shape) == 2)


def test_backward_order(train_random: Train) -> None:
    _check_backward_order(train_random((1, 0, 2), 4, bias=True, n_layer=2)[0])
    _check_backward_order(train_random((1, 0, 2), 4, kind="bigram")[0])


def _check_backward_order(trace: Trace) -> None:
    forward = [step.name for step in trace.plan.steps if step.phase == FORWARD]
    backward_steps = [step for step in trace.plan.steps if step.phase == BACKWARD]
    # Every forward step is undone, except probabilities, which the loss does not use, and the softmaxes' maxima, whose
    # gradient is 0.
    undone = {name for step in backward_steps for name in step.undoes}
    assert undone == {name for name in forward if name != "probabilities" and not name.endswith("softmax.max")}
    assert [step.name for step in backward_steps if not step.undoes] == ["dloss"]
    places = [max(map(forward.index, step.undoes)) for step in backward_steps[1:] if step.name != "wte.dweight"]
    blocks = [forward[place].split(".")[1] for place in places if forward[place].startswith("h.")]
    assert blocks == sorted(blocks, reverse=True)


def test_repeated_words_and_unused_rows(train_random: Train) -> None:
    trace, _ = train_random((3, 1, 3, 2), 12, tie_weights=False)
    page = trace.numbers
    for c in range(4):
        both = page["embedding.dtoken"][0, c] + page["embedding.dtoken"][2, c]
        assert abs(page["wte.dweight"][3, c] - both) < abs(both) * Decimal("1e-11")
        assert [page["wte.dweight"][v, c] for v in (0, 2, 4, 5)] == [0] * 4
        assert [page["wpe.dweight"][p, c] for p in (3, 4, 5)] == [0] * 3


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    tokens=st.integers(1, 6).flatmap(lambda words: st.lists(st.integers(0, words - 1), min_size=2, max_size=7)),
    words=st.integers(0, 3),
    seed=st.integers(0, 10_000),
    scale=st.sampled_from([0.1, 0.4, 3.0]),
    grad_clip=st.sampled_from(["0", "0.1", "1"]),
)
def test_bigram_equals_numpy_and_torch(
    tokens: list[int], words: int, seed: int, scale: float, grad_clip: str, train_random: Train
) -> None:
    size = min(max(tokens) + 1 + words, 6)
    trace, arrays = train_random(
        tuple(tokens), 34, seed, scale, grad_clip, kind="bigram", vocab_size=size, block_size=6
    )
    assert deviating_steps(trace, numpy_step(trace, arrays)) == []
    assert deviating_steps(trace, torch_step(trace, arrays)) == []
    assert deviating_steps(trace, update_of_own_gradients(trace, arrays)) == []
    assert deviating_steps(trace, second_forward(trace)) == []
    unread = set(range(size)) - set(tokens[:-1])
    assert all(trace.numbers["wte.dweight"][u, v] == 0 for u in unread for v in range(size))


@pytest.mark.parametrize("text", ["hello world", "learn patterns", "to be or not"])
def test_update_lowers_loss(text: str, train_shipped: Callable[..., Trace]) -> None:
    trace = train_shipped(text)
    assert trace.numbers["updated.loss"][()] < trace.numbers["loss"][()]
    assert trace.training is not None and trace.training.updated_loss is not None
    assert trace.training.updated_loss < trace.training.loss


def test_without_clipping(train_random: Train) -> None:
    trace, arrays = train_random((1, 0, 2), 34, grad_clip="0")
    assert not any(step.name.startswith(("clipped.", "clipping.scale")) for step in trace.plan.steps)
    assert deviating_steps(trace, numpy_step(trace, arrays)) == []


def test_short_gradient_is_not_clipped(train_random: Train) -> None:
    trace, arrays = train_random((1, 0, 2), 34, grad_clip="1000")
    assert trace.numbers["clipping.scale"][()] == 1
    assert deviating_steps(trace, numpy_step(trace, arrays)) == []


ATTN, MLP, NORM = "h.0.attn", "h.0.mlp", "h.0.ln_2"
MUTANTS: dict[str, Callable[[Step], Callable[..., Expression]]] = {
    # name of the mutated step: what it does instead
    "dlogits": lambda step: lambda t, v: step.cell(t, v) * Constant("1.0000001"),
    "dlosses": lambda step: lambda t: Constant(1) * Cells("dloss")[()],
    "embedding.dweight": lambda step: lambda v, c: Cells("embedding.dtoken")[min(v, 2), c],
    "wte.dweight": lambda step: lambda v, c: Cells("head.dweight")[v, c],
    "wpe.dweight": lambda step: lambda p, c: Cells("embedding.dposition")[min(p, 2), c],
    f"{NORM}.dvariance": lambda step: lambda t: Constant(-1) * step.cell(t),
    f"{NORM}.dcentered": lambda step: lambda t, c: Cells(f"{NORM}.dnormalized")[t, c] * Cells(f"{NORM}.rstd")[t],
    f"{NORM}.dx": lambda step: lambda t, c: Cells(f"{NORM}.dcentered")[t, c] + Constant(0),
    f"{NORM}.dnormalized": lambda step: lambda t, c: Cells(f"{NORM}.dout")[t, c] * Constant(1),
    f"{ATTN}.dresidual": lambda step: lambda t, c: Cells(f"{NORM}.dx")[t, c] * Constant(1),
    f"{ATTN}.dv": lambda step: lambda h, s, d: Cells(f"{ATTN}.dheads")[h, s, d] * Constant(1),
    f"{ATTN}.dk": lambda step: lambda h, s, d: step.cell(h, 2 - s, d),
    f"{ATTN}.dscores": lambda step: (
        lambda h, t, s: Cells(f"{ATTN}.dscaled")[h, t, s] / Constant(2) if s <= t else step.cell(h, t, s)
    ),
    f"{ATTN}.softmax.dsum": lambda step: lambda h, t: Constant(0) * step.cell(h, t),
    f"{ATTN}.c_attn.dweight": lambda step: lambda c, i: step.cell(c, (i + 4) % 12),
    f"{ATTN}.c_proj.dweight": lambda step: lambda j, c: step.cell(c, j),
    f"{MLP}.gelu.dargument": lambda step: lambda t, f: Cells(f"{MLP}.gelu.dtanh")[t, f] * Constant(1),
    f"{MLP}.dhidden": lambda step: lambda t, f: step.cell(t, f) * Constant("0.999999999"),
}


@pytest.mark.parametrize("mutant", MUTANTS)
def test_mistakes_are_noticed(mutant: str, train_random: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    original = plan.backward_steps

    def mutated(*arguments: Any, **options: Any) -> list[Step]:
        steps = original(*arguments, **options)
        return [step._replace(cell=MUTANTS[mutant](step)) if step.name == mutant else step for step in steps]

    monkeypatch.setattr(plan, "backward_steps", mutated)
    trace, arrays = train_random((1, 0, 2, 5), 34)
    wrong = deviating_steps(trace, numpy_step(trace, arrays) | torch_step(trace, arrays))
    assert wrong and set(wrong) <= {step.name for step in trace.plan.steps if step.phase in (BACKWARD, UPDATE)}


def test_mistakes_of_a_bigram_are_noticed(train_random: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    original = plan.backward_steps
    mutants: dict[str, Callable[[Step], Callable[..., Expression]]] = {
        "only the last of equal words": lambda step: lambda u, v: Cells("dlogits")[3, v] if u == 0 else step.cell(u, v),
        "a column for the row": lambda step: lambda u, v: step.cell(v, u),
        "the gradient of the next word": lambda step: lambda u, v: step.cell((u + 1) % 6, v),
        "a scale wrong by one in a billion": lambda step: lambda u, v: step.cell(u, v) * Constant("1.000000001"),
    }
    for mutate in mutants.values():

        def mutated(*arguments: Any, mutate: Any = mutate, **options: Any) -> list[Step]:
            steps = original(*arguments, **options)
            return [step._replace(cell=mutate(step)) if step.name == "wte.dweight" else step for step in steps]

        monkeypatch.setattr(plan, "backward_steps", mutated)
        trace, arrays = train_random((1, 0, 2, 0, 5), 34, kind="bigram")
        wrong = deviating_steps(trace, numpy_step(trace, arrays) | torch_step(trace, arrays))
        assert "wte.dweight" in wrong


def test_nothing_to_predict() -> None:
    with pytest.raises(Exception, match="nothing to predict: give a text of at least two tokens"):
        plan.make_training_plan(GPTConfig(vocab_size=6, block_size=6, n_layer=1, n_head=2, n_embd=4), (3,), digits=4)
