"""A text worked out by a model as it was loaded, for every command that needs the numbers of a trace."""

from __future__ import annotations

from pathlib import Path

from handcalc.tracing.optimizer import Optimizer
from handcalc.tracing.working import Trace, work_out
from numpy_gpt.shared.model.inputs import require_gpt
from numpy_gpt.shared.runs.checkpoint import SHIPPED_MODEL, Checkpoint
from numpy_gpt.shared.runs.run_directory import load_checkpoint


def named_model(path: str | None) -> tuple[Checkpoint, str]:
    """Return the model in a directory, the shipped one for None, and what to call it.

    Raises
    ------
    UserError
        If there is none, or it is damaged.
    """
    directory = SHIPPED_MODEL if path is None else Path(path)
    return load_checkpoint(directory), directory.resolve().name


def traced(
    model: Checkpoint,
    name: str,
    text: str,
    tokens: tuple[int, ...],
    *,
    digits: int,
    targets: tuple[int, ...] = (),
    optimizer: Optimizer | None = None,
) -> Trace:
    """Return the forward pass of the tokens, with ``targets`` the backward pass and with ``optimizer`` its step too.

    Raises
    ------
    UserError
        If there are more tokens than the model sees, ``digits`` is out of range, or the model
        is no GPT or cannot be traced.
    """
    config, words = require_gpt(model.config), model.tokenizer.vocabulary
    return work_out(
        config,
        model.values,
        # A vocabulary may be padded: the model has rows for ids that stand for no word.
        (*words, *(f"id {token}" for token in range(len(words), config.vocab_size))),
        text,
        tokens,
        digits=digits,
        model=name,
        targets=targets,
        optimizer=optimizer,
    )
