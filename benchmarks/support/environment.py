"""The environment of a measurement: machine, versions, date, and the threads of NumPy's linear algebra."""

from __future__ import annotations

import datetime
import os
import platform
from contextlib import AbstractContextManager
from importlib import metadata
from pathlib import Path
from typing import Any

from benchmarks.support.child_process import available_cores
from gpt_data.errors import UserError

_KERNEL_SETTINGS = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "MKL_ENABLE_INSTRUCTIONS", "ATEN_CPU_CAPABILITY")


def describe_environment() -> dict[str, Any]:
    """Return machine, versions and date as plain values, for JSON and for the line above a table."""
    packages = {name: _version(name) for name in ("numpy", "torch", "jax")}
    return {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "cpu": _cpu_name(),
        "cores": len(available_cores()),
        "system": platform.system(),
        "python": platform.python_version(),
        **{name: version for name, version in packages.items() if version},
        "kernels": _blas_kernels(),
        "settings": {name: os.environ[name] for name in _KERNEL_SETTINGS if name in os.environ},
    }


def environment_line(values: dict[str, Any]) -> str:
    """Return the environment as one line."""
    versions = ", ".join(f"{name} {values[name]}" for name in ("numpy", "torch", "jax") if name in values)
    parts = [f"{values['cores']} cores of {values['cpu']}", values["system"], f"Python {values['python']}"]
    parts += [versions, *values["kernels"], *(f"{name}={value}" for name, value in values["settings"].items())]
    return ", ".join([*parts, values["date"]])


def limit_numpy_threads(threads: int) -> AbstractContextManager[object]:
    """Return a context in which NumPy's products use this number of threads, in this process.

    Raises
    ------
    UserError
        If threadpoolctl is missing, without which it cannot change after NumPy has been loaded.
    """
    try:
        from threadpoolctl import threadpool_limits
    except ImportError as error:
        raise UserError(
            "the number of threads needs threadpoolctl, which is missing; pip install -e .[bench]"
        ) from error
    limits: AbstractContextManager[object] = threadpool_limits(threads)
    return limits


def blas_libraries() -> list[str]:
    """Return the loaded libraries for linear algebra with their threads; nothing if threadpoolctl is missing."""
    return [f"{pool['internal_api']} {pool['version']}: {pool['num_threads']} threads" for pool in _thread_pools()]


def _blas_kernels() -> list[str]:
    """Return the kernels that the loaded libraries have chosen for this CPU, where they say so."""
    pools = [pool for pool in _thread_pools() if "architecture" in pool]
    return [f"{pool['internal_api']} {pool['version']} ({pool['architecture']})" for pool in pools]


def _thread_pools() -> list[dict[str, Any]]:
    try:
        from threadpoolctl import threadpool_info
    except ImportError:
        return []
    pools: list[dict[str, Any]] = threadpool_info()
    return pools


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _cpu_name() -> str:
    description = Path("/proc/cpuinfo")
    if description.exists():
        for line in description.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
