"""The model that ships: ``tiny``, trained in float64 and rounded to two decimals so that it fits on one page."""

from __future__ import annotations

import tempfile
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np

from gpt_data.errors import UserError
from gpt_data.floors.loss_floor import corpus_loss_floor
from gpt_data.process import Signalled
from gpt_data.texts.corpora import load_corpus
from gpt_data.wording import show_path
from numpy_gpt.engine import NumpyEngine
from numpy_gpt.shared.cli.progress import PlainDisplay
from numpy_gpt.shared.model.initial_values import initial_values
from numpy_gpt.shared.runs.checkpoint import Checkpoint, check_place, read_checkpoint, save_checkpoint
from numpy_gpt.shared.training.evaluation import evaluate
from numpy_gpt.shared.training.presets import preset
from numpy_gpt.shared.training.stopping import Interrupted
from numpy_gpt.shared.training.trainer import train

DECIMALS = 2


def rebuild(out_dir: Path) -> Checkpoint:
    """Train ``tiny``, round its weights, measure the validation loss before and after, and write it to ``out_dir``.

    If ``out_dir`` contains the same model, nothing is written, and that one is returned: its measured losses may differ
    in their last digits, because each machine rounds differently.

    Raises
    ------
    UserError
        If ``out_dir`` cannot be written, or contains anything other than a checkpoint.
    """
    check_place(out_dir, may_train=False)  # fail now rather than after training
    recipe = preset("tiny").override({"dtype": "float64"})
    corpus = load_corpus(recipe.dataset)
    engine = NumpyEngine(recipe, initial_values(recipe.model, recipe.training.seed, "float64"))
    with tempfile.TemporaryDirectory() as run:
        try:
            state = train(recipe, engine, corpus, Path(run), PlainDisplay(recipe.training.max_iters))
        except Interrupted as stopped:  # its checkpoint is removed with the temporary directory
            remark = f" after step {stopped.step}; {show_path(out_dir)} is unchanged, start again"
            raise Signalled(stopped.exit_status - 128, remark) from None
    # Adding 0 turns the −0 that rounding may leave into 0, which is easier to read.
    rounded = {name: np.round(array, DECIMALS) + 0.0 for name, array in engine.values().items()}
    block_size, stride = recipe.model.block_size, recipe.eval_stride
    facts = {
        "val_loss_before_rounding": state.current_evaluation.val_loss,
        "val_loss": evaluate(NumpyEngine(recipe, rounded), corpus.val, block_size, stride),
        "loss_floor": corpus_loss_floor(corpus, "val", block_size, stride),
        "decimals": DECIMALS,
    }
    model = Checkpoint(recipe.model, corpus.tokenizer, rounded, state.step, recipe.to_dict(), facts)
    with suppress(UserError):  # there is no checkpoint yet, or a damaged one
        if _is_same(old := read_checkpoint(out_dir), model):
            return old
    save_checkpoint(out_dir, model)
    return replace(model, path=out_dir)


def _is_same(one: Checkpoint, other: Checkpoint) -> bool:
    """Return whether two checkpoints are the same apart from their measured losses."""
    parts = ("config", "tokenizer", "step", "recipe")
    return all(getattr(one, part) == getattr(other, part) for part in parts) and all(
        array.tobytes() == other.values[name].tobytes() for name, array in one.values.items()
    )
