"""The library door: a trained model as an object, computed with PyTorch, and training or comparing with one call."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, get_args

import torch

from gpt_data.errors import UserError
from gpt_data.wording import describe
from numpy_gpt.shared.cli.program import InitialState
from numpy_gpt.shared.library.comparison import Comparison, compare_models
from numpy_gpt.shared.library.model import Model, open_model
from numpy_gpt.shared.library.run import Run, RunPaths, accepts_recipe_fields, train_model
from numpy_gpt.shared.model.argument_checks import check_flags
from numpy_gpt.shared.training.engine import Engine
from numpy_gpt.shared.training.process_group import SINGLE_PROCESS
from numpy_gpt.shared.training.recipe import Recipe
from torch_gpt.device import choose_device
from torch_gpt.device_options import DeviceOptions, OperationPath
from torch_gpt.running import make_engine, open_backend


def load_model(
    run: str | os.PathLike[str] | None = None,
    checkpoint: str = "last",
    *,
    device: str = "auto",
    path: OperationPath | None = None,
) -> Model:
    """Return a trained model: of a run, a checkpoint or another program, by default the one that ships.

        model = load_model()
        model.predict("once upon a")

    ``checkpoint`` is ``"last"`` or ``"best"``. ``device`` is auto (the first available of cuda, mps, cpu), cpu, cuda,
    cuda:N or mps. ``path`` is ``"fast"``, ``"fused"`` or ``"explicit"``: by default fast, but explicit in float64.

    Raises
    ------
    UserError
        If there is no model in this directory, it is damaged, or there is no such device.
    """
    # One step on one example is not worth compiling.
    options = DeviceOptions(device, _check_path(path), compile=False, graphs=False, quiet=True)
    return open_model(run, checkpoint, partial(_make_engine, options, choose_device(device)))


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
    device: str = "auto",
    path: OperationPath | None = None,
    compile: bool | None = None,
    tf32: bool = False,
    **fields: Any,
) -> Run:
    """Train a model, as ``torch_gpt train`` does, and return its run.

        run = train("tiny", n_embd=12, max_iters=1000)
        run.model.sample("hello", max_new_tokens=5)

    ``preset`` is a recipe, by default tiny; the file ``config`` (TOML) overrides it, and both are overridden by
    ``fields``: ``dataset``, and the fields of GPTConfig and of TrainingConfig. The run directory is ``out_dir``, by
    default the first free one of runs/PRESET, runs/PRESET-2 … ``source`` is the file of the corpus shakespeare. Unless
    ``progress`` is False, a bar shows how far training is.

    ``resume`` continues a run, to another end if ``max_iters`` or ``lr_decay_iters`` is given. ``init_from`` starts a
    new one with the weights of a trained model: a run, a directory, or what ``load_model`` returned. Its sizes are then
    the model's and, without a ``preset``, its settings those of the model's own training.

    ``device`` and ``path`` are those of ``load_model``. ``compile`` compiles the fast path, by default only on CUDA;
    ``tf32`` lets float32 products on CUDA keep 10 bits of each factor: faster, less exact.

    Raises
    ------
    UserError
        If the recipe is invalid, its text cannot be had, the run directory cannot be used, there is no such device or
        its memory runs out, or training diverges.
    KeyboardInterrupt
        If it is interrupted; a checkpoint is saved first.
    """
    check_flags(progress=progress, tf32=tf32, **({} if compile is None else {"compile": compile}))
    options = DeviceOptions(device, _check_path(path), compile=compile, tf32=tf32, quiet=not progress)
    paths, load = RunPaths(out_dir, resume, init_from, config, source), partial(load_model, device=device, path=path)
    with _own_settings(), open_backend(options, trains=True, run=None) as backend:
        return train_model(backend, load, preset, fields, paths, progress=progress)


@accepts_recipe_fields
def compare(
    preset: str | None = None,
    *,
    out_dir: str | os.PathLike[str] | None = None,
    init_from: str | os.PathLike[str] | None = None,
    config: str | os.PathLike[str] | None = None,
    source: str | os.PathLike[str] | None = None,
    progress: bool = True,
    device: str = "auto",
    path: OperationPath | None = None,
    compile: bool | None = None,
    tf32: bool = False,
    **fields: Any,
) -> Comparison:
    """Train once for each value of one field, as ``torch_gpt compare`` does, and return the runs and their table.

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
    check_flags(progress=progress, tf32=tf32, **({} if compile is None else {"compile": compile}))
    options = DeviceOptions(device, _check_path(path), compile=compile, tf32=tf32, quiet=not progress)
    paths, load = RunPaths(out_dir, None, init_from, config, source), partial(load_model, device=device, path=path)
    with _own_settings(), open_backend(options, trains=False, run=None) as backend:
        return compare_models(backend, load, preset, fields, paths, progress=progress)


def _make_engine(options: DeviceOptions, device: torch.device, recipe: Recipe, initial: InitialState) -> Engine:
    with _own_settings():
        return make_engine(options, device, SINGLE_PROCESS, recipe, initial)


@contextmanager
def _own_settings() -> Iterator[None]:
    """Restore PyTorch's number of threads and precision of products: they are the program's that uses the library."""
    threads, precision = torch.get_num_threads(), torch.get_float32_matmul_precision()
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        torch.set_float32_matmul_precision(precision)


def _check_path(path: Any) -> Any:
    known = get_args(OperationPath)
    if path is not None and not (isinstance(path, str) and path in known):
        raise UserError(f"path must be {', '.join(known[:-1])} or {known[-1]}, not {describe(path)}")
    return path
