"""Windows of a text: random batches for training, all windows in order for evaluation.

A window of block size T is T + 1 consecutive tokens: the first T are the inputs, the last T the targets, so
that the target at each position is the next token. A text of n tokens has n − T windows, which start
at 0 … n − T − 1.

Axis letters: B batch, T time.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from gpt_data.checks import TokenIds, token_sequence, whole_number
from gpt_data.errors import UserError

Batch = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]
CHUNK = 256
"""Number of steps whose windows are drawn together: creating a generator costs as much as a hundred draws."""


class BatchSampler:
    """Batches of windows drawn uniformly, with repetition, as a pure function of (seed, stream, step).

    So training can resume at any step without further state. ``stream`` makes draws for other purposes, such
    as an estimate of the loss, independent of the training batches.

    Raises
    ------
    UserError
        If a size is below 1, seed or stream is negative, or the text is too short for one window.
    """

    def __init__(self, tokens: npt.ArrayLike, block_size: int, batch_size: int, seed: int, *, stream: int = 0) -> None:
        self._windows = _all_windows(tokens, block_size)
        self.block_size, self.batch_size = block_size, whole_number("batch_size", batch_size, 1)
        self._key = (whole_number("seed", seed, 0), whole_number("stream", stream, 0))
        self._chunk = (-1, np.empty((0, 0), dtype=np.int64))  # a cache: the current chunk and the starts of its windows

    def batch(self, step: int) -> Batch:
        """Return inputs (B, T) and targets (B, T) of one step.

        Raises
        ------
        UserError
            If the step is negative.
        """
        chunk, row = divmod(whole_number("step", step, 0), CHUNK)
        if self._chunk[0] != chunk:
            self._chunk = (chunk, self.starts(chunk))
        return _inputs_and_targets(self._windows[self._chunk[1][row]])

    def starts(self, chunk: int) -> npt.NDArray[np.int64]:
        """Return where the windows of steps 256·chunk … 256·chunk + 255 start in the text (256, B)."""
        generator = np.random.default_rng([*self._key, chunk])
        return generator.integers(len(self._windows), size=(CHUNK, self.batch_size))


def evaluation_windows(tokens: npt.ArrayLike, block_size: int, stride: int = 1, rows: int = 256) -> Iterator[Batch]:
    """Return an iterator over the windows at 0, stride, 2·stride, …: inputs and targets (B, T), B ≤ ``rows``.

    Stride 1 gives all n − T windows. A larger stride gives fewer; if its windows do not reach the end of the text, one
    shorter window (1, T′) follows, so that no token is skipped: with ``stride=block_size`` every token except the
    first is predicted exactly once. A mean over batches must weight each by its number of targets.

    Raises
    ------
    UserError
        If a size is below 1, the stride leaves gaps, or the text is too short for one window.
    """
    windows = _all_windows(tokens, block_size)
    if whole_number("stride", stride, 1) > block_size:
        raise UserError(f"stride={stride} would leave gaps between windows of {block_size}; try {block_size} or less")
    return _batches_of(token_sequence(tokens), windows[::stride], stride, whole_number("rows", rows, 1))


def _batches_of(tokens: TokenIds, windows: TokenIds, stride: int, rows: int) -> Iterator[Batch]:
    for first in range(0, len(windows), rows):
        yield _inputs_and_targets(windows[first : first + rows])
    end = (len(windows) - 1) * stride + windows.shape[1]
    if end < len(tokens):
        yield _inputs_and_targets(tokens[None, len(windows) * stride :])


def _all_windows(tokens: npt.ArrayLike, block_size: int) -> TokenIds:
    """Return all windows (n − T, T + 1) as a view: nothing is copied, so a memory map may have any size."""
    array = token_sequence(tokens, "tokens")
    if len(array) <= whole_number("block_size", block_size, 1):
        raise UserError(
            f"a window of block_size={block_size} needs {block_size + 1} tokens and the text has {len(array)}"
            "; use a longer text or a smaller block_size"
        )
    return np.lib.stride_tricks.sliding_window_view(array, block_size + 1)


def _inputs_and_targets(windows: TokenIds) -> Batch:
    # Two copies: a change to the inputs must not change the targets.
    return windows[:, :-1].astype(np.int64), windows[:, 1:].astype(np.int64)
