"""The layouts of a pack: how it stores matrices of linear layers, and in which order its file has the parameters.

Names, and the arrays' order in golden.tsv, are the same in all three. ``ours`` stores matrices (in, out). ``torch``
stores them (out, in), as torch's Linear does. So does ``llm.c``, which also puts the parameters side by side as llm.c
has them in memory: each kind of tensor for all layers, so that one read fills all of its ``params_memory``; the
gradients, the moments and the updated parameters likewise.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from numpy_gpt.golden.pack.contents import Entry
from numpy_gpt.shared.interchange.layouts import is_linear_weight
from numpy_gpt.shared.interchange.llmc_format import names_in_order
from numpy_gpt.shared.model.config import GPTConfig
from numpy_gpt.shared.model.names import EMBEDDING_USE, HEAD_USE, Shape

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


def is_stored_transposed(name: str, layout: str) -> bool:
    """Return whether this layout stores the array transposed, compared with this project's own."""
    found = group_and_parameter(name)
    return layout != "ours" and found is not None and is_linear_weight(found[1])


def stored_shape(entry: Entry, layout: str) -> Shape:
    """Return the shape that the array has in the file."""
    return entry.shape[::-1] if is_stored_transposed(entry.name, layout) else entry.shape


def stored_axes(entry: Entry, layout: str) -> str:
    """Return the axes in the file's order."""
    return ",".join(entry.axes.split(",")[::-1]) if is_stored_transposed(entry.name, layout) else entry.axes


def in_layout(name: str, array: Any, layout: str) -> Any:
    """Return an array as this layout stores it, or one that it stores as this project has it: both are one swap."""
    return array.T if is_stored_transposed(name, layout) else array


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
