"""Formula 8 on whole models: never exceeded in float32, not vacuous, and false for a planted error."""

import math

import numpy as np
from hypothesis import assume, given, settings

from numpy_gpt.model import loss_and_gradients
from numpy_gpt.parameters import parameters_from
from numpy_gpt.shared.model.config import GPTConfig
from numpy_gpt.shared.model.record import keep_in
from numpy_gpt.tolerances.rounding import rounding
from parity_tests.support.strategies import Case, cases
from parity_tests.tolerances.model import gpt
from parity_tests.tolerances.sensitivity import STATISTICAL_FACTOR, Scalars, deviations

ORDINARY = Case(GPTConfig(vocab_size=5, block_size=4, n_layer=2, n_head=2, n_embd=6), 2, 4, 0, 0.3)
NAMES = ("loss", "logits", "wte.weight", "wpe.weight")


def statement_of(case):
    masks = case.masks("float32")

    def run(tape):
        kept = {}
        parameters = {name: tape.exact(value) for name, value in case.parameters().items()}
        given_masks = {name: tape.exact(mask) for name, mask in masks.items()}
        gradients = gpt(tape, parameters, case.config, case.tokens(), case.targets(), given_masks, kept.__setitem__)
        return {**kept, **gradients}

    return run


def arrays_of_numpy_gpt(case, dtype):
    kept = {}
    parameters = parameters_from(case.config, case.parameters(dtype))
    masks = {name: mask.astype(dtype) for name, mask in case.masks("float32").items()}
    _, gradients = loss_and_gradients(parameters, case.tokens(), case.targets(), masks, keep_in(kept))
    return {**kept, **gradients}


def off_and_bounds(case, arrays, scalars, name, dtype):
    cotangent = case.rng(f"cotangent {name}").standard_normal(arrays[name].shape)
    off = abs(float((cotangent * arrays[name]).sum()) - scalars.value(name, cotangent))
    return off, *scalars.bounds(name, cotangent, dtype)


def assume_no_kink(case, arrays):
    hidden = [np.abs(value).min() for name, value in arrays.items() if name.endswith("mlp.hidden")]
    assume(case.config.activation != "relu" or min(hidden, default=1.0) > 1e-4)


@settings(max_examples=max(10, settings.default.max_examples // 3))
@given(cases(layers=(0, 2)))
def test_no_scalar_exceeds_its_bounds(case):
    arrays, scalars = arrays_of_numpy_gpt(case, "float32"), Scalars(statement_of(case))
    assume_no_kink(case, arrays)
    for name in (*NAMES, *(name for name in case.parameters() if name.startswith("h.0.attn"))):
        off, worst, statistical = off_and_bounds(case, arrays, scalars, name, "float32")
        floor = 1e6 * rounding("float32").underflow
        assert off <= STATISTICAL_FACTOR * statistical + floor, name
        assert off <= worst + floor, name


def test_bounds_are_not_vacuous():
    reached, sharper = 0.0, math.inf
    for seed in range(20):
        case = Case(ORDINARY.config, 2, 4, seed, 0.3)
        arrays, scalars = arrays_of_numpy_gpt(case, "float32"), Scalars(statement_of(case))
        for name in NAMES:
            off, worst, statistical = off_and_bounds(case, arrays, scalars, name, "float32")
            reached = max(reached, off / (STATISTICAL_FACTOR * statistical))
            sharper = min(sharper, worst / (STATISTICAL_FACTOR * statistical))
    assert reached > 0.05
    assert sharper > 2


def test_one_percent_is_caught_in_one_scalar():
    for dtype in ("float64", "float32"):
        arrays, scalars = arrays_of_numpy_gpt(ORDINARY, dtype), Scalars(statement_of(ORDINARY))
        for name in ORDINARY.parameters():
            wrong = {name: 1.01 * arrays[name]}
            off, worst, statistical = off_and_bounds(ORDINARY, wrong, scalars, name, dtype)
            assert off > STATISTICAL_FACTOR * statistical, name
            assert dtype == "float32" or off > worst, name


def test_deviations_are_the_statistical_form():
    entries, samples = 0, 64
    scalars, estimated = Scalars(statement_of(ORDINARY)), deviations(statement_of(ORDINARY), samples=samples)
    quotients = []
    for name in ("loss", "h.0.attn.weights", "h.1.mlp.c_fc.weight", "wte.weight"):
        for index in list(np.ndindex(estimated[name].shape))[:: max(1, estimated[name].size // 8)]:
            cotangent = np.zeros(estimated[name].shape)
            cotangent[index] = 1
            exact = scalars.bounds(name, cotangent, "float64")[1] / rounding("float64").unit
            if exact:
                quotients.append(estimated[name][index] / exact)
                entries += 1
    # A deviation estimated from n samples has a relative standard deviation of 1/√(2n).
    assert entries > 20
    assert np.abs(np.array(quotients) - 1).max() < 5 / math.sqrt(2 * samples)
    assert abs(np.mean(quotients) - 1) < 5 / math.sqrt(2 * samples * entries) + 0.02


def test_the_statement_is_the_same_function():
    arrays, scalars = arrays_of_numpy_gpt(ORDINARY, "float64"), Scalars(statement_of(ORDINARY))
    assert arrays.keys() == scalars.arrays.keys()
    for name, value in arrays.items():
        stated = scalars.arrays[name].detach().numpy()
        assert np.allclose(value, stated, rtol=1e-9, atol=1e-13), name
