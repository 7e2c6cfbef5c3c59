"""The library's doors: ``golden_pack`` writes a pack, and ``golden_check`` checks what a port has computed."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from gpt_data.checks import to_path, whole_number
from gpt_data.errors import UserError
from gpt_data.wording import describe
from numpy_gpt.golden.pack.form import DTYPES, LAYOUTS, LEVELS, SEED, Form
from numpy_gpt.golden.pack.model import case_named
from numpy_gpt.golden.pack.reading import Pack, read_pack
from numpy_gpt.golden.pack.writing import write_pack


def golden_pack(
    directory: str | os.PathLike[str],
    model: str | os.PathLike[str] | None = None,
    *,
    steps: int = 3,
    level: str = "all",
    layout: str = "ours",
    dtype: str = "float32",
    seed: int = SEED,
) -> Pack:
    """Write a pack, as ``numpy_gpt golden pack`` does, and return it.

        pack = golden_pack("golden")
        pack.arrays["h.0.attn.weights"]

    ``model`` is a preset, a run, or a model of another program, by default a small one that shows mistakes. ``level``
    is all, blocks or ends; ``layout`` is ours, torch or llm.c; ``dtype``, float32 or float64, is that of the stored
    numbers, which are computed in float64.

    Raises
    ------
    UserError
        If an argument is out of range, there is no such model, or the directory cannot be written.
    """
    whole_number("steps", steps, 1)
    whole_number("seed", seed, 0)
    for name, value, known in (
        ("level", level, LEVELS),
        ("layout", layout, LAYOUTS),
        ("dtype", dtype, DTYPES),
    ):
        if value not in known:
            raise UserError(f"{name} must be one of {', '.join(known)}, not {describe(value)}")
    place = to_path(directory)
    case, called = case_named(None if model is None else os.fspath(model), steps, seed)
    about = {"model": called, "seed": seed, "versions": {"numpy_gpt": _version(), "numpy": np.__version__}}
    with np.errstate(all="ignore"):
        write_pack(Path(place), case, Form(level, layout, dtype), about)
    return read_pack(place)


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("numpy-gpt")
    except PackageNotFoundError:
        return "unknown"
