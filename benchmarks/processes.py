"""How long whole processes take, beside the time that ``import numpy`` takes: ``python -m benchmarks.processes``.

Commands are timed in turn, A B C A B C …, so that a machine that slows down slows all of them; a ratio is the median
of the ratios of each round.
"""

from __future__ import annotations

import platform
import statistics
import subprocess
import sys
import tempfile
import time

from benchmarks.support.command import command_parser

COMMANDS = {
    "import numpy": ["-c", "import numpy"],
    "import numpy_gpt": ["-c", "import numpy_gpt"],
    "from numpy_gpt import loss_and_gradients": ["-c", "from numpy_gpt import loss_and_gradients"],
    'handcalc.trace "hello world"': ["-m", "handcalc.trace", "hello world"],
    "numpy_gpt train tiny": ["-m", "numpy_gpt", "train", "tiny"],
}
BASELINE = "import numpy"


def seconds_of(arguments: list[str]) -> float:
    """Return the wall time of one Python process, started in an empty directory."""
    with tempfile.TemporaryDirectory() as directory:
        start = time.perf_counter()
        subprocess.run([sys.executable, *arguments], cwd=directory, check=True, capture_output=True)
        return time.perf_counter() - start


def main() -> None:
    """Print a table of medians and ratios."""
    import numpy

    parser = command_parser(__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    rounds = parser.parse_args().rounds
    for arguments in COMMANDS.values():
        seconds_of(arguments)  # fills the caches of the file system and writes bytecode
    times = [{name: seconds_of(arguments) for name, arguments in COMMANDS.items()} for _ in range(rounds)]
    print(f"Python {platform.python_version()}, NumPy {numpy.__version__}, {platform.machine()}, {rounds} rounds\n")
    print(f"| process | median | ratio to `{BASELINE}` |\n|---|---|---|")
    for name in COMMANDS:
        median = statistics.median(row[name] for row in times)
        ratio = statistics.median(row[name] / row[BASELINE] for row in times)
        print(f"| `{name}` | {median:.3f} s | {ratio:.2f} |")


if __name__ == "__main__":
    main()
