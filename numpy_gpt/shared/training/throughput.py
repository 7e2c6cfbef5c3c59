"""The throughput of training: tokens per second, milliseconds per step, and the fraction of the hardware's peak."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from numpy_gpt.shared.model.config import GPTConfig, ModelConfig
from numpy_gpt.shared.model.names import parameter_count

_REFRESH_SECONDS = 0.1


class Throughput(NamedTuple):
    """The throughput of training, excluding evaluations and checkpoints.

    ``mfu``, the model FLOPs utilization, is the fraction of the GPU's peak that the model's own operations use: NaN if
    the peak is unknown, None on a CPU. ``peak_memory`` is in bytes, None if it cannot be measured.
    """

    tokens_per_second: float
    ms_per_step: float
    mfu: float | None
    peak_memory: int | None


def operations_per_token(config: ModelConfig) -> float:
    """Return the number of multiplications and additions per training token (Chowdhery et al. 2022, appendix B).

    6 for each weight except the position embeddings (one of each in forward, two of each in backward), and
    12·n_layer·C·T for the scores and the weighted sums of attention. A bigram model only looks up rows, so its count is
    0.
    """
    if not isinstance(config, GPTConfig):
        return 0.0
    weights = parameter_count(config) - config.block_size * config.n_embd
    if not config.tie_weights:
        weights -= config.vocab_size * config.n_embd  # the token embedding is looked up, not multiplied
    return 6.0 * weights + 12.0 * config.n_layer * config.n_embd * config.block_size


def peak_memory_of_process() -> int | None:
    """Return the peak memory of this process in bytes, or None if the system does not report it."""
    try:
        import resource
    except ModuleNotFoundError:  # on Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak  # bytes on macOS, kibibytes elsewhere


class ThroughputMeter:
    """Measures the throughput of a run that trains to ``max_iters``."""

    def __init__(self, tokens_per_step: int, max_iters: int) -> None:
        self._tokens_per_step, self._max_iters = tokens_per_step, max_iters
        self._displayed_at = time.perf_counter()
        self._start: tuple[int, float] | None = None  # a step, and the time at its end

    def is_display_due(self) -> bool:
        """Return whether it is time to display progress again: at most about ten times per second."""
        return time.perf_counter() - self._displayed_at >= _REFRESH_SECONDS

    def mark_display(self) -> None:
        """Record that progress is displayed now."""
        self._displayed_at = time.perf_counter()

    def seconds_per_step(self, step: int) -> float:
        """Return the mean time of a step since the first measurement, which returns NaN and ends the warm-up."""
        now = time.perf_counter()
        if self._start is None:
            self._start = step, now
        first, since = self._start
        return (now - since) / (step - first) if step > first else math.nan

    def throughput(
        self, step: int, flops_per_token: float, peak_flops: float | None, peak_memory: int | None
    ) -> Throughput:
        """Return the throughput after ``step`` steps."""
        seconds = self.seconds_per_step(step)
        tokens = self._tokens_per_step / seconds
        mfu = None if peak_flops is None or math.isnan(seconds) else tokens * flops_per_token / peak_flops
        return Throughput(tokens, 1e3 * seconds, mfu, peak_memory)

    def seconds_left(self, step: int) -> float:
        """Return how long the remaining training will take."""
        return self.seconds_per_step(step) * (self._max_iters - step)

    @contextmanager
    def pause(self) -> Iterator[None]:
        """Exclude the time spent in a ``with`` block."""
        start = time.perf_counter()
        yield
        if self._start is not None:
            self._start = self._start[0], self._start[1] + time.perf_counter() - start
