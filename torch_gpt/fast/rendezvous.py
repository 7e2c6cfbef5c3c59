"""How the processes of a job find each other: the variables that torchrun sets, checked, and a wait that ends."""

from __future__ import annotations

import os
import sys
import threading
from datetime import timedelta

import torch.distributed as dist
from torch.distributed.rendezvous import rendezvous

from gpt_data.errors import UserError
from gpt_data.terminal import print_prose
from gpt_data.wording import quote

PATIENCE = 300.0  # seconds; torchrun starts all processes of a machine at once
_NOTE_AFTER = 5.0  # seconds
_COLLECTIVES = timedelta(minutes=30)  # torch's own limit for everything after the rendezvous
_REMEDY = "start the job with torchrun, or unset RANK and WORLD_SIZE to train in one process"


def meet(backend: str, patience: float = PATIENCE) -> None:
    """Join the other processes of the job, whose variables have been checked; a long wait is reported on stderr.

    Raises
    ------
    UserError
        If the other processes do not come within ``patience`` seconds.
    """
    rank, size = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    place = f"{os.environ['MASTER_ADDR']}:{os.environ['MASTER_PORT']}"
    waiting = f"process {rank} (of 0 to {size - 1}) waits at {place} for the others of its job"
    note = threading.Timer(_NOTE_AFTER, print_prose, (f"note: {waiting}, up to {patience:g} seconds", sys.stderr))
    note.daemon = True
    note.start()
    try:
        store, _, _ = next(rendezvous("env://", timeout=timedelta(seconds=patience)))
    except RuntimeError as error:
        raise UserError(f"{waiting}, in vain for {patience:g} seconds; {_REMEDY}") from error
    finally:
        note.cancel()
    store.set_timeout(_COLLECTIVES)
    dist.init_process_group(backend, store=store, rank=rank, world_size=size)


def check_variables() -> None:
    """Check the variables by which torchrun tells each process its place in the job.

    Raises
    ------
    UserError
        If one is missing, not a number, or not a place in the job.
    """
    size = _number("WORLD_SIZE", 1, 10**6)
    _number("RANK", 0, size - 1)
    if "LOCAL_RANK" in os.environ:
        _number("LOCAL_RANK", 0, size - 1)
    _number("MASTER_PORT", 1, (1 << 16) - 1)
    if not os.environ.get("MASTER_ADDR"):
        raise UserError(f"MASTER_ADDR must be the address of process 0, and is not set; {_REMEDY}")


def _number(name: str, least: int, most: int) -> int:
    text = os.environ.get(name)
    if text is None or not (text.isascii() and text.isdecimal() and len(text) < 10 and least <= int(text) <= most):
        found = "and is not set" if text is None else f"not {quote(text)}"
        raise UserError(f"{name} must be a whole number from {least} to {most}, {found}; {_REMEDY}")
    return int(text)
