"""Windows: targets are the inputs shifted by one, no token is skipped, and a batch depends only on its step."""

import mmap

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpt_data.errors import UserError
from gpt_data.texts.corpora import load_corpus
from gpt_data.tokens.batches import BatchSampler, evaluation_windows


@st.composite
def sizes(draw):
    block_size = draw(st.integers(1, 9))
    return draw(st.integers(block_size + 1, 60)), block_size


@given(sizes(), st.integers(1, 5), st.integers(0, 2**64), st.lists(st.integers(0, 2000), min_size=1, max_size=6))
def test_batches_depend_only_on_the_step(size, batch_size, seed, steps):
    length, block_size = size
    tokens = np.arange(length, dtype=np.uint16)
    sampler = BatchSampler(tokens, block_size, batch_size, seed)
    for step in steps + steps[::-1]:
        inputs, targets = sampler.batch(step)
        alone = BatchSampler(tokens, block_size, batch_size, seed).batch(step)
        np.testing.assert_array_equal(inputs, alone[0])
        np.testing.assert_array_equal(targets, alone[1])
        assert inputs.shape == targets.shape == (batch_size, block_size)
        assert inputs.dtype == targets.dtype == np.int64
        np.testing.assert_array_equal(targets, inputs + 1)  # the tokens are 0, 1, 2, …, so the next one is plus one
        np.testing.assert_array_equal(inputs, inputs[:, :1] + np.arange(block_size))


def starts_of(sampler, steps):
    return np.concatenate([sampler.batch(step)[0][:, 0] for step in steps])


def test_starts_are_uniform():
    starts = starts_of(BatchSampler(np.arange(12), 8, 64, seed=1), range(600))
    counts = np.bincount(starts)
    assert len(counts) == 4
    expected = len(starts) / 4
    assert np.all(abs(counts - expected) < 5 * np.sqrt(expected))


def test_steps_seeds_and_streams_differ():
    tokens = np.arange(1000)
    asked = [(1, 0, 0), (2, 0, 0), (1, 1, 0), (1, 0, 4), (1, 0, 256)]
    several = [
        starts_of(BatchSampler(tokens, 8, 16, seed, stream=stream), range(first, first + 4))
        for seed, stream, first in asked
    ]
    assert len({starts.tobytes() for starts in several}) == len(several)
    assert len({starts_of(BatchSampler(tokens, 8, 16, 1), [step]).tobytes() for step in range(600)}) == 600


def test_batches_are_copies():
    tokens = np.arange(20)
    inputs, targets = BatchSampler(tokens, 8, 2, 0).batch(0)
    before = targets.copy()
    inputs[:] = -1
    np.testing.assert_array_equal(targets, before)
    np.testing.assert_array_equal(tokens, np.arange(20))


@given(sizes(), st.integers(1, 9), st.integers(1, 40))
def test_evaluation_covers_every_token(size, stride, rows):
    length, block_size = size
    stride = min(stride, block_size)
    chunks = list(evaluation_windows(np.arange(length), block_size, stride, rows))
    full = [chunk for chunk in chunks if chunk[0].shape[1] == block_size]
    assert all(inputs.shape[0] <= rows for inputs, _ in chunks)
    assert all(np.array_equal(targets, inputs + 1) for inputs, targets in chunks)
    starts = np.concatenate([inputs[:, 0] for inputs, _ in full])
    np.testing.assert_array_equal(starts, np.arange(0, length - block_size, stride))
    seen = np.concatenate([targets.ravel() for _, targets in chunks])
    assert set(seen) == set(range(1, length))
    if stride == block_size:
        np.testing.assert_array_equal(seen, np.arange(1, length))
    if stride == 1:
        assert len(chunks) == len(full) == -(-(length - block_size) // rows)


def test_windows_of_the_tiny_corpus():
    tokens = load_corpus("tiny").val
    assert sum(len(inputs) for inputs, _ in evaluation_windows(tokens, 8)) == 332
    by_block = [inputs.shape for inputs, _ in evaluation_windows(tokens, 8, 8)]
    assert by_block == [(42, 8), (1, 3)]


def test_one_window_is_enough():
    tokens = np.arange(9)
    for inputs, targets in [BatchSampler(tokens, 8, 1, 0).batch(3), *evaluation_windows(tokens, 8, 8)]:
        assert inputs.tolist() == [list(range(8))]
        assert targets.tolist() == [list(range(1, 9))]


def test_memory_maps_are_not_copied(tmp_path):
    (tmp_path / "tokens").write_bytes(b"")
    with (tmp_path / "tokens").open("r+b") as file:
        file.truncate(1 << 40)  # a sparse terabyte, which cannot be copied
        tokens = np.frombuffer(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ), dtype="<u2")
    assert BatchSampler(tokens, 8, 4, 0).batch(0)[0].shape == (4, 8)
    assert next(evaluation_windows(tokens, 8, 1, 4))[1].shape == (4, 8)


@pytest.mark.parametrize("length", [0, 1, 7, 8])
def test_a_text_without_a_window_is_refused(length):
    for call in (lambda: BatchSampler(range(length), 8, 1, 0), lambda: evaluation_windows(range(length), 8)):
        with pytest.raises(UserError, match=rf"block_size=8 needs 9 tokens and the text has {length}; "):
            call()


@pytest.mark.parametrize(
    ("call", "reason"),
    [
        (lambda: BatchSampler(range(20), 0, 1, 0), "block_size must be a whole number of at least 1, not 0"),
        (lambda: BatchSampler(range(20), 8, 0, 0), "batch_size"),
        (lambda: BatchSampler(range(20), 8, 1.0, 0), "batch_size"),
        (lambda: BatchSampler(range(20), 8, True, 0), "batch_size"),
        (lambda: BatchSampler(range(20), 8, 1, -1), "seed"),
        (lambda: BatchSampler(range(20), 8, 1, 0, stream=-1), "stream"),
        (lambda: BatchSampler(range(20), 8, 1, 0).batch(-1), "step"),
        (lambda: BatchSampler([0.5] * 20, 8, 1, 0), "tokens must be integers"),
        (lambda: BatchSampler([[1]], 8, 1, 0), "one axis"),
        (lambda: evaluation_windows(range(20), 8, 0), "stride"),
        (lambda: evaluation_windows(range(20), 8, 9), "stride=9 would leave gaps"),
        (lambda: evaluation_windows(range(20), 8, 1, 0), "rows"),
    ],
)
def test_bad_arguments_are_refused_at_once(call, reason):
    with pytest.raises(UserError, match=reason):
        call()
