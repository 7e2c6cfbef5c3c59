"""Matrix products: every one of the port goes through ``product``, and so do mistakes of precision."""

from __future__ import annotations

from itertools import product as every_index

import torch
from torch import Tensor

from parity_tests.golden.port.switches import Switches


def product(equation: str, a: Tensor, b: Tensor, bug: Switches) -> Tensor:
    """Return einsum(equation, a, b) in the dtype of a."""
    if bug("bf16_products"):
        a, b = _through(a, torch.bfloat16), _through(b, torch.bfloat16)
    if bug("fp16_products"):
        a, b = _through(a, torch.float16), _through(b, torch.float16)
    if bug("tf32_products"):
        a, b = _to_tf32(a), _to_tf32(b)
    if bug("bf16_accumulation"):
        return _accumulated_in_bf16(equation, a, b)
    if bug("bf16_results"):
        return _through(torch.einsum(equation, a, b), torch.bfloat16)
    return torch.einsum(equation, a, b)


def _through(x: Tensor, narrow: torch.dtype) -> Tensor:
    return x.to(narrow).to(x.dtype)


def _to_tf32(x: Tensor) -> Tensor:
    bits = x.float().contiguous().view(torch.int32)  # 10 of the 23 bits of the fraction stay, to nearest
    return ((bits + 0x1000) & ~0x1FFF).view(torch.float32).to(x.dtype)


def _accumulated_in_bf16(equation: str, a: Tensor, b: Tensor) -> Tensor:
    operands, out = equation.split("->")
    first, second = operands.split(",")
    summed = [letter for letter in first if letter in second and letter not in out]
    total = None
    for index in every_index(*(range(a.shape[first.index(letter)]) for letter in summed)):
        term = torch.einsum(equation, _at(a, first, summed, index), _at(b, second, summed, index))
        total = _through(term if total is None else total + term, torch.bfloat16)
    assert total is not None
    return total


def _at(x: Tensor, letters: str, summed: list[str], index: tuple[int, ...]) -> Tensor:
    for letter, i in zip(summed, index, strict=True):
        x = x.narrow(letters.index(letter), i, 1)
    return x
