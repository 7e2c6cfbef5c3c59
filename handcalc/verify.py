"""The command ``python -m handcalc.verify FILE``: work out every line of a trace again.

What it guarantees:

- **Any file, from anywhere.** Each worked line ``name[index] = arithmetic = value`` is worked out again, exactly, from
  the numbers in it, and rounded once. The number of digits is ``--digits``, or else the one that the file states
  ("rounding to 4 significant digits", or "digits" in JSON), and then the value must be exactly that number. If the file
  states none, each value must be right to the last digit that it shows. A line that looks like a worked one but cannot
  be read counts as wrong.
- **A trace of this program**, as text, Markdown or JSON, which states its model and its words. Each number is also
  compared with the formula of its cell over the other numbers of the page, and then the page is written again from its
  numbers and compared: headings, labels, prose, and the tables behind "How far from float64". float64's numbers follow
  from the page only if it shows the model that ships. White space is not compared.
- **A page of a part of a large model**, such as GPT-2, is also written again; that takes as long as working it out did.
- **What was not checked is said**, counted by kind: lines that are no worked lines, weights and float64's numbers of a
  model that only the writer of the page has, numbers whose operands are not on the page.
- A changed character can also make a file unreadable (JSON has no number 01): then the exit status is 2.
- **Hostile files** take time in proportion to their length. A value that cancels is evaluated with more and more
  digits; if that takes more than the work that a line and a file may take, the line is not decided, which is neither
  right nor wrong: the exit status is 2 unless something else is wrong.
"""

from __future__ import annotations

if __name__ == "__main__":  # before the imports, during which Ctrl-C is handled, too
    from gpt_data.process import run_program

    run_program("handcalc.verify")

import argparse
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress

from gpt_data.errors import UserError
from gpt_data.files.regular_file import read_regular, read_stdin
from gpt_data.terminal import join_lines, page_style, wrap_prose
from gpt_data.wording import count_of, show_path, show_text
from handcalc.arithmetic.calculator import Calculator
from handcalc.page.output import write
from handcalc.verification.document import read_document
from handcalc.verification.line_check import OTHER_NUMBERS, UNDECIDED, Finding
from handcalc.verification.line_reader import WorkedLine
from handcalc.verification.page_check import Report, check_document
from numpy_gpt.shared.cli.parser import Parser, add_pager_flag, run_command, whole_number

EXIT_WRONG = 1
_MOST_SHOWN = 100

_EPILOG = """\
A worked line is  name[index] = arithmetic = value,  or without [index] or name. The arithmetic consists of
numbers, + - * / ^ ( ) exp log sqrt tanh erf max, and also · × − ÷ √ ² ³ and **. An indented line continues the one
before. In Markdown, worked lines are in blocks of code or between backticks. All other lines are prose.

Traces of this program are checked as a whole: each number against its formula over the other printed numbers. Without
--digits, and if the file does not state how many, a value is right if it is right to the last digit it shows.

exit status:
  0    every line is right
  1    something is wrong
  2    the file cannot be read, contains no worked line, or nothing is wrong but a line
       cannot be decided: one line on stderr
  70   a bug: a traceback, and no verdict
  130  interrupted with Ctrl-C, 143 terminated

examples:
  python -m handcalc.trace "hello world" --full | python -m handcalc.verify -
  python -m handcalc.verify homework.txt --digits 3
"""


def _parser() -> Parser:
    parser = Parser(
        prog="python -m handcalc.verify",
        description="Work out every line of a trace again, and report the wrong ones.",
        epilog=_EPILOG,
    )
    add = parser.add_argument
    add(
        "file",
        metavar="FILE",
        help="a trace as text, Markdown or JSON, written by this program or typed by hand; - for stdin",
    )
    add("--digits", type=whole_number, metavar="N", help="the significant digits that values are rounded to")
    add("--all", action="store_true", help=f"show everything that is wrong, not only the first {_MOST_SHOWN}")
    add_pager_flag(parser)
    add("--debug", action="store_true", help="show the traceback of an error")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status: 0 all right, 1 a line is wrong, 2 unreadable, 130 interrupted."""
    return run_command(_run, _parser(), argv)


def _run(options: argparse.Namespace) -> int:
    if options.digits is not None:
        Calculator(options.digits)  # refuses what is out of range
    name = "standard input" if options.file == "-" else show_path(options.file)
    try:
        document = read_document(_read(options.file, name))
    except UserError as error:
        raise UserError(f"cannot verify {name}: {error}") from error
    if not document.worked:
        raise UserError(f"{name} contains no worked line; one looks like this: score = 0.5*0.25 + 1.5 = 1.625")
    report = check_document(document, options.digits)
    with suppress(BrokenPipeError):  # the reader has closed the pipe; the exit status stays the same
        lines = _report_lines(report, document.worked, everything=options.all)
        write(join_lines(lines), paged=not options.no_pager)
    undecided = [found.place for found in report.findings if found.verdict == UNDECIDED]
    if len(undecided) < len(report.findings):
        return EXIT_WRONG
    if undecided:
        raise UserError(f"{count_of(len(undecided), 'line')} could not be decided, and nothing is known to be wrong")
    return 0


def _read(file: str, name: str) -> str:
    content = read_stdin() if file == "-" else read_regular(file)
    if b"\0" in content:
        raise UserError("it is not text; give a trace as text, Markdown or JSON")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"byte {error.start} is not UTF-8; save it as UTF-8 text") from error


def _report_lines(report: Report, lines: list[WorkedLine], *, everything: bool) -> Iterator[str]:
    findings = report.findings
    shown = findings if everything else findings[:_MOST_SHOWN]
    style = page_style()
    for found in shown:
        place = f"line {found.place}: " if found.place else ""
        first, *rest = wrap_prose(place + show_text(f"{found.label} {found.problem}".lstrip()), continued="  ")
        label, after = show_text(found.label), first.removeprefix(place)
        yield place + (after.replace(label, style("name", label), 1) if label else after)
        yield from rest
    if len(shown) < len(findings):
        yield f"… and {len(findings) - len(shown):,} more (--all shows them)"
    yield from (style("heading" if findings else "value", line) for line in wrap_prose(_summary(findings, lines)))
    if report.unchecked:
        yield "not checked:"
        for (noun, plural, why), count in report.unchecked.items():
            yield from wrap_prose(f"  {count:,} {noun if count == 1 else plural}: {why}", continued="    ")


def _summary(findings: list[Finding], lines: list[WorkedLine]) -> str:
    """Return how many worked lines are right, and how many other errors there are."""
    verdicts = {(found.place, found.label): found.verdict for found in findings}
    of_lines = Counter(verdicts.get((line.place, line.label), "right") for line in lines)
    others = len(set(verdicts) - {(line.place, line.label) for line in lines})
    parts = [f"{of_lines['right']:,} of {len(lines):,} worked lines {'is' if len(lines) == 1 else 'are'} right"]
    if of_lines[OTHER_NUMBERS]:
        parts.append(f"{of_lines[OTHER_NUMBERS]:,} true, but not with the numbers of this page")
    if of_lines[UNDECIDED]:
        parts.append(f"{of_lines[UNDECIDED]:,} not decided")
    if others:
        parts.append(f"{count_of(others, 'other error')}, not in a worked line")
    return "; ".join(parts)
