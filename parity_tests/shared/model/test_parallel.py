"""A batch in slices: the batch's loss and gradient, identical on any number of threads; recorders see no slices."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from threading import Event
from time import sleep

import numpy as np
import pytest
import threadpoolctl

from gpt_data.errors import UserError
from numpy_gpt import BigramConfig, GPTConfig, initial_values, loss_and_gradients, model, parameters_from
from numpy_gpt.model import loss_of, sliced_loss, sliced_loss_and_gradients
from numpy_gpt.shared.model import parallel
from numpy_gpt.shared.model.names import parameter_count
from numpy_gpt.shared.model.record import keep_in
from numpy_gpt.shared.training.presets import PRESETS, preset
from numpy_gpt.shared.training.randomness import dropout_masks
from parity_tests.support.comparator import assert_close
from parity_tests.support.lockstep import UNIT
from parity_tests.support.some_threads import on_threads, without_threadpoolctl

# Many tokens and few weights, so that slicing pays off; seven sequences give slices of different sizes.
CONFIG = GPTConfig(vocab_size=7, block_size=32, n_layer=2, n_head=2, n_embd=4, dropout=0.2)
BATCH = 7


@pytest.fixture(autouse=True)
def _small_slices(monkeypatch):
    monkeypatch.setattr(parallel, "_BUDGET", 80_000)
    parallel.slices_of.cache_clear()
    yield
    parallel.slices_of.cache_clear()


def _step(dtype="float64", config=CONFIG, scale=20.0):
    values = {name: scale * value for name, value in initial_values(config, 3, dtype).items()}
    tokens, targets = np.random.default_rng(4).integers(0, 7, (2, BATCH, 32))
    return parameters_from(config, values), tokens, targets, dropout_masks(config, BATCH, 32, 5, 6, dtype)


def _run_in_slices(step, **options):
    loss, gradients = sliced_loss_and_gradients(*step, step[0].empty_like(), **options)
    return loss, gradients


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_sliced_loss_equals_batch_loss(dtype, monkeypatch):
    parameters, tokens, targets, _ = _step(dtype)
    whole = loss_of(parameters, tokens, targets)
    losses = []
    for threads in (1, 2, 5):
        on_threads(monkeypatch, threads)
        losses.append(sliced_loss(parameters, tokens, targets))
    assert losses[0] == losses[1] == losses[2]
    assert losses[0].dtype == dtype
    assert losses[0] != sliced_loss(parameters, tokens[:-1], targets[:-1])
    assert_close("loss (sliced)", losses[0], whole, 64 * UNIT[dtype] * whole)
    with pytest.raises(UserError, match="targets must have the tokens' shape"):
        sliced_loss(parameters, tokens, targets[:-1])


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_sliced_gradient_equals_batch_gradient(dtype):
    step = _step(dtype)
    assert len({rows.stop - rows.start for rows in parallel.slices_of(CONFIG, BATCH, 32, 8)}) == 2
    loss, gradients = _run_in_slices(step)
    whole_loss, whole = loss_and_gradients(*step)
    assert loss.dtype == gradients.flat.dtype == dtype
    assert_close("loss", loss, whole_loss, 64 * UNIT[dtype] * whole_loss)
    for name, value in whole.items():
        # Sums of a few hundred equal terms in another order differ by rounding errors of the largest.
        assert_close(name, gradients[name], value, 1000 * UNIT[dtype] * np.abs(value).max())


def test_slices_with_targets_that_do_not_count():
    parameters, tokens, targets, masks = _step()
    first, *_ = parallel.slices_of(CONFIG, BATCH, 32, 8)
    targets[first], targets[-1, 5:] = -100, -1  # a slice of which nothing counts, and one of which little does
    loss, gradients = _run_in_slices((parameters, tokens, targets, masks))
    whole_loss, whole = loss_and_gradients(parameters, tokens, targets, masks)
    assert_close("loss", loss, whole_loss, 64 * UNIT["float64"] * whole_loss)
    for name, value in whole.items():
        assert_close(name, gradients[name], value, 1000 * UNIT["float64"] * np.abs(value).max())
    one = loss_of(parameters, tokens, targets)
    assert_close("loss without gradients", sliced_loss(parameters, tokens, targets), one, 64 * UNIT["float64"] * one)


@pytest.mark.parametrize("threads", [2, 3, 16])
def test_thread_count_changes_no_bit(monkeypatch, threads):
    step = _step()
    assert len(parallel.slices_of(CONFIG, BATCH, 32, 8)) > 2  # a sum of two would be the same in either order
    on_threads(monkeypatch, 1)
    loss, gradients = _run_in_slices(step)
    on_threads(monkeypatch, threads)
    for _ in range(5):
        again, others = _run_in_slices(step)
        assert again == loss
        assert np.array_equal(others.flat, gradients.flat)


def test_same_numbers_without_threadpoolctl(monkeypatch):
    step = _step("float32")
    expected = _run_in_slices(step)[1].flat
    without_threadpoolctl(monkeypatch)
    assert np.array_equal(_run_in_slices(step)[1].flat, expected)


def test_recorder_sees_the_whole_batch():
    step, kept = _step(), {}
    loss, gradients = _run_in_slices(step, record=keep_in(kept))
    assert kept["losses"].shape == (BATCH, 32)
    whole_loss, whole = loss_and_gradients(*step)
    assert loss == kept["loss"] == whole_loss
    assert np.array_equal(gradients.flat, whole.flat)


def test_turns_follow_the_items_whichever_is_ready_first(monkeypatch):
    on_threads(monkeypatch, 3)
    order, overtaken = [], Event()

    def task(item, turn):
        if item == 0:
            overtaken.wait(0.2)  # the others are ready, and would come first if they could
        with turn():
            order.append(item)
            overtaken.set()

    parallel.parallel_in_turn(task, range(3))
    assert order == [0, 1, 2]


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("inside", [True, False], ids=["in its turn", "before its turn"])
def test_a_task_that_fails_keeps_nobody_waiting(monkeypatch, threads, inside):
    """Its own error is seen, although the task before it is slower."""
    on_threads(monkeypatch, threads)
    added, failed = [], Event()

    def task(item, turn):
        if item == 0 and threads > 1 and not inside:
            failed.wait(60)
            sleep(0.05)
        if item == 1 and not inside:
            failed.set()
            raise ValueError("the second task")
        with turn():
            if item == 1:
                raise ValueError("the second task")
            added.append(item)

    with pytest.raises(ValueError, match="the second task"):
        parallel.parallel_in_turn(task, range(5))
    assert added == [0]


@pytest.mark.parametrize("threads", [1, 4])
def test_overflow_raises_no_warning(monkeypatch, threads):
    on_threads(monkeypatch, threads)
    step = _step("float32")
    step[0].flat[:] = 3e38
    loss, _ = _run_in_slices(step)
    assert not np.isfinite(loss)


def test_bad_inputs_are_refused():
    parameters, tokens, targets, masks = _step()
    wrong = tokens.copy()
    wrong[-1, -1] = 7
    longer = {name: np.concatenate([mask, mask]) for name, mask in masks.items()}
    for step, message in (
        ((parameters, wrong, targets, masks), r"the one at \(6, 31\) is 7"),
        ((parameters, tokens, wrong, masks), r"the one at \(6, 31\) is 7"),
        ((parameters, tokens, np.concatenate([targets, targets]), masks), r"the tokens' shape \(7, 32\)"),
        ((parameters, tokens, targets, longer), r"of shape \(7, 32, 4\)"),
    ):
        with pytest.raises(UserError, match=message):
            _run_in_slices(step)


@pytest.mark.parametrize("budget", [1, 1 << 16, 1 << 21])
@pytest.mark.parametrize("recipe", PRESETS.values(), ids=lambda recipe: recipe.name)
def test_slices_partition_the_batch_evenly(monkeypatch, recipe, budget):
    monkeypatch.setattr(parallel, "_BUDGET", budget)
    batch, config = recipe.training.batch_size, recipe.model
    parts = parallel.slices_of(config, batch, config.block_size, 4)
    assert [row for part in parts for row in range(batch)[part]] == list(range(batch))
    sizes = [part.stop - part.start for part in parts]
    assert max(sizes) - min(sizes) <= 1
    if isinstance(config, BigramConfig):
        assert len(parts) == 1


def test_no_slices_smaller_than_their_gradient():
    large = replace(preset("shakespeare").model, n_embd=768, n_head=12, n_layer=12)
    assert parameter_count(large) > 85e6
    assert len(parallel.slices_of(large, 2, 64, 4)) == 1
    assert len(parallel.slices_of(large, 64, 256, 4)) > 1


@pytest.mark.parametrize(
    ("name", "positions", "small"),
    [
        ("tiny", 128, False),
        ("words", 256, True),
        ("minigpt", 192, True),
        ("tinygpt", 8192, False),
        ("bigram", 8192, False),
    ],
)
def test_small_products_run_on_one_thread(name, positions, small):
    with threadpoolctl.threadpool_limits(2, "blas"):
        before = _blas_threads()
        with parallel.product_threads(preset(name).model, positions):
            assert _blas_threads() == ([1] * len(before) if small else before)
        assert _blas_threads() == before


def test_a_step_of_small_products_runs_on_one_thread(monkeypatch):
    limits = []
    monkeypatch.setattr(parallel, "_BUDGET", 1 << 21)  # one slice
    monkeypatch.setattr(model, "product_threads", lambda *sizes: limits.append(sizes) or nullcontext())
    config = preset("words").model
    parameters = parameters_from(config, initial_values(config, 0, "float32"))
    tokens = np.zeros((32, 8), int)
    sliced_loss(parameters, tokens, tokens)
    sliced_loss_and_gradients(parameters, tokens, tokens, {}, parameters.empty_like())
    assert limits == [(config, 256)] * 2


def _blas_threads():
    return [library["num_threads"] for library in threadpoolctl.threadpool_info() if library["user_api"] == "blas"]
