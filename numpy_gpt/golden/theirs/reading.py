"""A port's arrays under our names, in our layout, checked against the pack that they are to be compared with."""

from __future__ import annotations

import os
from collections.abc import Mapping
from itertools import permutations
from math import prod
from typing import Any, NamedTuple

import numpy as np

from gpt_data.checks import to_path
from gpt_data.errors import UserError
from gpt_data.wording import count_of, quote, show_path, suggest
from numpy_gpt.golden.graph import GIVEN, Graph, Node
from numpy_gpt.golden.pack.contents import config_settings, settings_of
from numpy_gpt.golden.pack.layouts import in_layout, is_stored_transposed
from numpy_gpt.golden.pack.reading import Pack
from numpy_gpt.golden.theirs.formats import Numbers, Reader, readers_at
from numpy_gpt.golden.theirs.names import NameMap, OurName, our_name, split_step, translate
from numpy_gpt.shared.model.arrays import ieee
from numpy_gpt.shared.model.names import Shape

PORT_DTYPES = ("float64", "float32", "bfloat16", "float16")
"""What a port may compute in."""
_HALVES = ("bfloat16", "float16")
_INTEGERS = ("tokens", "targets")


class Theirs(NamedTuple):
    """A port's arrays by our names, and the dtype that each has in its file: bfloat16 has become float32 here."""

    arrays: dict[str, Any]
    dtypes: dict[str, str]

    @property
    def dtype(self) -> str | None:
        """What the port computes in, if its file says so: a half precision; else its numbers have to say."""
        return next((dtype for dtype in _HALVES if dtype in self.dtypes.values()), None)


def read_theirs(place: str | os.PathLike[str], pack: Pack, names: Mapping[str, str | OurName] | None = None) -> Theirs:
    """Return what a port wrote; ``names`` are its own names of arrays → ours.

    Matrices are expected in the pack's layout; NaN and infinities are allowed.

    Raises
    ------
    UserError
        If it cannot be read, has an array of an unknown name, of another shape or dtype, or none to compare.
    """
    path = to_path(place)
    return fit_theirs(readers_at(path), pack, names, show_path(path))


@ieee
def fit_theirs(
    readers: Mapping[str, Reader], pack: Pack, names: Mapping[str, str | OurName] | None, what: str
) -> Theirs:
    """Return arrays that are read when they have passed: ``what`` they belong to begins every message.

    Raises
    ------
    UserError
        As ``read_theirs``.
    """
    table = {theirs: our_name(ours) if isinstance(ours, str) else ours for theirs, ours in (names or {}).items()}
    nodes = Graph(pack.config, pack.batch, pack.time, pack.steps).nodes
    found = Theirs({}, {})
    for theirs, ours in _translated(readers, table, pack, nodes, what).items():
        where = f"{what}: {quote(theirs)}" + (f" (our {quote(ours.name)})" if theirs != ours.name else "")
        numbers = readers[theirs]()
        if ours.name not in nodes:
            _check_setting(numbers, ours.name, pack, where)
            continue
        node = nodes[ours.name]
        array = _in_our_layout(numbers.array, ours, node, pack.layout, where)
        if node.kind in _INTEGERS:
            _check_tokens(array, ours.name, pack, where)
        else:
            _check_dtype(numbers.dtype, where)
            found.arrays[ours.name], found.dtypes[ours.name] = array, numbers.dtype
    if all(nodes[name].phase == GIVEN for name in found.arrays):
        count = count_of(len(readers), "array")
        raise UserError(f"{what} has {count}, and nothing that a port computes; `numpy_gpt golden names` lists it")
    return Theirs({name: found.arrays[name] for name in nodes if name in found.arrays}, found.dtypes)


def _translated(
    readers: Mapping[str, Reader], table: NameMap, pack: Pack, nodes: Mapping[str, Node], what: str
) -> dict[str, OurName]:
    """Return what each of a port's names stands for."""
    ours = {theirs: translate(theirs, table) for theirs in readers}
    known = {*nodes, *settings_of(pack.config, pack.optimizer, pack.learning_rates)}
    known |= {name for name in pack.arrays if split_step(name)[1].startswith("mask.")}
    unknown = [theirs for theirs, name in ours.items() if name.name not in known]
    if unknown:
        raise UserError(_unknown_message(unknown, ours, pack, known, what, none=len(unknown) == len(readers)))
    owners: dict[str, str] = {}
    for theirs, name in ours.items():
        if (other := owners.setdefault(name.name, theirs)) != theirs:
            raise UserError(f"{what}: {quote(other)} and {quote(theirs)} are both {quote(name.name)}; leave one out")
    return ours


def _unknown_message(
    unknown: list[str], ours: Mapping[str, OurName], pack: Pack, known: set[str], what: str, *, none: bool
) -> str:
    name = ours[unknown[0]].name
    step, plain = split_step(name)
    if step > pack.steps and plain in known:
        steps = count_of(pack.steps, "step")
        return f"{what} has {quote(unknown[0])}, and the pack has {steps}; write one with more --steps"
    hint = suggest(name, known)
    if none and not hint:
        return (
            f"{what} and the pack have no name in common, {quote(unknown[0])} for one; `numpy_gpt golden names` lists "
            "ours, and --map names.tsv translates"
        )
    more = f" and {len(unknown) - 1} more" if len(unknown) > 1 else ""
    meant = hint or "; `numpy_gpt golden names` lists all"
    return f"{what}: unknown name {quote(unknown[0])}{more}{meant}"


def _in_our_layout(array: Any, ours: OurName, node: Node, layout: str, where: str) -> Any:
    if ours.axes is not None:
        if len(ours.axes) != array.ndim:
            raise UserError(f"{where} has {array.ndim} axes, not the {len(ours.axes)} whose order is given")
        array, swapped = np.transpose(array, np.argsort(ours.axes)), False
    else:
        swapped = is_stored_transposed(ours.name, layout)
    expected = node.shape[::-1] if swapped else node.shape
    if array.shape == (1,) and expected == ():  # many a language has no arrays without axes
        array = array[0]
    if np.shape(array) != expected:
        raise UserError(_shape_message(np.shape(array), expected, node, where, swapped=swapped))
    return in_layout(ours.name, array, layout) if swapped else array


def _shape_message(shape: Shape, expected: Shape, node: Node, where: str, *, swapped: bool) -> str:
    letters = node.axes.split(",")[:: -1 if swapped else 1]
    should = f"{expected} ({', '.join(letters)})" if expected else "() (one number)"
    message = f"{where} has shape {shape}, and must have {should}"
    if sorted(shape) == sorted(expected):
        fits = [order for order in permutations(range(len(shape))) if tuple(expected[axis] for axis in order) == shape]
        theirs = ", ".join(letters[axis] for axis in fits[0])
        if len(shape) == 2:
            return f"{message}: transposed, it fits; write it so, --map it as (out,in), or use another --layout"
        hint = ",".join(map(str, fits[0]))
        return f"{message}: in the order ({theirs}) it would fit; write it so, or --map it with {hint}"
    if prod(shape) == prod(expected):
        return f"{message}: it has as many numbers; give these dims if they are in this order"
    return f"{message}; is the pack of the same config and batch?"


def _check_dtype(dtype: str, where: str) -> None:
    if dtype not in PORT_DTYPES:
        raise UserError(f"{where} has {dtype} numbers, and must have one of {', '.join(PORT_DTYPES)}")


def _check_tokens(array: Any, name: str, pack: Pack, where: str) -> None:
    if not np.array_equal(array, pack.arrays[name]):
        raise UserError(f"{where} differ from the pack's; the port must compute on the pack's text")


def _check_setting(numbers: Numbers, name: str, pack: Pack, where: str) -> None:
    """Check one of a config's or the optimizer's numbers, or a dropout mask."""
    expected = np.asarray(pack.arrays[name])
    if np.size(numbers.array) != expected.size or not np.allclose(np.ravel(numbers.array), np.ravel(expected), 1e-6):
        of_config = name in config_settings(pack.config)
        remedy = "is it of a pack of another config?" if of_config else "the port must use the pack's"
        given = f" is {numbers.array}, and the pack's is {expected}" if expected.ndim == 0 else " is not the pack's"
        raise UserError(f"{where}{given}; {remedy}")
