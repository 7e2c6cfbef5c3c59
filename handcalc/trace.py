"""The command ``python -m handcalc.trace "hello world"``: a whole GPT worked out on a pocket calculator."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from gpt_data.errors import UserError
from handcalc.arithmetic.calculator import Calculator
from handcalc.page import terminal
from handcalc.page.layout import INDENT, left_columns, prose
from handcalc.page.text import plain, text_lines
from handcalc.tracing.model_trace import traced
from handcalc.tracing.optimizer import optimizer_of
from handcalc.tracing.plan import Plan, planned_steps, training_plan
from handcalc.tracing.selection import Selection, check_selection, select_steps
from handcalc.tracing.size import check_size, size_of
from handcalc.tracing.steps import AXES, Sizes
from handcalc.tracing.working import Trace, check_length
from numpy_gpt.shared.cli.parser import Parser, run_command, whole_number
from numpy_gpt.shared.model.config import GPTConfig
from numpy_gpt.shared.model.inputs import require_gpt
from numpy_gpt.shared.runs.checkpoint import SHIPPED_MODEL, Checkpoint
from numpy_gpt.shared.runs.run_directory import load_checkpoint

_EPILOG = """\
Everything is worked out whatever is shown: --only, --layer, --head and --position choose from it. On a terminal, a page
longer than the screen is shown by $PAGER, or less. docs/trace-format.md says how a program reads the output.

exit status:
  0    done (also where the reader of a pipe stopped reading)
  2    bad input: one line on stderr says what and how to mend it
  130  interrupted with Ctrl-C

examples:
  python -m handcalc.trace "hello world"
  python -m handcalc.trace "hello world" --only attn.scores --head 1 --full
  python -m handcalc.trace "hello world" --backward --only "h.0.attn.d*"
  python -m handcalc.trace "hello world" --update --only wte.weight,loss
  python -m handcalc.trace "hello world" --update --full --format markdown --output hello.md
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
    add("--backward", action="store_true", help="work out the loss and the gradient of every number and weight, too")
    add("--update", action="store_true", help="and then the new weights, and the forward pass with these")
    add("--learning_rate", type=float, metavar="RATE", help="of the update (default: the last of the model's training)")
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
    add("--format", choices=("text", "markdown", "json"), default="text", help="how to write the trace (default text)")
    add("--output", metavar="FILE", help="write there instead of to the screen; the whole file or nothing")
    add("--no_pager", action="store_true", help="never show the page screen by screen")
    add("--force", action="store_true", help="work out and print even what is very large")
    add("--debug", action="store_true", help="show the traceback of an error")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status: 0, 2 for bad input, 130 when interrupted."""
    return run_command(_run, _parser(), argv)


def _run(options: argparse.Namespace) -> int:
    path = SHIPPED_MODEL if options.model is None else Path(options.model)
    selection = _selection(options)
    model = load_checkpoint(path)
    config = require_gpt(model.config)
    if options.list:
        check_selection(selection, config)
        lines = _list_lines(config, _plan(options, model, (0, 0)), selection)
    else:
        lines = _page_lines(options, _trace(options, path, model, config, selection), selection)
    terminal.write("".join(f"{line}\n" for line in lines), options.output, paged=not options.no_pager)
    return 0


def _page_lines(options: argparse.Namespace, trace: Trace, selection: Selection) -> Iterator[str]:
    if options.format == "json":
        from handcalc.page.json_format import json_lines  # not needed for text, and start-up time counts

        return json_lines(trace, selection, full=options.full)
    if options.format == "markdown":
        from handcalc.page.markdown import markdown_lines

        return markdown_lines(trace, selection, full=options.full)
    if options.output is None and terminal.wants_colour():
        return text_lines(
            trace,
            selection,
            full=options.full,
            style=lambda heading: terminal.coloured("heading", heading),
            accent=terminal.coloured,
        )
    return text_lines(trace, selection, full=options.full, style=lambda heading: heading, accent=plain)


def _trace(
    options: argparse.Namespace, path: Path, model: Checkpoint, config: GPTConfig, selection: Selection
) -> Trace:
    if len(options.text) != 1:
        together = " ".join(options.text) or "hello world"
        raise UserError(f'give the text as one argument, in quotes: python -m handcalc.trace "{together}"')
    (text,) = options.text
    plan = _plan(options, model, tuple(model.tokenizer.encode(text).tolist()))
    check_length(len(plan.tokens), config.block_size)
    check_selection(selection, config, len(plan.tokens))
    if not options.force:
        digits, sizes = Calculator(options.digits).digits, Sizes.of(config, len(plan.tokens))
        steps = planned_steps(config, plan, digits=digits)
        check_size(size_of(steps, config, sizes, selection, digits=digits, full=options.full), config)
    name = path.resolve().name
    return traced(model, name, text, plan.tokens, digits=options.digits, targets=plan.targets, optimizer=plan.optimizer)


def _plan(options: argparse.Namespace, model: Checkpoint, tokens: tuple[int, ...]) -> Plan:
    if options.learning_rate is not None and not options.update:
        raise UserError("--learning_rate is the rate of an update: add --update")
    if options.update:
        return training_plan(tokens, optimizer_of(model.recipe, options.learning_rate))
    return training_plan(tokens) if options.backward else Plan(tokens)


def _selection(options: argparse.Namespace) -> Selection:
    only = tuple(name for group in options.only for name in group.split(",") if name)
    if options.only and not only:
        raise UserError("--only needs the name of a step; --list shows them")
    return Selection(only, options.layer, options.head, options.position)


def _list_lines(config: GPTConfig, plan: Plan, selection: Selection) -> Iterator[str]:
    """Yield each step's name, axes and equation, as for any short text."""
    steps = select_steps(planned_steps(config, plan, digits=4), selection)
    rows = [
        [step.name, f"({', '.join(AXES[letter][0] for letter in step.axes)})", f"{step.equation}   ({step.section})"]
        for step in steps
    ]
    for line in left_columns(rows):
        yield from prose(line, continued=INDENT)


if __name__ == "__main__":
    sys.exit(main())
