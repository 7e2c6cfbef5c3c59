"""The layouts of a pack: how its file has the matrices of linear layers, what it calls them, and in which order.

The order in golden.tsv is the same in all of them. ``ours`` stores matrices (in, out). ``torch``
stores them (out, in), as torch's Linear does. So does ``llm.c``, which also puts the parameters side by side as llm.c
has them in memory: each kind of tensor for all layers, so that one read fills all of its ``params_memory``; the
gradients, the moments and the updated parameters likewise. ``microgpt`` has microgpt's own names and
matrices: (out, in), and queries, keys and values apart, so that three arrays of the file are one of ours.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from numpy_gpt.golden.pack.contents import Entry
from numpy_gpt.shared.interchange.fixed_fields import require_fields
from numpy_gpt.shared.interchange.layouts import is_linear_weight
from numpy_gpt.shared.interchange.llmc_format import names_in_order
from numpy_gpt.shared.interchange.microgpt import FIXED, matrices_of
from numpy_gpt.shared.model.config import GPTConfig
from numpy_gpt.shared.model.names import EMBEDDING_USE, HEAD_USE, Shape, gradient_name

_NO_PARAMETERS = (EMBEDDING_USE, HEAD_USE, "config.bias")
_OF_PARAMETER = re.compile(r"((?:step\d+\.)?(?:(?:clipped|m|v|updated)\.)?)(.+\.)(d?)(weight|bias)")


def group_and_parameter(name: str) -> tuple[str, str] | None:
    """Return the parameter that an array belongs to, as its value, gradient or moment, and what the group is called.

    Arrays of one group belong to different parameters: ``step2.m.ln_f.bias`` is that of ``ln_f.bias`` in ``step2.m.``,
    and ``ln_f.dbias`` is in ``d``. None for other arrays.
    """
    found = _OF_PARAMETER.fullmatch(name)
    if found is None:
        return None
    group, scope, d, last = found.groups()
    parameter = scope + last
    return None if parameter in _NO_PARAMETERS else (group + d, parameter)


def check_layout(config: GPTConfig, layout: str) -> None:
    """Check that a pack of this config can have this layout.

    Raises
    ------
    UserError
        If the layout is microgpt's, and it has no such model; the message names the field.
    """
    if layout == "microgpt":
        require_fields(config, FIXED, "microgpt")


class Stored(NamedTuple):
    """An array in a pack's file: one of ours, or a third of the columns of one, perhaps transposed."""

    name: str
    shape: Shape
    axes: str
    third: int | None
    transposed: bool

    def of(self, array: Any) -> Any:
        """Return it from the array of ours, as a view."""
        part = array if self.third is None else np.split(array, 3, axis=1)[self.third]
        return part.T if self.transposed else part


def stored_as(entry: Entry, layout: str) -> list[Stored]:
    """Return the arrays of a pack's file that are this one of ours."""
    if layout == "microgpt" and (found := group_and_parameter(entry.name)) is not None:
        group, parameter = found
        return [
            _stored(entry, in_group(group, matrix.name), matrix.third, transposed=matrix.transposed)
            for matrix in matrices_of(parameter)
        ]
    return [_stored(entry, entry.name, None, transposed=is_stored_transposed(entry.name, layout))]


def _stored(entry: Entry, name: str, third: int | None, *, transposed: bool) -> Stored:
    shape, axes = entry.shape, entry.axes
    if third is not None:
        shape, axes = (shape[0], shape[1] // 3), axes.replace("3C", "C")
    if transposed:
        shape, axes = shape[::-1], ",".join(axes.split(",")[::-1])
    return Stored(name, shape, axes, third, transposed)


def from_stored(entry: Entry, layout: str, stored: Mapping[str, Any]) -> Any:
    """Return an array of ours from those of a pack's file, by the names there."""
    arrays = [stored[part.name].T if part.transposed else stored[part.name] for part in stored_as(entry, layout)]
    return arrays[0] if len(arrays) == 1 else np.concatenate(arrays, axis=1)


def in_group(group: str, parameter: str) -> str:
    """Return the name of a parameter's array in a group of ``group_and_parameter``; also by microgpt's names."""
    return group[:-1] + gradient_name(parameter) if group.endswith("d") else group + parameter


def is_stored_transposed(name: str, layout: str) -> bool:
    """Return whether this layout stores the array transposed under our name of it."""
    found = group_and_parameter(name)
    return layout in ("torch", "llm.c") and found is not None and is_linear_weight(found[1])


def file_order(entries: Sequence[Entry], config: GPTConfig, layout: str) -> list[Entry]:
    """Return the entries in the order of their numbers in the file: the widest first, so that all are aligned."""
    rank = {name: place for place, name in enumerate([*names_in_order(config), "lm_head.weight"])}
    first: dict[str, int] = {}

    def key(item: tuple[int, Entry]) -> tuple[bool, int, int]:
        place, entry = item
        found = group_and_parameter(entry.name) if layout == "llm.c" else None
        if found is None:
            return entry.dtype != "F64", place, 0
        return entry.dtype != "F64", first.setdefault(found[0], place), rank[found[1]]

    return [entry for _, entry in sorted(enumerate(entries), key=key)]
