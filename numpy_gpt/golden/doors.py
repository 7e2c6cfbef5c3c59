"""The library's doors: ``golden_pack`` writes a pack, and ``golden_check`` checks what a port has computed."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from gpt_data.checks import to_path, whole_number
from gpt_data.errors import UserError
from gpt_data.wording import describe
from numpy_gpt.golden.check.checking import check
from numpy_gpt.golden.check.findings import Findings
from numpy_gpt.golden.pack.form import DTYPES, LAYOUTS, LEVELS, MOST_STEPS, SEED, STEPS, Form
from numpy_gpt.golden.pack.model import case_named
from numpy_gpt.golden.pack.reading import Pack, read_pack
from numpy_gpt.golden.pack.writing import write_pack
from numpy_gpt.golden.theirs.formats import numbers_of
from numpy_gpt.golden.theirs.reading import PORT_DTYPES, Theirs, fit_theirs, read_theirs
from numpy_gpt.shared.model.argument_checks import check_mapping
from numpy_gpt.shared.model.arrays import ieee

_SEEDS = 1 << 64


def golden_pack(
    directory: str | os.PathLike[str],
    model: str | os.PathLike[str] | None = None,
    *,
    steps: int = STEPS,
    level: str = LEVELS[0],
    layout: str = LAYOUTS[0],
    dtype: str = DTYPES[0],
    seed: int = SEED,
) -> Pack:
    """Write a pack, as ``numpy_gpt golden pack`` does, and return it.

        pack = golden_pack("golden")
        pack.arrays["h.0.attn.weights"]

    ``model`` is gpt2 or microgpt, small models that show mistakes, or a preset, a run, or another program's model.
    ``level`` is all, blocks or ends; ``layout`` is ours, torch or llm.c; ``dtype``, float32 or float64, is that of the
    stored numbers, which are computed in float64.

    Raises
    ------
    UserError
        If an argument is out of range, there is no such model, or the directory cannot be written.
    """
    if whole_number("steps", steps, 1) > MOST_STEPS:
        raise UserError(f"steps must be at most {MOST_STEPS:,}, not {describe(steps)}; each has its own weights")
    if whole_number("seed", seed, 0) >= _SEEDS:
        raise UserError(f"seed must be below {_SEEDS:,}, not {describe(seed)}")
    for name, value, known in (("level", level, LEVELS), ("layout", layout, LAYOUTS), ("dtype", dtype, DTYPES)):
        _check_choice(name, value, known)
    place = to_path(directory)
    case, called = case_named(None if model is None else os.fspath(to_path(model)), steps, seed)
    about = {"model": called, "seed": seed, "versions": {"numpy": np.__version__}}
    with np.errstate(all="ignore"):  # what overflows is inf or NaN
        write_pack(place, case, Form(level, layout, dtype), about)
    return read_pack(place)


def golden_check(
    pack: Pack | str | os.PathLike[str],
    theirs: Mapping[str, Any] | str | os.PathLike[str],
    *,
    names: Mapping[str, str] | None = None,
    dtype: str | None = None,
) -> Findings:
    """Return which of a port's arrays do not follow from its own earlier ones, and why, as ``golden check`` does.

        golden_check("golden", {"h.0.attn.q": q, "h.0.attn.scores": scores}).follows

    ``pack`` is what ``golden_pack`` returned, or a pack's directory; ``theirs`` are arrays by name, or the place of a
    file. ``names`` are the port's own names → the pack's. ``dtype`` is what the port computes in, float64, float32,
    bfloat16 or float16, by default what its numbers show.

    Raises
    ------
    UserError
        If there is no such pack, or an array has an unknown name, another shape, or no floating-point numbers.
    """
    if dtype is not None:
        _check_choice("dtype", dtype, PORT_DTYPES)
    if not isinstance(pack, Pack):
        pack = read_pack(pack)
    if not isinstance(names, Mapping | None) or not all(isinstance(name, str) for name in (names or {}).values()):
        raise UserError(f"names must be a mapping of the port's names to the pack's, not {describe(names)}")
    _check_names("names", names or {})
    if isinstance(theirs, str | os.PathLike):
        return check_theirs(pack, read_theirs(theirs, pack, names), dtype)
    check_mapping("theirs", theirs)
    _check_names("theirs", theirs)
    return check_theirs(pack, fit_theirs(numbers_of(theirs), pack, names, "theirs"), dtype)


@ieee
def check_theirs(pack: Pack, theirs: Theirs, dtype: str | None) -> Findings:
    """Return the findings for arrays that fit the pack."""
    return check(pack, theirs.arrays, dtype or theirs.dtype)


def _check_choice(name: str, value: object, known: tuple[str, ...]) -> None:
    if not isinstance(value, str) or value not in known:
        raise UserError(f"{name} must be one of {', '.join(known)}, not {describe(value)}")


def _check_names(what: str, named: Mapping[Any, Any]) -> None:
    for name in named:
        if not isinstance(name, str):
            raise UserError(f"{what} must have names as keys, not {describe(name)}")
