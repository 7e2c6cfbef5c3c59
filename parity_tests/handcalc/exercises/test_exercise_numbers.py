"""The numbers of exercises: of known texts, away from ties, with all their digits, and small and whole on request."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from itertools import pairwise
from random import Random

import numpy as np
import pytest

from gpt_data.errors import UserError
from gpt_data.texts.tiny import tiny_phrases, tiny_text
from handcalc.arithmetic.writing import format_significant
from handcalc.exercises import topics
from handcalc.exercises.answer import verdict
from handcalc.exercises.easy import EASY_TOPICS, EasySource
from handcalc.exercises.exercise import Exercise, Givens, Line, evaluate_working, is_settled, solve
from handcalc.exercises.exercise_page import as_text, question, solution
from handcalc.exercises.reasons import REASONS
from handcalc.exercises.source import Source
from handcalc.exercises.texts import known_text
from handcalc.exercises.topics import LEVELS, TOPICS, build, build_on_some_text
from handcalc.verification.document import read_document
from handcalc.verification.page_check import check_document
from numpy_gpt.model import predict
from numpy_gpt.parameters import parameters_from
from numpy_gpt.shared.runs.checkpoint import SHIPPED_MODEL, Checkpoint
from numpy_gpt.shared.runs.run_directory import load_checkpoint
from parity_tests.handcalc.exercises.exercise_solver import SOLUTIONS, read_question

EASY = [(topic, level) for topic in EASY_TOPICS for level in LEVELS]


@pytest.fixture(scope="module")
def shipped() -> Checkpoint:
    return load_checkpoint(SHIPPED_MODEL)


@pytest.mark.parametrize("recipe", [True, False])
def test_texts_are_known(shipped: Checkpoint, recipe: bool) -> None:
    """Where the recipe does not name the corpus, the model itself says the words."""
    model = shipped if recipe else replace(shipped, recipe=None)
    texts = {known_text(model, Random(seed)) for seed in range(12)}
    assert len(texts) > 6
    if recipe:
        words = {*pairwise(tiny_text().split()), *((a.split()[-1], b.split()[0]) for a in tiny_phrases()
                                                     for b in tiny_phrases())}  # fmt: skip
        assert all(set(pairwise(text.split())) <= words for text in texts)
    parameters = parameters_from(model.config, {name: np.float64(array) for name, array in model.values.items()})
    for text in texts:
        ids = model.tokenizer.encode(text)
        if len(ids) > 1:
            predicted = predict(parameters, [ids[:-1]])[0][range(len(ids) - 1), ids[1:]]
            assert predicted.min() > 0.01, text  # a loss of at most 4.6 nats; random words reach 24


def test_a_text_fits_any_model(shipped: Checkpoint) -> None:
    for block_size in (1, 2, 3):
        model = replace(shipped, config=replace(shipped.config, block_size=block_size))
        for seed in range(5):
            assert 1 <= len(model.tokenizer.encode(known_text(model, Random(seed)))) <= block_size


def one_line(value: str, *, of: int = 1) -> Exercise:
    """Return an exercise whose answer is a value divided by a whole number."""
    givens = Givens()
    a, b = givens.number("a", "a number", value), givens.number("b", "a divisor", of)
    return givens.exercise("t", 1, "", "", "", [Line("x", (), a / b)], [])


@pytest.mark.parametrize(
    ("exercise", "settled"),
    [
        (one_line("0.1235"), False),  # a tie
        (one_line("0.12351"), False),
        (one_line("0.12349"), False),
        (one_line("0.12352"), True),
        (one_line("0.12348"), True),
        (one_line("0.99950"), False),  # between 0.999 and 1.00
        (one_line("0.99953"), True),
        (one_line("0.0885488"), False),  # its working ends in 0.088549, a step from 0.08855
        (one_line("0.3705", of=3), False),
        (one_line("1", of=3), True),
        (one_line("0"), True),
    ],
)
def test_ties(exercise: Exercise, settled: bool) -> None:
    assert is_settled(exercise, 3) is settled


@pytest.mark.parametrize("topic", TOPICS)
def test_no_answer_is_next_to_a_tie(topic: str, shipped: Checkpoint) -> None:
    source = Source(shipped, "tiny", "once upon a", 4)
    for level in LEVELS:
        for seed in range(12):
            exercise = build(topic, level, source, Random(seed), 3)
            last = exercise.working[-1]
            five = evaluate_working(exercise, 5)[last.name][last.index]
            step = Decimal(1).scaleb(five.adjusted() - 4)
            answers = {format(float(five + change), ".2e") for change in (-step, Decimal(0), step)}
            assert answers == {format(float(solve(exercise, 3).right), ".2e")}, (seed, level, five)


def test_next_to_a_tie_only(shipped: Checkpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(topics, "is_settled", lambda exercise, digits: False)
    with pytest.raises(UserError, match="every gelu exercise of level 1 on 'hello world' that was tried lies next to"):
        build("gelu", 1, Source(shipped, "tiny", "hello world", 4), Random(0), 3)


def test_another_text_if_all_answers_are_next_to_ties(shipped: Checkpoint) -> None:
    """The mean loss of a text is one number: no other question about that text has another answer."""
    tied = Source(shipped, "tiny", "be or not", 4)
    with pytest.raises(UserError, match="lies next to a tie"):
        build("cross-entropy", 3, tied, Random(0), 3)
    other = Source(shipped, "tiny", "hello world", 4)
    exercise = build_on_some_text("cross-entropy", 3, tied, lambda rng: other, Random(0), 3)
    assert "hello world" in exercise.scene
    with pytest.raises(UserError, match="on 'be or not' that was tried lies next to a tie"):
        build_on_some_text("cross-entropy", 3, tied, lambda rng: tied, Random(0), 3)


@pytest.mark.parametrize(
    ("value", "digits", "written"),
    [
        ("0.25", 3, "0.250"),
        ("-1", 3, "-1.00"),
        ("12", 3, "12.0"),
        ("123", 3, "123"),
        ("1.2E+3", 3, "1200"),
        ("0.0000125", 4, "1.250e-05"),
        ("1E-7", 1, "1e-07"),
        ("1E-7", 3, "1.00e-07"),
        ("1E+20", 2, "1.0e+20"),
        ("0", 3, "0"),
        ("-Infinity", 3, "-inf"),
        ("0.1234", 4, "0.1234"),
    ],
)
def test_significant_zeros_are_kept(value: str, digits: int, written: str) -> None:
    assert format_significant(Decimal(value), digits) == written


def test_all_results_show_the_digits_asked_for(shipped: Checkpoint) -> None:
    source = Source(shipped, "tiny", "once upon a", 4)
    ends_in_zero = 0
    for topic in TOPICS:
        for seed in range(12):
            exercise = build(topic, 1, source, Random(seed), 3)
            page = read_document(text := "\n".join(as_text(solution(exercise, 3))))
            answer = text.partition("\n")[0].rpartition(" = ")[2]
            results = text.partition("typical mistakes:")[2].split("\n    ")[1:]
            for shown in (answer, *(line.split()[0] for line in results)):
                assert digits_of(shown) == 3 or shown == "0" or Decimal(shown) >= 1000, text
                ends_in_zero += shown.endswith("0")
            assert digits_of(page.worked[-1].value) == 5, text
            assert f"it is {answer}." in verdict(last_but_one(Decimal(answer)), solve(exercise, 3), 3)
    assert ends_in_zero > 20


def digits_of(number: str) -> int:
    return len(number.partition("e")[0].replace(".", "").replace("-", "").lstrip("0"))


def last_but_one(value: Decimal) -> Decimal:
    return value + Decimal(1).scaleb(value.adjusted() - 2)


@pytest.mark.parametrize(("topic", "level"), EASY)
def test_easy_numbers_are_small_and_whole(topic: str, level: int) -> None:
    seen, exact = set(), 0
    for seed in range(12):
        exercise = build(topic, level, EasySource(Random(seed), 4), Random(seed), 3)
        for name, cells in exercise.numbers.items():
            quarter = Decimal(1) if name not in ("weights", "p") else Decimal("0.25")
            assert name == "epsilon" or all(abs(x) <= 16 and x % quarter == 0 for x in cells.values()), (name, cells)
        page = "\n".join(as_text(question(exercise, 3, "Exercise")))
        assert "exactly or to 3 significant digits" in page and "The numbers are made up" in page
        asked, answers = read_question(page.replace("exactly or ", "")), solve(exercise, 3)
        assert verdict(Decimal(f"{SOLUTIONS[topic, level](asked):.10g}"), answers, 3) == "Right.", page
        key = "\n".join(as_text(solution(exercise, 3)))
        assert not check_document(read_document(key), None).findings
        if answers.right == int(answers.right):
            assert key.partition("\n")[0].endswith(f" = {int(answers.right)}")
        exact += answers.right == answers.right.quantize(Decimal("0.01")) and abs(answers.right) < 100
        seen.add(page)
    assert len(seen) > 6
    assert exact == 12 or "exp" in key or "log" in key or topic == "gradient" or key.count("sqrt") == 1


def test_each_topic_has_reasons() -> None:
    assert REASONS.keys() == TOPICS.keys()
    for reasons in REASONS.values():
        assert len(reasons) >= 2
        assert all(one.question.endswith("?") and one.answer.endswith((".", ")")) for one in reasons)
