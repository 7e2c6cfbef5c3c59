"""Several things computed at once, where that is sure to help, and the same whether or not."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from importlib import import_module
from typing import Any, TypeVar

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


def parallel_map(function: Callable[[_Item], _Result], items: Sequence[_Item]) -> Iterator[_Result]:
    """Yield ``function`` of each item in their order, several computed at once where that is sure to help.

    That is where threadpoolctl is installed: it tells how many threads NumPy's matrix products would run on, and holds
    each product to one of them, as otherwise every thread here would start as many again.
    """
    blas = _blas()
    threads = max((library["num_threads"] for library in blas.info()), default=1) if blas and len(items) > 1 else 1
    if threads == 1:
        yield from map(function, items)
        return
    with blas.limit(limits=1), ThreadPoolExecutor(min(threads, len(items))) as pool:
        yield from pool.map(function, items)


@lru_cache(maxsize=1)
def _blas() -> Any:
    try:
        return import_module("threadpoolctl").ThreadpoolController().select(user_api="blas")
    except ModuleNotFoundError:
        return None
