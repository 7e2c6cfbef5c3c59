"""Worksheets: a page of exercises, and a separate page with the answers; one for everybody or one for each student."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from random import Random
from typing import NamedTuple

from gpt_data.terminal import Style
from gpt_data.wording import count_of
from handcalc.exercises.exercise import Exercise, solve
from handcalc.exercises.exercise_page import (
    Part,
    form,
    heading,
    lines_of,
    paragraph,
    question,
    solution,
    space,
    title,
)
from handcalc.exercises.reasons import Reason, random_reason
from handcalc.exercises.topics import SourceOf, build_on_some_text
from handcalc.page.layout import INDENT, align_left

_EXERCISES_OF_A_TEXT = 4
_ASKS_FOR_A_REASON = 3
"""Every third exercise also asks for a reason."""

_LINES = {1: 3, 2: 5, 3: 9}
"""Level → how many handwritten lines its working takes."""

_LINES_OF_A_REASON = 3


class Question(NamedTuple):
    """An exercise of a worksheet, and the reason that it asks for, if it does."""

    exercise: Exercise
    reason: Reason | None

    @property
    def marks(self) -> int:
        """One mark for each step up in level, and one for a reason."""
        return self.exercise.level + (self.reason is not None)


class Worksheet(NamedTuple):
    """Numbered questions, and the number of digits asked for.

    ``student`` is the student's number, if there are several. The same seed gives the same questions to anybody.
    """

    asked: tuple[Question, ...]
    digits: int
    seed: int
    student: int | None = None

    def questions(self) -> Iterator[Part]:
        """Yield the page for the student."""
        of = f" for student {self.student}" if self.student else ""
        yield title(f"A GPT by hand: {count_of(len(self.asked), 'exercise')}{of} (seed {self.seed})")
        yield form(sum(asked.marks for asked in self.asked))
        whole = self.asked[0].exercise.whole
        numbers = "made up, small and whole" if whole else "those of a real, trained model"
        yield paragraph(
            f"The numbers are {numbers}. Indices count from 0. log is the natural logarithm. Carry two more digits "
            f"than the {self.digits} asked for, and round at the end. A zero at the end of an answer counts as a digit."
        )
        for number, (exercise, reason) in enumerate(self.asked, 1):
            yield from question(exercise, self.digits, self._name(number))
            yield space(_LINES[exercise.level])
            if reason is not None:
                yield paragraph(f"Give a reason: {reason.question}")
                yield space(_LINES_OF_A_REASON)

    def answers(self) -> Iterator[Part]:
        """Yield the page for the teacher: all answers in one line, then each with its working."""
        of = f"student {self.student}" if self.student else count_of(len(self.asked), "exercise")
        yield title(f"A GPT by hand: the key to {of} (seed {self.seed})")
        results = [asked.exercise.write(solve(asked.exercise, self.digits).right, self.digits) for asked in self.asked]
        yield lines_of(partial(_result_lines, results))
        for number, (exercise, reason) in enumerate(self.asked, 1):
            yield heading(self._name(number))
            yield from solution(exercise, self.digits)
            if reason is not None:
                yield paragraph(f"{reason.question} The reason: {reason.answer}")

    def _name(self, number: int) -> str:
        """Return the heading of a question; it names the student, so that loose pages can be sorted."""
        asked = self.asked[number - 1]
        of = f", student {self.student}" if self.student else ""
        return f"{number}. {asked.exercise.topic}, level {asked.exercise.level} ({count_of(asked.marks, 'mark')}{of})"


def _result_lines(results: list[str], width: int, style: Style) -> Iterator[str]:
    """Yield all results by number, as many in a line as fit."""
    cells = align_left([f"{number:>4}: {result}" for number, result in enumerate(results, 1)])
    across = max(1, (width - len(INDENT)) // (len(cells[0]) + 2))
    for at in range(0, len(cells), across):
        yield INDENT + "  ".join(cells[at : at + across]).rstrip()


def make_worksheet(
    count: int,
    digits: int,
    seed: int,
    topics: Sequence[str],
    levels: Sequence[int],
    source_of: SourceOf,
    student: int | None = None,
) -> Worksheet:
    """Return a worksheet that cycles through the topics, changing the level each round and the text now and then."""
    asked = []
    source = source_of(Random(f"{seed} text 0"))
    for number in range(count):
        if number and number % _EXERCISES_OF_A_TEXT == 0:
            source = source_of(Random(f"{seed} text {number}"))
        round_, place = divmod(number, len(topics))
        topic, level = topics[place], levels[(round_ + place) % len(levels)]
        rng = Random(f"{seed} exercise {number}")
        exercise = build_on_some_text(topic, level, source, source_of, rng, digits)
        asks = number % _ASKS_FOR_A_REASON == _ASKS_FOR_A_REASON - 1
        asked.append(Question(exercise, random_reason(topic, Random(f"{seed} reason {number}")) if asks else None))
    return Worksheet(tuple(asked), digits, seed, student)
