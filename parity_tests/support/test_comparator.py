"""The comparator refuses everything that must not pass, and its messages are complete."""

import numpy as np
import pytest

from parity_tests.support import comparator
from parity_tests.support.comparator import assert_close, assert_identical, summary, verdict


@pytest.fixture(autouse=True)
def own_ledger(monkeypatch):
    monkeypatch.setattr(comparator, "ledger", {})


def matrix(dtype=np.float64):
    return np.random.default_rng(0).standard_normal((3, 3)).astype(dtype)


def test_equal_arrays_pass_without_tolerance():
    assert assert_close("x", matrix(), matrix(), 0) == 0
    assert_identical("x", np.array([0.0, np.inf, -np.inf]), np.array([-0.0, np.inf, -np.inf]))


def test_the_message_names_everything():
    wrong = matrix()
    wrong[1, 2] += 0.5
    with pytest.raises(AssertionError) as failure:
        assert_close("h.0.attn.dq", wrong, matrix(), 0.25)
    for part in ("h.0.attn.dq[1, 2]", repr(wrong[1, 2]), repr(matrix()[1, 2]), "5.000e-01", "2.500e-01", "ratio 2"):
        assert part in str(failure.value)


@pytest.mark.parametrize("tolerance", [0.0, 1.0, np.inf])
def test_nan_never_passes(tolerance):
    wrong = matrix()
    wrong[2, 0] = np.nan
    for actual, expected in ((wrong, matrix()), (matrix(), wrong), (wrong, wrong)):
        with pytest.raises(AssertionError, match=r"x\[2, 0\].* NaN"):
            assert_close("x", actual, expected, tolerance)


@pytest.mark.parametrize("tolerance", [1.0, np.inf])
@pytest.mark.parametrize("other", [1.0, -np.inf])
def test_infinity_passes_only_for_itself(other, tolerance):
    for actual, expected in ((np.inf, other), (other, np.inf)):
        with pytest.raises(AssertionError, match="inf"):
            assert_close("x", np.array([0.0, actual]), np.array([0.0, expected]), tolerance)


@pytest.mark.parametrize("shape", [(9,), (3, 3, 1), (1, 3, 3), (3, 1), ()])
def test_broadcastable_shapes_do_not_pass(shape):
    with pytest.raises(AssertionError, match="shape"):
        assert_close("x", np.zeros(shape), np.zeros((3, 3)), 1.0)


def test_other_dtypes_do_not_pass():
    with pytest.raises(AssertionError, match="dtype float32, expected float64"):
        assert_close("x", matrix(np.float32), matrix(), 1.0)


@pytest.mark.parametrize("wrong", [1.01 * matrix(), matrix().T, np.zeros((3, 3)), -matrix()])
def test_plausible_mistakes_do_not_pass(wrong):
    with pytest.raises(AssertionError):
        assert_close("x", wrong, matrix(), 1e-3 * np.abs(matrix()))


@pytest.mark.parametrize("tolerance", [-1.0, np.nan])
def test_a_bad_tolerance_is_an_error(tolerance):
    with pytest.raises(ValueError, match="tolerance"):
        assert_close("x", matrix(), matrix(), tolerance)


def test_torch_tensors_are_compared_too():
    torch = pytest.importorskip("torch")
    tensor = torch.from_numpy(matrix()).requires_grad_()
    assert assert_close("x", tensor, matrix(), 0) == 0


def test_the_report_has_the_largest_ratios():
    for layer, difference in ((0, 0.125), (1, 0.5), (2, 0.25)):
        assert_close(f"h.{layer}.attn.weights", np.array([difference]), np.array([0.0]), 1.0)
    assert_close("loss", np.array(0.25), np.array(0.0), 1.0)
    counts = {"passed": 1234, "failed": 0, "error": 0}
    assert verdict(comparator.ledger, counts) == (
        "proven: 1,234 tests; 2 kinds of arrays compared, "
        "the largest difference 0.5 of its tolerance (h.1.attn.weights, float64)"
    )
    assert verdict(comparator.ledger, counts | {"failed": 2, "error": 1}).startswith(
        "NOT proven: 3 of 1,237 tests failed; 2 kinds"
    )
    assert verdict({}, counts) == "proven: 1,234 tests"
    assert summary(comparator.ledger, []) == ["the next largest: 0.25 (loss, float64)"]


def test_reports_share_a_line_by_heading():
    assert summary({}, [("speed", "b"), ("size", "c"), ("speed", "a")]) == ["size: c", "speed: a; b"]
