"""``python -m parity_tests.attack`` attacks every command and every kind of file, and reports what broke."""

from __future__ import annotations

import argparse
import gc
import os
import re
import shlex
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from importlib import import_module
from itertools import count, islice
from pathlib import Path
from random import Random
from typing import NamedTuple, TextIO

from parity_tests.attack.command_lines import draw_command_line
from parity_tests.attack.doors import DOORS
from parity_tests.attack.invariants import Violation, violations
from parity_tests.attack.readers import draw_file_attack
from parity_tests.attack.sandbox import Attack, Outcome, run_attack
from parity_tests.attack.template import make_sandbox, make_template


class Result(NamedTuple):
    """How one attack ended, and the rules that it broke."""

    outcome: Outcome
    violations: list[Violation]


def attacks(command_lines: int, damaged_files: int, seed: int, programs: Sequence[str]) -> Iterator[Attack]:
    """Yield the attacks of a seed; each is drawn from its own name, so that it is the same alone."""
    for letter, number in (("c", command_lines), ("f", damaged_files)):
        drawn = (draw(f"{seed}{letter}{place}", programs) for place in count())
        yield from islice((attack for attack in drawn if attack), number)


def draw(name: str, programs: Sequence[str]) -> Attack | None:
    """Return the attack of that name, or None if it is not for one of the programs."""
    return (draw_command_line if "c" in name else draw_file_attack)(Random(name), name, programs)


def run_all(chosen: Iterable[Attack], programs: Sequence[str]) -> Iterator[Result]:
    """Run the attacks, each on fresh files, and yield their results."""
    _import_everything(programs)
    with tempfile.TemporaryDirectory(prefix="attack-") as directory:
        place = Path(directory)
        template = make_template(place, with_torch="torch_gpt" in programs)
        for attack in chosen:
            outcome = run_attack(attack, make_sandbox(template, place))
            yield Result(outcome, violations(outcome))


def _import_everything(programs: Sequence[str]) -> None:
    """Import what the programs import when they need it, so that the children have it already."""
    modules = ["numpy_gpt.engine", "numpy_gpt.by_hand.engine", "safetensors.numpy", "difflib", "tomllib", "shutil"]
    modules += ["handcalc.page.json_format", "handcalc.page.markdown", "threadpoolctl"]
    modules += ["matplotlib.figure", "plotext", "tokenizers"]
    if "torch_gpt" in programs:
        modules += ["torch_gpt.running", "tensorboardX"]
    for module in (*modules, *(DOORS[program].module for program in programs)):
        import_module(module)
    if "torch_gpt" in programs:
        import_module("torch").set_num_threads(1)
    gc.freeze()  # a child that collects garbage would copy every page


def describe(outcome: Outcome) -> str:
    """Return the attack as a person would type it, cut to a readable length."""
    attack = outcome.attack
    words = " ".join(shlex.quote(word if len(word) < 80 else f"{word[:40]}…({len(word)})") for word in attack.words)
    extra = [outcome.damage.how] if outcome.damage else []
    extra += [f"{name} {value!r}" for name, value in attack.streams._asdict().items() if value not in ("", os.devnull)]
    extra += ["in a removed directory"] * attack.removes_cwd
    extra += [f"no file above {attack.disk} bytes"] * (attack.disk < 1 << 20)
    return f"{attack.program} {words}" + (f"   [{'; '.join(extra)}]" if extra else "")


def report(results: list[Result], file: TextIO) -> None:
    """Write a table of what was tried, and each fault with one attack that shows it."""
    tried: dict[str, Counter[str]] = defaultdict(Counter)
    faults: dict[tuple[str, Violation], list[Result]] = defaultdict(list)
    for result in results:
        row = tried[result.outcome.attack.target]
        row[_ending(result.outcome.status)] += 1
        row["violations"] += len(result.violations)
        for violation in result.violations:
            faults[result.outcome.attack.program, violation].append(result)
    columns = ("0", "1", "2", "other", "violations")
    print(f"| target | {' | '.join(columns)} |\n|---|{'---|' * len(columns)}", file=file)
    for target, row in sorted(tried.items()):
        print(f"| {target} | {' | '.join(str(row[column]) for column in columns)} |", file=file)
    for (program, violation), broken in sorted(faults.items(), key=lambda item: (item[0][1].rule, item[0])):
        outcome = min((result.outcome for result in broken), key=lambda outcome: len(describe(outcome)))
        print(f"\n{violation.rule}: {violation.detail!r}  ({program}, {len(broken)} times)", file=file)
        print(f"  --only {outcome.attack.name}: {outcome.attack.target}: {describe(outcome)}", file=file)
        tail = outcome.err.decode(errors="backslashreplace").strip().splitlines()[-1:]
        print(*(f"  {line[:300]!r}" for line in tail), sep="\n", file=file)


def _ending(status: int | None) -> str:
    return str(status) if status in (0, 1, 2) else "other"


def main() -> int:
    """Attack, report, and return 1 if a rule was broken."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0].replace("``", ""))
    parser.add_argument("--command_lines", type=int, default=2000, help="random command lines (default: 2000)")
    parser.add_argument("--damaged_files", type=int, default=5000, help="damaged files (default: 5000)")
    parser.add_argument("--seed", type=int, default=0, help="of all of them (default: 0)")
    parser.add_argument("--only", metavar="NAME", default="", help="one attack, or all on targets with this name")
    parser.add_argument("--programs", nargs="+", choices=[*DOORS], default=[*DOORS], help="(default: all)")
    parser.add_argument("--report", type=Path, metavar="FILE", help="write the report to this file as well")
    options = parser.parse_args()
    if re.fullmatch(r"\d+[cf]\d+", options.only):
        chosen = [attack for attack in [draw(options.only, options.programs)] if attack]
    else:
        drawn = attacks(options.command_lines, options.damaged_files, options.seed, options.programs)
        chosen = (attack for attack in drawn if options.only in attack.target)
    results = []
    try:
        for result in run_all(chosen, options.programs):
            results.append(result)
            if len(results) % 100 == 0:
                broken = sum(bool(result.violations) for result in results)
                print(f"{len(results):,} attacks, {broken} broke a rule", file=sys.stderr, flush=True)
    finally:  # an interrupted attack has found something too
        report(results, sys.stdout)
        if options.report:
            with options.report.open("w", encoding="utf-8") as file:
                report(results, file)
    return int(any(result.violations for result in results))


if __name__ == "__main__":
    sys.exit(main())
