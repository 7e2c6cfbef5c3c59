"""Computing on a given number of threads, regardless of the machine, or without threadpoolctl."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from typing import Any, NamedTuple

import pytest

from numpy_gpt.shared.model import parallel


class _Blas(NamedTuple):
    """A stand-in for threadpoolctl's controller of BLAS."""

    threads: int

    def info(self) -> list[dict[str, Any]]:
        return [{"num_threads": self.threads}]

    def limit(self, limits: int) -> Any:
        assert limits == 1
        return nullcontext()


def on_threads(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    monkeypatch.setattr(parallel, "_blas", lambda: _Blas(count))


def without_threadpoolctl(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "threadpoolctl", None)
    monkeypatch.setattr(parallel, "_blas", parallel._blas.__wrapped__)  # past what it remembers
    assert parallel._blas() is None
