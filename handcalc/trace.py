"""The command ``python -m handcalc.trace "hello world"``: a whole GPT worked out on a pocket calculator."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from gpt_data.atomic import atomic_write
from gpt_data.errors import UserError
from handcalc.forward import forward_steps
from handcalc.layout import INDENT, left_columns, prose
from handcalc.selection import Selection, check_selection, select_steps
from handcalc.steps import AXES
from handcalc.text import Style, text_lines
from handcalc.working import Trace, work_out
from numpy_gpt.shared.checkpoint import SHIPPED_MODEL, load_model
from numpy_gpt.shared.command_line import Parser, run_command, whole_number
from numpy_gpt.shared.config import GPTConfig

_EPILOG = """\
Everything is worked out whatever is shown: --only, --layer, --head and --position choose from it.

exit status:
  0    done (also where the reader of a pipe stopped reading)
  2    bad input: one line on stderr says what and how to mend it
  130  interrupted with Ctrl-C

examples:
  python -m handcalc.trace "hello world"
  python -m handcalc.trace "hello world" --only attn.scores --head 1 --full
  python -m handcalc.trace "once upon a" --digits 8 --format json --full --output once.json
"""


def _parser() -> Parser:
    parser = Parser(
        prog="python -m handcalc.trace",
        description="Work out by hand, digit by digit, what a trained GPT makes of a text.",
        epilog=_EPILOG,
    )
    add = parser.add_argument
    add("text", nargs="*", metavar="TEXT", help='the text to read, in quotes: "hello world"')
    add("--digits", type=whole_number, default=4, metavar="N", help="significant digits, 1 to 34 (default 4)")
    add("--full", action="store_true", help="work every number out, not one for each step")
    add(
        "--only",
        action="append",
        default=[],
        metavar="STEP",
        help="show only these steps: a name, its last parts (attn.scores, scores) or a pattern (*.mlp.*); "
        "several with commas or by repeating the option",
    )
    add("--layer", type=whole_number, metavar="N", help="show only the steps inside layer N, counted from 0")
    add("--head", type=whole_number, metavar="N", help="of what each head computes, show only head N, counted from 0")
    add(
        "--position",
        type=whole_number,
        metavar="N",
        help="show only position N, counted from 0; keys and values of all positions stay, as attention looks at them",
    )
    add("--list", action="store_true", help="list the steps, their shapes and equations, and stop")
    add("--model", metavar="PATH", help="a run or checkpoint directory of numpy_gpt train (default: the tiny model)")
    add("--format", choices=("text", "json"), default="text", help="how to write the trace (default text)")
    add("--output", metavar="FILE", help="write there instead of to the screen; the whole file or nothing")
    add("--debug", action="store_true", help="show the traceback of an error")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status: 0, 2 for bad input, 130 when interrupted."""
    return run_command(_run, _parser(), argv)


def _run(options: argparse.Namespace) -> int:
    model = SHIPPED_MODEL if options.model is None else Path(options.model)
    selection = _selection(options)
    if options.list:
        lines = _list_lines(load_model(model).config, selection)
    else:
        trace = _trace(options, model)
        check_selection(selection, trace.config, len(trace.tokens))
        if options.format == "json":
            from handcalc.json_format import json_lines  # not needed for text, and start-up time counts

            lines = json_lines(trace, selection, full=options.full)
        else:
            style = _style(to_screen=options.output is None)
            lines = text_lines(trace, selection, full=options.full, style=style)
    _write("".join(f"{line}\n" for line in lines), options.output)
    return 0


def _trace(options: argparse.Namespace, path: Path) -> Trace:
    if len(options.text) != 1:
        together = " ".join(options.text) or "hello world"
        raise UserError(f'give the text as one argument, in quotes: python -m handcalc.trace "{together}"')
    model = load_model(path)
    (text,) = options.text
    return work_out(
        model.config,
        model.values,
        model.tokenizer.vocabulary,
        text,
        tuple(model.tokenizer.encode(text).tolist()),
        digits=options.digits,
        model=path.resolve().name,
    )


def _selection(options: argparse.Namespace) -> Selection:
    only = tuple(name for group in options.only for name in group.split(",") if name)
    if options.only and not only:
        raise UserError("--only needs the name of a step; --list shows them")
    return Selection(only, options.layer, options.head, options.position)


def _list_lines(config: GPTConfig, selection: Selection) -> Iterator[str]:
    steps = select_steps(tuple(forward_steps(config, (0,), digits=4)), selection)
    rows = [
        [step.name, f"({', '.join(AXES[letter][0] for letter in step.axes)})", f"{step.equation}   ({step.section})"]
        for step in steps
    ]
    for line in left_columns(rows):
        yield from prose(line, continued=INDENT)


def _style(*, to_screen: bool) -> Style:
    """Return what makes headings bold on a terminal, and leaves them alone elsewhere or where NO_COLOR is set."""
    if to_screen and sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb":
        return lambda heading: f"\x1b[1m{heading}\x1b[0m"
    return lambda heading: heading


def _write(content: str, output: str | None) -> None:
    """Write to the file, whole or not at all, or to the screen.

    Raises
    ------
    UserError
        If it cannot be written.
    BrokenPipeError
        If whoever read the screen has enough of it.
    """
    if output is not None:
        atomic_write(output, content.encode())
        return
    with suppress(AttributeError):  # a stand-in for stdout may have no encoding to set
        sys.stdout.reconfigure(encoding="utf-8", newline="\n")  # type: ignore[union-attr]
    try:
        sys.stdout.write(content)
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        # What is left in stdout's buffer would fail again when Python ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise UserError(f"cannot write to standard output: {error.strerror or error}; has it room?") from error


if __name__ == "__main__":
    sys.exit(main())
