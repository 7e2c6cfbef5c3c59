"""Loss curves of runs: read from metrics.jsonl, drawn in the terminal or into a PNG (the extra ``plot``)."""

from __future__ import annotations

import importlib
import importlib.util
import json
import math
import os
import shutil
import sys
import warnings
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

from gpt_data.errors import UserError
from gpt_data.files.atomic import atomic_write
from gpt_data.files.regular_file import read_regular
from gpt_data.wording import show_path

_COLUMNS, _ROWS = 80, 22
_FEWEST_COLUMNS, _MOST_COLUMNS = 40, 120
_COLOURS = (4, 1, 2, 5, 6, 3)  # of the terminal's own palette: blue, red, green, magenta, cyan, yellow
_MARKS = "ox+*#@%&=~"


class Curve(NamedTuple):
    """The evaluations of a run: losses in nats per token after so many steps."""

    name: str
    steps: list[int]
    train: list[float]
    val: list[float]


def read_curve(run: Path, name: str | None = None) -> Curve:
    """Return a run's curve.

    Raises
    ------
    UserError
        If the directory has no metrics.jsonl, or that holds no evaluation.
    """
    path = run / "metrics.jsonl"
    curve = Curve(name or show_path(run), [], [], [])
    *lines, _ = read_regular(path).split(b"\n")  # a last line without its end is being written at this moment
    for number, line in enumerate(lines, start=1):
        try:
            values = json.loads(line)
            if values["kind"] == "evaluation":
                curve.steps.append(int(values["step"]))
                curve.train.append(float(values["train_loss"]))
                curve.val.append(float(values["val_loss"]))
                if not (math.isfinite(curve.train[-1]) and math.isfinite(curve.val[-1])):
                    raise ValueError("a loss that is evaluated is finite")
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
            raise UserError(f"{show_path(path)}, line {number}, is no line of metrics; was it cut off?") from error
    if not curve.steps:
        raise UserError(f"{show_path(path)} holds no evaluation yet; let the run go on")
    return curve


def terminal_chart(curves: Sequence[Curve], colour: bool | None = None) -> str:
    """Return the curves as text, of a size that fits into the terminal; lines differ by colour, or else by mark.

    There is colour where stdout is a terminal and the environment does not forbid it (NO_COLOR), unless ``colour``
    says otherwise.

    Raises
    ------
    UserError
        If plotext is not installed.
    """
    colour = _is_colourful() if colour is None else colour
    chart = _plot_library("plotext")
    chart.clear_figure()
    legend = []
    for place, (label, steps, losses) in enumerate(_lines(curves)):
        shade, mark = _COLOURS[place % len(_COLOURS)], _MARKS[place % len(_MARKS)]
        chart.plot(steps, losses, marker="braille" if colour else mark, color=shade)
        legend.append(f"\x1b[38;5;{shade}m━━\x1b[0m {label}" if colour else f"{mark} {label}")
    chart.theme("clear")
    chart.plotsize(_columns(), _ROWS)
    text: str = chart.build()
    text = text if colour else chart.uncolorize(text)
    body = "\n".join(line.rstrip() for line in text.rstrip().splitlines())
    # The legend stands below: inside it would cover where the curves begin.
    return f"loss in nats per token, by training step\n{body}\n" + "\n".join(f"  {line}" for line in legend)


def write_png(curves: Sequence[Curve], path: Path) -> None:
    """Draw the curves into a PNG file.

    Raises
    ------
    UserError
        If matplotlib is not installed, or the file cannot be written.
    """
    figure = _plot_library("matplotlib.figure").Figure(figsize=(8, 5), layout="constrained")
    axes = figure.subplots()
    colours = _plot_library("matplotlib").colormaps["tab10"]
    for place, curve in enumerate(curves):
        mark, name = "o" if len(curve.steps) == 1 else None, _literal(curve.name)
        axes.plot(curve.steps, curve.val, color=colours(place % 10), marker=mark, label=f"{name}, validation")
        axes.plot(
            curve.steps, curve.train, color=colours(place % 10), marker=mark, linestyle=":", label=f"{name}, training"
        )
    axes.set(xlabel="training step", ylabel="loss in nats per token")
    axes.grid(alpha=0.3)
    many = len(curves) > 3
    figure.legend(loc="outside right upper", fontsize="small") if many else axes.legend()
    content = BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a letter that the font lacks is a box in the picture
        figure.savefig(content, format="png", dpi=120)
    atomic_write(path, content.getvalue())


def _literal(name: str) -> str:
    # matplotlib takes what is between dollars for a formula, and hides names that begin with a line.
    name = name.replace("$", r"\$")
    return f"./{name}" if name.startswith("_") else name


def _is_colourful() -> bool:
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def _columns() -> int:
    if not sys.stdout.isatty():
        return _COLUMNS
    return min(max(shutil.get_terminal_size((_COLUMNS, _ROWS)).columns, _FEWEST_COLUMNS), _MOST_COLUMNS)


def _lines(curves: Sequence[Curve]) -> list[tuple[str, list[int], list[float]]]:
    if len(curves) == 1:
        return [("validation", curves[0].steps, curves[0].val), ("training", curves[0].steps, curves[0].train)]
    return [(curve.name, curve.steps, curve.val) for curve in curves]


def has_plot_libraries() -> bool:
    """Return whether charts can be drawn here."""
    return all(importlib.util.find_spec(name) is not None for name in ("plotext", "matplotlib"))


def _plot_library(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        package = name.partition(".")[0]
        raise UserError(f'drawing needs {package}, which is not installed: pip install "numpy-gpt[plot]"') from error
