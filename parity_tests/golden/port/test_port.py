"""The right port computes what numpy_gpt computes; and a planted bug is first seen where its list says."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from parity_tests.golden.jobs import SCALES, job, job_for, random_job, reference
from parity_tests.golden.port.bug import Bug
from parity_tests.golden.port.bugs import INVISIBLE, LISTED
from parity_tests.golden.port.held_back import HELD_BACK, ONE_LAYER, UNLISTED
from parity_tests.golden.port.run import Arrays, run
from parity_tests.golden.port.table import project_name
from parity_tests.golden.port.variants import VARIANTS

BUGS = [*LISTED, *HELD_BACK, *ONE_LAYER, *VARIANTS, *UNLISTED]
ROUNDING = {"float64": 1e-11, "float32": 5e-5}


@given(st.integers(0, 2**32 - 1))
def test_the_right_port_is_numpy_gpt(seed: int) -> None:
    drawn = random_job(seed)
    # With ε = 1e-8, rounding in the gradient of the key bias, which is 0, would grow by 1e8 in its update.
    drawn = replace(drawn, optimizer=drawn.optimizer | {"epsilon": 1e-3})
    accumulate = 1 + seed % drawn.tokens.shape[1]
    mine, truth = run(drawn, accumulate=accumulate), reference(drawn)
    assert not set(truth) - set(mine)
    for name, array in truth.items():
        np.testing.assert_allclose(mine[name], array, rtol=0, atol=1e-12 * max(1, _largest(array)), err_msg=name)


def test_what_the_list_of_names_does_not_have_follows_from_what_it_has() -> None:
    arrays = run(job())
    for prefix in ("", "step2."):
        np.testing.assert_allclose(
            arrays[prefix + "head.dweight"] + arrays[prefix + "embedding.dweight"], arrays[prefix + "wte.dweight"]
        )
        np.testing.assert_allclose(
            arrays[prefix + "h.0.ln_2.dx"] + arrays[prefix + "h.0.mlp.dresidual"],
            arrays[prefix + "h.0.attn.dresidual"],
        )
        for d in ("", "d"):
            qkv = np.concatenate([arrays[f"{prefix}h.0.attn.{d}{part}"] for part in "qkv"], 1)
            ours = arrays[f"{prefix}h.0.attn.{d}qkv"]  # (B, 3H, T, D) above, (B, T, 3C) here
            np.testing.assert_array_equal(qkv.swapaxes(1, 2).reshape(ours.shape), ours)


def test_products_run_in_the_dtype_that_is_asked_for() -> None:
    for dtype in ("float32", "float64"):
        assert {array.dtype for array in run(job(), dtype=dtype).values()} == {np.dtype(dtype)}
    exact, single = (run(job(), dtype=dtype)["logits"] for dtype in ("float64", "float32"))
    assert 1e-8 < np.abs(exact - single).max() < 1e-4


def test_some_planted_bugs_are_first_seen_where_the_list_says() -> None:
    check_first_differences([bug for bug in BUGS if bug.needs != "float32"][::40])


@pytest.mark.prove
def test_every_planted_bug_is_first_seen_where_the_list_says() -> None:
    check_first_differences([bug for bug in BUGS if bug.needs != "float32"])


def test_a_variance_in_one_pass_loses_digits_where_the_mean_is_large() -> None:
    wrong, right = (run(job(), *bugs, dtype="float32")["h.2.ln_1.variance"] for bugs in (("variance_one_pass",), ()))
    assert np.abs(wrong / right - 1).max() > 1e-5


def check_first_differences(bugs: list[Bug]) -> None:
    for bug in bugs:
        first = first_difference(bug, "loud", "float64")
        assert first is not None, f"{bug.id} changes nothing"
        expected = bug.first.replace(".N.", r".\d+.").replace("h.N", r"h.\d+")
        assert re.fullmatch(expected, first), f"{bug.id}: {first}, not {bug.first}"


def test_a_large_finite_mask_changes_nothing() -> None:
    for bug in INVISIBLE:
        assert first_difference(bug, "loud", "float64") is None


def test_every_switch_of_the_port_is_in_a_list_and_the_other_way_round() -> None:
    source = "".join(path.read_text(encoding="utf-8") for path in Path(__file__).parent.glob("*.py"))
    switches = set(re.findall(r"""\bbug(?:\.fwd|\.bwd)?\("([^"]+)\"""", source))
    planted = {re.split("[:@]", switch)[0] for bug in BUGS for switch in bug.switches}
    assert switches - planted == {bug.id for bug in INVISIBLE}
    assert not planted - switches
    assert len({bug.id for bug in BUGS}) == len(BUGS)


def first_difference(bug: Bug, scale: str, dtype: str) -> str | None:
    """Return the first array of the port that differs by more than rounding from the right port's."""
    right = _right(scale, dtype, bug.needs)
    wrong = run(job_for(scale, bug), *bug.switches, dtype=dtype, accumulate=2 if bug.needs == "micro-batches" else 1)
    for name, array in right.items():
        if name in wrong and not _is_close(name, wrong[name], array, ROUNDING[dtype]):
            return name
    return None


@lru_cache(maxsize=64)
def _right(scale: str, dtype: str, needs: str) -> Arrays:
    bug = Bug("", "", "", "", needs)
    return run(job_for(scale, bug), dtype=dtype, accumulate=2 if needs == "micro-batches" else 1)


def _is_close(name: str, got: np.ndarray, expected: np.ndarray, relative: float) -> bool:
    if re.search(r"attn\.d?(scores|scaled|masked)$", name):  # a port may compute anything for the future
        past = np.tril(np.ones(expected.shape[-2:], bool))
        got, expected = got[..., past], expected[..., past]
    return bool(np.all(np.abs(got - expected) <= relative * _largest(expected)))


def _largest(array: np.ndarray) -> float:
    finite = np.abs(array[np.isfinite(array)])
    return float(finite.max()) if finite.size else 0.0


def test_names_of_the_port() -> None:
    assert project_name("l2_q") == "h.2.attn.q"
    assert project_name("d_l0_ln1_in") == "h.0.ln_1.dx"
    assert project_name("new_l1_fcw") == "updated.h.1.mlp.c_fc.weight"
    assert project_name("targets_used") is None
    assert set(SCALES) == {"loud", "quiet", "quiet-noisy"}
