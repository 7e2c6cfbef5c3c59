"""A message that names an option names one that exists, in the command whose module says so.

Every option in a text of the source counts, whether the text is a help or an error.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from parity_tests.attack.doors import DOORS, Door, commands_of, parser_of

ROOT = Path(__file__).parents[2]
PACKAGES = ("numpy_gpt", "torch_gpt", "handcalc", "data", "benchmarks")
OPTION = re.compile(r"--[a-z][\w-]*\w")
SOURCES = [path.relative_to(ROOT) for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
PROGRAMS = DOORS | {"benchmarks.token_files": Door("benchmarks.token_files", (0, 2))}
OF_OTHERS = {
    "handcalc/verify.py": {"--full"},  # of handcalc.trace, in an example
    "numpy_gpt/shared/cli/attention/attention.py": {"--snapshots"},  # of train, as the text says
    "numpy_gpt/shared/cli/prepare.py": {"--dataset"},  # of train, in the command that is printed
    "numpy_gpt/shared/cli/stored/snapshots.py": {"--snapshots"},  # of train, as the text says
    "numpy_gpt/shared/cli/train.py": {"--checkpoint", "--remove"},  # of sample and snapshots, as the texts say
    "numpy_gpt/shared/interchange/writing/nanogpt.py": {"--start"},  # of nanoGPT's sample.py
    "torch_gpt/fast/process_group.py": {"--nproc_per_node"},  # of torchrun
}
"""Options that a text names together with the other command or program to which they belong."""
COMMANDS_OF_MODULES = {"tokens": ("sample", "step", "attention", "evaluate")}
"""Modules of shared/cli that only some commands use."""


@cache
def options_of(program: str) -> dict[str, set[str]]:
    """Return each command's options; a program without commands is one command without a name."""
    parsers = commands_of(parser_of(PROGRAMS[program]))
    return {
        name: {option for action in parser._actions for option in action.option_strings}
        for name, parser in parsers.items()
    }


def every_option(*programs: str) -> set[str]:
    return {option for program in programs for options in options_of(program).values() for option in options}


def options_for(path: Path) -> set[str]:
    """Return the options that the texts of a module may name."""
    package, name = path.parts[0], path.stem
    if f"{package}.{name}" in PROGRAMS and len(path.parts) == 2:
        return every_option(f"{package}.{name}")
    if path.parts[:3] == ("numpy_gpt", "shared", "cli"):
        commands = COMMANDS_OF_MODULES.get(name, (name,))
        both = [options_of(program) for program in ("numpy_gpt", "torch_gpt")]
        own = {option for program in both for command in commands for option in program.get(command, ())}
        return own or every_option("numpy_gpt", "torch_gpt")
    programs = {
        "handcalc": [door for door in PROGRAMS if door.startswith("handcalc")],
        "benchmarks": [door for door in PROGRAMS if door.startswith("benchmarks")],
        "torch_gpt": ["torch_gpt"],
        "numpy_gpt": ["numpy_gpt", "torch_gpt"],
    }
    return every_option(*programs.get(package, PROGRAMS))


def texts_of(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the line and the text of every string of a module that is not a docstring."""
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    documented = (ast.Module, ast.FunctionDef, ast.ClassDef)
    docstrings = {
        id(node.body[0].value) for node in ast.walk(tree) if isinstance(node, documented) and _has_docstring(node)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield node.lineno, node.value


def _has_docstring(node: ast.Module | ast.FunctionDef | ast.ClassDef) -> bool:
    return bool(node.body) and isinstance(node.body[0], ast.Expr)


def unknown_options(path: Path) -> list[tuple[int, str]]:
    named = [
        (line, option.replace("-", "_").replace("__", "--", 1))
        for line, text in texts_of(path)
        for option in OPTION.findall(text)
    ]
    known = options_for(path) | OF_OTHERS.get(path.as_posix(), set()) if named else set()
    return [(line, option) for line, option in named if option not in known]


def test_named_options_exist() -> None:
    assert {str(path): unknown for path in SOURCES if (unknown := unknown_options(path))} == {}
