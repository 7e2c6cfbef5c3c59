"""The command ``python -m handcalc.averaging``: from a plain average to self-attention, in four versions."""

from __future__ import annotations

if __name__ == "__main__":  # before the imports, during which Ctrl-C is handled, too
    from gpt_data.process import run_program

    run_program("handcalc.averaging")

import argparse
from collections.abc import Sequence

from gpt_data.errors import UserError
from gpt_data.terminal import join_lines, page_style, page_width
from gpt_data.wording import quote
from handcalc.averages.averaging_page import averaging_blocks
from handcalc.page.layout import WIDTH
from handcalc.page.output import write
from handcalc.page.text import block_lines
from handcalc.tracing.plan import make_plan
from handcalc.tracing.selection import Selection, check_selection
from handcalc.tracing.trace import load_model, trace_model
from numpy_gpt.shared.cli.parser import Parser, add_pager_flag, run_command, typed_text, whole_number
from numpy_gpt.shared.cli.tokens import read_text
from numpy_gpt.shared.model.config_checks import require_attention

_EPILOG = """\
The worked lines look like those of handcalc.trace, and python -m handcalc.verify checks each of them.

exit status:
  0    success (also if the reader of a pipe stopped reading)
  2    invalid input: one line on stderr says what is wrong and how to fix it
  70   a bug: a traceback
  130  interrupted with Ctrl-C, 143 terminated

examples:
  python -m handcalc.averaging
  python -m handcalc.averaging --text "hello world" "to be"
  python -m handcalc.averaging --text "once upon a" --layer 1 --head 1 --digits 6
"""


def _parser() -> Parser:
    parser = Parser(
        prog="python -m handcalc.averaging",
        description="Average the past in four versions: a loop, a triangular matrix, a softmax, and self-attention "
        "with trained weights, with every number worked out.",
        epilog=_EPILOG,
    )
    add = parser.add_argument
    what = 'the text to read (default "hello world"); several, of the same number of tokens, are a batch'
    add("--text", type=typed_text, nargs="+", default=["hello world"], help=what)
    add("--digits", type=whole_number, default=4, metavar="N", help="significant digits, 1 to 34 (default 4)")
    add("--layer", type=whole_number, default=0, metavar="N", help="the layer whose attention is version 4 (default 0)")
    add("--head", type=whole_number, default=0, metavar="N", help="the head of that layer (default 0)")
    add("--full", action="store_true", help="work out every number, not only the first channel of each position")
    add("--model", metavar="PATH", help="a run or checkpoint directory of numpy_gpt train (default: the tiny model)")
    add("--output", metavar="FILE", help="write to this file instead of the screen; the whole file or nothing")
    add_pager_flag(parser)
    add("--debug", action="store_true", help="show the traceback of an error")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status: 0, 2 for invalid input, 130 if interrupted."""
    return run_command(_run, _parser(), argv)


def _run(options: argparse.Namespace) -> int:
    model, name = load_model(options.model)
    config = require_attention(model.config)
    texts = [read_text(model.tokenizer, text, "the text") for text in options.text]
    batch = [tuple(model.tokenizer.encode(text).tolist()) for text in texts]
    check_selection(Selection(layer=options.layer, head=options.head), config, len(batch[0]))
    _check_lengths(texts, [len(tokens) for tokens in batch])
    plans = [make_plan(config, tokens, digits=options.digits) for tokens in batch]
    traces = [trace_model(model, name, text, plan) for text, plan in zip(texts, plans, strict=True)]
    blocks = averaging_blocks(traces, options.layer, options.head, full=options.full)
    lines = block_lines(blocks, page_style(options.output), page_width(options.output, WIDTH))
    write(join_lines(lines), options.output, paged=not options.no_pager)
    return 0


def _check_lengths(texts: Sequence[str], lengths: Sequence[int]) -> None:
    for text, length in zip(texts, lengths, strict=True):
        if length != lengths[0]:
            counts = f"{quote(texts[0])} has {lengths[0]} and {quote(text)} has {length}"
            raise UserError(f"the texts of a batch must have the same number of tokens, but {counts}")
