"""What a port calls its arrays: a table of names, and the steps that they belong to."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from gpt_data.errors import UserError
from gpt_data.files.regular_file import read_texts
from gpt_data.wording import quote, show_path
from numpy_gpt.golden.graph import prefix_of
from numpy_gpt.golden.pack.layouts import in_group
from numpy_gpt.shared.interchange.microgpt import is_microgpt, microgpt_matrices
from numpy_gpt.shared.model.config import GPTConfig

_STEP = re.compile(r"step([1-9]\d*)\.(.+)")
_OUT_IN = "(out,in)"
_PERMUTATION = re.compile(r"\d(,\d)*")


class OurName(NamedTuple):
    """What an array of a port is: our name of it, and in which order the port has our axes, or None for the same.

    ``third`` is the third of our columns that it is, or None for all.
    """

    name: str
    axes: tuple[int, ...] | None = None
    third: int | None = None


_GROUPS = ("", "d", "clipped.", "m.", "v.", "updated.")
NameMap = Mapping[str, OurName]
"""Their name → ours; a * stands for the same text in both. Names have no step."""


def read_name_map(path: str | os.PathLike[str]) -> dict[str, OurName]:
    """Return what a table says: a line ``theirs TAB ours``, optionally ``TAB (out,in)``, or ``TAB 0,2,1,3``.

    The third column says that the port's axes are in another order: that of a transposed matrix, or the place that
    each of its axes has in ours. Empty lines and those that begin with # do not count.

    Raises
    ------
    UserError
        If it cannot be read, or a line is something else.
    """
    found: dict[str, OurName] = {}
    for number, line in enumerate("".join(read_texts([Path(path)])).splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        where = f"line {number} of {show_path(path)}"
        theirs, *rest = (field.strip() for field in line.split("\t"))
        if len(rest) not in (1, 2) or not theirs or not rest[0]:
            raise UserError(f"{where} must be their name, a tab, and our name, not {quote(line)}")
        if theirs in found:
            raise UserError(f"{where} has {quote(theirs)}, which an earlier line has already; leave one out")
        found[theirs] = our_name(rest[0], rest[1] if len(rest) == 2 else "", where)
    return found


def our_name(name: str, order: str = "", where: str = "names") -> OurName:
    """Return our name with the order of axes that a text says.

    Raises
    ------
    UserError
        If the text is no order of axes.
    """
    if not order:
        return OurName(name)
    if order.replace(" ", "") == _OUT_IN:
        return OurName(name, (1, 0))
    axes = tuple(map(int, order.split(","))) if _PERMUTATION.fullmatch(order) else ()
    if sorted(axes) != list(range(len(axes))) or not axes:
        raise UserError(f"{where}: the order of axes must be (out,in), or like 0,2,1,3, not {quote(order)}")
    return OurName(name, axes)


def split_step(name: str) -> tuple[int, str]:
    """Return the step that a name says, by default 1, and the name without it."""
    found = _STEP.fullmatch(name)
    return (int(found[1]), found[2]) if found else (1, name)


def microgpt_names(config: GPTConfig) -> dict[str, OurName]:
    """Return what microgpt's names of parameters, gradients, moments and updates stand for; none in other models."""
    if not is_microgpt(config):
        return {}
    return {
        in_group(group, matrix.name): OurName(
            in_group(group, matrix.ours), (1, 0) if matrix.transposed else (0, 1), matrix.third
        )
        for group in _GROUPS
        for matrix in microgpt_matrices(config)
    }


def translate(name: str, names: NameMap, microgpt: NameMap) -> OurName:
    """Return what one of a port's names stands for: a name in its table, one of microgpt's, or ours already."""
    step, plain = split_step(name)
    found = names.get(plain) or _by_pattern(plain, names) or OurName(plain)
    if matrix := microgpt.get(found.name):
        found = matrix if found.axes is None else matrix._replace(axes=_one_after_the_other(found.axes, matrix.axes))
    return found._replace(name=prefix_of(step) + found.name)


def _one_after_the_other(first: tuple[int, ...], then: tuple[int, ...] | None) -> tuple[int, ...]:
    return first if then is None or len(first) != len(then) else tuple(then[axis] for axis in first)


def _by_pattern(name: str, names: NameMap) -> OurName | None:
    for theirs, ours in names.items():
        if "*" in theirs:
            before, after = theirs.split("*", 1)
            if name.startswith(before) and name.endswith(after) and len(name) > len(before) + len(after):
                return ours._replace(name=ours.name.replace("*", name[len(before) : len(name) - len(after)]))
    return None
