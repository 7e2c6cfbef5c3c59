"""``compare``: vary one field of a recipe, train once per value, and print a table and a plot of all runs."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
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
from numpy_gpt.shared.training.trainer import train

SCHEMA_VERSION = 1


class CompareOptions(NamedTuple):
    """The flags of ``compare``: a recipe, the field to vary, and its values."""

    recipe: RecipeChoice
    field: str
    values: tuple[Any, ...]
    out_dir: Path | None
    no_pager: bool
    json: bool


class Trial(NamedTuple):
    """A planned training run: the value, what the run starts from, and its run directory."""

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
    field, values = _changing_field(choice.fields)
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


def _changing_field(fields: Mapping[str, Any]) -> tuple[str, tuple[Any, ...]]:
    changing = {name: values for name, values in fields.items() if isinstance(values, tuple)}
    if len(changing) != 1:
        found = " and ".join(f"--{name}" for name in changing) or "none"
        raise UserError(f"exactly one flag must have several values, as in --n_embd 4,6,8; {found} came with several")
    (field, values), *_ = changing.items()
    if len(set(values)) < len(values):
        raise UserError(f"--{field} must have different values, not {one_line(','.join(map(str, values)), 200)}")
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
    if options.out_dir is not None and options.out_dir.exists():
        raise UserError(f"{show_path(options.out_dir)} already exists; remove it, or choose another --out_dir")
    with new_directory(options.out_dir or Path("runs") / f"compare-{options.field}") as out_dir:
        return _compare_in(out_dir, options, backend)


def _compare_in(out_dir: Path, options: CompareOptions, backend: Backend) -> int:
    field = options.field
    trials = _trials(options, backend, out_dir)
    # All engines are made now, so that a failure does not come hours later.
    engines = [backend.make_engine(trial.recipe, trial.start.state()) for trial in trials]
    print_notes(dict.fromkeys(note for trial in trials for note in trial.start.notes))
    results: list[Result] = []
    try:
        for number, trial in enumerate(trials, start=1):
            title = f"training with {field} {trial.value} ({number} of {len(trials)})"
            results.append(_run_trial(trial, engines.pop(0), title))
    except BaseException:  # such as an interruption: what is finished is shown
        show([join_lines(_result_lines(field, results))] if results else [])
        raise
    show(_report_parts(field, results, out_dir), paged=not options.no_pager)
    if all(result.error for result in results):
        raise UserError("every run diverged; try a lower --learning_rate, or a higher --warmup_iters")
    if options.json:
        runs = [{field: result.trial.value, **result.record} for result in results]
        print_record({"schema_version": SCHEMA_VERSION, "field": field, "out_dir": str(out_dir), "runs": runs})
    return 0


def _trials(options: CompareOptions, backend: Backend, out_dir: Path) -> list[Trial]:
    """Return the trials; an error in any value is reported before the first run starts."""
    trials: list[Trial] = []
    for value in options.values:
        fields = {**options.recipe.fields, options.field: value}
        start = initial_run(options.recipe._replace(fields=fields), backend.recipe_defaults)
        name = "".join(letter if letter.isalnum() or letter in "+-._" else "_" for letter in f"{options.field}-{value}")
        taken = any(trial.out_dir.name == name for trial in trials)  # as for two data sets a/b and a_b
        trials.append(Trial(value, start, out_dir / (f"{name}-{len(trials) + 1}" if taken else name)))
    return trials


def _run_trial(trial: Trial, engine: Engine, title: str) -> Result:
    recipe, corpus = trial.recipe, trial.start.corpus
    floor = loss_floor_of(recipe, corpus)
    start_time = time.perf_counter()
    state, diverged = None, {}
    try:
        state = train(recipe, engine, corpus, trial.out_dir, _TrialDisplay(recipe.training.max_iters, title))
    except Diverged as error:
        diverged = {"error": str(error)}
    record = run_record(recipe, state, floor, time.perf_counter() - start_time, trial.out_dir)
    return Result(trial, record | diverged, floor)


class _TrialDisplay(PlainDisplay):
    """Shows a title and progress on stderr; the table has the last evaluation."""

    def __init__(self, max_iters: int, title: str) -> None:
        super().__init__(max_iters)
        self._title = title

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
    titles = ("parameters", "training", "validation", "best", "at step", "seconds", "lowest possible")
    rows: list[tuple[str, ...]] = []
    for result in results:
        record = result.record
        losses = [_loss_text(record[name]) for name in ("train_loss", "val_loss", "best_val_loss")]
        if result.error:
            losses[1] = "diverged"
        step = "-" if record["best_step"] is None else str(record["best_step"])
        cells = (f"{record['parameters']:,}", *losses, step, f"{record['seconds']:.2f}")
        rows.append((str(result.trial.value), *cells, _loss_text(record["loss_floor"])))
    columns = [Column(title, role="value" if title == "best" else "") for title in titles]
    style = page_style()
    yield style("heading", "losses in nats per token")
    columns.insert(0, Column(field, "point", role="name"))
    yield from table_lines(columns, rows, style, terminal_columns(0) or None)
    errors = [f"{field} {result.trial.value} diverged: {result.error}" for result in results if result.error]
    reasons = sorted({f"lowest possible: {result.floor.reason}" for result in results if result.floor})
    for text in (*errors, *reasons):
        yield from wrap_prose(text)


def _loss_text(loss: float | None) -> str:
    return "-" if loss is None else f"{loss:.4f}"
