"""The command ``python -m handcalc.trace "hello world"``: a whole model worked out on a pocket calculator."""

from __future__ import annotations

if __name__ == "__main__":  # before the imports, during which Ctrl-C is handled, too
    from gpt_data.process import run_program

    run_program("handcalc.trace")

import argparse
import sys
from collections.abc import Iterator, Sequence

from gpt_data.errors import UserError
from gpt_data.files.atomic import atomic_write
from gpt_data.terminal import join_lines, page_style, page_width
from gpt_data.wording import show_path
from handcalc.formulas.step import AXES, Sizes
from handcalc.page.cells import keep_worked_out
from handcalc.page.layout import INDENT, WIDTH, left_columns, prose
from handcalc.page.output import write
from handcalc.page.text import text_lines
from handcalc.tracing.changes import Changed, change_weights, compare_with_unchanged
from handcalc.tracing.part import trace_part
from handcalc.tracing.plan import Plan, plan_text
from handcalc.tracing.selection import Selection, check_selection, choose_cells, select_steps, split_items
from handcalc.tracing.size import check_size, check_web_size, check_workbook_size, is_too_large, size_of
from handcalc.tracing.trace import Trace, load_model, trace_model, words_of
from numpy_gpt.shared.cli.parser import Parser, run_command, typed_text, whole_number
from numpy_gpt.shared.cli.tokens import read_text
from numpy_gpt.shared.model.config import BigramConfig
from numpy_gpt.shared.runs.checkpoint import Checkpoint
from numpy_gpt.shared.runs.edits import read_edit

_DIGITS = 4
_ONE_PART = ("text", "markdown")  # formats whose pages of a few steps need nothing but these

_EPILOG = """\
Everything is always worked out; --only, --layer, --head and --position select what is shown. Of a model too large for
that, such as GPT-2, only what the steps of --only need is worked out. On a terminal, a
page longer than the screen is shown with $PAGER, or less. docs/trace-format.md explains how programs can read the
output.

exit status:
  0    success (also if the reader of a pipe stopped reading)
  2    invalid input: one line on stderr says what is wrong and how to fix it
  70   a bug: a traceback
  130  interrupted with Ctrl-C, 143 terminated

examples:
  python -m handcalc.trace "hello world"
  python -m handcalc.trace "hello world" --only attn.scores --head 1 --full
  python -m handcalc.trace "hello world" --only "attn.weights[0,2,0],logits[2,31]"
  python -m handcalc.trace "hello world" --backward --only "h.0.attn.d*"
  python -m handcalc.trace "hello world" --update --only wte.weight,loss
  python -m handcalc.trace "hello world" --update --only "wte.weight[31,0]"
  python -m handcalc.trace "hello world" --set "wte.weight[31,0]=0"
  python -m handcalc.trace "hello world" --update --model untrained
  python -m handcalc.trace "hello world" --update --model runs/bigram --only "*dweight,loss"
  python -m handcalc.trace "hello world" --update --full --format markdown --output hello.md
  python -m handcalc.trace "once upon a" --digits 8 --format json --full --output once.json
  python -m handcalc.trace "hello world" --update --format html --output hello.html --open
  python -m handcalc.trace "hello world" --update --format xlsx --output hello.xlsx
"""


def _parser() -> Parser:
    parser = Parser(
        prog="python -m handcalc.trace",
        description="Work out by hand, digit by digit, everything that a trained model computes from a text.",
        epilog=_EPILOG,
    )
    add = parser.add_argument
    add("text", nargs="*", type=typed_text, metavar="TEXT", help='the text to read, in quotes: "hello world"')
    add("--backward", action="store_true", help="also work out the loss, and the gradient of every number and weight")
    add("--update", action="store_true", help="also work out the new weights, and the forward pass with them")
    add("--learning_rate", type=float, metavar="RATE", help="of the update (default: the last one of the training run)")
    add("--digits", type=whole_number, metavar="N", help=f"significant digits, 1 to 34 (default {_DIGITS})")
    add("--full", action="store_true", help="work out every number, not only one of each step")
    _add_selection(parser)
    add("--list", action="store_true", help="list the steps with their shapes and equations, and exit")
    add(
        "--model",
        metavar="PATH",
        help="a run or checkpoint directory of numpy_gpt train, a model of another program, or untrained: the tiny "
        "model before its training, with which --update has much to learn (default: the tiny model)",
    )
    add(
        "--set",
        action="append",
        default=[],
        metavar="WEIGHT=NUMBER",
        help='change a weight first, as in --set "wte.weight[31,0]=0"; can be repeated',
    )
    add(
        "--format",
        choices=("text", "markdown", "json", "html", "xlsx"),
        default="text",
        help="output format (default text); xlsx is a workbook in which every number is a live formula",
    )
    add("--output", metavar="FILE", help="write to this file instead of the screen; the whole file or nothing")
    add("--open", action="store_true", help="with --format html and --output: show the page in the web browser")
    add("--no_pager", action="store_true", help="never show the page screen by screen")
    add("--force", action="store_true", help="work out and print even a very large trace")
    add("--debug", action="store_true", help="show the traceback of an error")
    return parser


def _add_selection(parser: Parser) -> None:
    add = parser.add_argument
    add(
        "--only",
        action="append",
        default=[],
        metavar="STEP",
        help="show only these steps: a name, its last parts (attn.scores, scores) or a pattern (*.mlp.*), or with an "
        "index only one number, worked out (attn.weights[0,2,0]); several with commas or by repeating the option",
    )
    add("--layer", type=whole_number, metavar="N", help="show only the steps inside layer N, counted from 0")
    add("--head", type=whole_number, metavar="N", help="of each head's results, show only head N, counted from 0")
    add(
        "--position",
        type=whole_number,
        metavar="N",
        help="show only position N, counted from 0; keys and values are shown for all positions, because attention "
        "uses them",
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status: 0, 2 for invalid input, 130 if interrupted."""
    return run_command(_run, _parser(), argv)


def _run(options: argparse.Namespace) -> int:
    selection = _selection(options)
    _check_format_options(options, selection)
    if options.format == "xlsx" and not options.list:
        _check_workbook_options(options)
    model, name = load_model(options.model)
    changed = change_weights(model, [read_edit(text) for text in options.set])
    model = changed.model if options.set else model
    if options.list:
        check_selection(selection, model.config)
        plan = _plan(options, model, (0, 0) if options.backward or options.update else (0,))
        sizes = Sizes.of(model.config, model.config.block_size)
        lines = _list_lines(plan, choose_cells(selection, plan.page_steps, sizes), page_width(options.output, WIDTH))
    elif options.format == "html":
        _check_web_model(model)
        _write_html(options, _trace(options, Changed(model, changed.changes), name, selection)[0])
        return 0
    elif options.format == "xlsx":
        _write_workbook(options, Changed(model, changed.changes), name)
        return 0
    else:
        lines = _page_lines(options, *_trace(options, Changed(model, changed.changes), name, selection))
    write(join_lines(lines), options.output, paged=not options.no_pager)
    return 0


def _check_format_options(options: argparse.Namespace, selection: Selection) -> None:
    if options.open and not (options.format == "html" and options.output):
        raise UserError("--open shows a page that was written: add --format html --output FILE")
    whole = {"html": "web page", "xlsx": "workbook"}.get(options.format)
    if whole and selection != Selection() and not options.list:
        raise UserError(
            f"a {whole} always has every step: leave out --only, --layer, --head and --position, or choose another "
            "--format"
        )


def _check_web_model(model: Checkpoint) -> None:
    if isinstance(model.config, BigramConfig):
        raise UserError("a web page shows a GPT, and this is a bigram model: choose another --model or --format")
    if model.config.norm != "layer_norm":
        norm = f"and this one has norm={model.config.norm!r}"
        raise UserError(f"a web page shows a GPT with layer norm, {norm}: choose another --model or --format")


def _write_html(options: argparse.Namespace, trace: Trace) -> None:
    from handcalc.page.web.html_format import html_page  # not needed for text, and start-up time matters

    write(html_page(trace, options.output), options.output)
    if options.open:
        import webbrowser
        from pathlib import Path

        path = Path(options.output).absolute()
        if not webbrowser.open(path.as_uri()):
            print(f"no web browser was found; open {show_path(path)} in one", file=sys.stderr)


def _check_workbook_options(options: argparse.Namespace) -> None:
    from handcalc.page.sheets.xlsx_format import spreadsheet_library

    if options.output is None:
        raise UserError("a workbook is a file: add --output FILE, such as --output hello.xlsx")
    if options.digits is not None:
        raise UserError("a workbook calculates in float64, about 16 digits: leave out --digits")
    spreadsheet_library()


def _write_workbook(options: argparse.Namespace, changed: Changed, name: str) -> None:
    from handcalc.page.sheets.xlsx_format import xlsx_bytes
    from handcalc.tracing.live import evaluate_live, make_live

    model = changed.model
    plan = _plan(options, model, _read_tokens(options, model)[1])
    if not options.force:
        check_workbook_size(size_of(plan, Selection(), full=False))
    live = make_live(plan)
    values = evaluate_live(live, model.values)
    atomic_write(options.output, xlsx_bytes(live, values, words_of(model), name, changed.changes))


def _page_lines(options: argparse.Namespace, trace: Trace, selection: Selection) -> Iterator[str]:
    if options.format == "json":
        from handcalc.page.json_format import json_lines  # not needed for text, and start-up time matters

        return json_lines(trace, selection, full=options.full)
    if options.format == "markdown":
        from handcalc.page.markdown import markdown_lines

        return markdown_lines(trace, selection, full=options.full)
    style, width = page_style(options.output), page_width(options.output, WIDTH)
    return text_lines(trace, selection, full=options.full, style=style, width=width)


def _trace(options: argparse.Namespace, changed: Changed, name: str, selection: Selection) -> tuple[Trace, Selection]:
    """Return the trace, and the selection with its single cells."""
    model = changed.model
    text, tokens = _read_tokens(options, model)
    plan = _plan(options, model, tokens)
    check_selection(selection, plan.config, len(plan.tokens))
    selection = choose_cells(selection, plan.page_steps, plan.sizes, full=options.full)
    if not options.force:
        size = size_of(plan, selection, full=options.full)
        if selection.names_steps and options.format in _ONE_PART and is_too_large(size, plan.config):
            part = trace_part(model, name, text, plan, selection, full=options.full)
            return part._replace(changes=changed.changes), selection
        check_size(size, plan.config)
        if options.format == "html":
            check_web_size(size)
    trace = trace_model(model, name, text, plan, selection.position)
    trace = compare_with_unchanged(trace, changed.changes) if changed.changes else trace
    return trace, keep_worked_out(trace, selection)


def _read_tokens(options: argparse.Namespace, model: Checkpoint) -> tuple[str, tuple[int, ...]]:
    if len(options.text) != 1:
        together = " ".join(options.text) or "hello world"
        raise UserError(f'give the text as one argument, in quotes: python -m handcalc.trace "{together}"')
    text = read_text(model.tokenizer, options.text[0], "the text")
    return text, tuple(model.tokenizer.encode(text).tolist())


def _plan(options: argparse.Namespace, model: Checkpoint, tokens: tuple[int, ...]) -> Plan:
    if options.learning_rate is not None and not options.update:
        raise UserError("--learning_rate is the rate of an update: add --update")
    return plan_text(
        model.config,
        model.recipe,
        tokens,
        backward=options.backward,
        update=options.update,
        learning_rate=options.learning_rate,
        digits=_DIGITS if options.digits is None else options.digits,
    )


def _selection(options: argparse.Namespace) -> Selection:
    only = tuple(item for group in options.only for item in split_items(group))
    if options.only and not only:
        raise UserError("--only needs the name of a step; --list shows them")
    return Selection(only, options.layer, options.head, options.position)


def _list_lines(plan: Plan, selection: Selection, width: int) -> Iterator[str]:
    """Yield the name, axes and equation of each step."""
    steps = select_steps(plan.page_steps, selection)
    rows = [
        [step.name, f"({', '.join(AXES[letter][0] for letter in step.axes)})", f"{step.equation}   ({step.section})"]
        for step in steps
    ]
    for line in left_columns(rows):
        yield from prose(line, continued=INDENT, width=width)
