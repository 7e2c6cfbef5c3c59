"""Training on a GPU, its speed, accuracy and time to a loss, in eight minutes: ``python -m benchmarks.cuda``.

Four tables: the speed of training in eager float32, then with half precision, torch.compile and CUDA graphs; the
difference of each mode's losses from the explicit float32 path, with a bound; with ``--peer`` an unmodified nanoGPT
interleaved with ours; and the time to a validation loss of the whole recipe, in the fastest mode. A failure is a row
that describes it.

It needs torch, NumPy and this checkout, and reads the text from a file. ``--device cpu --preset tiny --steps 20`` is a
rehearsal of all of it; without a GPU only what does not need one is measured.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks.gpu.suite import run
from benchmarks.support.command import command_parser, errors_in_one_line


def parse_options(arguments: list[str] | None) -> argparse.Namespace:
    """Return the options of the command line."""
    parser = command_parser(__doc__)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--preset", default="shakespeare")
    parser.add_argument("--source", help="the file of Tiny Shakespeare; without it and GPT_DATA_DIR, random tokens")
    parser.add_argument("--peer", type=Path, help="a checkout of nanoGPT, to be timed with ours")
    parser.add_argument("--steps", type=int, default=200, help="steps to compare, and the most that are timed at once")
    parser.add_argument("--target", type=float, default=1.4697, help="validation loss to reach")
    parser.add_argument("--modes", nargs="+", default=["eager", "half", "compile", "graphs"], help="some of these")
    parser.add_argument("--budget", type=float, default=450.0, help="seconds; nothing takes more than the rest of them")
    parser.add_argument("--json", type=Path, help="a file for all numbers, updated after each table")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> None:
    """Measure, and print each table as soon as it is complete."""
    options = parse_options(arguments)
    with errors_in_one_line():
        run(options)


if __name__ == "__main__":
    main()
