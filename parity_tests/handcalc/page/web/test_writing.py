"""The page writes arithmetic as handcalc does, and knows the cell behind each operand."""

from __future__ import annotations

import random
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest

from handcalc.arithmetic.expression import (
    Constant,
    Difference,
    Expression,
    Function,
    Masked,
    Maximum,
    Positive,
    Product,
    Quotient,
    Ref,
    Sum,
)
from handcalc.arithmetic.writing import arithmetic, format_number
from parity_tests.handcalc.page.web.script_page import Call, open_script

TREES = 2000
TEXTS = (
    "0",
    "1",
    "-1",
    "0.5",
    "-0.25",
    "12",
    "0.0001234",
    "0.00001234",
    "-1.5e-07",
    "1e+16",
    "123456789",
    "-inf",
    "inf",
)
NODES = {"Sum": Sum, "Difference": Difference, "Product": Product, "Quotient": Quotient, "Maximum": Maximum}
FUNCTIONS = ("exp", "log", "sqrt", "tanh", "erf")


@pytest.fixture(scope="module")
def call(browser: Any) -> Call:
    return open_script(browser, "write_trees.js")


def random_tree(rng: random.Random, depth: int) -> list[Any]:
    """Return a tree as nested lists: the kind of the node, then its parts."""
    if depth == 0 or rng.random() < 0.2:
        return ["Constant", rng.choice(TEXTS)] if rng.random() < 0.3 else ["Ref", rng.randrange(len(TEXTS))]
    kind = rng.choice([*NODES, *FUNCTIONS, "Positive"])
    if kind == "Positive":
        return [kind, ["Ref", rng.randrange(len(TEXTS))]]
    count = {"Difference": 2, "Quotient": 2}.get(kind, rng.randint(2, 4) if kind in NODES else 1)
    return [kind, *(random_tree(rng, depth - 1) for _ in range(count))]


def read_tree(tree: list[Any]) -> Expression:
    kind, *rest = tree
    if kind == "Ref":
        return Ref("x", tuple(rest))
    if kind in ("Constant", "Masked"):
        return {"Constant": Constant, "Masked": Masked}[kind](rest[0])
    parts = tuple(map(read_tree, rest))
    if kind == "Positive":
        return Positive(parts[0])
    return NODES[kind](parts) if kind in NODES else Function(kind, parts[0])


def test_random_trees(call: Call) -> None:
    rng = random.Random(18)
    trees = [random_tree(rng, 4) for _ in range(TREES)]
    numbers = {"x": {(place,): Decimal(text) for place, text in enumerate(TEXTS)}}
    written = call("writeTrees", trees, TEXTS)
    for tree, (line, segments) in zip(trees, written, strict=True):
        assert line == arithmetic(read_tree(tree), numbers)
        assert "".join(segment["text"] for segment in segments) == line
        assert refs_of(tree) == [segment["index"] for segment in segments if "name" in segment]
        for one, other in pairwise(segments):
            assert "name" in one or "name" in other, "text is in one piece"


def refs_of(tree: list[Any]) -> list[list[int]]:
    kind, *rest = tree
    if kind == "Ref":
        return [rest]
    return [] if kind == "Constant" else [ref for part in rest for ref in refs_of(part)]


def test_segments(call: Call) -> None:
    quotient = ["Quotient", ["Sum", ["Ref", 5], ["Constant", "0.5"]], ["sqrt", ["Ref", 3]]]
    slope = ["Product", ["Ref", 4], ["Positive", ["Ref", 5]]]
    ((_, first), (_, second), masked) = call("writeTrees", [quotient, slope, ["Masked", "-inf"]], TEXTS)
    assert first == [
        {"text": "("},
        {"text": "12", "name": "x", "index": [5]},
        {"text": " + 0.5)/sqrt("},
        {"text": "0.5", "name": "x", "index": [3]},
        {"text": ")"},
    ]
    assert [segment["text"] for segment in second] == ["-0.25", "*", "1"]
    assert second[2]["index"] == [5]
    assert masked == [None, None]
    assert format_number(Decimal(TEXTS[5])) == "12"


def test_operators_stay_flat_as_in_python(call: Call) -> None:
    x = [Ref("x", (place,)) for place in range(5)]
    numbers = {"x": {(place,): Decimal(place) for place in range(15)}}
    sum_, product = x[1] + x[2] + x[3], x[1] * x[2] * x[3] * x[4]
    expected = [
        [3, arithmetic(sum_, numbers)],
        [4, arithmetic(product, numbers)],
        [2, arithmetic(x[1] + sum_, numbers)],
        [2, arithmetic(x[1] * product, numbers)],
        [1, "7"],
        [1, "7"],
        [3, "11 + 12 + 13"],
    ]
    assert call("writeOperators") == expected
