"""``python -m parity_tests.golden`` plants every bug in the port and prints what the checker says about it.

One row for each bug, one column for each scale of weights, dtype and dump; then the totals, right ports of random
configs, and two bugs at once.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections import Counter
from collections.abc import Sequence
from itertools import product

import numpy as np

from parity_tests.golden.dumps import DUMPS, dump
from parity_tests.golden.jobs import SCALES, pack_of, random_job, reference
from parity_tests.golden.judging import VERDICTS, Case, Judgement, check_right, judge, judge_pair
from parity_tests.golden.port.bug import Bug
from parity_tests.golden.port.bugs import LISTED
from parity_tests.golden.port.held_back import HELD_BACK, ONE_LAYER, UNLISTED
from parity_tests.golden.port.run import run
from parity_tests.golden.port.variants import VARIANTS

GROUPS = {
    "listed": LISTED,
    "listed, held back": HELD_BACK,
    "listed, in one layer": ONE_LAYER,
    "listed, variants": VARIANTS,
    "in no list": UNLISTED,
}
Column = tuple[str, str, str]


def main() -> int:
    """Print the table, and return 0."""
    arguments = _arguments()
    columns = list(product(arguments.scale, arguments.dtype, arguments.dump))
    for number, column in enumerate(columns):
        print(f"{number:>2}  {' '.join(column)}")
    print("marks: " + ", ".join(f"{mark} {meaning}" for mark, meaning in VERDICTS.items()))
    for title, bugs in GROUPS.items():
        chosen = [bug for bug in bugs if arguments.only in bug.id]
        if chosen and (not arguments.group or arguments.group == title):
            print_group(title, chosen, columns, thin=arguments.thin, verbose=arguments.verbose)
    if arguments.configs:
        accused = false_alarms(arguments.configs, arguments.first)
        print(f"\nright ports: {len(accused)} of {arguments.configs} accused")
        for seed, lines in accused.items():
            print(f"  random_job({seed}): {'; '.join(lines)}")
    if arguments.pairs:
        print_pairs(arguments.pairs, columns[0], verbose=arguments.verbose)
    return 0


def print_group(title: str, bugs: Sequence[Bug], columns: Sequence[Column], *, thin: int, verbose: bool) -> None:
    """Print a row for each bug, and the totals of the group; each bug is judged in every ``thin``-th column."""
    print(f"\n{title} ({len(bugs)})\n{'':45}{' '.join(f'{n:>2}' for n in range(len(columns)))}")
    totals = [Counter[str]() for _ in columns]
    for number, bug in enumerate(bugs):
        left_out = [(number + place) % thin != 0 for place in range(len(columns))]
        row = [
            Judgement(" ", (), "") if left else judge(Case((bug,), *column))
            for left, column in zip(left_out, columns, strict=True)
        ]
        for total, judgement in zip(totals, row, strict=True):
            total[judgement.mark] += 1
        print(f"{bug.id:45}{' '.join(f'{judgement.mark:>2}' for judgement in row)}", flush=True)
        if verbose:
            _print_found(columns, row)
    for mark, meaning in VERDICTS.items():
        print(f"{meaning:44} {' '.join(f'{total[mark]:>2}' for total in totals)}")
    for number, total in enumerate(totals):
        seen = sum(total.values()) - total["."] - total[" "]
        print(f"column {number}: {total['A']} of {seen} named alone ({total['A'] / max(seen, 1):.0%})")


def _print_found(columns: Sequence[Column], row: Sequence[Judgement]) -> None:
    for column, judgement in zip(columns, row, strict=True):
        if judgement.mark not in "A. ":
            print(
                f"    {judgement.mark} {' '.join(column)}; first {judgement.first}; {' | '.join(judgement.found[:4])}"
            )


def false_alarms(configs: int, first: int = 0) -> dict[int, tuple[str, ...]]:
    """Return what right ports of random configs are accused of, by the seed of the config.

    They are the port in three dtypes, and numpy_gpt itself in float32. Every fifth has other
    numbers for what does not count.
    """
    accused = {}
    for seed in range(first, first + configs):
        job, kind = random_job(seed), DUMPS[seed // 4 % len(DUMPS)]
        dtype = ("float32", "float64", "bfloat16", "float32")[seed % 4]
        accumulate = 1 + seed // 16 % job.tokens.shape[1]
        arrays = reference(job, dtype) if seed % 4 == 3 else run(job, dtype=dtype, accumulate=accumulate)
        if seed % 5 == 0:
            arrays = {name: with_any_future(name, array) for name, array in arrays.items()}
        if lines := check_right(dump(arrays, kind, job.config), pack_of(job), dtype):
            accused[seed] = lines
    return accused


def with_any_future(name: str, array: np.ndarray) -> np.ndarray:
    """Return scores before the mask with other numbers for the future, which a port need not compute."""
    if not re.search(r"attn\.(d?scores|d?scaled|dmasked|softmax\.exponentials|dweights(_dropout)?)$", name):
        return array
    return np.where(np.tril(np.ones(array.shape[-2:], bool)), array, array.dtype.type(7))


def print_pairs(count: int, column: Column, *, verbose: bool) -> None:
    """Print in how many of random pairs of listed bugs, which are named alone one at a time, both are named."""
    rng = np.random.default_rng(0)
    candidates = [bug for bug in LISTED if not bug.needs]
    both = 0
    print(f"\ntwo at once ({' '.join(column)})")
    for _ in range(count):
        first, second = (candidates[i] for i in rng.choice(len(candidates), 2, replace=False))
        named, found = judge_pair(Case((first, second), *column))
        both += named
        if verbose and not named:
            print(f"  {first.id}, {second.id}: {' | '.join(found[:4])}")
    print(f"both are named in {both} of {count} pairs")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m parity_tests.golden", description=__doc__.splitlines()[0])
    parser.add_argument("--scale", nargs="+", choices=SCALES, default=list(SCALES))
    parser.add_argument("--dtype", nargs="+", choices=("float32", "float64"), default=["float32", "float64"])
    parser.add_argument("--dump", nargs="+", choices=DUMPS, default=list(DUMPS))
    parser.add_argument("--only", default="", help="bugs whose id contains this text")
    parser.add_argument("--group", choices=GROUPS, help="only this group of bugs")
    parser.add_argument("--thin", type=int, default=1, help="judge each bug in every so-many-th column only")
    parser.add_argument("--configs", type=int, default=0, help="right ports of so many random configs")
    parser.add_argument("--first", type=int, default=0, help="the seed of the first of them")
    parser.add_argument("--pairs", type=int, default=0, help="so many pairs of listed bugs, in the first column")
    parser.add_argument("--verbose", action="store_true", help="what was found, where it is not the bug alone")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
