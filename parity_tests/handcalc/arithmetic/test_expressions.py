"""Every printed line is true to its last digit: each is evaluated again, by code that shares nothing with handcalc."""

from __future__ import annotations

import ast
import json
from collections.abc import Callable, Iterator
from decimal import Decimal
from fractions import Fraction
from typing import Any

import mpmath
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handcalc.page.json_format import json_lines
from handcalc.tracing.selection import Selection
from handcalc.tracing.trace import Trace
from parity_tests.handcalc.variants import VARIANTS

Number = Any  # a Fraction, or an mpmath number where exp, log, sqrt or tanh has been

FUNCTIONS = {"exp": mpmath.exp, "log": mpmath.log, "sqrt": mpmath.sqrt, "tanh": mpmath.tanh, "erf": mpmath.erf}
WORKING_DIGITS = 80
SMALLEST = Fraction(1, 10**9999)
CONSTANTS = {"0", "0.5", "1", "0.044715", "1e-05", "0.7978845608"}
TRAINING_CONSTANTS = CONSTANTS | {"-1", "-0.5", "2", "3", "1e-06"}


def evaluate(expression: str) -> Number:
    def value(node: ast.expr) -> Number:
        match node:
            case ast.Constant():
                return Fraction(expression[node.col_offset : node.end_col_offset])
            case ast.UnaryOp(op=ast.USub(), operand=ast.Constant()):
                return -value(node.operand)
            case ast.BinOp(op=ast.Add() | ast.Sub() | ast.Mult() | ast.Div()):
                return apply_operator(node.op, value(node.left), value(node.right))
            case ast.Call(func=ast.Name(id="max"), keywords=[]):
                return max(map(value, node.args))
            case ast.Call(func=ast.Name(id=name), args=[argument], keywords=[]):
                return FUNCTIONS[name](as_mpf(value(argument)))
        raise AssertionError(f"{ast.dump(node)} is not in the grammar")

    return value(ast.parse(expression, mode="eval").body)


def apply_operator(operator: ast.operator, left: Number, right: Number) -> Number:
    if not (isinstance(left, Fraction) and isinstance(right, Fraction)):
        left, right = as_mpf(left), as_mpf(right)
    match operator:
        case ast.Add():
            return left + right
        case ast.Sub():
            return left - right
        case ast.Mult():
            return left * right
    return left / right


def as_mpf(value: Number) -> Any:
    return mpmath.mpf(value.numerator) / value.denominator if isinstance(value, Fraction) else value


def round_to_digits(value: Number, digits: int) -> Fraction:
    """Return ``value`` at so many significant digits, half to even; 0 if it is closer to 0 than 1e-9999."""
    if not isinstance(value, Fraction):
        # 60 of the 80 digits: a root that is exact is a short decimal again, so that a tie is seen as one.
        value = Fraction(mpmath.nstr(value, 60, min_fixed=0, max_fixed=0))
    if abs(value) < SMALLEST:
        return Fraction(0)
    exponent = Decimal(value.numerator).adjusted() - Decimal(value.denominator).adjusted()
    exponent -= abs(value) < Fraction(10) ** exponent
    unit = Fraction(10) ** (exponent - digits + 1)
    return round(value / unit) * unit  # Python rounds fractions half to even


def record_of(trace: Trace) -> dict[str, Any]:
    record = json.loads("\n".join(json_lines(trace, Selection(), full=True)))
    assert isinstance(record, dict)
    return record


def check_every_cell(record: dict[str, Any]) -> int:
    checked = 0
    with mpmath.workdps(WORKING_DIGITS):
        for step in record["steps"]:
            for cell in step["cells"]:
                if cell["expression"] is None:
                    future = step["axes"] == ["h", "t", "s"] and cell["index"][2] > cell["index"][1]
                    before_softmax = step["name"].endswith(".masked")
                    assert future and cell["masked"] and cell["value"] == ("-inf" if before_softmax else "0")
                    continue
                assert "masked" not in cell
                value = round_to_digits(evaluate(cell["expression"]), record["digits"])
                assert value == Fraction(cell["value"]), (step["name"], cell)
                checked += 1
    return checked


def test_hello_world(trace_shipped: Callable[..., Trace]) -> None:
    trace = trace_shipped("hello world")
    record = record_of(trace)
    masked = 2 * 2 * 3 * 3  # layers × heads × steps that are masked × pairs of positions in the future
    assert check_every_cell(record) == sum(len(step["cells"]) for step in record["steps"]) - masked
    assert check_every_cell(record) > 1_700


@settings(max_examples=12, deadline=None)
@given(data=st.data())
def test_other_texts_and_digits(data: st.DataObject, trace_shipped: Callable[..., Trace]) -> None:
    words = data.draw(
        st.lists(st.sampled_from(["to", "be", "or", "not", "gpt", "world", "hello"]), min_size=1, max_size=3)
    )
    check_every_cell(record_of(trace_shipped(" ".join(words), data.draw(st.integers(2, 12)))))


@settings(max_examples=25, deadline=None)
@given(
    tokens=st.lists(st.integers(0, 5), min_size=1, max_size=4).map(tuple),
    digits=st.integers(1, 12),
    seed=st.integers(0, 1000),
    scale=st.sampled_from([0.02, 0.5, 2.0, 20.0]),
    changes=VARIANTS,
)
def test_random_models(
    tokens: tuple[int, ...],
    digits: int,
    seed: int,
    scale: float,
    changes: dict[str, Any],
    trace_random: Callable[..., Trace],
) -> None:
    check_every_cell(record_of(trace_random(tokens, digits, seed, scale, **changes)))


def test_training_step(train_shipped: Callable[..., Trace]) -> None:
    record = record_of(train_shipped("hello world"))
    masked = 2 * 2 * 8 * 1  # layers × heads × steps that are masked, forward, backward and again × pairs in the future
    masked += 2 * 2 * 3 * 1
    assert check_every_cell(record) == sum(len(step["cells"]) for step in record["steps"]) - masked
    assert check_every_cell(record) > 15_000


@settings(max_examples=6, deadline=None)
@given(
    tokens=st.lists(st.integers(0, 5), min_size=2, max_size=5).map(tuple),
    digits=st.integers(1, 12),
    seed=st.integers(0, 1000),
    scale=st.sampled_from([0.02, 0.5, 1.0]),
    changes=st.fixed_dictionaries(
        {
            "bias": st.booleans(),
            "tie_weights": st.booleans(),
            "activation": st.sampled_from(["gelu_tanh", "gelu_erf", "relu"]),
            "n_layer": st.integers(0, 1),
            "grad_clip": st.sampled_from(["0", "1"]),
        }
    ),
)
def test_training_step_of_random_models(
    tokens: tuple[int, ...],
    digits: int,
    seed: int,
    scale: float,
    changes: dict[str, Any],
    train_random: Callable[..., tuple[Trace, Any]],
) -> None:
    check_every_cell(record_of(train_random(tokens, digits, seed, scale, **changes)[0]))


def literals(expression: str) -> Iterator[str]:
    """Yield the numbers of an expression as they are written, with their signs."""
    pending: list[ast.AST] = [ast.parse(expression, mode="eval")]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.UnaryOp | ast.Constant):
            yield expression[node.col_offset : node.end_col_offset]
        else:
            pending.extend(ast.iter_child_nodes(node))


def test_operands_are_printed(trace_shipped: Callable[..., Trace]) -> None:
    check_operands(record_of(trace_shipped("hello world")), CONSTANTS | {"6", "3"})


def test_operands_of_training_step(train_shipped: Callable[..., Trace]) -> None:
    record = record_of(train_shipped("hello world"))
    check_operands(record, TRAINING_CONSTANTS | {"6", "3", "2"} | set(record["optimizer"].values()))


def check_operands(record: dict[str, Any], constants: set[str]) -> None:
    page = constants | {cell["value"] for weight in record["weights"] for cell in weight["cells"]}
    for step in record["steps"]:
        for cell in step["cells"]:
            assert set(literals(cell["expression"] or "0")) <= page, (step["name"], cell)
        page |= {cell["value"] for cell in step["cells"]}


@pytest.mark.parametrize("change", ["1", "-1"])
def test_one_wrong_digit_is_noticed(change: str, trace_shipped: Callable[..., Trace]) -> None:
    record = record_of(trace_shipped("hello"))
    cell = record["steps"][20]["cells"][0]
    unit = Fraction(10) ** (-len(cell["value"].partition(".")[2]))
    cell["value"] = str(float(Fraction(cell["value"]) + int(change) * unit))
    with pytest.raises(AssertionError):
        check_every_cell(record)
