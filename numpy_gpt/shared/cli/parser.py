"""The command line of both twins: recipe fields become flags, errors one line, and exit statuses are few.

Exit status: 0 done; 2 the user can mend it (one line on stderr); 130 interrupted (Ctrl-C), 143 terminated.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from io import TextIOWrapper
from types import NoneType
from typing import Any, NoReturn

from gpt_data.errors import UserError
from gpt_data.files.streams import replace_closed_streams
from gpt_data.wording import quote, suggest
from numpy_gpt.shared.model.config import GPTConfig, field_types
from numpy_gpt.shared.training.recipe import TrainingConfig
from numpy_gpt.shared.training.stopping import EXIT_INTERRUPTED, EXIT_USER_ERROR, Interrupted

EXIT_STATUS = "exit status: 0 done, 2 an error that you can mend, 130 interrupted (Ctrl-C), 143 terminated"


class Parser(argparse.ArgumentParser):
    """argparse, but an error is a UserError, and options may be written with - or _ between their words."""

    def __init__(self, **options: Any) -> None:
        super().__init__(allow_abbrev=False, formatter_class=argparse.RawDescriptionHelpFormatter, **options)

    def error(self, message: str) -> NoReturn:
        """Raise instead of printing the usage and ending the process."""
        raise UserError(f"{message}; see {self.prog} --help")

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse as argparse does, but refuse what is unknown and say what was probably meant."""
        words = [_with_underscores(word) for word in (sys.argv[1:] if args is None else args)]
        known, unknown = super().parse_known_args(words, namespace)
        if unknown:
            option = unknown[0].partition("=")[0]
            raise UserError(
                f"unknown {'option' if option.startswith('-') else 'argument'} {quote(option)}"
                f"{suggest(option, self._option_string_actions) or ';'} see {self.prog} --help"
            )
        return known, []


def _with_underscores(word: str) -> str:
    if not word.startswith("--"):
        return word
    name, equals, value = word[2:].partition("=")
    return f"--{name.replace('-', '_')}{equals}{value}"


def add_recipe_flags(parser: argparse.ArgumentParser) -> None:
    """Give the parser a flag for every field of a recipe's model and training; those not given are absent."""
    for config in (GPTConfig, TrainingConfig):
        group = parser.add_argument_group("model" if config is GPTConfig else "training")
        allowed = field_types(config)
        for item in fields(config):
            kind, *others = allowed[item.name]
            switch: dict[str, Any] = {"nargs": "?", "const": True} if kind is bool else {}
            group.add_argument(
                f"--{item.name}",
                type=or_none(_READERS[kind]) if NoneType in others else _READERS[kind],
                default=argparse.SUPPRESS,
                metavar=kind.__name__.upper(),
                help=item.metadata["help"].replace("%", "%%"),
                **switch,
            )


def recipe_changes(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the recipe fields that were given as flags, ``dataset`` among them."""
    names = {"dataset", *(item.name for config in (GPTConfig, TrainingConfig) for item in fields(config))}
    return {name: value for name, value in vars(arguments).items() if name in names}


def whole_number(text: str) -> int:
    """Return the whole number that ``text`` writes, 1_000 and 1e3 included."""
    try:
        return int(text)
    except ValueError:
        value = _number(text, "a whole number")
        if not value.is_integer():  # which neither nan nor inf is
            raise argparse.ArgumentTypeError(f"a whole number is needed, not {quote(text)}") from None
        return int(value)


def number(text: str) -> float:
    """Return the number that ``text`` writes."""
    value = _number(text, "a number")
    if value != value:  # nan
        raise argparse.ArgumentTypeError(f"a number is needed, not {quote(text)}")
    return value


def _number(text: str, what: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{what} is needed, not {quote(text)}") from None


def truth(text: str) -> bool:
    """Return True or False for true, false, 1, 0, yes, no in any case."""
    known = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
    if text.lower() not in known:
        raise argparse.ArgumentTypeError(f"True or False is needed, not {quote(text)}")
    return known[text.lower()]


def or_none(read: Callable[[str], Any]) -> Callable[[str], Any]:
    """Return a reader that takes the word none, too."""

    def reader(text: str) -> Any:
        return None if text.lower() == "none" else read(text)

    reader.__name__ = read.__name__
    return reader


_READERS: dict[type, Callable[[str], Any]] = {int: whole_number, float: number, bool: truth, str: str}


def print_record(record: Mapping[str, Any]) -> None:
    """Print what ``--json`` asks for: one line of JSON, in ASCII and without NaN, which JSON does not know."""
    print(json.dumps(record, allow_nan=False))


def add_debug_flag(parser: argparse.ArgumentParser) -> None:
    """Give the parser the flag that ``run_command`` looks for."""
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")


def run_command(command: Callable[[argparse.Namespace], int], parser: Parser, argv: Sequence[str] | None) -> int:
    """Parse ``argv``, run the command and return its exit status; an error of the user's is one line on stderr."""
    words = list(sys.argv[1:] if argv is None else argv)
    replace_closed_streams()
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # an output that takes ASCII only still gets something
    try:
        status = command(parser.parse_args(words))
        sys.stdout.flush()
        return status
    except BrokenPipeError:  # whoever read our output has enough of it, as `head` does
        _give_up_stdout()
        return 0
    except (UserError, OSError) as error:
        if "--debug" in words:
            raise
        _give_up_stdout()
        return _fail(f"error: {error}", EXIT_USER_ERROR)
    except MemoryError as error:
        if "--debug" in words:
            raise
        reason = str(error) or "the system has no more to give"
        return _fail(f"error: the memory does not suffice: {reason}; try smaller sizes", EXIT_USER_ERROR)
    except Interrupted as stopped:
        return _fail(str(stopped), stopped.exit_status)
    except KeyboardInterrupt:
        return _fail("interrupted", EXIT_INTERRUPTED)


def _give_up_stdout() -> None:
    """Drop what cannot be written, or Python would complain once more on exiting."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _fail(message: str, status: int) -> int:
    print(message, file=sys.stderr)
    return status
