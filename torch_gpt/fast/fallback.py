"""Fallbacks for unavailable features: continue without them after a one-line note, or suggest what would work."""

from __future__ import annotations

import sys
from collections.abc import Callable

import torch

from gpt_data.errors import UserError
from gpt_data.terminal import print_prose
from numpy_gpt.shared.training.engine import StepResult
from torch_gpt.fast.whole_step import WholeStep

Report = Callable[[str], None]


def print_note(message: str) -> None:
    """Print the message on one line of stderr, which a terminal wraps at its width."""
    print_prose(f"note: {' '.join(message.split())[:300]}", sys.stderr)


def check_memory(whole: WholeStep, batch_size: int, device: torch.device, processes: int = 1) -> StepResult:
    """Return the result of a dry run of the step; if it runs out of memory, find a smaller batch that fits.

    Each process runs its part of the batch independently: if only one runs out of memory, the others must not wait for
    its gradient.

    Raises
    ------
    UserError
        If the batch does not fit; the message gives a batch_size that fits, and how to keep the step the same.
    """
    try:
        return whole.dry_run(alone=True)
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
    """Return whether an error means that a device, or the host, is out of memory."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    # On a CPU, and from some libraries, it is a plain RuntimeError.
    signs = ("can't allocate memory", "out of memory", "ALLOC_FAILED")
    return isinstance(error, RuntimeError) and any(sign in str(error) for sign in signs)
