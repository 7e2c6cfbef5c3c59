"""The parser of all commands, its number readers, and the conversion of errors to one line and an exit status.

Exit status: 0 done; 2 invalid input (one line on stderr); 130 interrupted (Ctrl-C), 143 terminated.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from io import TextIOWrapper
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from gpt_data.checks import to_path
from gpt_data.errors import UserError
from gpt_data.files.streams import discard_stdout, replace_closed_streams
from gpt_data.wording import quote, suggest
from numpy_gpt.shared.model.config import TYPE_NAMES
from numpy_gpt.shared.training.stopping import EXIT_INTERRUPTED, EXIT_USER_ERROR, Interrupted

Options = TypeVar("Options")

EXIT_STATUS = "exit status: 0 done, 2 invalid input, 130 interrupted (Ctrl-C), 143 terminated"


class Parser(argparse.ArgumentParser):
    """An ArgumentParser whose errors are UserErrors and whose options may be spelled with - or _ between words."""

    def __init__(self, **options: Any) -> None:
        super().__init__(allow_abbrev=False, formatter_class=argparse.RawDescriptionHelpFormatter, **options)

    def error(self, message: str) -> NoReturn:
        """Raise a UserError instead of printing the usage and ending the process."""
        raise UserError(f"{message}; see {self.prog} --help")

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse as argparse does, but reject unknown options with a suggestion of what was probably meant."""
        words = [_with_underscores(word) for word in (sys.argv[1:] if args is None else args)]
        known, unknown = super().parse_known_args(words, namespace)
        if unknown:
            option = unknown[0].partition("=")[0]
            kind = "option" if option.startswith("-") else "argument"
            hint = suggest(option, re.findall(r"--\w+", self.format_usage())) or ";"
            raise UserError(f"unknown {kind} {quote(option)}{hint} see {self.prog} --help")
        return known, []


def _with_underscores(word: str) -> str:
    if not word.startswith("--"):
        return word
    name, equals, value = word[2:].partition("=")
    return f"--{name.replace('-', '_')}{equals}{value}"


def whole_number(text: str) -> int:
    """Return the whole number that ``text`` contains; 1_000 and 1e3 are allowed."""
    try:
        return int(text)
    except ValueError:
        value = _float_or_nan(text)
        if not value.is_integer():  # neither NaN nor infinity is
            raise _wrong_kind(int, text) from None
        return int(value)


def number(text: str) -> float:
    """Return the number that ``text`` contains; infinity is allowed, NaN is not."""
    value = _float_or_nan(text)
    if value != value:  # NaN
        raise _wrong_kind(float, text)
    return value


def _float_or_nan(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")


def boolean(text: str) -> bool:
    """Return True or False for true, false, 1, 0, yes, no in any case."""
    known = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
    if text.lower() not in known:
        raise _wrong_kind(bool, text)
    return known[text.lower()]


def path(text: str) -> Path:
    """Return the path that ``text`` contains, which must not be empty."""
    try:
        return to_path(text)
    except UserError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _wrong_kind(kind: type, text: str) -> argparse.ArgumentTypeError:
    return argparse.ArgumentTypeError(f"must be {TYPE_NAMES[kind]}, not {quote(text)}")


def read_options(kind: Callable[..., Options], arguments: argparse.Namespace, **given: Any) -> Options:
    """Return a command's options, a NamedTuple; each field is the flag of the same name, unless it is in ``given``."""
    flags = {name: getattr(arguments, name) for name in kind.__annotations__ if name not in given}
    return kind(**flags, **given)


def print_record(record: Mapping[str, Any]) -> None:
    """Print the record of ``--json``: one line of JSON, in ASCII and without NaN, which JSON does not have."""
    print(json.dumps(record, allow_nan=False))


def add_debug_flag(parser: argparse.ArgumentParser) -> None:
    """Add the flag that ``run_command`` looks for."""
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")


def run_command(command: Callable[[argparse.Namespace], int], parser: Parser, argv: Sequence[str] | None) -> int:
    """Parse ``argv``, run the command and return its exit status; user errors are printed as one line on stderr."""
    words = list(sys.argv[1:] if argv is None else argv)
    replace_closed_streams()
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # ASCII-only output shows other characters escaped
    try:
        status = command(parser.parse_args(words))
        sys.stdout.flush()
        return status
    except BrokenPipeError:  # the reader of our output stopped reading, as `head` does
        _discard_unwritable_output()
        return 0
    except (UserError, OSError) as error:
        if "--debug" in words:
            raise
        _discard_unwritable_output()
        return _fail(f"error: {error}", EXIT_USER_ERROR)
    except MemoryError as error:
        if "--debug" in words:
            raise
        reason = str(error) or "the system has none left"
        return _fail(f"error: out of memory: {reason}; try smaller sizes", EXIT_USER_ERROR)
    except Interrupted as stopped:
        return _fail(str(stopped), stopped.exit_status)
    except KeyboardInterrupt:
        return _fail("interrupted", EXIT_INTERRUPTED)


def _discard_unwritable_output() -> None:
    try:
        sys.stdout.flush()
    except OSError:
        discard_stdout()


def _fail(message: str, status: int) -> int:
    print(message, file=sys.stderr)
    return status
