"""Cut a batch into cache-sized slices and compute them in parallel; results are the same on any number of threads.

The slices depend only on the shapes of the model and the batch, not on timing, the number of cores or the machine, so a
resumed run computes exactly what the uninterrupted run would have computed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import lru_cache, partial
from importlib import import_module
from typing import Any, TypeVar, cast

from numpy_gpt.shared.model.config import GPTConfig, ModelConfig
from numpy_gpt.shared.model.names import parameter_count

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")
_BUDGET = 1 << 21  # bytes of one layer's activations; with temporaries, about the cache of one core
# Multiplications of the largest product of a layer. With fewer than the first number, OpenBLAS starts no second thread;
# with more than the last, a second one gains more than it costs.
_ONE_THREAD = range(1 << 18, 1 << 23)


@lru_cache(maxsize=64)
def slices_of(config: ModelConfig, batch: int, time: int, itemsize: int) -> tuple[slice, ...]:
    """Return nearly equal slices of the sequences of a batch (B, T) of numbers of ``itemsize`` bytes.

    A slice has as many sequences as fit into _BUDGET bytes of one layer's activations. But each slice has gradients
    as large as the model: its activations in all layers must be at least that large, or adding the gradients would cost
    more than the cache saves.
    """
    if not isinstance(config, GPTConfig) or config.n_layer == 0:
        return (slice(0, batch),)
    layer = time * (config.n_hidden + 4 * config.n_embd + config.n_head * time)
    rows = max(_BUDGET // (itemsize * layer), -(-parameter_count(config) // (config.n_layer * layer)), 1)
    count = -(-batch // rows)
    return tuple(slice(batch * part // count, batch * (part + 1) // count) for part in range(count))


def parallel_map(function: Callable[[_Item], _Result], items: Sequence[_Item]) -> Iterator[_Result]:
    """Yield ``function`` of each item, in order, computed in parallel where that pays.

    threadpoolctl reports how many threads NumPy's matrix products use, and limits each product to one, since otherwise
    every thread here would start as many again. Where it cannot be imported, there is one thread.
    """
    blas = _blas()
    threads = max((library["num_threads"] for library in blas.info()), default=1) if blas and len(items) > 1 else 1
    if threads == 1:
        yield from map(function, items)
        return
    from concurrent.futures import ThreadPoolExecutor  # imported only for threads: the import takes 5 ms

    with blas.limit(limits=1), ThreadPoolExecutor(min(threads, len(items))) as pool:
        yield from pool.map(function, items)


Turn = Callable[[], AbstractContextManager[None]]
"""Returns a context that is entered by one task after another, in their order."""


def parallel_in_turn(task: Callable[[_Item, Turn], None], items: Sequence[_Item]) -> None:
    """Call ``task(item, turn)`` for each item, in parallel where that pays; ``with turn():`` they follow one another.

    So results can be added in the items' order, whichever is ready first, while other tasks still compute. Every task
    must take its turn once.
    """
    turns = _Turns(len(items))

    def run(number: int) -> None:
        try:
            task(items[number], partial(turns.turn, number))
        except BaseException:
            turns.cancel_after(number)
            raise

    for _ in parallel_map(run, range(len(items))):
        pass


class _Turns:
    """One turn for each task; the turn of a task begins when that of the one before has ended."""

    def __init__(self, count: int) -> None:
        from threading import Event

        self._begins, self._failed = [Event() for _ in range(count + 1)], count
        self._begins[0].set()

    @contextmanager
    def turn(self, number: int) -> Iterator[None]:
        """Wait for the turn, and let the next one begin afterwards."""
        self._begins[number].wait()
        if number > self._failed:
            raise RuntimeError("a task before this one has failed")  # never seen: its own exception comes first
        yield
        self._begins[number + 1].set()

    def cancel_after(self, number: int) -> None:
        """Let nobody wait any longer for this task, which has failed; those before it still take their turns."""
        self._failed = min(self._failed, number)
        for begins in self._begins[number + 1 :]:
            begins.set()


def product_threads(config: ModelConfig, positions: int) -> AbstractContextManager[object]:
    """Limit NumPy's products to one thread if those of a step over this many positions are small.

    The threads wait for each other in a busy loop before and after every product. So for small products a second thread
    only makes the step slower: by a tenth to a quarter on an idle machine, and many times where other programs run.
    """
    if not isinstance(config, GPTConfig):
        return nullcontext()
    largest = positions * config.n_embd * max(config.n_hidden, config.vocab_size)
    blas = _blas() if largest in _ONE_THREAD else None
    return nullcontext() if blas is None else cast("AbstractContextManager[object]", blas.limit(limits=1))


@lru_cache(maxsize=1)
def _blas() -> Any:
    try:
        return import_module("threadpoolctl").ThreadpoolController().select(user_api="blas")
    except ModuleNotFoundError:
        return None
