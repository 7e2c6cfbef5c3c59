"""``plot``: loss curves of runs, read from metrics.jsonl, in the terminal or as a PNG (the extra ``plot``)."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from gpt_data.errors import UserError
from gpt_data.files.atomic import atomic_write
from gpt_data.terminal import screen_size, show, shows_colours, terminal_columns
from gpt_data.wording import count_of, short_repr, show_path
from numpy_gpt.shared.cli.parser import add_pager_flag, path, print_record, read_options
from numpy_gpt.shared.cli.program import Command, Program
from numpy_gpt.shared.figures import literal_label, plot_library, png_bytes
from numpy_gpt.shared.runs.metrics import METRICS_FILE, read_metrics

SCHEMA_VERSION = 1
_COLUMNS, _ROWS = 80, 22
_FEWEST_ROWS = 12
_FEWEST_COLUMNS, _MOST_COLUMNS = 40, 120
_COLOURS = (4, 1, 2, 5, 6, 3)  # in the terminal's own palette: blue, red, green, magenta, cyan, yellow
_MARKS = "ox+*#@%&=~"


class PlotOptions(NamedTuple):
    """The flags of ``plot``."""

    runs: list[Path]
    png: Path | None
    no_pager: bool
    json: bool


class Curve(NamedTuple):
    """The evaluations of a run: losses in nats per token after these numbers of steps."""

    name: str
    steps: list[int]
    train: list[float]
    val: list[float]

    def __repr__(self) -> str:
        return short_repr(f"Curve of {self.name}: {count_of(len(self.steps), 'evaluation')}")


def _add_flags(parser: argparse.ArgumentParser, program: Program) -> None:
    """Add the flags of ``plot``."""
    parser.add_argument("runs", type=path, nargs="+", metavar="RUN", help="run directories; several share one chart")
    parser.add_argument("--png", type=path, metavar="FILE", help="draw to this file instead of the terminal")
    add_pager_flag(parser)
    parser.add_argument("--json", action="store_true", help="print the curves as one JSON record instead of a chart")
    parser.set_defaults(command=lambda arguments: plot(read_options(PlotOptions, arguments)))


PLOT = Command(
    "plot",
    "draw loss curves",
    _add_flags,
    ("plot runs/tiny", "plot runs/tiny --png loss.png"),
)


def plot(options: PlotOptions) -> int:
    """Draw the curves and return the exit status."""
    curves = [read_curve(run) for run in options.runs]
    if options.png:
        write_png(curves, options.png)
    if options.json:
        print_record({"schema_version": SCHEMA_VERSION, "curves": [curve._asdict() for curve in curves]})
    elif options.png:
        print(f"wrote {show_path(options.png)}")
    else:
        show([f"{terminal_chart(curves)}\n"], paged=not options.no_pager)
    return 0


def read_curve(run: Path, name: str | None = None) -> Curve:
    """Return a run's curve.

    Raises
    ------
    UserError
        If the directory has no metrics.jsonl, or the file is damaged or has no evaluation.
    """
    curve = Curve(name or show_path(run), [], [], [])
    for evaluation in (record.evaluation for record in read_metrics(run)):
        if evaluation is not None:
            curve.steps.append(evaluation.step)
            curve.train.append(evaluation.train_loss)
            curve.val.append(evaluation.val_loss)
    if not curve.steps:
        raise UserError(f"{show_path(run / METRICS_FILE)} has no evaluation yet; let the run continue")
    return curve


def terminal_chart(curves: Sequence[Curve], colour: bool | None = None) -> str:
    """Return the curves as text that fits the terminal, distinguished by colour or, without colour, by marks.

    Colours are used if stdout supports them, unless ``colour`` says otherwise.

    Raises
    ------
    UserError
        If plotext is not installed.
    """
    colour = shows_colours() if colour is None else colour
    chart = _plotext()
    chart.clear_figure()
    legend = []
    for place, (label, steps, losses) in enumerate(_lines(curves)):
        shade, mark = _COLOURS[place % len(_COLOURS)], _MARKS[place % len(_MARKS)]
        chart.plot(steps, losses, marker="braille" if colour else mark, color=shade)
        legend.append(f"\x1b[38;5;{shade}m━━\x1b[0m {label}" if colour else f"{mark} {label}")
    chart.theme("clear")
    columns = min(max(terminal_columns(_COLUMNS), _FEWEST_COLUMNS), _MOST_COLUMNS)
    chart.plotsize(columns, _rows_beside(len(legend)))
    text: str = chart.build()
    text = text if colour else chart.uncolorize(text)
    body = "\n".join(line.rstrip() for line in text.rstrip().splitlines())
    # The legend is below the chart: inside it would cover the start of the curves.
    return f"loss in nats per token, by training step\n{body}\n" + "\n".join(f"  {line}" for line in legend)


def _rows_beside(others: int) -> int:
    """Return the height of a chart that fits the screen with ``others`` more lines, a title and the next prompt."""
    size = screen_size()
    return _ROWS if size is None else min(max(size.lines - others - 2, _FEWEST_ROWS), _ROWS)


def _lines(curves: Sequence[Curve]) -> list[tuple[str, list[int], list[float]]]:
    if len(curves) == 1:
        return [("validation", curves[0].steps, curves[0].val), ("training", curves[0].steps, curves[0].train)]
    return [(curve.name, curve.steps, curve.val) for curve in curves]


def write_png(curves: Sequence[Curve], path: Path) -> None:
    """Draw the curves to a PNG file.

    Raises
    ------
    UserError
        If matplotlib is not installed, or the file cannot be written.
    """
    figure = plot_library("matplotlib.figure").Figure(figsize=(8, 5), layout="constrained")
    axes = figure.subplots()
    colours = plot_library("matplotlib").colormaps["tab10"]
    for place, curve in enumerate(curves):
        mark, name = "o" if len(curve.steps) == 1 else None, literal_label(curve.name)
        axes.plot(curve.steps, curve.val, color=colours(place % 10), marker=mark, label=f"{name}, validation")
        axes.plot(
            curve.steps, curve.train, color=colours(place % 10), marker=mark, linestyle=":", label=f"{name}, training"
        )
    axes.set(xlabel="training step", ylabel="loss in nats per token")
    axes.grid(alpha=0.3)
    many = len(curves) > 3
    figure.legend(loc="outside right upper", fontsize="small") if many else axes.legend()
    atomic_write(path, png_bytes(figure))


def has_plot_libraries() -> bool:
    """Return whether the libraries that draw charts are installed, in versions that can be used."""
    try:
        return bool(_plotext() and plot_library("matplotlib"))
    except UserError:
        return False


def _plotext() -> Any:
    chart = plot_library("plotext")
    if not hasattr(chart, "clear_figure"):  # version 6 is another library under the same name
        version = getattr(chart, "__version__", "another version")
        raise UserError(f'drawing needs plotext 5, not {version}: pip install "numpy-gpt[plot]", or give --png')
    return chart
