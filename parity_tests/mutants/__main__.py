"""``python -m parity_tests.mutants`` breaks copies of numpy_gpt in many ways and shows that the suite fails each time.

Each mutant is applied to a copy of the repository. The tests of the file that it changes run first and, if they pass,
all the others. A mutant for which every test passes has survived: a test is missing.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from parity_tests.mutants.mutant import Mutant
from parity_tests.mutants.mutant_list import MUTANTS

ROOT = Path(__file__).parents[2]
_COPIED = (
    *("numpy_gpt", "torch_gpt", "handcalc", "data", "docs", "parity_tests", "benchmarks"),
    *("pyproject.toml", "README.md"),
)
# The fast tests that notice most of what a file's own tests miss come first.
_REST = (
    *("parity_tests/shared/model/test_parallel.py", "parity_tests/test_ema.py", "parity_tests/test_generation.py"),
    *("parity_tests/replay", "parity_tests/replayed_step", "parity_tests/layers", "parity_tests"),
)
_NOT_RUN = ("house", "gpt_data", "test_mutants.py", "test_verdicts.py", "test_cli.py", "test_training.py")


class Verdict(NamedTuple):
    """Whether a mutant was killed, and by the first test that failed."""

    mutant: Mutant
    killed: bool
    by: str


def try_mutant(mutant: Mutant, everything: bool = True) -> Verdict:
    """Apply the mutant to a copy and run the tests until one fails; without ``everything``, its own file's tests only.

    Raises
    ------
    ValueError
        If the text to be changed does not occur in its file exactly once, or a test run ends in some other way.
    """
    with tempfile.TemporaryDirectory() as directory:
        copy = Path(directory)
        for name in _COPIED:
            source = ROOT / name
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(source, copy / name, ignore=ignored) if source.is_dir() else shutil.copy(source, copy)
        _apply(mutant, copy / "numpy_gpt" / mutant.path)
        for tests in (_own_tests(mutant), *_REST) if everything else (_own_tests(mutant),):
            failed = _first_failure(copy, tests)
            if failed:
                return Verdict(mutant, True, failed)
        return Verdict(mutant, False, "")


def _apply(mutant: Mutant, path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    if text.count(mutant.before) != 1:
        raise ValueError(
            f"{mutant.name}: the text to change must occur once in {mutant.path}, not {text.count(mutant.before)} times"
        )
    path.write_text(text.replace(mutant.before, mutant.after), encoding="utf-8")


def _own_tests(mutant: Mutant) -> str:
    path = Path(mutant.path)
    names = {
        "decoding": "test_generation",
        "calls": "test_tape",
        "clipping": "test_adamw",
        "engine": "test_ema",
        "model": "test_bigram",
    }
    file = f"{names.get(path.stem, f'test_{path.stem}')}.py"
    tests = Path("parity_tests")
    places = (tests / path.parent / file, tests / path.parent / path.stem, tests / file)
    return str(next(place for place in places if (ROOT / place).exists()))


def _first_failure(copy: Path, tests: str) -> str:
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-x",
        "-q",
        "--long",
        "--no-header",
        "--tb=no",
        "-n0",
        "-p",
        "no:cacheprovider",
        tests,
    ]
    command += [f"--ignore-glob=*/{name}" for name in _NOT_RUN if name.endswith(".py")]
    command += [f"--ignore=parity_tests/{name}" for name in _NOT_RUN if not name.endswith(".py")]
    environment = {**os.environ, "PYTHONPATH": f"{copy}{os.pathsep}{copy / 'data'}", "OMP_NUM_THREADS": "1"}
    environment["HYPOTHESIS_PROFILE"] = "mutants"  # the same examples; failures are not made smaller
    result = subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True)
    if result.returncode == 0:
        return ""
    found = re.search(r"^(?:FAILED|ERROR) (\S+)", result.stdout, re.MULTILINE)
    if result.returncode != 1 or not found:
        raise ValueError(f"the tests could not be run:\n{result.stdout[-2000:]}{result.stderr[-2000:]}")
    return found[1].removeprefix("parity_tests/")


def main() -> int:
    """Try the mutants, print a table of them, and return 1 if one survives unexplained."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help="mutants whose name or file contains this text")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    arguments = parser.parse_args()
    chosen = [mutant for mutant in MUTANTS if arguments.only in mutant.name or arguments.only in mutant.path]
    survivors = 0
    print("| file | mutant | verdict |\n|---|---|---|")
    with ThreadPoolExecutor(arguments.jobs) as pool:
        for mutant, killed, by in pool.map(try_mutant, chosen):
            verdict = f"killed by {by}" if killed else f"survives: {mutant.explained or 'A TEST IS MISSING'}"
            survivors += not killed and not mutant.explained
            print(f"| {mutant.path} | {mutant.name} | {verdict} |", flush=True)
    print(f"\n{len(chosen)} mutants, {survivors} unexplained survivors")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
