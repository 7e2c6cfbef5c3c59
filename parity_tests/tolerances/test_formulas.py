"""Each formula against 60-digit truth: never exceeded, not vacuous, and false for a planted error."""

import math

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from parity_tests.support.strategies import seeds
from parity_tests.tolerances.formulas import FORMULAS, largest_ratio, ratios

DTYPES = ("float32", "float64")


def drawn(name, seed, magnitude):
    return FORMULAS[name].draw(np.random.default_rng(seed), 10.0**magnitude)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", FORMULAS)
@given(seed=seeds, magnitude=st.floats(-6, 5))
def test_no_error_ever_exceeds_its_bound(name, dtype, seed, magnitude):
    found = ratios(FORMULAS[name], drawn(name, seed, magnitude), dtype)[0]
    for part, ratio in found.items():
        assert ratio <= 1, f"{part}: {ratio}"


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", FORMULAS)
def test_bounds_are_not_vacuous(name, dtype):
    # At magnitude 1: far out in a GELU's tails the bound is the error itself, which would prove nothing here.
    largest: dict[str, float] = {}
    for seed in range(60):
        for part, ratio in ratios(FORMULAS[name], drawn(name, seed, 0), dtype)[0].items():
            largest[part] = max(ratio, largest.get(part, 0.0))
    dull = {part: round(ratio, 3) for part, ratio in largest.items() if ratio < FORMULAS[name].sharpness}
    assert not dull, f"errors reach only this fraction of the bounds: {dull}"


@pytest.mark.parametrize("name", [name for name in FORMULAS if name != "relu"])
@given(seed=seeds)
def test_one_percent_exceeds_the_bound(name, seed):
    _, computed, bounds, truth = ratios(FORMULAS[name], drawn(name, seed, 0), "float32")
    with mpmath.workdps(60):
        for part, value in computed.items():
            if np.abs(value).max() > 1e-3:  # where layer norm has one channel, all is exactly 0
                assert largest_ratio(1.01 * value, truth[part], bounds[part].error) > 1, part


def test_common_mistakes_exceed_the_bound():
    rng = np.random.default_rng(0)
    inputs = {
        "x": rng.standard_normal((3, 4)),
        "weight": rng.standard_normal((4, 4)),
        "bias": rng.standard_normal(4),
        "dout": rng.standard_normal((3, 4)),
    }
    _, _, bounds, truth = ratios(FORMULAS["linear (1)"], inputs, "float32")
    x, weight = (inputs[name].astype(np.float32) for name in ("x", "weight"))
    bias = inputs["bias"].astype(np.float32)
    assert largest_ratio(x @ weight, truth["out"], bounds["out"].error) > 1e4
    assert largest_ratio(x @ weight.T + bias, truth["out"], bounds["out"].error) > 1e4


def test_the_one_pass_variance_exceeds_the_bound():
    x = (100 + np.random.default_rng(0).standard_normal((3, 16))).astype(np.float32)
    inputs = {"x": x, "weight": np.ones(16), "bias": np.zeros(16), "dout": np.ones((3, 16))}
    _, _, bounds, truth = ratios(FORMULAS["layer norm (4, 5)"], inputs, "float32")
    one_pass = (x * x).mean(-1) - x.mean(-1) ** 2
    assert largest_ratio(one_pass, truth["variance"], bounds["variance"].error) > 1


@pytest.mark.parametrize("dtype", DTYPES)
def test_elementary_functions_are_accurate(dtype):
    import torch

    rng, unit = np.random.default_rng(0), np.finfo(dtype).eps / 2
    ranges = {"exp": (-80, 0), "log": (1, 60), "tanh": (-12, 12), "erf": (-4, 4)}
    for name, (low, high) in ranges.items():
        x = (rng.uniform(low, high, 500) * 10.0 ** rng.uniform(-3 if name != "log" else 0, 0, 500)).astype(dtype)
        values = {"torch": getattr(torch, name)(torch.from_numpy(x)).numpy()}
        if name != "erf":
            values["NumPy"] = getattr(np, name)(x)
        truth = [getattr(mpmath, name)(mpmath.mpf(float(each))) for each in x]
        for library, result in values.items():
            error = max(float(abs(mpmath.mpf(float(r)) - t) / abs(t)) for r, t in zip(result, truth, strict=True) if t)
            assert error <= 8 * unit, f"{library} {name}: {error / unit:.2f} u"


@pytest.mark.parametrize("dtype", DTYPES)
def test_tanh_and_erf_saturate(dtype):
    import torch

    unit = np.finfo(dtype).eps / 2
    for name, complement in (("tanh", lambda x: 2 / (math.exp(2 * x) + 1)), ("erf", math.erfc)):
        x = np.array([v for v in np.linspace(3, 30, 2000) if complement(v) < unit / 32], dtype)
        assert (getattr(torch, name)(torch.from_numpy(x)).numpy() == 1).all(), name
        ours = np.tanh(x) if name == "tanh" else np.vectorize(math.erf)(x.astype(np.float64)).astype(dtype)
        assert (ours == 1).all(), name
