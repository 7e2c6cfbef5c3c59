"""Under what conditions something was measured: machine, versions, date, threads and text."""

from __future__ import annotations

import datetime
import os
import platform
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from gpt_data.checks import TokenIds
from gpt_data.errors import UserError
from gpt_data.texts.corpora import load_corpus
from gpt_data.texts.shakespeare import cache_file
from numpy_gpt.shared.training.recipe import Recipe

_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS", "NPROC")
_CHOOSES_KERNELS = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "MKL_ENABLE_INSTRUCTIONS", "ATEN_CPU_CAPABILITY")
_RANDOM_TOKENS = (1_003_854, 111_540)  # as many as Tiny Shakespeare has for training and for validation
ROOT = Path(__file__).parents[2]
"""The checkout, in which processes that measure something are started."""


class Text(NamedTuple):
    """The two splits of a text, and in words where they come from; ``real`` is False for random tokens."""

    train: TokenIds
    val: TokenIds
    origin: str
    real: bool


def text_for(recipe: Recipe, source: str | None) -> Text:
    """Return a recipe's text; never from the network.

    Tiny Shakespeare comes from the file ``source``, the directory that GPT_DATA_DIR names, or the user's cache. Where
    it is in none of them, the text is random tokens of the same vocabulary and number: good for times, not for losses.

    Raises
    ------
    UserError
        If the file that is named is missing or another one.
    """
    if recipe.dataset == "shakespeare" and source is None and not (os.environ.get("GPT_DATA_DIR") or _is_cached()):
        return random_text(recipe)
    corpus = load_corpus(recipe.dataset, source if recipe.dataset == "shakespeare" else None)
    return Text(corpus.train, corpus.val, corpus.name, True)


def random_text(recipe: Recipe) -> Text:
    """Return random tokens of the recipe's vocabulary, as many as Tiny Shakespeare has."""
    generator = np.random.default_rng(0)
    train, val = (generator.integers(recipe.model.vocab_size, size=size) for size in _RANDOM_TOKENS)
    return Text(train, val, "random tokens", False)


def _is_cached() -> bool:
    return cache_file().is_file()


def cores() -> list[int]:
    """Return the numbers of the cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


@contextmanager
def on_cores(threads: int) -> Iterator[dict[str, str]]:
    """Let child processes have so many cores, the last ones, as far as the system can do that; yield their environment.

    Libraries of linear algebra read how many threads they may have when they are loaded: it must be said before.
    """
    allowed = cores()
    try:
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, allowed[-threads:])
        yield os.environ | dict.fromkeys(_THREADS, str(threads))
    finally:
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, allowed)


def numpy_threads(threads: int) -> AbstractContextManager[object]:
    """Return a context in which NumPy's products have so many threads, in this very process.

    Raises
    ------
    UserError
        If threadpoolctl is missing, which alone can say it after NumPy has been loaded.
    """
    try:
        from threadpoolctl import threadpool_limits
    except ImportError as error:
        raise UserError(
            "the number of threads needs threadpoolctl, which is missing; pip install -e .[bench]"
        ) from error
    limits: AbstractContextManager[object] = threadpool_limits(threads)
    return limits


def conditions() -> dict[str, Any]:
    """Return machine, versions and date as plain values, for JSON and for the line above a table."""
    packages = {name: _version(name) for name in ("numpy", "torch", "jax")}
    return {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "processor": _processor(),
        "cores": len(cores()),
        "system": platform.system(),
        "python": platform.python_version(),
        **{name: version for name, version in packages.items() if version},
        "kernels": _kernels(),
        "settings": {name: os.environ[name] for name in _CHOOSES_KERNELS if name in os.environ},
    }


def in_words(values: dict[str, Any]) -> str:
    """Return the conditions as one line."""
    versions = ", ".join(f"{name} {values[name]}" for name in ("numpy", "torch", "jax") if name in values)
    parts = [f"{values['cores']} cores of {values['processor']}", values["system"], f"Python {values['python']}"]
    parts += [versions, *values["kernels"], *(f"{name}={value}" for name, value in values["settings"].items())]
    return ", ".join([*parts, values["date"]])


def linear_algebra() -> list[str]:
    """Return which libraries of linear algebra this process has loaded, with their threads; none if nobody can tell."""
    try:
        from threadpoolctl import threadpool_info
    except ImportError:
        return []
    return [f"{pool['internal_api']} {pool['version']}: {pool['num_threads']} threads" for pool in threadpool_info()]


def _kernels() -> list[str]:
    """Return which kernels NumPy's library of linear algebra has chosen for this processor, if it can be asked."""
    try:
        from threadpoolctl import threadpool_info
    except ImportError:
        return []
    pools = [pool for pool in threadpool_info() if "architecture" in pool]
    return [f"{pool['internal_api']} {pool['version']} ({pool['architecture']})" for pool in pools]


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _processor() -> str:
    description = Path("/proc/cpuinfo")
    if description.exists():
        for line in description.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
