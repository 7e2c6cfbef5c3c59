"""The central claim, over random models: logits, loss, every activation and every gradient of both twins are equal.

Equal means no farther apart than the rounding errors of both can explain, computed for every entry of every array
(tolerances.sensitivity). The explicit and the fused path of torch_gpt are compared with numpy_gpt and with each other.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from hypothesis import assume, given

from numpy_gpt import model as ours
from numpy_gpt.parameters import parameters_from
from numpy_gpt.shared.model.names import activation_shapes, gradient_name, use_shapes
from numpy_gpt.shared.model.record import keep_in
from parity_tests.support.comparator import assert_close, assert_identical
from parity_tests.support.strategies import Case, cases, ignored_shares
from parity_tests.tolerances.model import gpt
from parity_tests.tolerances.sensitivity import between_two_statistical, deviations
from torch_gpt import model as twins
from torch_gpt.parameters import parameters_from as twin_parameters_from
from torch_gpt.record import keep_in as keep_tensors_in


def statement_of(case: Case):
    masks = case.masks("float32")

    def run(tape):
        kept: dict = {}
        parameters = {name: tape.exact(value) for name, value in case.parameters().items()}
        given_masks = {name: tape.exact(mask) for name, mask in masks.items()}
        gradients = gpt(tape, parameters, case.config, case.tokens(), case.targets(), given_masks, kept.__setitem__)
        return {**kept, **gradients}

    return run


def arrays_of_numpy_gpt(case: Case, dtype: str) -> dict:
    kept: dict = {}
    parameters = parameters_from(case.config, case.parameters(dtype))
    _, gradients = ours.loss_and_gradients(
        parameters, case.tokens(), case.targets(), _masks(case, dtype), keep_in(kept)
    )
    return {**kept, **gradients}


def arrays_of_torch_gpt(case: Case, dtype: str, fused: bool) -> dict:
    kept: dict = {}
    parameters = twin_parameters_from(case.config, case.parameters(dtype))
    loss, gradients = twins.loss_and_gradients(
        parameters, case.config, case.tokens(), case.targets(), _masks(case, dtype), keep_tensors_in(kept), fused
    )
    return {**kept, "loss": loss.numpy(), **{name: gradient.numpy() for name, gradient in gradients.items()}}


def _masks(case: Case, dtype: str) -> dict:
    return {name: mask.astype(dtype) for name, mask in case.masks("float32").items()}


def _assume_no_kink(case: Case, arrays: dict) -> None:
    # Where ReLU's input is within rounding of 0, its slope is 0 for one twin and 1 for the other: both are right.
    hidden = [np.abs(value).min() for name, value in arrays.items() if name.endswith("mlp.hidden")]
    assume(case.config.activation != "relu" or min(hidden, default=1.0) > 1e-3)


def _near_ties(arrays: dict) -> set[str]:
    """Return the exponentials and sums whose largest score is within rounding of the second.

    Then either may be subtracted, and both are right: the weights do not depend on the choice, but these do.
    """
    found = set()
    for name, scores in arrays.items():
        scope = "" if name == "logits" else name.removesuffix("masked") if name.endswith("attn.masked") else None
        if scope is not None and scores.shape[-1] > 1:
            second, first = np.moveaxis(np.sort(scores, axis=-1)[..., -2:], -1, 0)
            if (first - second <= 1e-4 * np.abs(first)).any():
                found |= {f"{scope}softmax.exponentials", f"{scope}softmax.sum"}
    return found


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@given(cases(), ignored_shares)
def test_every_activation_and_gradient_agrees(dtype, case, ignored):
    case = replace(case, ignored=ignored)
    assume(case.config.n_embd != 2)  # layer norm makes ±1 of two channels: gradients vanish to first order, bounds too
    computed = {"numpy_gpt": arrays_of_numpy_gpt(case, dtype)}
    _assume_no_kink(case, computed["numpy_gpt"])
    computed["explicit"], computed["fused"] = (arrays_of_torch_gpt(case, dtype, fused) for fused in (False, True))
    allowed = {name: between_two_statistical(value, dtype) for name, value in deviations(statement_of(case)).items()}

    near_ties = _near_ties(computed["numpy_gpt"])
    names = set(activation_shapes(case.config, case.batch, case.time, dropout=case.config.dropout > 0))
    uses = {gradient_name(name) for name in use_shapes(case.config, case.batch, case.time)}
    assert names | uses | set(case.parameters()) <= set(computed["numpy_gpt"])
    assert set(computed["numpy_gpt"]) <= set(computed["explicit"])
    assert {"logits", "loss", *uses, *case.parameters()} <= set(computed["fused"])
    for (one, ours_here), (other, theirs) in combinations(computed.items(), 2):
        if other == "fused" and case.config.n_embd < 3:
            continue  # rows of one or two channels are constant or nearly so: docs/verdicts.md, "a constant row"
        for name in ours_here.keys() & theirs.keys() & allowed.keys() - near_ties:
            assert_close(f"{name} ({one}, {other})", theirs[name], ours_here[name], allowed[name])


@given(cases(layers=(1, 2), dropout=False))
def test_gradients_of_slices_add_up(case):
    parameters = parameters_from(case.config, case.parameters())
    tokens, targets = case.tokens(), case.targets()
    _, whole = ours.loss_and_gradients(parameters, tokens, targets)
    _assume_no_kink(case, arrays_of_numpy_gpt(case, "float64"))
    summed = whole.zeros_like()
    for row in range(case.batch):
        _, part = ours.loss_and_gradients(parameters, tokens[row : row + 1], targets[row : row + 1])
        summed.flat += part.flat / case.batch
    allowed = deviations(statement_of(case))
    for name, gradient in whole.items():
        assert_close(
            f"{name} (batch, slices)", summed[name], gradient, between_two_statistical(allowed[name], "float64")
        )


@given(cases(layers=(1, 2)))
def test_the_key_bias_has_no_gradient(case):
    assume(case.config.bias)
    width, allowed = case.config.n_embd, deviations(statement_of(case))
    for dtype in ("float64", "float32"):
        for twin, arrays in (
            ("numpy_gpt", arrays_of_numpy_gpt(case, dtype)),
            ("torch_gpt", arrays_of_torch_gpt(case, dtype, False)),
        ):
            for layer in range(case.config.n_layer):
                name = f"h.{layer}.attn.c_attn.bias"
                keys = arrays[name][width : 2 * width]
                bound = between_two_statistical(allowed[name], dtype)[width : 2 * width]
                assert_close(f"key bias's gradient ({twin})", keys, np.zeros_like(keys), bound)


@given(cases(layers=(1, 2)))
def test_unused_rows_have_zero_gradient(case):
    config = case.config
    assume(not config.tie_weights)  # the tied head uses every row
    unused = [token for token in range(config.vocab_size) if token not in case.tokens()]
    for arrays in (
        arrays_of_numpy_gpt(case, "float32"),
        arrays_of_torch_gpt(case, "float32", False),
        arrays_of_torch_gpt(case, "float32", True),
    ):
        rows, positions = arrays["wte.weight"][unused], arrays["wpe.weight"][case.time :]
        assert_identical("wte.weight, rows of unused tokens", rows, np.zeros_like(rows))
        assert_identical("wpe.weight, rows of unused positions", positions, np.zeros_like(positions))


@given(cases(dropout=False))
def test_the_future_does_not_change_the_past(case):
    assume(case.time > 1)
    cut = case.time // 2 + (case.time == 1)
    tokens, changed = case.tokens(), case.tokens("other tokens")
    changed[:, :cut] = tokens[:, :cut]
    parameters = parameters_from(case.config, case.parameters("float32"))
    before, after = (ours.model_forward(parameters, given)[0][:, :cut] for given in (tokens, changed))
    assert_identical("logits of the past", before, after)
    twin = twin_parameters_from(case.config, case.parameters("float32"))
    for fused in (False, True):
        before, after = (
            twins.model_forward(twin, case.config, given, fused=fused)[:, :cut] for given in (tokens, changed)
        )
        assert_identical("logits of the past (twin)", before, after)
