"""The library door: a trained model as an object, computed with NumPy, and training with one call."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from numpy_gpt.engine import NumpyEngine
from numpy_gpt.shared.cli.program import Backend, InitialState
from numpy_gpt.shared.library.model import Model, open_model
from numpy_gpt.shared.library.run import Run, RunPaths, accepts_recipe_fields, train_model
from numpy_gpt.shared.training.engine import Engine
from numpy_gpt.shared.training.recipe import Recipe


def load_model(run: str | os.PathLike[str] | None = None, checkpoint: str = "last") -> Model:
    """Return a trained model: of a run, a checkpoint or another program, by default the one that ships.

        model = load_model()
        model.predict("once upon a")

    ``checkpoint`` is ``"last"`` or ``"best"``.

    Raises
    ------
    UserError
        If there is no model in this directory, or it is damaged.
    """
    return open_model(run, checkpoint, _make_engine)


@accepts_recipe_fields
def train(
    preset: str | None = None,
    *,
    out_dir: str | os.PathLike[str] | None = None,
    resume: str | os.PathLike[str] | None = None,
    config: str | os.PathLike[str] | None = None,
    source: str | os.PathLike[str] | None = None,
    progress: bool = True,
    **fields: Any,
) -> Run:
    """Train a model, as ``numpy_gpt train`` does, and return its run.

        run = train("tiny", n_embd=12, max_iters=1000)
        run.model.sample("hello", max_new_tokens=5)

    ``preset`` is a recipe, by default tiny; the file ``config`` (TOML) overrides it, and both are overridden by
    ``fields``: ``dataset``, and the fields of GPTConfig and of TrainingConfig. The run directory is ``out_dir``, by
    default the first free one of runs/PRESET, runs/PRESET-2 … ``resume`` continues an interrupted run. ``source`` is
    the file of the corpus shakespeare. Unless ``progress`` is False, a bar shows how far training is.

    Raises
    ------
    UserError
        If the recipe is invalid, its text cannot be had, the run directory cannot be used, or training diverges.
    KeyboardInterrupt
        If it is interrupted; a checkpoint is saved first.
    """
    paths = RunPaths(out_dir, resume, config, source)
    with np.errstate(all="ignore"):  # a result that overflows is inf or NaN, which training reports in one line
        return train_model(Backend(_make_engine), load_model, preset, fields, paths, progress=progress)


def _make_engine(recipe: Recipe, initial: InitialState) -> Engine:
    return NumpyEngine(recipe, initial.values, initial.moments, initial.trained)
