"""The parameters of a state dict, under this project's names and in its layout: nothing missing, nothing left over."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from gpt_data.errors import UserError
from gpt_data.wording import count_of, list_names, quote, show_path
from numpy_gpt.shared.interchange.layouts import Layout, is_transposed
from numpy_gpt.shared.interchange.reading.stored_tensor import StoredTensor, to_floats
from numpy_gpt.shared.model.arrays import Array, first_not_finite
from numpy_gpt.shared.model.config import GPTConfig
from numpy_gpt.shared.model.names import Shape, parameter_count, parameter_shapes

Tensors = Mapping[str, StoredTensor]

_WRAPPERS = ("_orig_mod.", "module.")  # of torch.compile and DistributedDataParallel, in any order
_BODY = "transformer."
_HEAD, _EMBEDDING = "lm_head.weight", "wte.weight"
_MASK = re.compile(r"h\.[0-9]+\.attn\.bias")
_MASKED = re.compile(r"h\.[0-9]+\.attn\.masked_bias")
_SMALLEST = 2  # bytes of a number
_SPARE = 1 << 20  # bytes: small tensors may repeat their numbers


class Parameters(NamedTuple):
    """The values of all parameters of a config by name, and what was changed or left out, for the user."""

    config: GPTConfig
    values: dict[str, Array]
    notes: tuple[str, ...]
    left_out: tuple[str, ...]


def read_parameters(tensors: Tensors, config: GPTConfig, layout: Layout, place: Path, stored_bytes: int) -> Parameters:
    """Return the parameters of a model with this config, whose format has this layout.

    Names lose the prefixes ``_orig_mod.``, ``module.`` and ``transformer.``. Causal masks are left out, and a head that
    is the embedding again; a head that differs from the embedding is kept, and the config then says so.

    Raises
    ------
    UserError
        If a tensor is missing, unknown, given twice, of another shape or kind, or not finite.
    """
    if parameter_count(config) * _SMALLEST > stored_bytes + _SPARE:  # before all their names are listed
        raise UserError(f"{show_path(place)}: its config has {parameter_count(config):,} parameters, too many for it")
    named = _strip_prefixes(tensors, place)
    left_out = _drop_masks(named, config, place)
    notes = []
    if config.tie_weights and _HEAD in named:
        if _are_equal(named[_HEAD], named.get(_EMBEDDING), (config.vocab_size, config.n_embd)):
            del named[_HEAD]
            left_out.append(f"{_HEAD}, which is {_EMBEDDING} again: the weights are tied")
        else:
            config = replace(config, tie_weights=False)
            notes.append(f"{_HEAD} differs from {_EMBEDDING}, so the weights are not tied")
    shapes = parameter_shapes(config)
    _check_names(named, shapes, place)
    values = {name: _read(named[name], name, shape, layout, place) for name, shape in shapes.items()}
    notes += _unify(values, {named[name].kind for name in shapes})
    if bad := first_not_finite(values):
        raise UserError(f"{show_path(place)}: {bad} contains numbers that are not finite; use another checkpoint")
    return Parameters(config, values, tuple(notes), tuple(left_out))


def _strip_prefixes(tensors: Tensors, place: Path) -> dict[str, StoredTensor]:
    named: dict[str, StoredTensor] = {}
    before: dict[str, str] = {}
    for full, tensor in tensors.items():
        name = full
        while wrapper := next((wrapper for wrapper in _WRAPPERS if name.startswith(wrapper)), None):
            name = name.removeprefix(wrapper)
        name = name.removeprefix(_BODY)
        if name in named:
            raise UserError(f"{show_path(place)} has {name} twice: {quote(before[name])} and {quote(full)}; keep one")
        named[name], before[name] = tensor, full
    return named


def _drop_masks(named: dict[str, StoredTensor], config: GPTConfig, place: Path) -> list[str]:
    """Remove the buffers that older programs saved: a causal mask, and the number that stood for minus infinity."""
    masks = [name for name, tensor in named.items() if _MASK.fullmatch(name) and len(tensor.shape) == 4]
    numbers = [name for name, tensor in named.items() if _MASKED.fullmatch(name) and tensor.shape in ((), (1,))]
    for name in masks:
        if not _is_causal_mask(named.pop(name), config.block_size):
            raise UserError(f"{show_path(place)}: {name} must be a causal mask, and is not: attention here is causal")
    for name in numbers:
        if not named.pop(name).floats().max() <= -1e4:
            raise UserError(f"{show_path(place)}: {name} must be -10,000 or less, as minus infinity is written")
    found = [*(["h.*.attn.bias"] if masks else []), *(["h.*.attn.masked_bias"] if numbers else [])]
    return [f"{count_of(len(masks) + len(numbers), 'buffer')} of masks: {', '.join(found)}"] if found else []


def _is_causal_mask(tensor: StoredTensor, block_size: int) -> bool:
    time = tensor.shape[-1]
    if tensor.shape != (1, 1, time, time) or time < block_size:
        return False
    mask = tensor.view()[0, 0]
    if mask.strides[0] < time * mask.itemsize or mask.strides[1] != mask.itemsize:  # rows that overlap could be endless
        return False
    rows = (to_floats(tensor.kind, row) for row in mask)
    return all((row[: place + 1] == 1).all() and not row[place + 1 :].any() for place, row in enumerate(rows))


def _are_equal(one: StoredTensor, other: StoredTensor | None, shape: Shape) -> bool:
    return (
        other is not None
        and one.shape == other.shape == shape
        and one.kind == other.kind
        and np.array_equal(one.view(), other.view())
    )


def _check_names(named: Tensors, shapes: Mapping[str, Shape], place: Path) -> None:
    missing, unknown = [name for name in shapes if name not in named], [name for name in named if name not in shapes]
    if missing:
        raise UserError(
            f"{show_path(place)} has no {quote(missing[0])}, which a model of its config needs"
            + (f", nor {count_of(len(missing) - 1, 'other tensor')}" if len(missing) > 1 else "")
            + (f"; it has {list_names(unknown, 3)}, which is unknown" if unknown else "")
        )
    if unknown:
        raise UserError(f"{show_path(place)} has {list_names(unknown, 3)}, for which a GPT of its config has no place")


def _read(tensor: StoredTensor, name: str, shape: Shape, layout: Layout, place: Path) -> Array:
    transposed = is_transposed(name, layout)
    expected = shape[::-1] if transposed else shape
    if tensor.shape != expected or not tensor.is_float:
        raise UserError(
            f"{show_path(place)}: {name} must be floating-point numbers of shape {expected}, "
            f"not {tensor.kind} {tensor.shape}"
        )
    values = tensor.floats()
    return np.ascontiguousarray(values.T) if transposed else values


def _unify(values: dict[str, Array], kinds: set[str]) -> list[str]:
    """Give all values one type, float64 if one is, and return what that changed."""
    notes = [f"{kind} numbers are read as float32" for kind in sorted(kinds & {"float16", "bfloat16"})]
    if "float64" in kinds and len(kinds) > 1:
        notes = [f"{', '.join(sorted(kinds))} numbers are all read as float64"]
        for name, value in values.items():
            values[name] = value.astype(np.float64)
    return notes
