"""What to do when something cannot be had: say so and go on without it, or say what would do."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import torch

from gpt_data.errors import UserError
from torch_gpt.fast.whole_step import WholeStep

Report = Callable[[str], None]


def said(message: str) -> None:
    """Say it on stderr, in one line."""
    print(f"note: {' '.join(message.split())[:300]}", file=sys.stderr)


def compiled(whole: WholeStep, loss_of: Any, report: Report) -> Any:
    """Return the loss compiled, once it has been seen to work forwards and backwards, or else as it was.

    Compiling can fail in many places: no C++ compiler, no Triton, an operation that is unknown to it.
    """
    whole.loss_of = torch.compile(loss_of)
    try:
        whole.dry_run()
    except Exception as error:  # the compiler's own errors have no common class
        if is_out_of_memory(error):
            raise
        report(f"torch.compile cannot be had, training goes on without it: {type(error).__name__}: {error}")
        return loss_of
    return whole.loss_of


def with_fitting_batch(whole: WholeStep, batch_size: int, device: torch.device, processes: int = 1) -> None:
    """Rehearse the step; where memory does not suffice, find the largest batch for which it does.

    Each of the processes rehearses its own part of the batch by itself: where the memory of only one does not suffice,
    the others must not wait for its gradient.

    Raises
    ------
    UserError
        If it does not suffice; the message says which batch_size would fit, and how the step stays the same.
    """
    try:
        whole.dry_run(alone=True)
        return
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
    fits, factor = batch_size // processes // 2, 2
    while fits and not _fits(whole, fits, device):
        fits, factor = fits // 2, 2 * factor
    if fits == 0:
        raise UserError(f"not even a batch of one fits into the memory of {device}; try a smaller model or block_size")
    raise UserError(
        f"batch_size={batch_size} does not fit into the memory of {device}; {fits * processes} would, and with "
        f"{factor} times as many --gradient_accumulation_steps each step stays the same"
    )


def _fits(whole: WholeStep, rows: int, device: torch.device) -> bool:
    if device.type == "cuda":
        torch.cuda.empty_cache()
    try:
        whole.dry_run(rows, alone=True)
    except (RuntimeError, MemoryError) as error:
        if is_out_of_memory(error):
            return False
        raise
    return True


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error means that the memory of a device, or of the machine, does not suffice."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    # On a processor, and from some libraries, it is a plain RuntimeError.
    signs = ("can't allocate memory", "out of memory", "ALLOC_FAILED")
    return isinstance(error, RuntimeError) and any(sign in str(error) for sign in signs)
