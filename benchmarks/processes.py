"""How long whole processes take, relative to ``import numpy``: ``python -m benchmarks.processes``.

The commands are interleaved, A B C A B C …, so that a slowdown of the machine slows all of them; a ratio is the median
of the ratios of all rounds.
"""

from __future__ import annotations

if __name__ == "__main__":  # before the imports, during which Ctrl-C is handled, too
    from gpt_data.process import run_program

    run_program("benchmarks.processes")

import argparse
import platform
import statistics
import subprocess
import sys
import tempfile
import time

from benchmarks.support.command import at_least_one, command_parser, markdown_table
from numpy_gpt.shared.cli.parser import run_command

COMMANDS = {
    "import numpy": ["-c", "import numpy"],
    "import numpy_gpt": ["-c", "import numpy_gpt"],
    "from numpy_gpt import loss_and_gradients": ["-c", "from numpy_gpt import loss_and_gradients"],
    'handcalc.trace "hello world"': ["-m", "handcalc.trace", "hello world"],
    "numpy_gpt train tiny": ["-m", "numpy_gpt", "train", "tiny"],
}
BASELINE = "import numpy"


def process_seconds(arguments: list[str]) -> float:
    """Return the wall time of one Python process, started in an empty directory."""
    with tempfile.TemporaryDirectory() as directory:
        start = time.perf_counter()
        subprocess.run([sys.executable, *arguments], cwd=directory, check=True, capture_output=True)
        return time.perf_counter() - start


def main(arguments: list[str] | None = None) -> int:
    """Print a table of medians and ratios."""
    parser = command_parser(__doc__)
    parser.add_argument("--rounds", type=at_least_one, default=9)
    return run_command(_run, parser, arguments)


def _run(options: argparse.Namespace) -> int:
    import numpy

    rounds = options.rounds
    for command in COMMANDS.values():
        process_seconds(command)  # fills the file system's caches and writes bytecode
    times = [{name: process_seconds(command) for name, command in COMMANDS.items()} for _ in range(rounds)]
    print(f"Python {platform.python_version()}, NumPy {numpy.__version__}, {platform.machine()}, {rounds} rounds\n")
    rows = []
    for name in COMMANDS:
        median = statistics.median(row[name] for row in times)
        ratio = statistics.median(row[name] / row[BASELINE] for row in times)
        rows.append([f"`{name}`", f"{median:.3f} s", f"{ratio:.2f}"])
    print(markdown_table(("process", "median", f"ratio to `{BASELINE}`"), rows))
    return 0
