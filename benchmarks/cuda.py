"""What a card can do with the preset shakespeare, in one command of eight minutes: ``python -m benchmarks.cuda``.

Four tables: the speed of training eager in float32, then with half precision, torch.compile and CUDA graphs; how far
the losses of each are from the explicit float32 path's, beside a bound; with ``--peer`` an unmodified nanoGPT in turn
with ours; and the time to a validation loss by the whole recipe, in the fastest way. What fails is a row that says so.

It needs torch, NumPy and this checkout, and reads the text from a file. ``--device cpu --preset tiny --steps 20`` runs
all of it as a rehearsal; without a card only what can be told without one is measured.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks.gpu.course import run
from benchmarks.support.command import command_parser, errors_in_one_line


def options_from(arguments: list[str] | None) -> argparse.Namespace:
    """Return what the command line asks for."""
    parser = command_parser(__doc__)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--preset", default="shakespeare")
    parser.add_argument("--source", help="the file of Tiny Shakespeare; without it and GPT_DATA_DIR, random tokens")
    parser.add_argument("--peer", type=Path, help="a checkout of nanoGPT, to be timed beside ours")
    parser.add_argument("--steps", type=int, default=200, help="that are compared, and the most that are timed at once")
    parser.add_argument("--target", type=float, default=1.4697, help="validation loss to be reached")
    parser.add_argument("--ways", nargs="+", default=["eager", "half", "compile", "graphs"], help="some of these")
    parser.add_argument("--budget", type=float, default=450.0, help="seconds, of which nothing takes more than is left")
    parser.add_argument("--json", type=Path, help="a file for all numbers, written anew after each table")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> None:
    """Measure, and print each table when it is done."""
    options = options_from(arguments)
    with errors_in_one_line():
        run(options)


if __name__ == "__main__":
    main()
