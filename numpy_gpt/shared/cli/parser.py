"""The parser of all commands, its number readers, and the conversion of errors to one line and an exit status.

Exit status: 0 done; 2 invalid input (one line on stderr); 130 interrupted (Ctrl-C), 143 terminated; 70 a bug, with its
traceback.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from io import TextIOWrapper
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from gpt_data.checks import to_path
from gpt_data.errors import UserError
from gpt_data.files.streams import guarded_streams, replace_closed_streams
from gpt_data.help_text import HelpFormatter, colour_help
from gpt_data.process import EXIT_INTERRUPTED, EXIT_USER_ERROR, Ending, Signalled, raise_on_signals
from gpt_data.terminal import page_style, print_prose, show
from gpt_data.wording import one_line, quote, show_path, suggest
from numpy_gpt.shared.model.config import TYPE_NAMES

Options = TypeVar("Options")

_LONGEST_CHOICE = 60
_TYPED = {r"\n": "\n", r"\t": "\t", "\\\\": "\\"}

EXIT_STATUS = """\
exit status: 0 done, 2 invalid input or unwritable output, 130 interrupted (Ctrl-C), 143 terminated, 70 a bug.
If the reader of its output stops reading, as head does, a command ends with 0; training first runs to its end, and then
ends with 2."""


class Parser(argparse.ArgumentParser):
    """An ArgumentParser whose errors are UserErrors and whose options may be spelled with - or _ between words."""

    def __init__(self, **options: Any) -> None:
        super().__init__(allow_abbrev=False, formatter_class=HelpFormatter, **options)
        self._negative_number_matcher = re.compile(r"-\.?\d")  # argparse takes -1e-05 for an option

    def print_help(self, file: Any = None) -> None:
        """Print the help; on a terminal in colour, and screen by screen if it is longer than the screen."""
        if file is None:
            show([colour_help(self.format_help(), page_style())], paged=True)
        else:
            super().print_help(file)

    def error(self, message: str) -> NoReturn:
        """Raise a UserError instead of printing the usage and ending the process."""
        raise UserError(f"{message}; see {self.prog} --help")

    def _get_values(self, action: argparse.Action, arg_strings: list[str]) -> Any:
        """Return an option's value; older versions of argparse drop the value ``--``, which is as good as any other."""
        if action.option_strings and arg_strings == ["--"]:
            value = self._get_value(action, "--")
            return value if action.nargs in (None, "?") else [value]
        return super()._get_values(action, arg_strings)

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        """Check a choice as argparse does, which repeats the value in full: cut the middle out of a long one first."""
        is_long = isinstance(value, str) and len(value) > _LONGEST_CHOICE
        super()._check_value(action, one_line(value, _LONGEST_CHOICE) if is_long else value)

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


def full_or_number(text: str, default: int, noun: str) -> tuple[int, bool]:
    """Return what ``N``, ``full`` or ``full:N`` chooses: the number, and whether ``full``, alone with the default.

    ``noun`` is what is counted, in the plural.
    """
    kind, colon, count = text.partition(":")
    full = kind.lower() == "full"
    try:
        return (whole_number(count if full else text) if colon or not full else default), full
    except argparse.ArgumentTypeError:
        form = f"a number of {noun}, full, or full:{noun.upper()}"
        raise argparse.ArgumentTypeError(f"must be {form}, not {quote(text)}") from None


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


def typed_text(text: str) -> str:
    r"""Return a text from the command line with a line break for ``\n``, a tab for ``\t`` and ``\`` for ``\\``.

    A shell passes them as they are typed.
    """
    return re.sub(r"\\[nt\\]", lambda typed: _TYPED[typed[0]], text)


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


def add_pager_flag(parser: argparse.ArgumentParser) -> None:
    """Add the flag of commands whose output may be longer than the screen."""
    parser.add_argument("--no_pager", action="store_true", help="never show long output screen by screen")


def run_command(command: Callable[[argparse.Namespace], int], parser: Parser, argv: Sequence[str] | None) -> int:
    """Parse ``argv``, run the command and return its exit status; user errors are printed as one line on stderr.

    What cannot be written to stderr is dropped. If standard output is a pipe whose reader has gone, as that of `head`,
    the command ends quietly with status 0.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    replace_closed_streams()
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # ASCII-only output shows other characters escaped
    with guarded_streams(), raise_on_signals() as arrived:
        try:
            return _status_of(command, parser, words)
        except (Ending, KeyboardInterrupt) as error:  # also while an error is being reported
            return _fail(str(error) or "interrupted", getattr(error, "exit_status", EXIT_INTERRUPTED))
        except Exception:
            if not arrived:
                raise
            # An extension module that was being imported has turned the exception of the signal into its own.
            stopped = Signalled(arrived[-1])
            return _fail(str(stopped), stopped.exit_status)


def _status_of(command: Callable[[argparse.Namespace], int], parser: Parser, words: list[str]) -> int:
    try:
        try:
            arguments = parser.parse_args(words)
        finally:
            sys.stdout.flush()  # of --help
        _check_working_directory()
        status = command(arguments)
        sys.stdout.flush()
        return status
    except BrokenPipeError:  # the reader of our output stopped reading
        return 0
    except (UserError, OSError, MemoryError) as error:
        with suppress(OSError, UserError):  # the first error counts
            sys.stdout.flush()
        if "--debug" in words:
            from traceback import print_exc  # imported only for errors

            print_exc()
            return EXIT_USER_ERROR
        return _fail(f"error: {_message_of(error)}", EXIT_USER_ERROR)


def _message_of(error: UserError | OSError | MemoryError) -> str:
    if isinstance(error, MemoryError):
        return f"out of memory: {str(error) or 'the system has none left'}; try smaller sizes"
    if isinstance(error, OSError):
        try:
            _check_working_directory()  # it may have vanished since the start
        except UserError as cause:
            return str(cause)
        place = f"use {show_path(error.filename)}" if error.filename else "read or write"
        return f"cannot {place}: {error.strerror or error}; check the path and the disk"
    return str(error)


def _check_working_directory() -> None:
    try:
        Path.cwd()
    except OSError as error:
        raise UserError(
            f"the working directory must exist, but it is gone ({error.strerror}); change to another one with cd"
        ) from error


def _fail(message: str, status: int) -> int:
    print_prose(one_line(message), sys.stderr)
    return status
