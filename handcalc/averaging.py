"""The command ``python -m handcalc.averaging``: from a plain average to self-attention, in four versions."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from gpt_data.errors import UserError
from handcalc.averages.page import averaging_lines
from handcalc.page.terminal import write
from handcalc.tracing.model_trace import named_model, traced
from handcalc.tracing.selection import Selection, check_selection
from numpy_gpt.shared.cli.parser import Parser, run_command, whole_number
from numpy_gpt.shared.model.inputs import require_gpt

_EPILOG = """\
The page is in the grammar of handcalc.trace: python -m handcalc.verify works every line out again.

exit status:
  0    done (also where the reader of a pipe stopped reading)
  2    bad input: one line on stderr says what and how to mend it
  130  interrupted with Ctrl-C

examples:
  python -m handcalc.averaging
  python -m handcalc.averaging --text "once upon a" --layer 1 --head 1 --digits 6
"""


def _parser() -> Parser:
    parser = Parser(
        prog="python -m handcalc.averaging",
        description="Average the past in four versions: a loop, a triangular matrix, a softmax, and self-attention "
        "with trained weights; every number worked out.",
        epilog=_EPILOG,
    )
    add = parser.add_argument
    add("--text", default="hello world", help='the text to read (default "hello world")')
    add("--digits", type=whole_number, default=4, metavar="N", help="significant digits, 1 to 34 (default 4)")
    add("--layer", type=whole_number, default=0, metavar="N", help="whose attention version 4 is (default 0)")
    add("--head", type=whole_number, default=0, metavar="N", help="and which of its heads (default 0)")
    add("--full", action="store_true", help="work every number out, not the first channel of each position only")
    add("--model", metavar="PATH", help="a run or checkpoint directory of numpy_gpt train (default: the tiny model)")
    add("--output", metavar="FILE", help="write there instead of to the screen; the whole file or nothing")
    add("--debug", action="store_true", help="show the traceback of an error")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status: 0, 2 for bad input, 130 when interrupted."""
    return run_command(_run, _parser(), argv)


def _run(options: argparse.Namespace) -> int:
    model, name = named_model(options.model)
    config = require_gpt(model.config)
    if config.n_layer == 0:
        raise UserError("this model has no layers, so no attention to show; choose another --model")
    tokens = tuple(model.tokenizer.encode(options.text).tolist())
    check_selection(Selection(layer=options.layer, head=options.head), config, len(tokens))
    trace = traced(model, name, options.text, tokens, digits=options.digits)
    lines = averaging_lines(trace, options.layer, options.head, full=options.full)
    write("".join(f"{line}\n" for line in lines), options.output)
    return 0


if __name__ == "__main__":
    sys.exit(main())
