"""What ports get wrong where the columns of c_attn become queries, keys and values (8.1)."""

from __future__ import annotations

from collections.abc import Callable
from itertools import permutations
from typing import Any

import numpy as np

from numpy_gpt.golden.operations.attention import ATTENTION, merge
from numpy_gpt.golden.operations.operation import Rule, Value


def _split(part: int, pick: Callable[[Any, int, int], Any]) -> Rule:
    """Return a rule for q, k or v; ``pick`` gets qkv (B, T, 3C), n_head and the part, and returns (B, H, T, D)."""
    return lambda s: s.o.shaped(s["qkv"], lambda a: pick(a, s.config.n_head, part))


def pack_gradients(unpick: Callable[[list[Any], int], Any]) -> Rule:
    """Return a rule for dqkv from the three gradients."""

    def rule(s: Any) -> Value:
        parts = [s[key] for key in ("dq", "dk", "dv")]
        stacked = s.o.concatenate([s.o.shaped(part, lambda a: a[None]) for part in parts], 0)
        return s.o.shaped(stacked, lambda a: unpick(list(a), s.config.n_head))

    return rule


def _layout(pick: Callable[[Any, int, int], Any], unpick: Callable[[list[Any], int], Any]) -> dict[str, Rule]:
    return {**{key: _split(part, pick) for part, key in enumerate("qkv")}, "dqkv": pack_gradients(unpick)}


def _interleaved(a: Any, n_head: int, part: int) -> Any:
    return a.reshape(*a.shape[:2], n_head, 3, -1)[:, :, :, part].swapaxes(1, 2)


def _interleave(parts: list[Any], n_head: int) -> Any:
    stacked = np.stack([part.swapaxes(1, 2) for part in parts], 3)  # (B, T, H, 3, D)
    return stacked.reshape(*stacked.shape[:2], -1)


def _innermost(a: Any, n_head: int, part: int) -> Any:
    return a.reshape(*a.shape[:2], n_head, -1, 3)[..., part].swapaxes(1, 2)


def _put_innermost(parts: list[Any], n_head: int) -> Any:
    stacked = np.stack([part.swapaxes(1, 2) for part in parts], -1)  # (B, T, H, D, 3)
    return stacked.reshape(*stacked.shape[:2], -1)


def _size_first(a: Any, n_head: int, part: int) -> Any:
    width = a.shape[-1] // 3
    columns = a[..., part * width : (part + 1) * width]
    return columns.reshape(*a.shape[:2], -1, n_head).transpose(0, 3, 1, 2)  # (B, T, D, H) → (B, H, T, D)


def _put_size_first(parts: list[Any], n_head: int) -> Any:
    flat = [part.transpose(0, 2, 3, 1).reshape(part.shape[0], part.shape[2], -1) for part in parts]
    return np.concatenate(flat, -1)


def _unmoved(a: Any, n_head: int, part: int) -> Any:
    width = a.shape[-1] // 3
    columns = np.ascontiguousarray(a[..., part * width : (part + 1) * width])
    return columns.reshape(a.shape[0], n_head, a.shape[1], -1)


def _put_unmoved(parts: list[Any], n_head: int) -> Any:
    return np.concatenate([part.reshape(part.shape[0], part.shape[2], -1) for part in parts], -1)


ATTENTION.mistake(
    "attention.interleaved",
    "q, k and v are taken head by head, as (H, 3, D): the columns are all of q, all of k, all of v, as (3, H, D)",
    "8.1",
    _layout(_interleaved, _interleave),
)
ATTENTION.mistake(
    "attention.innermost",
    "q, k and v alternate from column to column, as (H, D, 3): the columns are all of q, all of k, all of v",
    "8.1",
    _layout(_innermost, _put_innermost),
)
ATTENTION.mistake(
    "attention.size_first",
    "a head's channels are taken with a stride, as (D, H): they lie together, as (H, D)",
    "8.1",
    _layout(_size_first, _put_size_first),
)
ATTENTION.mistake(
    "attention.unmoved",
    "(B, T, C) is taken for (B, H, T, D) without swapping the axes of positions and heads",
    "8.1",
    _layout(_unmoved, _put_unmoved),
)
for _order in list(permutations(range(3)))[1:]:
    _names = "".join("qkv"[place] for place in _order)

    def _reordered(a: Any, n_head: int, part: int, order: tuple[int, ...] = _order) -> Any:
        width = a.shape[-1] // 3
        place = order.index(part)
        columns = a[..., place * width : (place + 1) * width]
        return columns.reshape(*a.shape[:2], n_head, -1).swapaxes(1, 2)

    def _put_reordered(parts: list[Any], n_head: int, order: tuple[int, ...] = _order) -> Any:
        return np.concatenate([merge(parts[place]) for place in order], -1)

    ATTENTION.mistake(
        f"attention.order_{_names}",
        f"the columns of c_attn are taken as {', '.join(_names)}: they are q, k, v",
        "8.1",
        _layout(_reordered, _put_reordered),
    )
ATTENTION.mistake(
    "attention.unnormed",
    "attention reads the residual stream itself: the norm before it (ln_1) is forgotten",
    "10.1",
    {"qkv": lambda s: s.o.linear(s["stream"], s["c_attn.weight"], s.get("c_attn.bias"))},
)
for _index, _part in enumerate("qkv"):

    def _partly_biased(s: Any, part: int = _index) -> Value:
        bias = s.get("c_attn.bias")
        s.require(bias is not None)
        width = s.config.n_embd
        keep = (np.arange(3 * width) // width != part).astype(float)
        return s.o.linear(s["x"], s["c_attn.weight"], s.o.multiply(bias, s.o.exact(keep, s.evaluation.dtype)))

    ATTENTION.mistake(f"attention.no_{_part}_bias", f"the bias of {_part} is forgotten", "8.1", {"qkv": _partly_biased})
