"""How far both twins are from the truth, at the weights that ship; and that the witness itself is right."""

from functools import cache

import mpmath
import numpy as np
import pytest
import torch

from numpy_gpt import model as numpy_twin
from numpy_gpt.parameters import parameters_from
from numpy_gpt.shared.runs.checkpoint import SHIPPED_MODEL
from numpy_gpt.shared.runs.run_directory import load_checkpoint
from numpy_gpt.tolerances.rounding import rounding
from parity_tests.support import comparator
from parity_tests.tolerances.formulas import as_mpmath
from parity_tests.tolerances.model import gpt
from parity_tests.tolerances.sensitivity import STATISTICAL_FACTOR, deviations
from parity_tests.witness.model import truth
from parity_tests.witness.scalar import DIGITS, Scalar, backward
from torch_gpt import model as torch_twin

SHIPPED = load_checkpoint(SHIPPED_MODEL)
CONFIG = SHIPPED.config
RNG = np.random.default_rng(0)
TOKENS = RNG.integers(0, CONFIG.vocab_size, (2, CONFIG.block_size))
TARGETS = RNG.integers(0, CONFIG.vocab_size, (2, CONFIG.block_size))


@cache
def witnessed(dtype):
    """Return the truth for the weights as ``dtype`` has them: 0.12 in float32 is another number than in float64."""
    values = {name: value.astype(dtype).astype(np.float64).tolist() for name, value in SHIPPED.values.items()}
    found = truth(values, TOKENS.tolist(), TARGETS.tolist(), CONFIG.n_head, CONFIG.layer_norm_epsilon)
    return {"loss": np.array(found.loss)} | {name: np.array(value) for name, value in found.gradients.items()}


@cache
def computed(twin, dtype):
    values = {name: value.astype(dtype) for name, value in SHIPPED.values.items()}
    if twin == "numpy_gpt":
        loss, gradients = numpy_twin.loss_and_gradients(parameters_from(CONFIG, values), TOKENS, TARGETS)
        return {"loss": loss, **gradients}
    tensors = {name: torch.from_numpy(value).requires_grad_() for name, value in values.items()}
    loss, gradients = torch_twin.loss_and_gradients(tensors, CONFIG, TOKENS, TARGETS, fused=twin == "torch_gpt fused")
    return {"loss": loss.numpy(), **{name: gradient.numpy() for name, gradient in gradients.items()}}


@cache
def deviation():
    """Return the statistical form of loss and gradients, in units of u."""

    def run(tape):
        kept = {}
        values = {name: tape.exact(value) for name, value in SHIPPED.values.items()}
        gradients = gpt(tape, values, CONFIG, TOKENS, TARGETS, {}, kept.__setitem__)
        return {"loss": kept["loss"], **gradients}

    return deviations(run)


def distance(twin, dtype):
    """Return |computed − truth| of loss and gradients by name, the difference taken in 50 digits."""
    with mpmath.workdps(DIGITS):
        found = computed(twin, dtype)
        return {
            name: np.asarray(abs(as_mpmath(found[name]) - exact)).astype(np.float64)
            for name, exact in witnessed(dtype).items()
        }


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("twin", ["numpy_gpt", "torch_gpt", "torch_gpt fused"])
def test_every_number_is_within_the_bound(twin, dtype):
    distances = distance(twin, dtype)
    for name, off in distances.items():
        tolerance = STATISTICAL_FACTOR * deviation()[name] * rounding(dtype).unit
        comparator.assert_close(f"{name}: {twin} from the truth ({dtype})", off, 0 * off, tolerance)
    worst = max(distances, key=lambda name: distances[name].max())
    comparator.reports.append(
        (
            f"errors against 50 digits, {dtype} (loss {float(witnessed(dtype)['loss']):.6f})",
            f"{twin} {float(distances['loss']):.1e} in the loss, {distances[worst].max():.1e} in {worst}",
        )
    )


@pytest.mark.parametrize("theirs", ["torch_gpt", "torch_gpt fused"])
def test_our_error_is_at_most_twice_torchs(theirs):
    ours, other = distance("numpy_gpt", "float32"), distance(theirs, "float32")
    for name in ours:
        # As norms: a single entry of torch's may be right by chance. The bound itself is added.
        bound = np.linalg.norm(deviation()[name]) * rounding("float32").unit
        assert np.linalg.norm(ours[name]) <= 2 * np.linalg.norm(other[name]) + bound, name


def test_the_loss_has_fifteen_digits():
    assert abs(float(computed("numpy_gpt", "float64")["loss"]) - float(witnessed("float64")["loss"])) < 1e-14


def test_a_wrong_gradient_exceeds_the_bound():
    name = "h.0.attn.c_attn.weight"
    wrong = 1.01 * computed("numpy_gpt", "float32")[name]
    off = np.abs(wrong - witnessed("float32")[name].astype(np.float64))
    with pytest.raises(AssertionError, match="c_attn"):
        comparator.assert_close(name, off, 0 * off, STATISTICAL_FACTOR * deviation()[name] * rounding("float32").unit)


def test_the_witness_agrees_with_differences():
    values = {name: value.tolist() for name, value in SHIPPED.values.items()}
    tokens, targets = TOKENS[:1, :3].tolist(), TARGETS[:1, :3].tolist()

    def at(step):
        row = list(map(mpmath.mpf, values["h.0.attn.c_attn.weight"][2]))
        row[7] += step
        matrix = [*values["h.0.attn.c_attn.weight"]]
        matrix[2] = row
        moved = values | {"h.0.attn.c_attn.weight": matrix}
        return truth(moved, tokens, targets, CONFIG.n_head, CONFIG.layer_norm_epsilon)

    with mpmath.workdps(DIGITS):
        step = mpmath.mpf(10) ** -15
        difference = (at(step).loss - at(-step).loss) / (2 * step)
        gradient = at(mpmath.mpf(0)).gradients["h.0.attn.c_attn.weight"][2][7]
        assert abs(difference / gradient - 1) < mpmath.mpf(10) ** -22


@pytest.mark.parametrize("function", ["exp", "log", "sqrt", "tanh"])
def test_each_function_has_its_derivative(function):
    with mpmath.workdps(DIGITS):
        x = Scalar(mpmath.mpf("0.7"))
        backward(getattr(x, function)())
        step = mpmath.mpf(10) ** -15
        f = getattr(mpmath, function)
        assert abs(x.gradient - (f(x.value + step) - f(x.value - step)) / (2 * step)) < mpmath.mpf(10) ** -28
