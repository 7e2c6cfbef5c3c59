"""The library door: a trained model as an object, computed with NumPy, and training or comparing with one call."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from numpy_gpt.engine import NumpyEngine
from numpy_gpt.shared.cli.program import Backend, InitialState
from numpy_gpt.shared.library.comparison import Comparison, compare_models
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
    init_from: str | os.PathLike[str] | None = None,
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
    default the first free one of runs/PRESET, runs/PRESET-2 … ``source`` is the file of the corpus shakespeare. Unless
    ``progress`` is False, a bar shows how far training is.

    ``resume`` continues a run, to another end if ``max_iters`` or ``lr_decay_iters`` is given. ``init_from`` starts a
    new one with the weights of a trained model: a run, a directory, or what ``load_model`` returned. Its sizes are then
    the model's and, without a ``preset``, its settings those of the model's own training.

    Raises
    ------
    UserError
        If the recipe is invalid, its text cannot be had, the run directory cannot be used, or training diverges.
    KeyboardInterrupt
        If it is interrupted; a checkpoint is saved first.
    """
    paths = RunPaths(out_dir, resume, init_from, config, source)
    with np.errstate(all="ignore"):  # a result that overflows is inf or NaN, which training reports in one line
        return train_model(Backend(_make_engine), load_model, preset, fields, paths, progress=progress)


@accepts_recipe_fields
def compare(
    preset: str | None = None,
    *,
    out_dir: str | os.PathLike[str] | None = None,
    init_from: str | os.PathLike[str] | None = None,
    config: str | os.PathLike[str] | None = None,
    source: str | os.PathLike[str] | None = None,
    progress: bool = True,
    **fields: Any,
) -> Comparison:
    """Train once for each value of one field, as ``numpy_gpt compare`` does, and return the runs and their table.

        compare("tiny", n_embd=(4, 6, 8), max_iters=300)

    Exactly one of the ``fields`` has several values, a tuple or a list. The runs are in ``out_dir``, by default the
    first free one of runs/compare-FIELD, runs/compare-FIELD-2 … Everything else is as in ``train``.

    Raises
    ------
    UserError
        As ``train``, or if not exactly one field has several values. A run that diverges becomes a row of the table;
        it is an error only if every run diverges.
    KeyboardInterrupt
        If it is interrupted; the finished runs stay in the directory.
    """
    paths = RunPaths(out_dir, None, init_from, config, source)
    with np.errstate(all="ignore"):  # as in train
        return compare_models(Backend(_make_engine), load_model, preset, fields, paths, progress=progress)


def _make_engine(recipe: Recipe, initial: InitialState) -> Engine:
    return NumpyEngine(recipe, initial.values, initial.moments, initial.trained)
