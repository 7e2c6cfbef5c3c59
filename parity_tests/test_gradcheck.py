"""The gradient checker itself passes right gradients and refuses slightly wrong ones."""

from __future__ import annotations

import numpy as np
import pytest

from gpt_data.errors import UserError
from numpy_gpt import GradientError, check_gradients, gradient_errors
from numpy_gpt.layers.softmax import softmax_backward, softmax_forward


def _softmax_case(seed: int = 0):
    rng = np.random.default_rng(seed)
    x, cotangent = rng.normal(size=(2, 3, 5)), rng.normal(size=(2, 3, 5))
    _, cache = softmax_forward(x)
    return (lambda inputs: softmax_forward(inputs["x"])[0]), {"x": x}, softmax_backward(cotangent, cache), cotangent


@pytest.mark.parametrize("seed", range(5))
def test_a_right_gradient_passes(seed):
    function, inputs, gradient, cotangent = _softmax_case(seed)
    assert check_gradients(function, inputs, {"x": gradient}, cotangent, seed=seed) < 1e-9


@pytest.mark.parametrize("seed", range(5))
def test_a_gradient_off_by_a_thousandth_fails(seed):
    function, inputs, gradient, cotangent = _softmax_case(seed)
    with pytest.raises(GradientError, match=r"gradient of x is off by 1\.0"):
        check_gradients(function, inputs, {"x": gradient * 1.001}, cotangent, seed=seed)


def test_one_wrong_entry_is_refused():
    function, inputs, gradient, cotangent = _softmax_case()
    gradient[1, 2, 3] *= 1.001
    with pytest.raises(GradientError):
        check_gradients(function, inputs, {"x": gradient}, cotangent)


def test_a_cotangent_of_ones_would_miss_zeros():
    function, inputs, _, cotangent = _softmax_case()
    zeros = np.zeros_like(inputs["x"])
    derivative_vanishes = gradient_errors(function, inputs, {"x": zeros + 1e-12}, np.ones_like(cotangent))
    assert np.isfinite(derivative_vanishes["x"]) or derivative_vanishes["x"] == np.inf
    with pytest.raises(GradientError):
        check_gradients(function, inputs, {"x": zeros}, cotangent)


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_a_gradient_of_nan_is_refused(wrong):
    function, inputs, gradient, cotangent = _softmax_case()
    gradient[0, 0, 0] = wrong
    with pytest.raises(GradientError):
        check_gradients(function, inputs, {"x": gradient}, cotangent)


def test_a_flat_function_needs_zero_gradient():
    inputs = {"x": np.ones(3)}
    assert gradient_errors(lambda _: np.float64(1), inputs, {"x": np.zeros(3)}) == {"x": 0.0}
    assert gradient_errors(lambda _: np.float64(1), inputs, {"x": np.full(3, 1e-30)}) == {"x": np.inf}


@pytest.mark.parametrize(
    ("inputs", "gradients", "message"),
    [
        ({"x": np.ones(3, np.float32)}, {"x": np.ones(3, np.float32)}, "need float64"),
        ({"x": np.ones(3)}, {"x": np.ones(4)}, r"shape \(3,\), not \(4,\)"),
        ({"x": np.ones(3)}, {"y": np.ones(3)}, "no such input"),
    ],
)
def test_uncheckable_inputs_are_refused(inputs, gradients, message):
    with pytest.raises(UserError, match=message):
        check_gradients(lambda given: given["x"].sum(), inputs, gradients)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"directions": 0}, "directions must be a whole number of at least 1, not 0"),
        ({"step": 0.0}, r"step must be above 0 and finite, not 0\.0"),
        ({"step": float("nan")}, "step must be above 0 and finite, not nan"),
        ({"directions": 10**30}, "directions must be at most 10,000"),
        ({"step": "x"}, "step must be a number, not 'x'"),
        ({"step": 1e300}, r"step must lie between 1e-12 and 1000, not 1e\+300"),
        ({"step": 5e-324}, "step must lie between 1e-12 and 1000, not 5e-324"),
        ({"gradients": {}}, "a gradient of at least one number is needed, and none came; inputs are x"),
    ],
)
def test_a_check_of_nothing_is_refused(options, message):
    function, inputs, gradient, cotangent = _softmax_case()
    arguments = {"gradients": {"x": gradient}, **options}
    for check in (check_gradients, gradient_errors):
        with pytest.raises(UserError, match=message):
            check(function, inputs, cotangent=cotangent, **arguments)


@pytest.mark.parametrize("tolerance", [float("nan"), float("inf"), -1.0, None, "x", True])
def test_a_tolerance_that_decides_nothing_is_refused(tolerance):
    function, inputs, gradient, cotangent = _softmax_case()
    with pytest.raises(UserError, match="tolerance must be"):
        check_gradients(function, inputs, {"x": gradient}, cotangent, tolerance=tolerance)


@pytest.mark.parametrize("shape", [(2, 3), (2, 3, 1), (1, 3, 5), (1,)])
def test_a_cotangent_of_another_shape_is_refused(shape):
    function, inputs, gradient, _ = _softmax_case()
    with pytest.raises(UserError, match=r"the cotangent must have the result's shape \(2, 3, 5\), not"):
        check_gradients(function, inputs, {"x": gradient}, np.ones(shape))


@pytest.mark.parametrize("result", [None, "x", [[1.0], [1.0, 2.0]], 1 + 2j, np.ma.masked_array([1.0, 2.0], [0, 1])])
def test_a_result_without_numbers_is_refused(result):
    with pytest.raises(UserError, match="the function must return an array"):
        check_gradients(lambda _: result, {"x": np.ones(3)}, {"x": np.ones(3)})


def test_an_empty_array_proves_nothing_alone():
    inputs, gradients = {"x": np.ones(0), "y": np.ones(2)}, {"x": np.ones(0), "y": np.full(2, 2.0)}

    def squares(given):
        return (given["x"] ** 2).sum() + (given["y"] ** 2).sum()

    assert gradient_errors(squares, inputs, gradients)["x"] == 0
    for check in (check_gradients, gradient_errors):
        with pytest.raises(UserError, match="a gradient of at least one number is needed, and none came"):
            check(squares, inputs, {"x": gradients["x"]})
