"""The command ``python -m handcalc.exercise``: questions to answer with a pocket calculator."""

from __future__ import annotations

if __name__ == "__main__":  # before the imports, during which Ctrl-C is handled, too
    from gpt_data.process import run_program

    run_program("handcalc.exercise")

import argparse
import sys
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from random import Random

from gpt_data.checks import to_path
from gpt_data.errors import UserError
from gpt_data.files.atomic import atomic_files
from gpt_data.terminal import join_lines, page_style, page_width, wrap_prose
from gpt_data.wording import describe, quote, suggest
from handcalc.arithmetic.calculator import MOST_DIGITS
from handcalc.exercises.answer import is_right, read_answer, verdict
from handcalc.exercises.exercise import solve
from handcalc.exercises.exercise_page import (
    Part,
    as_markdown,
    as_text,
    paragraph,
    question,
    solution,
    working_parts,
)
from handcalc.exercises.source import Source
from handcalc.exercises.texts import known_text
from handcalc.exercises.topics import LEVELS, TOPICS, build, topics_of
from handcalc.exercises.worksheet import make_worksheet
from handcalc.page.layout import WIDTH, align_left
from handcalc.page.output import write
from handcalc.tracing.trace import load_model
from numpy_gpt.shared.cli.parser import Parser, add_pager_flag, run_command, whole_number
from numpy_gpt.shared.cli.tokens import read_text

EXIT_WRONG = 1
_LONGEST_LINE = 10_000
_MORE_DIGITS = 1
_MOST_EXERCISES = 1000

_EPILOG = """\
Without --worksheet, the command prints a question, reads one line as the answer, and says whether it is right or which
mistake it looks like; then it shows the working. An empty line, or no line at all, shows the solution immediately. The
same --seed gives the same question.

exit status:
  0    the answer was right, the solution was shown, or the worksheet was written
  1    the answer was wrong
  2    invalid input: one line on stderr says what is wrong and how to fix it
  70   a bug: a traceback, and no verdict
  130  interrupted with Ctrl-C, 143 terminated

examples:
  python -m handcalc.exercise
  python -m handcalc.exercise --topic softmax --level 2 --seed 7
  echo 0.148 | python -m handcalc.exercise --topic scaling --level 1 --seed 3
  python -m handcalc.exercise --worksheet 12 --seed 1 --format markdown --output sheet
"""


def _parser() -> Parser:
    parser = Parser(
        prog="python -m handcalc.exercise",
        description="Exercises in working out a GPT by hand, with the numbers of a real, trained model.",
        epilog=_EPILOG,
    )
    add = parser.add_argument
    add("--topic", metavar="NAME", help="the topic (default: any; --list shows the names)")
    add(
        "--level",
        type=whole_number,
        metavar="N",
        help="1 one operation, 2 a whole cell, 3 several steps (default: any)",
    )
    add("--seed", type=whole_number, metavar="N", help="which exercise (default: a new one each time)")
    add("--digits", type=whole_number, default=3, metavar="N", help="significant digits asked for (default 3)")
    add("--text", help="what the model reads (default: a few words that it knows)")
    add("--list", action="store_true", help="list the topics and levels, and exit")
    add("--worksheet", type=whole_number, metavar="N", help="write N exercises, and a separate page with the answers")
    add("--format", choices=("text", "markdown"), default="text", help="format of the worksheet (default text)")
    add("--output", metavar="NAME", help="write the worksheet to NAME.md and NAME-answers.md (or .txt)")
    add("--model", metavar="PATH", help="a run or checkpoint directory of numpy_gpt train (default: the tiny model)")
    add_pager_flag(parser)
    add("--debug", action="store_true", help="show the traceback of an error")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status: 0, 1 for a wrong answer, 2 for invalid input, 130 if interrupted."""
    return run_command(_run, _parser(), argv)


def _run(options: argparse.Namespace) -> int:
    if options.list:
        write(join_lines(_list_lines()), paged=not options.no_pager)
        return 0
    _check(options)
    model, name = load_model(options.model)
    given = None if options.text is None else read_text(model.tokenizer, options.text, "--text")

    def source_of(rng: Random) -> Source:
        text = known_text(model, rng) if given is None else given
        return Source(model, name, text, options.digits + _MORE_DIGITS)

    seed = Random().randrange(10_000) if options.seed is None else options.seed
    source = source_of(Random(f"{seed} text 0"))
    topics = _topics(options, source)
    levels = list(LEVELS) if options.level is None else [options.level]
    if options.worksheet is not None:
        sheet = make_worksheet(options.worksheet, options.digits, seed, topics, levels, source_of)
        return _write_worksheet(sheet.questions(), sheet.answers(), options)
    rng = Random(f"{seed} exercise")
    return _ask(source, rng.choice(topics), rng.choice(levels), seed, options.digits)


def _check(options: argparse.Namespace) -> None:
    if options.topic is not None and options.topic not in TOPICS:
        near = suggest(options.topic, TOPICS) or "; --list shows them"
        raise UserError(f"there is no --topic {quote(options.topic)}{near}")
    if options.level is not None and options.level not in LEVELS:
        raise UserError(f"--level must be 1, 2 or 3, not {describe(options.level)}")
    if not 1 <= options.digits < MOST_DIGITS:
        raise UserError(
            f"--digits must be a whole number from 1 to {MOST_DIGITS - _MORE_DIGITS}, not {describe(options.digits)}"
        )
    if options.worksheet is not None and not 1 <= options.worksheet <= _MOST_EXERCISES:
        raise UserError(
            f"--worksheet must be a whole number from 1 to {_MOST_EXERCISES:,}, not {describe(options.worksheet)}"
        )
    if options.output is not None:
        to_path(options.output)  # refuses an empty one
        if options.worksheet is None:
            raise UserError("--output is for worksheets; say how many exercises with --worksheet")


def _topics(options: argparse.Namespace, source: Source) -> list[str]:
    """Return the topics to choose from: the one asked for, or all that the model and the text have."""
    return topics_of(source.config, len(source.tokens)) if options.topic is None else [options.topic]


def _list_lines() -> Iterator[str]:
    style = page_style()
    names = align_left(list(TOPICS))
    for name, topic in zip(names, TOPICS.values(), strict=True):
        first, *rest = wrap_prose(f"{name}  {topic.about}", continued=" " * (len(name) + 2))
        yield from (first.replace(name, style("name", name), 1), *rest)
    yield ""
    yield from (f"{style('name', f'level {level}')}  {what}" for level, what in LEVELS.items())


def _ask(source: Source, topic: str, level: int, seed: int, digits: int) -> int:
    exercise = build(topic, level, source, Random(f"{seed} {topic} {level}"), digits)
    again = f"(--topic {topic} --level {level} --seed {seed})"
    _print_parts(question(exercise, digits, f"{topic}, level {level}: {LEVELS[level]}   {again}"))
    answers = solve(exercise, digits)
    answer = None
    while answer is None:
        write("\nYour answer (an empty line shows the solution): ")
        line = _read_line()
        if not sys.stdin.isatty():
            write("\n")  # on a terminal, typing the answer has ended its line already
        if not line.strip():
            _print_parts(solution(exercise, digits), blank=True)
            return 0
        answer = read_answer(line)
        if answer is None:
            write(f"{quote(line.strip())} is not a number; write one such as -0.0123 or 1.23e-05.\n")
    _print_parts([paragraph(verdict(answer, answers, digits))], blank=True)
    right = is_right(answer, answers, digits)
    _print_parts(working_parts(exercise, digits) if right else solution(exercise, digits), blank=True)
    return 0 if right else EXIT_WRONG


def _read_line() -> str:
    try:
        line = sys.stdin.readline(_LONGEST_LINE + 1)
    except UnicodeDecodeError as error:
        raise UserError("the answer is not text; write a number such as -0.0123 or 1.23e-05") from error
    if len(line) > _LONGEST_LINE:
        raise UserError(f"an answer must be a line of at most {_LONGEST_LINE:,} characters; write a number")
    return line


def _print_parts(parts: Iterable[Part], *, blank: bool = False) -> None:
    write("\n" * blank + join_lines(as_text(parts, page_width(None, WIDTH), page_style())))


def _write_worksheet(questions: Iterable[Part], answers: Iterable[Part], options: argparse.Namespace) -> int:
    width, style = page_width(options.output, WIDTH), page_style(options.output)
    written = as_markdown if options.format == "markdown" else partial(as_text, width=width, style=style)
    pages = [join_lines(written(parts)) for parts in (questions, answers)]
    if options.output is None:
        write("\n\n".join(pages), paged=not options.no_pager)
        return 0
    ending = ".md" if options.format == "markdown" else ".txt"
    names = [f"{options.output}{part}{ending}" for part in ("", "-answers")]
    with atomic_files(*names) as files:
        for file, page in zip(files, pages, strict=True):
            file.write(page.encode())
    return 0
