"""The command ``python -m handcalc.exercise``: questions to answer with a pocket calculator."""

from __future__ import annotations

if __name__ == "__main__":  # before the imports, during which Ctrl-C is handled, too
    from gpt_data.process import run_program

    run_program("handcalc.exercise")

import argparse
import shlex
import sys
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from itertools import chain
from random import Random

from gpt_data.checks import to_path
from gpt_data.errors import UserError
from gpt_data.files.atomic import atomic_files
from gpt_data.terminal import join_lines, page_style, page_width, print_prose, wrap_prose
from gpt_data.wording import describe, list_names, quote, show_path, suggest
from handcalc.arithmetic.calculator import MOST_DIGITS
from handcalc.exercises.answer import is_right, read_answer, verdict
from handcalc.exercises.asking import ask
from handcalc.exercises.easy import EASY_TOPICS, EasySource
from handcalc.exercises.exercise import Exercise, solve
from handcalc.exercises.exercise_page import (
    Part,
    as_markdown,
    as_text,
    paragraph,
    question,
    solution,
    working_parts,
)
from handcalc.exercises.sheet_html import as_html
from handcalc.exercises.source import Source
from handcalc.exercises.texts import known_text
from handcalc.exercises.topics import LEVELS, TOPICS, SourceOf, build_on_some_text, topics_of
from handcalc.exercises.worksheet import Worksheet, make_worksheet
from handcalc.page.layout import INDENT, WIDTH, align_left
from handcalc.page.output import write
from handcalc.tracing.trace import load_model
from numpy_gpt.shared.cli.parser import Parser, add_pager_flag, run_command, typed_text, whole_number
from numpy_gpt.shared.cli.tokens import read_text

EXIT_WRONG = 1
_DIGITS, _MORE_DIGITS = 3, 1
_MOST, _MOST_IN_ALL = 1000, 10_000
_ENDINGS = {"text": ".txt", "markdown": ".md", "html": ".html"}
_PROMPT = "Your answer (an empty line shows the solution): "

_EPILOG = """\
Without --worksheet, the command prints a question, reads one line as the answer, and says whether it is right or which
mistake it looks like; then it shows the working. An empty line, or no line at all, shows the solution immediately. The
same --seed gives the same question. Where nobody can type, as in a notebook that runs by itself, give the
answer with --answer.

A worksheet is printed without its key. With --output, the questions and the key are two files, NAME-questions and
NAME-key; both are written, or neither. Every third exercise also asks for a reason. A worksheet in HTML is for
printing, by a browser: it has room for name, date and marks, and space to write.

exit status:
  0    the answer was right, the solution was shown, or the worksheet was written
  1    the answer was wrong
  2    invalid input: one line on stderr says what is wrong and how to fix it
  70   a bug: a traceback, and no verdict
  130  interrupted with Ctrl-C, 143 terminated

examples:
  python -m handcalc.exercise
  python -m handcalc.exercise --topic softmax --level 2 --seed 7
  python -m handcalc.exercise --topic scaling --level 1 --seed 3 --answer -2.89
  python -m handcalc.exercise --worksheet 12 --easy
  python -m handcalc.exercise --worksheet 12 --students 30 --seed 1 --format html --output sheet
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
    add("--digits", type=whole_number, default=_DIGITS, metavar="N", help="significant digits asked for (default 3)")
    add("--text", type=typed_text, help="what the model reads (default: a few words that it knows)")
    add("--easy", action="store_true", help="made-up numbers, small and whole, instead of a model's")
    add(
        "--answer",
        metavar="NUMBER",
        help="the answer to the question, instead of asking for it ('' shows the solution)",
    )
    add("--list", action="store_true", help="list the topics and levels, and exit")
    add("--worksheet", type=whole_number, metavar="N", help="print N exercises without their answers")
    add("--students", type=whole_number, metavar="N", help="a worksheet for each of N students, with seeds that follow")
    add("--format", choices=tuple(_ENDINGS), help="format of the worksheet (default text)")
    add("--output", metavar="NAME", help="write the worksheet to NAME-questions.html and NAME-key.html (or .md, .txt)")
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
    source_of = _sources(options)
    seed = Random().randrange(10_000) if options.seed is None else options.seed
    source = source_of(Random(f"{seed} text 0"))
    topics = _topics(options, source)
    levels = list(LEVELS) if options.level is None else [options.level]
    if options.worksheet is not None:
        students = [None] if options.students is None else range(1, options.students + 1)
        return _write_worksheets(
            [
                make_worksheet(options.worksheet, options.digits, seed + after, topics, levels, source_of, student)
                for after, student in enumerate(students)
            ],
            options,
        )
    rng = Random(f"{seed} exercise")
    topic, level = rng.choice(topics), rng.choice(levels)
    rng = Random(f"{seed} {topic} {level}")
    return _ask(build_on_some_text(topic, level, source, source_of, rng, options.digits), seed, options)


def _sources(options: argparse.Namespace) -> SourceOf:
    """Return the function that chooses a text and returns its numbers, or makes both up."""
    digits = options.digits + _MORE_DIGITS
    if options.easy:
        return lambda rng: EasySource(rng, digits)
    model, name = load_model(options.model)
    given = None if options.text is None else read_text(model.tokenizer, options.text, "--text")

    @cache
    def read(text: str) -> Source:
        return Source(model, name, text, digits)

    return lambda rng: read(known_text(model, rng) if given is None else given)


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
    if options.easy:
        _check_easy(options)
    if options.worksheet is not None:
        _check_worksheet(options)
    elif given := [f"--{name}" for name in ("students", "format", "output") if getattr(options, name) is not None]:
        raise UserError(f"{given[0]} is for worksheets; say how many exercises with --worksheet")
    if options.answer is not None and options.seed is None:
        raise UserError(
            "--answer needs the --seed of the question that it answers, and its --topic and --level if given"
        )


def _check_easy(options: argparse.Namespace) -> None:
    for name in ("text", "model"):
        if getattr(options, name) is not None:
            raise UserError(f"--easy makes up its words and its numbers; leave out --easy or --{name}")
    if options.topic is not None and options.topic not in EASY_TOPICS:
        known = list_names(EASY_TOPICS)
        raise UserError(f"--topic {options.topic} has no whole numbers; --easy has the topics {known}")


def _check_worksheet(options: argparse.Namespace) -> None:
    for name in ("worksheet", "students"):
        count = getattr(options, name)
        if count is not None and not 1 <= count <= _MOST:
            raise UserError(f"--{name} must be a whole number from 1 to {_MOST:,}, not {describe(count)}")
    if (total := options.worksheet * (options.students or 1)) > _MOST_IN_ALL:
        raise UserError(f"{total:,} exercises are too many; choose --worksheet and --students for {_MOST_IN_ALL:,}")
    if options.answer is not None:
        raise UserError("--answer is for a single question; leave out --answer or --worksheet")
    if options.output is not None:
        to_path(options.output)  # refuses an empty one
        _output_names(options)


def _topics(options: argparse.Namespace, source: Source) -> list[str]:
    """Return the topics to choose from: the one asked for, or all that the model and the text have."""
    if options.topic is not None:
        return [options.topic]
    return list(EASY_TOPICS) if options.easy else topics_of(source.config, len(source.tokens))


def _list_lines() -> Iterator[str]:
    style = page_style()
    names = align_left(list(TOPICS))
    for name, topic in zip(names, TOPICS.values(), strict=True):
        first, *rest = wrap_prose(f"{name}  {topic.about}", continued=" " * (len(name) + 2))
        yield from (first.replace(name, style("name", name), 1), *rest)
    yield ""
    yield from (f"{style('name', f'level {level}')}  {what}" for level, what in LEVELS.items())


def _ask(exercise: Exercise, seed: int, options: argparse.Namespace) -> int:
    topic, level, digits = exercise.topic, exercise.level, options.digits
    again = f"--topic {topic} --level {level} --seed {seed}"
    _print_parts(question(exercise, digits, f"{topic}, level {level}: {LEVELS[level]}   ({again})"))
    answers = solve(exercise, digits)
    answer = None
    while answer is None:
        line = ask(_PROMPT) if options.answer is None else options.answer
        if line is None:
            _say_how_to_answer(again, options)
            return 0
        if not line.strip():
            _print_parts(solution(exercise, digits), blank=True)
            return 0
        answer = read_answer(line)
        if answer is None:
            problem = f"{quote(line.strip())} is not a number; write one such as -0.0123 or 1.23e-05"
            if options.answer is not None:
                raise UserError(f"--answer {problem}")
            write(f"{problem}.\n")
    _print_parts([paragraph(verdict(answer, answers, digits))], blank=True)
    right = is_right(answer, answers, digits)
    _print_parts(working_parts(exercise, digits) if right else solution(exercise, digits), blank=True)
    return 0 if right else EXIT_WRONG


def _say_how_to_answer(again: str, options: argparse.Namespace) -> None:
    """Say how to have the answer marked where nothing can be typed: the command that asks the same question."""
    same = "".join(f" --{name} {shlex.quote(value)}" for name in ("text", "model") if (value := getattr(options, name)))
    same += f" --digits {options.digits}" * (options.digits != _DIGITS) + " --easy" * options.easy
    command = f"python -m handcalc.exercise {again}{same} --answer NUMBER"
    note = "Nothing can be typed here. To have your answer marked, run this with your number (in a notebook after a !):"
    write(join_lines(["", *wrap_prose(note), INDENT + command, "The solution is shown by --answer ''."]))


def _print_parts(parts: Iterable[Part], *, blank: bool = False) -> None:
    write("\n" * blank + join_lines(as_text(parts, page_width(None, WIDTH), page_style())))


def _write_worksheets(sheets: Sequence[Worksheet], options: argparse.Namespace) -> int:
    questions = chain.from_iterable(sheet.questions() for sheet in sheets)
    if options.output is None:
        write(_page(questions, options), paged=not options.no_pager)
        print_prose(
            f"The key is not printed. For two files, the questions and their key, add --seed {sheets[0].seed} --output "
            "NAME to this command.",
            sys.stderr,
        )
        return 0
    key = chain.from_iterable(sheet.answers() for sheet in sheets)
    pages = [_page(parts, options) for parts in (questions, key)]
    with atomic_files(*_output_names(options)) as files:
        for file, page in zip(files, pages, strict=True):
            file.write(page.encode())
    return 0


def _page(parts: Iterable[Part], options: argparse.Namespace) -> str:
    if options.format == "html":
        return join_lines(as_html(parts))
    if options.format == "markdown":
        return join_lines(as_markdown(parts))
    return join_lines(as_text(parts, page_width(options.output, WIDTH), page_style(options.output)))


def _output_names(options: argparse.Namespace) -> tuple[str, str]:
    """Return the names of the two files. The format's own ending may be part of NAME; another one is a mistake."""
    ending = _ENDINGS[options.format or "text"]
    for form, other in _ENDINGS.items():
        if options.output.endswith(other) and other != ending:
            raise UserError(f"--output {show_path(options.output)} needs --format {form}, or a NAME without {other}")
    name = options.output.removesuffix(ending)
    return f"{name}-questions{ending}", f"{name}-key{ending}"
