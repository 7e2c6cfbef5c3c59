"""The speed, accuracy and time to a loss of training on a GPU, in eight minutes: ``python -m benchmarks.cuda``.

Four tables: the speed of training in eager float32, then with half precision, torch.compile and CUDA graphs; the
difference of each mode's losses from the explicit float32 path, with a bound; with ``--peer`` an unmodified nanoGPT
interleaved with ours; and the time to a validation loss of the whole recipe, in the fastest mode. A failure is a row
that describes it.

It needs torch, NumPy and this checkout, and reads the text from a file. ``--device cpu --preset tiny --steps 20``
rehearses all of it; without a GPU, only measurements that do not need one are made.
"""

from __future__ import annotations

if __name__ == "__main__":  # before the imports, during which Ctrl-C is handled, too
    from gpt_data.process import run_program

    run_program("benchmarks.cuda")

from pathlib import Path

from benchmarks.gpu.suite import run
from benchmarks.support.command import above_zero, at_least_one, command_parser, duration
from numpy_gpt.shared.cli.parser import Parser, run_command


def options_parser() -> Parser:
    """Return the parser of the command line."""
    parser = command_parser(__doc__)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--preset", default="shakespeare")
    parser.add_argument("--source", help="the file of Tiny Shakespeare; without it and GPT_DATA_DIR, random tokens")
    parser.add_argument("--peer", type=Path, help="a checkout of nanoGPT, to be timed with ours")
    parser.add_argument("--steps", type=at_least_one, default=200, help="steps to compare, and at most to time at once")
    parser.add_argument("--target", type=above_zero, default=1.4697, help="validation loss to reach")
    parser.add_argument(
        "--modes", nargs="+", default=["eager", "half", "compile", "graphs"], help="the modes to measure (default: all)"
    )
    parser.add_argument("--budget", type=duration, default=450.0, help="time budget in seconds")
    parser.add_argument("--json", type=Path, help="write all numbers to this file, after each table")
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Measure, and print each table as soon as it is complete."""
    return run_command(run, options_parser(), arguments)
