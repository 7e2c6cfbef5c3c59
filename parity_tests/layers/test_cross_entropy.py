"""Cross-entropy, also where probabilities underflow; each position's gradient, not only the mean."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from torch.nn import functional

from numpy_gpt.layers.cross_entropy import cross_entropy_backward, cross_entropy_forward
from numpy_gpt.shared.model.record import keep_in
from parity_tests.layers.harness import Layer, assert_gradients_are_differences, assert_twins_agree
from parity_tests.support.comparator import assert_close, assert_identical
from parity_tests.support.strategies import Case, cases, ignored_shares
from torch_gpt.layers import cross_entropy as twin


def layer_of(case: Case, magnitude: float = 1.0) -> Layer:
    targets = case.targets()
    ids = torch.from_numpy(targets)

    def ours(inputs, fixed, dout, record):
        loss, cache = cross_entropy_forward(inputs["logits"], targets, record)
        return loss, {"logits": cross_entropy_backward(cache)}

    def bound(ops, inputs, fixed, dout, record):
        parts = ops.cross_entropy(inputs["logits"], targets)
        for name in ("max", "exponentials", "sum"):
            record(f"softmax.{name}", getattr(parts.softmax, name))
        for name, value in (("probabilities", parts.softmax.probabilities), ("losses", parts.losses)):
            record(name, value)
        record("loss", parts.loss)
        return parts.loss, {"logits": ops.cross_entropy_backward(parts.softmax.probabilities, targets)}

    def native(inputs, fixed, record):
        log_probabilities = functional.log_softmax(inputs["logits"], -1).flatten(0, 1)
        return functional.nll_loss(log_probabilities, ids.flatten(), ignore_index=-100)

    logits = case.normal("logits", (*targets.shape, case.config.vocab_size), scale=10 * case.scale * magnitude)
    ways = {
        "explicit": lambda i, fixed, record: twin.cross_entropy_forward(i["logits"], ids, record),
        "fused": lambda i, fixed, record: twin.cross_entropy_fused(i["logits"], ids, record),
        "torch.nn.functional": native,
    }
    # The loss is the end of the chain: its own upstream gradient is 1.
    return Layer("cross_entropy", {"logits": logits}, np.array(1.0), ours, ways, bound)


@pytest.mark.parametrize("magnitude", [0.01, 1.0, 100.0])
@given(case=cases(), ignored=ignored_shares)
def test_twins_agree_within_the_bound(magnitude, case, ignored):
    assert_twins_agree(layer_of(replace(case, ignored=ignored), magnitude))


@given(cases(), ignored_shares)
def test_gradients_are_differences(case, ignored):
    assert_gradients_are_differences(layer_of(replace(case, ignored=ignored), 0.1))


@given(case=cases())
def test_ignored_targets_change_nothing(case):
    targets = replace(case, ignored=0.5).targets()
    logits = case.normal("logits", (*targets.shape, case.config.vocab_size))
    kept = {}
    loss, cache = cross_entropy_forward(logits, targets, keep_in(kept))
    gradient = cross_entropy_backward(cache)
    assert not kept["losses"][targets < 0].any()
    assert not gradient[targets < 0].any()
    logits[targets < 0] = case.normal("others", logits[targets < 0].shape)
    again, cache = cross_entropy_forward(logits, targets)
    assert again == loss
    assert_identical("gradient with other logits where targets are ignored", cross_entropy_backward(cache), gradient)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_slices_add_up_to_the_batch(dtype):
    rng = np.random.default_rng(0)
    logits, targets = rng.normal(size=(4, 3, 5)).astype(dtype), rng.integers(0, 5, (4, 3))
    loss, cache = cross_entropy_forward(logits, targets)
    parts = [cross_entropy_forward(logits[rows], targets[rows], count=12) for rows in (slice(0, 1), slice(1, 4))]
    unit = np.finfo(dtype).eps / 2
    # The loss is a sum of 12 rounded losses; each gradient is one rounded quotient of the same numbers.
    assert_close("loss (slices)", parts[0][0] + parts[1][0], loss, 32 * unit * loss)
    gradient = np.concatenate([cross_entropy_backward(part) for _, part in parts])
    assert_close("gradient of logits (slices)", gradient, cross_entropy_backward(cache), unit)
