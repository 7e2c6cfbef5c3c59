"""How fast a training goes: tokens a second, milliseconds a step, and what part of the hardware's peak that is."""

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
    """A stretch of training, evaluations and checkpoints left out.

    ``mfu`` is the share of a card's peak that the model's own operations use, NaN for a card whose peak is unknown,
    None for a processor; ``peak_memory`` is in bytes, None where it cannot be measured.
    """

    tokens_per_second: float
    ms_per_step: float
    mfu: float | None
    peak_memory: int | None


def operations_per_token(config: ModelConfig) -> float:
    """Return how many multiplications and additions training takes for one token (Chowdhery et al. 2022, appendix B).

    6 for each weight but the positions' (one of each forward, two of each backward), and 12·n_layer·C·T for the scores
    and the weighted sums of attention. A bigram model looks up: its count is 0.
    """
    if not isinstance(config, GPTConfig):
        return 0.0
    weights = parameter_count(config) - config.block_size * config.n_embd
    if not config.tie_weights:
        weights -= config.vocab_size * config.n_embd  # the token embedding is looked up, not multiplied with
    return 6.0 * weights + 12.0 * config.n_layer * config.n_embd * config.block_size


def peak_memory_of_process() -> int | None:
    """Return the most bytes that this process has had in memory, or None where the system does not tell."""
    try:
        import resource
    except ModuleNotFoundError:  # on Windows
        return None
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else 1024 * most  # bytes there, kibibytes elsewhere


class ThroughputMeter:
    """Measures the speed of a run that trains to ``max_iters``."""

    def __init__(self, tokens_per_step: int, max_iters: int) -> None:
        self._tokens_per_step, self._max_iters = tokens_per_step, max_iters
        self._shown = time.perf_counter()
        self._mark: tuple[int, float] | None = None  # a step, and the time when it was done

    def due(self) -> bool:
        """Return whether it is time to show progress again: at most some ten times a second."""
        return time.perf_counter() - self._shown >= _REFRESH_SECONDS

    def shown(self) -> None:
        """Note that progress is shown now."""
        self._shown = time.perf_counter()

    def seconds_per_step(self, step: int) -> float:
        """Return the time of a step, as a mean since the first measurement; NaN at that: the first steps warm up."""
        now = time.perf_counter()
        if self._mark is None:
            self._mark = step, now
        done, since = self._mark
        return (now - since) / (step - done) if step > done else math.nan

    def speed(self, step: int, flops_per_token: float, peak_flops: float | None, peak_memory: int | None) -> Throughput:
        """Return the speed after so many steps."""
        seconds = self.seconds_per_step(step)
        tokens = self._tokens_per_step / seconds
        mfu = None if peak_flops is None or math.isnan(seconds) else tokens * flops_per_token / peak_flops
        return Throughput(tokens, 1e3 * seconds, mfu, peak_memory)

    def seconds_left(self, step: int) -> float:
        """Return how long the rest of training will take."""
        return self.seconds_per_step(step) * (self._max_iters - step)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Leave out the time spent inside a ``with`` block."""
        start = time.perf_counter()
        yield
        if self._mark is not None:
            self._mark = self._mark[0], self._mark[1] + time.perf_counter() - start
