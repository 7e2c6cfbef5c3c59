"""Comparing recipes with one call: the runs that the command ``compare`` would make, their models and their table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gpt_data.wording import count_of, one_line, short_repr
from numpy_gpt.shared.cli.compare import (
    SECONDS,
    UNITS,
    Result,
    TrialDisplay,
    changing_field,
    check_any_finished,
    open_comparison,
    plan_trials,
    result_cells,
    result_notes,
    run_trials,
)
from numpy_gpt.shared.cli.plot import read_curve
from numpy_gpt.shared.cli.program import Backend
from numpy_gpt.shared.html_table import html_paragraph, html_table
from numpy_gpt.shared.library.display import NoDisplay, NotebookDisplay, is_notebook
from numpy_gpt.shared.library.model import Model
from numpy_gpt.shared.library.run import Run, RunPaths, read_choice
from numpy_gpt.shared.model.argument_checks import check_flags
from numpy_gpt.shared.training.stopping import Interrupted
from numpy_gpt.shared.training.trainer import Display


@dataclass(frozen=True, eq=False, repr=False)
class Comparison:
    """Runs whose recipes differ in one field: ``runs`` has one for each of ``values``, None if it diverged."""

    field: str
    values: tuple[Any, ...]
    runs: tuple[Run | None, ...]
    directory: Path
    results: tuple[Result, ...]
    """What the command prints as rows."""

    def __repr__(self) -> str:
        best, value = min(
            (run.curve.val[-1], str(value)) for run, value in zip(self.runs, self.values, strict=True) if run
        )
        what = f"Comparison of {count_of(len(self.values), 'value')} of {self.field}"
        return short_repr(f"{what}: the lowest last validation loss is {best:.4f}, with {one_line(str(value), 30)}")

    def _repr_html_(self) -> str:
        rows = [result_cells(result) for result in self.results]
        titles = [title for title in rows[0] if title != SECONDS]  # they differ each time, as would the notebook's file
        cells = [[str(value), *(row[title] for title in titles)] for value, row in zip(self.values, rows, strict=True)]
        table = html_table(UNITS, [self.field, *titles], cells)
        return table + "".join(map(html_paragraph, result_notes(self.results)))


def compare_models(
    backend: Backend,
    load_model: Callable[[Path], Model],
    preset: str | None,
    recipe_fields: Mapping[str, Any],
    paths: RunPaths,
    *,
    progress: bool,
) -> Comparison:
    """Train once for each value of the field that has several, and return the runs.

    Raises
    ------
    UserError
        If not exactly one field has several values, one makes an invalid recipe, or every run diverged.
    KeyboardInterrupt
        If it is interrupted; the finished runs stay in the directory.
    """
    check_flags(progress=progress)
    fields = {name: tuple(value) if isinstance(value, list) else value for name, value in recipe_fields.items()}
    field, values = changing_field(fields, "field", "")
    out_dir, _, choice = read_choice(preset, fields, paths)
    with open_comparison(out_dir, field) as directory:
        trials = plan_trials(choice, field, values, backend, directory)
        try:
            results = tuple(run_trials(trials, backend, _display_for if progress else _no_display))
        except Interrupted as error:  # to a library's user, an interruption is Python's
            raise KeyboardInterrupt(f"interrupted; the finished runs are in {directory}") from error
        check_any_finished(results)
    runs = tuple(None if result.error else _run_of(result, load_model) for result in results)
    return Comparison(field, values, runs, directory, results)


def _run_of(result: Result, load_model: Callable[[Path], Model]) -> Run:
    directory = result.trial.out_dir
    return Run(load_model(directory), directory, result.trial.recipe, read_curve(directory))


def _display_for(max_iters: int, title: str) -> AbstractContextManager[Display]:
    return NotebookDisplay(max_iters, 0, title) if is_notebook() else TrialDisplay(max_iters, title)


def _no_display(max_iters: int, title: str) -> AbstractContextManager[Display]:
    return NoDisplay()
