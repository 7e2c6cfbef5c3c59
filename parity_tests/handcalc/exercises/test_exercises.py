"""Every exercise can be solved from its page alone, every typical mistake is recognised, and the working is true."""

from __future__ import annotations

from decimal import Decimal
from random import Random

import pytest

from handcalc.exercises.answer import is_right, matching_mistakes, read_answer, verdict
from handcalc.exercises.exercise import Answers, Exercise, solve
from handcalc.exercises.exercise_page import as_markdown, as_text, question, solution
from handcalc.exercises.source import Source
from handcalc.exercises.texts import known_text
from handcalc.exercises.topics import LEVELS, TOPICS, build, topics_of
from handcalc.page.layout import WIDTH
from handcalc.verification.document import read_document
from handcalc.verification.page_check import check_document
from numpy_gpt.shared.model.config import GPTConfig
from numpy_gpt.shared.runs.checkpoint import SHIPPED_MODEL, Checkpoint
from numpy_gpt.shared.runs.run_directory import load_checkpoint
from parity_tests.handcalc.exercises.exercise_mistakes import MISTAKES
from parity_tests.handcalc.exercises.exercise_solver import SOLUTIONS, Question, read_question

SEEDS = range(12)
EVERY = [(topic, level) for topic in TOPICS for level in LEVELS]
DIGITS = 3


@pytest.fixture(scope="module")
def sources() -> list[Source]:
    model = load_checkpoint(SHIPPED_MODEL)
    return [Source(model, "tiny", known_text(model, Random(seed)), DIGITS + 1) for seed in SEEDS]


def exercises(sources: list[Source], topic: str, level: int) -> list[Exercise]:
    """Return three exercises of each source."""
    seeds = [(source, f"{topic} {level} {text} {seed}") for text, source in enumerate(sources) for seed in range(3)]
    return [build(topic, level, source, Random(seed), DIGITS) for source, seed in seeds]


def page_of(exercise: Exercise) -> str:
    return "\n".join(as_text(question(exercise, DIGITS, "Exercise")))


def question_and_answers(exercise: Exercise) -> tuple[Question, Answers]:
    return read_question(page_of(exercise)), solve(exercise, DIGITS)


def as_typed(number: float) -> Decimal:
    answer = read_answer(f"{number:.10g}")
    assert answer is not None
    return answer


@pytest.mark.parametrize(("topic", "level"), EVERY)
def test_solvable_from_the_page(topic: str, level: int, sources: list[Source]) -> None:
    for exercise in exercises(sources, topic, level):
        page, answers = question_and_answers(exercise)
        number = SOLUTIONS[topic, level](page)
        assert verdict(as_typed(number), answers, DIGITS) == "Right.", (page.text, number, answers.right)


@pytest.mark.parametrize(("topic", "level"), EVERY)
def test_mistakes_are_recognised(topic: str, level: int, sources: list[Source]) -> None:
    made = dict.fromkeys(MISTAKES[topic, level], 0)
    for exercise in exercises(sources, topic, level):
        page, answers = question_and_answers(exercise)
        offered = {name for name, _ in answers.mistakes}
        for name, mistake in MISTAKES[topic, level].items():
            if name in offered:
                number = as_typed(mistake(page))
                assert name in matching_mistakes(number, answers, DIGITS), (name, page.text, number)
                assert not is_right(number, answers, DIGITS)
                assert name in verdict(number, answers, DIGITS)
                made[name] += 1
            elif name not in {mistake.name for mistake in exercise.mistakes}:
                continue  # such as K transposed, where the text is too short for it
            else:
                assert abs(as_typed(mistake(page)) - answers.right) <= 2 * unit(answers.right), (name, page.text)
    assert all(made.values()), made


def unit(value: Decimal) -> Decimal:
    return Decimal(1).scaleb(value.adjusted() - DIGITS + 1)


@pytest.mark.parametrize(("topic", "level"), EVERY)
def test_every_mistake_occurs(topic: str, level: int, sources: list[Source]) -> None:
    seen: set[str] = set()
    known: set[str] = set()
    for exercise in exercises(sources, topic, level):
        answers = solve(exercise, DIGITS)
        known |= {mistake.name for mistake in exercise.mistakes}
        for name, value in answers.mistakes:
            assert name in matching_mistakes(value, answers, DIGITS)
            seen.add(name)
    assert known - seen <= {"forgot ε"}  # which is invisible wherever the variance is no smaller than usual


@pytest.mark.parametrize(("topic", "level"), EVERY)
def test_working_leads_to_answer(topic: str, level: int, sources: list[Source]) -> None:
    for exercise in exercises(sources, topic, level)[:4]:
        for written in (as_text, as_markdown):
            page = "\n".join(written([*question(exercise, DIGITS, "Exercise"), *solution(exercise, DIGITS)]))
            document = read_document(page)
            assert len(document.worked) >= len(exercise.working) and not check_document(document, None).findings
        assert max(map(len, as_text(question(exercise, DIGITS, "Exercise")))) <= WIDTH
        last = document.worked[-1]
        page_asked = read_question(page_of(exercise))
        assert (last.name, last.index or ()) == (page_asked.asked, page_asked.at)
        assert verdict(Decimal(last.value), solve(exercise, DIGITS), DIGITS) == "Right."


@pytest.mark.parametrize("digits", [1, 2, 6, 20, 33])
def test_any_number_of_digits(digits: int) -> None:
    model = load_checkpoint(SHIPPED_MODEL)
    source = Source(model, "tiny", "once upon a", digits + 1)
    for topic, level in EVERY:
        exercise = build(topic, level, source, Random(digits), digits)
        answers = solve(exercise, digits)
        assert verdict(answers.right, answers, digits) == "Right."
        assert not check_document(read_document("\n".join(as_text(solution(exercise, digits)))), None).findings


@pytest.mark.parametrize(
    ("text", "number"),
    [
        (" 0.148\n", "0.148"),
        ("-1,5", "-1.5"),
        ("−2", "-2"),
        ("1.5e-7", "1.5e-7"),
        ("1.5·10^-7", "1.5e-7"),
        ("+.5", "0.5"),
        ("about 3", None),
        ("1/2", None),
        ("inf", None),
        ("1e99999999999999", None),
        ("1,234.5", None),
        ("nan", None),
    ],
)
def test_typed_answers(text: str, number: str | None) -> None:
    assert read_answer(text) == (None if number is None else Decimal(number))


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ("0.148", "Right."),
        ("0.1475", "Right."),
        ("0.149", "Right except for the last digit: it is 0.148."),
        ("0.147", "Right except for the last digit: it is 0.148."),
        ("0.256", "Not right. This mistake gives that result: forgot the scale."),
        ("0.255", "Not right. This mistake gives that result: forgot the scale."),
        ("-0.148", "Not right: the sign is wrong."),
        ("1.48", "Not right: the digits are right, but the decimal point is in the wrong place."),
        ("0.9", "Not right, and none of the typical mistakes gives that result."),
        ("0", "Not right, and none of the typical mistakes gives that result."),
    ],
)
def test_verdict(answer: str, said: str) -> None:
    answers = Answers(Decimal("0.148"), (("forgot the scale", Decimal("0.256")),))
    assert verdict(Decimal(answer), answers, 3).startswith(said)


def test_other_models() -> None:
    shipped = load_checkpoint(SHIPPED_MODEL)
    import numpy as np

    from numpy_gpt.shared.model.names import parameter_shapes

    for changes in (
        {"bias": True, "activation": "relu", "n_head": 1},
        {"n_layer": 0},
        {"tie_weights": False, "n_head": 4},
        {"norm": "rms_norm"},
    ):
        fields = {"vocab_size": 32, "block_size": 6, "n_layer": 1, "n_head": 2, "n_embd": 4} | changes
        config = GPTConfig(**fields)
        rng = np.random.default_rng(0)
        values = {name: rng.normal(0.2, 1, shape) for name, shape in parameter_shapes(config).items()}
        source = Source(Checkpoint(config, shipped.tokenizer, values), "random", "hello world", 4)
        topics = topics_of(config, len(source.tokens))
        assert ("layer-norm" in topics) == (config.norm == "layer_norm")
        assert ("gelu" in topics) == (config.activation != "relu" and config.n_layer > 0)
        for topic in topics:
            for level in LEVELS:
                exercise = build(topic, level, source, Random(1), DIGITS)
                if topic != "weighted-sum" and not config.bias:
                    page, answers = question_and_answers(exercise)
                    assert is_right(as_typed(SOLUTIONS[topic, level](page)), answers, DIGITS), page.text
