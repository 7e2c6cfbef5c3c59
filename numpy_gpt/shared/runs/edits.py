"""Change single weights of a model: ``wte.weight[31,0]=0``."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from math import isfinite
from typing import NamedTuple

import numpy as np

from gpt_data.errors import UserError
from gpt_data.wording import quote, suggest
from numpy_gpt.shared.runs.checkpoint import Checkpoint

_EDIT = re.compile(r"\s*([\w.]+)\s*\[\s*([0-9]{1,9}(?:\s*,\s*[0-9]{1,9})*)\s*\]\s*=\s*(\S+)\s*")


class Edit(NamedTuple):
    """One changed weight: the name of its parameter, its place in the tensor, and its new value."""

    name: str
    place: tuple[int, ...]
    value: float


def read_edit(text: str) -> Edit:
    """Return the edit that ``name[index]=value`` describes.

    Raises
    ------
    UserError
        If the text has another form, or the value is not a finite number.
    """
    match = _EDIT.fullmatch(text)
    if match is None:
        raise UserError(f"a changed weight must look like wte.weight[31,0]=0, not {quote(text)}")
    name, index, value = match.groups()
    try:
        number = float(value)
    except ValueError:
        number = float("nan")
    if not isfinite(number):
        raise UserError(f"the new value of {name}[{index}] must be a finite number, not {quote(value)}")
    return Edit(name, tuple(map(int, index.split(","))), number)


def edit_weights(checkpoint: Checkpoint, edits: Iterable[Edit]) -> Checkpoint:
    """Return the model with changed weights, in the order of ``edits``; ``checkpoint`` does not change.

    What belongs to its training is left out: moments, state, and the measured figures, which are another model's.

    Raises
    ------
    UserError
        If a weight does not exist, or its new value does not fit the model's precision.
    """
    values = {name: np.array(array) for name, array in checkpoint.values.items()}
    for name, index, value in edits:
        if name not in values:
            near = suggest(name, values) or "; numpy_gpt parameters lists all weights"
            raise UserError(f"this model has no parameter {quote(name)}{near}")
        array = values[name]
        if len(index) != array.ndim or any(place >= size for place, size in zip(index, array.shape, strict=True)):
            last = ",".join(str(size - 1) for size in array.shape)
            asked = f"{name}[{','.join(map(str, index))}]"
            raise UserError(f"{asked} does not exist: the last one is {name}[{last}]; counting starts at 0")
        with np.errstate(over="ignore"):
            array[index] = value
        if not np.isfinite(array[index]):
            raise UserError(f"{value} is too large for a weight in {array.dtype}; take a smaller number")
    return replace(
        checkpoint, values=values, facts=None, moments=None, state=None, corpus=None, engine_state=None, trained=None
    )
