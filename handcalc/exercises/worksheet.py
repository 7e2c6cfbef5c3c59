"""Worksheets: a page of exercises, and a separate page with the answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from random import Random
from typing import NamedTuple

from gpt_data.wording import count_of
from handcalc.exercises.exercise import Exercise
from handcalc.exercises.exercise_page import Part, heading, paragraph, question, solution, title
from handcalc.exercises.source import Source
from handcalc.exercises.topics import build

_EXERCISES_OF_A_TEXT = 4


class Worksheet(NamedTuple):
    """Numbered exercises, and the number of digits asked for."""

    exercises: tuple[Exercise, ...]
    digits: int
    seed: int

    def questions(self) -> Iterator[Part]:
        """Yield the page for the student."""
        yield title(f"A GPT by hand: {count_of(len(self.exercises), 'exercise')} (seed {self.seed})")
        yield paragraph(
            "All numbers come from a real, trained model. Indices count from 0. log is the natural logarithm. Carry "
            f"one or two more digits than the {self.digits} asked for, and round at the end."
        )
        for number, exercise in enumerate(self.exercises, 1):
            yield from question(exercise, self.digits, _title(number, exercise))

    def answers(self) -> Iterator[Part]:
        """Yield the page for the teacher."""
        yield title(f"A GPT by hand: the answers to {count_of(len(self.exercises), 'exercise')} (seed {self.seed})")
        for number, exercise in enumerate(self.exercises, 1):
            yield heading(_title(number, exercise))
            yield from solution(exercise, self.digits)


def make_worksheet(
    count: int,
    digits: int,
    seed: int,
    topics: Sequence[str],
    levels: Sequence[int],
    source_of: Callable[[Random], Source],
) -> Worksheet:
    """Return a worksheet that cycles through the topics, changing the level each round and the text now and then."""
    exercises = []
    source = source_of(Random(f"{seed} text 0"))
    for number in range(count):
        if number and number % _EXERCISES_OF_A_TEXT == 0:
            source = source_of(Random(f"{seed} text {number}"))
        round_, place = divmod(number, len(topics))
        level = levels[(round_ + place) % len(levels)]
        exercises.append(build(topics[place], level, source, Random(f"{seed} exercise {number}"), digits))
    return Worksheet(tuple(exercises), digits, seed)


def _title(number: int, exercise: Exercise) -> str:
    return f"{number}. {exercise.topic}, level {exercise.level}"
