"""``plot``: the loss curves of runs, in the terminal and into a PNG."""

from __future__ import annotations

import argparse
from pathlib import Path

from gpt_data.wording import show_path
from numpy_gpt.shared.cli.curves import read_curve, terminal_chart, write_png
from numpy_gpt.shared.cli.parser import print_record

SCHEMA_VERSION = 1


def add_plot_flags(parser: argparse.ArgumentParser) -> None:
    """Give the parser what ``plot`` takes."""
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUN", help="run directories; several are laid together")
    parser.add_argument("--png", type=Path, metavar="FILE", help="draw into this file in place of the terminal")
    parser.add_argument("--json", action="store_true", help="print one JSON record of the curves in place of a drawing")
    parser.set_defaults(command=plot_command)


def plot_command(arguments: argparse.Namespace) -> int:
    """Draw, and return the exit status."""
    curves = [read_curve(run) for run in arguments.runs]
    if arguments.png:
        write_png(curves, arguments.png)
    if arguments.json:
        print_record({"schema_version": SCHEMA_VERSION, "curves": [curve._asdict() for curve in curves]})
    elif arguments.png:
        print(f"wrote {show_path(arguments.png)}")
    else:
        print(terminal_chart(curves))
    return 0
