"""``compare``: learn by changing one thing; a training for each of its values, a table and a plot of all."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from gpt_data.errors import UserError
from gpt_data.texts.corpora import Corpus
from gpt_data.wording import show_path
from numpy_gpt.shared.cli.curves import has_plot_libraries, read_curve, terminal_chart, write_png
from numpy_gpt.shared.cli.floor import Floor, loss_floor_of
from numpy_gpt.shared.cli.parser import print_record, recipe_changes
from numpy_gpt.shared.cli.program import InitialState, Program
from numpy_gpt.shared.cli.progress import PlainDisplay
from numpy_gpt.shared.cli.recipe_choice import add_recipe_choice, chosen_recipe
from numpy_gpt.shared.cli.train import free_directory, record_of
from numpy_gpt.shared.model.initial_values import initial_values
from numpy_gpt.shared.runs.run_state import Evaluation
from numpy_gpt.shared.training.engine import Engine
from numpy_gpt.shared.training.recipe import Recipe
from numpy_gpt.shared.training.stopping import Diverged
from numpy_gpt.shared.training.trainer import train

SCHEMA_VERSION = 1


class Plan(NamedTuple):
    """One training that is to come: the value that is tried, its recipe and text, and its run directory."""

    value: Any
    recipe: Recipe
    corpus: Corpus
    out_dir: Path


class Trial(NamedTuple):
    """One training that is done: its plan, the record of ``train --json``, and the lowest possible loss.

    Of one that diverged the record has no losses, and ``error``, which says how.
    """

    plan: Plan
    record: dict[str, Any]
    floor: Floor | None

    @property
    def error(self) -> str | None:
        """How the training diverged, if it did."""
        return self.record.get("error")


def add_compare_flags(parser: argparse.ArgumentParser, program: Program) -> None:
    """Give the parser what both twins' ``compare`` takes: the flags of ``train``, one of them with several values."""
    add_recipe_choice(parser, program.default_preset)
    for action in parser._actions:  # argparse offers no other way to the flags that it has
        if action.default is argparse.SUPPRESS and action.dest != "help":
            action.type = _several(action.type)
    parser.add_argument(
        "--out_dir", type=Path, metavar="DIR", help="for the runs (default: runs/compare-FIELD, or -2 …)"
    )
    parser.add_argument("--json", action="store_true", help="make the last line of stdout one JSON record")
    program.add_flags(parser)
    parser.set_defaults(command=lambda arguments: compare_command(program, arguments))


def compare_command(program: Program, arguments: argparse.Namespace) -> int:
    """Train once for each value, print table and plot, and return the exit status.

    A training that diverges is a row that says so, and the others go on.

    Raises
    ------
    UserError
        If a flag is wrong, or every training diverged.
    """
    field, values = _what_changes(arguments)
    out_dir = arguments.out_dir or free_directory(Path("runs") / f"compare-{field}")
    if out_dir.exists():
        raise UserError(f"{show_path(out_dir)} is there already; remove it, or choose another --out_dir")
    plans = _plans(arguments, field, values, out_dir)
    engines = [_engine(program, arguments, plan) for plan in plans]  # all of them, lest one cannot be had after hours
    trials: list[Trial] = []
    try:
        for number, plan in enumerate(plans, start=1):
            print(f"training {field} {plan.value} ({number} of {len(plans)})", file=sys.stderr)
            trials.append(_trial(plan, engines.pop(0)))
    finally:  # also of a comparison that is interrupted
        if trials:
            print(_table(field, trials))
    if all(trial.error for trial in trials):
        raise UserError("every training diverged; try a lower --learning_rate, or a higher --warmup_iters")
    _draw(field, trials, out_dir)
    if arguments.json:
        runs = [{field: trial.plan.value, **trial.record} for trial in trials]
        print_record({"schema_version": SCHEMA_VERSION, "field": field, "out_dir": str(out_dir), "runs": runs})
    return 0


def _several(read: Any) -> Callable[[str], Any]:
    reader = read or str

    def values(text: str) -> Any:
        parts = [reader(part) for part in text.split(",")]
        return parts if len(parts) > 1 else parts[0]

    values.__name__ = getattr(reader, "__name__", "text")  # argparse shows it in its errors
    return values


def _what_changes(arguments: argparse.Namespace) -> tuple[str, list[Any]]:
    changing = {name: value for name, value in recipe_changes(arguments).items() if isinstance(value, list)}
    if len(changing) != 1:
        found = " and ".join(f"--{name}" for name in changing) or "none"
        raise UserError(f"exactly one flag must have several values, as in --n_embd 4,6,8; {found} came with several")
    (field, values), *_ = changing.items()
    if len(set(values)) < len(values):
        raise UserError(f"--{field} must have different values, not {','.join(map(str, values))}")
    return field, values


def _plans(arguments: argparse.Namespace, field: str, values: Sequence[Any], out_dir: Path) -> list[Plan]:
    """Return what is to be trained; what is wrong with any of the values is said before the first is trained."""
    plans: list[Plan] = []
    for value in values:
        recipe, corpus = chosen_recipe(argparse.Namespace(**{**vars(arguments), field: value}))
        name = "".join(letter if letter.isalnum() or letter in "+-._" else "_" for letter in f"{field}-{value}")
        taken = any(plan.out_dir.name == name for plan in plans)  # of two data sets, say, a/b and a_b
        plans.append(Plan(value, recipe, corpus, out_dir / (f"{name}-{len(plans) + 1}" if taken else name)))
    return plans


def _engine(program: Program, arguments: argparse.Namespace, plan: Plan) -> Engine:
    recipe = plan.recipe
    values = initial_values(recipe.model, recipe.training.seed, recipe.training.weights_dtype)
    return program.make_engine(recipe, InitialState(values, None, plan.corpus.tokenizer), arguments)


def _trial(plan: Plan, engine: Engine) -> Trial:
    recipe, corpus = plan.recipe, plan.corpus
    floor = loss_floor_of(recipe, corpus)
    began = time.perf_counter()
    try:
        state = train(recipe, engine, corpus, plan.out_dir, _Quiet(recipe.training.max_iters))
    except Diverged as error:
        record = record_of(recipe, None, floor, time.perf_counter() - began, plan.out_dir)
        return Trial(plan, {**record, "error": str(error)}, floor)
    return Trial(plan, record_of(recipe, state, floor, time.perf_counter() - began, plan.out_dir), floor)


class _Quiet(PlainDisplay):
    """Progress on stderr alone: of the evaluations, the table shows the last."""

    def evaluation(self, evaluation: Evaluation) -> None:
        """Print nothing."""


def _table(field: str, trials: Sequence[Trial]) -> str:
    heads = (field, "parameters", "training", "validation", "best", "at step", "seconds", "lowest possible")
    rows: list[tuple[str, ...]] = [heads]
    for trial in trials:
        record, lowest = trial.record, trial.record["loss_floor"]
        losses = [_loss(record[name]) for name in ("train_loss", "val_loss", "best_val_loss")]
        if trial.error:
            losses[1] = "diverged"
        step = "-" if record["best_step"] is None else str(record["best_step"])
        numbers = (step, f"{record['seconds']:.2f}", _loss(lowest))
        rows.append((str(trial.plan.value), f"{record['parameters']:,}", *losses, *numbers))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(f"{cell:>{width}}" for cell, width in zip(row, widths, strict=True)) for row in rows]
    lines += [f"{field} {trial.plan.value} diverged: {trial.error}" for trial in trials if trial.error]
    reasons = {trial.floor.why for trial in trials if trial.floor}
    return "\n".join(["losses in nats per token", *lines, *(f"lowest possible: {why}" for why in sorted(reasons))])


def _loss(loss: float | None) -> str:
    return "-" if loss is None else f"{loss:.4f}"


def _draw(field: str, trials: Sequence[Trial], out_dir: Path) -> None:
    if not has_plot_libraries():
        print('\nno plot: pip install "numpy-gpt[plot]"')
        return
    curves = [read_curve(trial.plan.out_dir, f"{field} {trial.plan.value}") for trial in trials if not trial.error]
    write_png(curves, out_dir / "compare.png")
    print(f"\n{terminal_chart(curves)}\n\nwrote {show_path(out_dir / 'compare.png')}")
