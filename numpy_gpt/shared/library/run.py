"""Training with one call: the run that the command ``train`` would make, and the model that comes of it."""

from __future__ import annotations

import inspect
import json
import os
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from gpt_data.checks import to_path
from gpt_data.wording import count_of, one_line, short_repr
from numpy_gpt.shared.cli.choices import RecipeChoice, print_notes
from numpy_gpt.shared.cli.plot import Curve, read_curve
from numpy_gpt.shared.cli.program import Backend
from numpy_gpt.shared.cli.train import TrainOptions, new_run, open_out_dir, resumed_run
from numpy_gpt.shared.html_table import html_table
from numpy_gpt.shared.library.display import choose_display
from numpy_gpt.shared.library.model import Model
from numpy_gpt.shared.model.argument_checks import check_flags
from numpy_gpt.shared.model.config import GPTConfig
from numpy_gpt.shared.runs.metrics import read_metrics
from numpy_gpt.shared.training.presets import preset as preset_of
from numpy_gpt.shared.training.recipe import Recipe, TrainingConfig
from numpy_gpt.shared.training.stopping import Interrupted
from numpy_gpt.shared.training.trainer import train as train_run

DEFAULT_PRESET = "tiny"


class _FromPreset:
    """What the help shows as the default of a recipe's fields."""

    def __repr__(self) -> str:
        return "<the preset's>"


_FROM_PRESET = _FromPreset()
_Function = TypeVar("_Function", bound=Callable[..., Any])


@dataclass(frozen=True, eq=False, repr=False)
class Run:
    """A finished run: its model, its directory, its recipe, and the curve of its losses.

    ``curve.train`` and ``curve.val`` are the losses in nats per token after ``curve.steps`` steps. ``load_model(run)``
    loads the model again, or the best one with ``checkpoint="best"``.
    """

    model: Model
    directory: Path
    recipe: Recipe
    curve: Curve

    @property
    def metrics(self) -> list[dict[str, Any]]:
        """Every line of metrics.jsonl: evaluations and logged steps.

        Raises
        ------
        UserError
            If the file is gone or damaged.
        """
        return [json.loads(record.line) for record in read_metrics(self.directory)]

    def __fspath__(self) -> str:
        return str(self.directory)

    def _summary(self) -> str:
        place, steps = one_line(str(self.directory), 60), count_of(self.curve.steps[-1], "step")
        return f"{place}: {one_line(self.recipe.name, 30)}, {steps}, validation loss {self.curve.val[-1]:.4f}"

    def __repr__(self) -> str:
        return short_repr(f"Run {self._summary()} nats per token")

    def _repr_html_(self) -> str:
        _, steps, train, val = self.curve
        best = val.index(min(val))
        rows = [
            [f"{step:,}", f"{ours:.4f}", f"{held_out:.4f}", "best" if place == best else ""]
            for place, (step, ours, held_out) in enumerate(zip(steps, train, val, strict=True))
        ]
        header = ["step", "training loss", "validation loss", ""]
        return html_table(f"{self._summary()} nats per token", header, rows)


class RunPaths(NamedTuple):
    """Where a run is written or resumed, and where its weights, recipe and text are read, if not by default."""

    out_dir: str | os.PathLike[str] | None
    resume: str | os.PathLike[str] | None
    init_from: str | os.PathLike[str] | None
    config: str | os.PathLike[str] | None
    source: str | os.PathLike[str] | None


def read_choice(
    preset: str | None, recipe_fields: Mapping[str, Any], paths: RunPaths
) -> tuple[Path | None, Path | None, RecipeChoice]:
    """Return out_dir, resume, and the choice of the recipe, as the command line would give them.

    Raises
    ------
    UserError
        If there is no such preset, or a path is not one.
    """
    if preset is not None:
        preset_of(preset)
    out_dir, resume, init_from, config, source = (None if path is None else to_path(path) for path in paths)
    return out_dir, resume, RecipeChoice(preset, DEFAULT_PRESET, config, source, init_from, recipe_fields)


def train_model(
    backend: Backend,
    load_model: Callable[[Path], Model],
    preset: str | None,
    recipe_fields: Mapping[str, Any],
    paths: RunPaths,
    *,
    progress: bool,
) -> Run:
    """Train a new run or resume one, and return it with its model, which ``load_model`` loads.

    Raises
    ------
    UserError
        If the recipe is invalid, its text cannot be had, the run directory cannot be used, or training diverges.
    KeyboardInterrupt
        If it is interrupted; a checkpoint is saved first.
    """
    check_flags(progress=progress)
    out_dir, resume, choice = read_choice(preset, recipe_fields, paths)
    options = TrainOptions(choice, resume, out_dir, tensorboard=False, json=False)
    run = new_run(options, backend) if resume is None else resumed_run(resume, options)
    engine = backend.make_engine(run.recipe, run.initial)
    with ExitStack() as stack:
        directory = open_out_dir(run, engine.group, stack)
        print_notes(run.notes if progress else ())
        display = stack.enter_context(choose_display(run.recipe.training.max_iters, run.state.step, shown=progress))
        try:
            train_run(run.recipe, engine, run.corpus, directory, display, run.state)
        except Interrupted as error:  # to a library's user, an interruption is Python's
            what_to_do = f"continue with train(resume={str(directory)!r})"
            raise KeyboardInterrupt(f"interrupted after step {error.step}; {what_to_do}") from None
    return Run(load_model(directory), directory, run.recipe, read_curve(directory))


def accepts_recipe_fields(function: _Function) -> _Function:
    """Replace ``**fields`` in a function's signature by the fields of a recipe, for help and tab completion."""
    signature = inspect.signature(function)
    *own, _ = signature.parameters.values()
    kind = inspect.Parameter.KEYWORD_ONLY
    recipe = [inspect.Parameter("dataset", kind, default=_FROM_PRESET, annotation="str")]
    recipe += [
        inspect.Parameter(item.name, kind, default=_FROM_PRESET, annotation=item.type)
        for part in (GPTConfig, TrainingConfig)
        for item in fields(part)
    ]
    function.__signature__ = signature.replace(parameters=[*own, *recipe])  # type: ignore[attr-defined]
    return function
