"""``compare``: vary one field of a recipe, train once per value, and print a table and a plot of all runs."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from gpt_data.errors import UserError
from gpt_data.files.streams import finish_without_output
from gpt_data.terminal import join_lines, page_style, print_prose, show, terminal_columns, wrap_prose
from gpt_data.wording import one_line, show_path
from numpy_gpt.shared.cli.choices import (
    PRECEDENCE,
    InitialRun,
    RecipeChoice,
    add_recipe_flags,
    initial_run,
    print_notes,
    read_recipe_choice,
)
from numpy_gpt.shared.cli.evaluate import LossFloor, loss_floor_of
from numpy_gpt.shared.cli.parser import add_pager_flag, path, print_record, read_options
from numpy_gpt.shared.cli.plot import has_plot_libraries, read_curve, terminal_chart, write_png
from numpy_gpt.shared.cli.program import Backend, Command, Program, set_command
from numpy_gpt.shared.cli.progress import PlainDisplay
from numpy_gpt.shared.cli.tables import Column, table_lines
from numpy_gpt.shared.cli.train import run_record
from numpy_gpt.shared.runs.run_directory import new_directory
from numpy_gpt.shared.runs.run_state import Evaluation
from numpy_gpt.shared.training.engine import Engine
from numpy_gpt.shared.training.recipe import Recipe
from numpy_gpt.shared.training.stopping import Diverged
from numpy_gpt.shared.training.trainer import Display, train

SCHEMA_VERSION = 1
UNITS, SECONDS = "losses in nats per token", "seconds"


class CompareOptions(NamedTuple):
    """The flags of ``compare``: a recipe, the field to vary, and its values."""

    recipe: RecipeChoice
    field: str
    values: tuple[Any, ...]
    out_dir: Path | None
    no_pager: bool
    json: bool


class Trial(NamedTuple):
    """A planned training run: the field that varies and its value, what the run starts from, and its run directory."""

    field: str
    value: Any
    start: InitialRun
    out_dir: Path

    @property
    def recipe(self) -> Recipe:
        """The recipe with the value."""
        return self.start.recipe


class Result(NamedTuple):
    """A finished trial: the record of ``train --json``, and the lowest possible loss.

    If the run diverged, the record has no losses, and its ``error`` describes what happened.
    """

    trial: Trial
    record: dict[str, Any]
    floor: LossFloor | None

    @property
    def error(self) -> str | None:
        """How the run diverged, if it did."""
        return self.record.get("error")


def _add_flags(parser: argparse.ArgumentParser, program: Program) -> None:
    """Add the flags of ``compare``: those of ``train``, one of them with several values."""
    add_recipe_flags(parser, program.default_preset, several=True)
    what = "directory for the runs (default: runs/compare-FIELD, or -2 …)"
    parser.add_argument("--out_dir", type=path, metavar="DIR", help=what)
    add_pager_flag(parser)
    parser.add_argument("--json", action="store_true", help="make the last line of stdout one JSON record")
    set_command(parser, program, partial(_read_options, program), compare)


def _read_options(program: Program, arguments: argparse.Namespace) -> CompareOptions:
    choice = read_recipe_choice(arguments, program.default_preset)
    field, values = changing_field(choice.fields, "flag", "--")
    return read_options(CompareOptions, arguments, recipe=choice, field=field, values=values)


COMPARE = Command(
    "compare",
    "change one field, train once for each of its values, and compare",
    _add_flags,
    (
        "compare tiny --n_embd 4,6,8,16 --max_iters 300 --warmup_iters 30 --eval_interval 25",
        "compare tiny --dropout 0,0.1 --max_iters 300 --warmup_iters 30 --json",
    ),
    PRECEDENCE,
)


def changing_field(fields: Mapping[str, Any], what: str, prefix: str) -> tuple[str, tuple[Any, ...]]:
    """Return the only field with a tuple of values, and the values; the message calls it a ``what`` with a prefix.

    Raises
    ------
    UserError
        If not exactly one has several values, or two of these are equal.
    """
    changing = {name: values for name, values in fields.items() if isinstance(values, tuple) and len(values) > 1}
    if len(changing) != 1:
        found = " and ".join(f"{prefix}{name}" for name in changing) or "none"
        example = f"{prefix}n_embd 4,6,8" if prefix else "n_embd=(4, 6, 8)"
        raise UserError(f"exactly one {what} must have several values, as in {example}; {found} came with several")
    (field, values), *_ = changing.items()
    if any(values.index(value) < place for place, value in enumerate(values)):
        given = one_line(",".join(map(str, values)), 200)
        raise UserError(f"{prefix}{field} must have different values, not {given}")
    return field, values


@finish_without_output()
def compare(options: CompareOptions, backend: Backend) -> int:
    """Train once for each value, print table and plot, and return the exit status.

    A run that diverges becomes a table row, and the comparison continues.

    Raises
    ------
    UserError
        If a flag is wrong, or every run diverged.
    """
    with open_comparison(options.out_dir, options.field) as out_dir:
        return _compare_in(out_dir, options, backend)


@contextmanager
def open_comparison(out_dir: Path | None, field: str) -> Iterator[Path]:
    """Create the directory for the runs, by default the first free one of runs/compare-FIELD, -2, -3.

    Raises
    ------
    UserError
        If it exists already, or cannot be created.
    """
    if out_dir is not None and out_dir.exists():
        raise UserError(f"{show_path(out_dir)} already exists; remove it, or choose another --out_dir")
    with new_directory(out_dir or Path("runs") / f"compare-{field}") as directory:
        yield directory


def _compare_in(out_dir: Path, options: CompareOptions, backend: Backend) -> int:
    field = options.field
    results: list[Result] = []
    try:
        trials = plan_trials(options.recipe, field, options.values, backend, out_dir)
        print_notes(dict.fromkeys(note for trial in trials for note in trial.start.notes))
        for result in run_trials(trials, backend, TrialDisplay):  # one by one, as the next may be interrupted
            results.append(result)
    except BaseException:  # such as an interruption: what is finished is shown
        show([join_lines(_result_lines(field, results))] if results else [])
        raise
    show(_report_parts(field, results, out_dir), paged=not options.no_pager)
    check_any_finished(results)
    if options.json:
        runs = [{field: result.trial.value, **result.record} for result in results]
        print_record({"schema_version": SCHEMA_VERSION, "field": field, "out_dir": str(out_dir), "runs": runs})
    return 0


def check_any_finished(results: Sequence[Result]) -> None:
    """Check that not every run diverged.

    Raises
    ------
    UserError
        If every run did.
    """
    if all(result.error for result in results):
        raise UserError("every run diverged; try a lower learning_rate, or a higher warmup_iters")


def plan_trials(
    choice: RecipeChoice, field: str, values: Sequence[Any], backend: Backend, out_dir: Path
) -> list[Trial]:
    """Return a trial for each value of the field.

    Raises
    ------
    UserError
        If any value makes an invalid recipe, or its text cannot be had.
    """
    trials: list[Trial] = []
    for value in values:
        start = initial_run(choice._replace(fields={**choice.fields, field: value}), backend.recipe_defaults)
        name = "".join(letter if letter.isalnum() or letter in "+-._" else "_" for letter in f"{field}-{value}")
        taken = any(trial.out_dir.name == name for trial in trials)  # as for two data sets a/b and a_b
        trials.append(Trial(field, value, start, out_dir / (f"{name}-{len(trials) + 1}" if taken else name)))
    return trials


def run_trials(
    trials: Sequence[Trial], backend: Backend, make_display: Callable[[int, str], AbstractContextManager[Display]]
) -> Iterator[Result]:
    """Train the trials one after another, and yield each result; displays are made of max_iters and a title.

    Raises
    ------
    UserError
        If the backend cannot compute one of them; this is known before the first run starts.
    """
    # All engines are made now, so that a failure does not come hours later.
    engines = [backend.make_engine(trial.recipe, trial.start.state()) for trial in trials]
    for number, trial in enumerate(trials, start=1):
        title = f"training with {trial.field} {trial.value} ({number} of {len(trials)})"
        with make_display(trial.recipe.training.max_iters, title) as display:
            yield _run_trial(trial, engines.pop(0), display)


def _run_trial(trial: Trial, engine: Engine, display: Display) -> Result:
    recipe, corpus = trial.recipe, trial.start.corpus
    floor = loss_floor_of(recipe, corpus)
    start_time = time.perf_counter()
    state, diverged = None, {}
    try:
        state = train(recipe, engine, corpus, trial.out_dir, display)
    except Diverged as error:
        diverged = {"error": str(error)}
    record = run_record(recipe, state, floor, time.perf_counter() - start_time, trial.out_dir)
    return Result(trial, record | diverged, floor)


class TrialDisplay(PlainDisplay):
    """Shows a title and progress on stderr; the table has the last evaluation."""

    def __init__(self, max_iters: int, title: str) -> None:
        super().__init__(max_iters)
        self._title = title

    def __enter__(self) -> TrialDisplay:
        return self

    def evaluation(self, evaluation: Evaluation) -> None:
        """Print the title, the first time: the run has begun, and is not ended by an error such as a full disk."""
        if self._title:
            print_prose(one_line(self._title), sys.stderr)
            self._title = ""


def _report_parts(field: str, results: Sequence[Result], out_dir: Path) -> Iterator[str]:
    """Yield the table, and then the curves, which are also drawn to a file; none if every run diverged."""
    yield join_lines(_result_lines(field, results))
    curves = [
        read_curve(result.trial.out_dir, f"{field} {result.trial.value}") for result in results if not result.error
    ]
    if not curves:
        return
    if not has_plot_libraries():
        yield '\nno plot: pip install "numpy-gpt[plot]"\n'
        return
    write_png(curves, out_dir / "compare.png")
    yield f"\n{terminal_chart(curves)}\n\nwrote {show_path(out_dir / 'compare.png')}\n"


def _result_lines(field: str, results: Sequence[Result]) -> Iterator[str]:
    rows = [{field: str(result.trial.value), **result_cells(result)} for result in results]
    titles = rows[0]
    columns = [Column(title, role="value" if title == "best" else "") for title in titles]
    columns[0] = Column(field, "point", role="name")
    style = page_style()
    yield style("heading", UNITS)
    yield from table_lines(columns, [tuple(row.values()) for row in rows], style, terminal_columns(0) or None)
    for text in result_notes(results):
        yield from wrap_prose(text)


def result_cells(result: Result) -> dict[str, str]:
    """Return the cells of a trial's row, by the titles of their columns."""
    record = result.record
    return {
        "parameters": f"{record['parameters']:,}",
        "training": _loss_text(record["train_loss"]),
        "validation": "diverged" if result.error else _loss_text(record["val_loss"]),
        "best": _loss_text(record["best_val_loss"]),
        "at step": "-" if record["best_step"] is None else str(record["best_step"]),
        SECONDS: f"{record['seconds']:.2f}",
        "lowest possible": _loss_text(record["loss_floor"]),
    }


def result_notes(results: Sequence[Result]) -> list[str]:
    """Return the sentences below the table: which runs diverged, and why no loss can be lower."""
    errors = [
        f"{result.trial.field} {result.trial.value} diverged: {result.error}" for result in results if result.error
    ]
    return [*errors, *sorted({f"lowest possible: {result.floor.reason}" for result in results if result.floor})]


def _loss_text(loss: float | None) -> str:
    return "-" if loss is None else f"{loss:.4f}"
