"""A solver that works from the printed page alone, in floating point.

Nothing here uses handcalc's expressions: the numbers are read from the question's text, and the formulas are written
independently.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

_ASKED = re.compile(r"Work out (\w+)(?:\[([\d,]+)\])? to (\d+) significant digits?\.")
_NUMBER = r"-?\d+(?:\.\d+)?(?:e[+-]\d+)?"
_ROW = re.compile(rf"(\w+)(?:\[(\d+)\])? = \(\s*({_NUMBER}(?:,\s+{_NUMBER})*)\s*\)")
_SINGLE = re.compile(rf"    (\w+) = ({_NUMBER})(?:  .*)?")


class Question(NamedTuple):
    """The cell asked for, the number of digits, the given numbers by name (rows by number), and the page itself."""

    asked: str
    at: tuple[int, ...]
    digits: int
    given: dict[str, Any]
    text: str


def read_question(text: str) -> Question:
    asked = _ASKED.search(" ".join(text.split()))
    assert asked is not None, text
    given: dict[str, Any] = {}
    for name, row, numbers in _ROW.findall(re.sub(r"\n {8}", " ", text)):
        vector = np.array([float(number) for number in numbers.split(",")])
        if row:
            given.setdefault(name, {})[int(row)] = vector
        else:
            given[name] = vector
    for line in text.splitlines():
        single = _SINGLE.fullmatch(line)
        if single is not None:
            given[single[1]] = float(single[2])
    at = tuple(map(int, asked[2].split(","))) if asked[2] else ()
    return Question(asked[1], at, int(asked[3]), given, text)


def formula_indices(question: Question, name: str) -> tuple[int, ...]:
    """Return the index that the formula gives a name: product[0] = q[3,0]·k[1,0] → q is at (3, 0)."""
    match = re.search(rf"(?<!\w){name}\[(\d+(?:,\d+)*)\]", question.text.split(" = ", 1)[1])
    assert match is not None
    return tuple(map(int, match[1].split(",")))


def matrix(question: Question, name: str) -> Any:
    return np.array([row for _, row in sorted(question.given[name].items())])


def scores(q: Question, scale: float | None = None) -> Any:
    root = math.sqrt(q.given["head_size"]) if scale is None else scale
    return matrix(q, "q") @ matrix(q, "k").T / root


def softmax(row: Any) -> Any:
    powers = np.exp(np.asarray(row) - max(row))
    return powers / powers.sum()


def one_product(q: Question) -> float:
    (t, d), (s, _) = formula_indices(q, "q"), formula_indices(q, "k")
    return float(q.given["q"][t][d] * q.given["k"][s][d])


def best(q: Question, scale: float | None = None, seen: Callable[[int, int], slice] | None = None) -> float:
    (t,), everything = q.at, scores(q, scale)
    return float(everything[t][slice(t + 1) if seen is None else seen(t, len(everything))].max())


def exponential_of_row(q: Question, scale: float | None = None) -> float:
    t, s = q.at
    row = q.given["scores"][t] / (math.sqrt(q.given["head_size"]) if scale is None else scale)
    return float(np.exp(row[s] - row[: t + 1].max()))


def weight(q: Question, scaled: Any) -> float:
    t, s = q.at
    return float(softmax(scaled[t][: t + 1])[s])


def over_the_wrong_axis(q: Question, scaled: Any) -> float:
    t, s = q.at
    return float(softmax(scaled[s:, s])[t - s])


def mixed(q: Question) -> float:
    t, d = q.at
    return float((matrix(q, "weights")[t] @ matrix(q, "v"))[d])


def projected(q: Question, transposed: bool = False) -> float:
    weights = matrix(q, "c_proj")
    return float((q.given["merged"] @ (weights.T if transposed else weights))[q.at[0]])


def normed(q: Question, ddof: int = 0, root: bool = True, center: bool = True) -> float:
    x, (c,) = q.given["x"], q.at
    spread = x.var(ddof=ddof) + q.given["epsilon"]
    centered = x[c] - x.mean() * center
    return float(centered / (math.sqrt(spread) if root else spread) * q.given["weight"][c])


def argument(x: float) -> float:
    return math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)


def gelu(x: float) -> float:
    return 0.5 * x * (1 + math.tanh(argument(x)))


def losses(q: Question, shift: int = 1) -> Any:
    p = matrix(q, "p")
    return np.array([-math.log(row[t + shift]) for t, row in enumerate(p)])


def is_next_word(q: Question) -> bool:
    text = " ".join(q.text.split())
    came, asked = re.search(r'came next is "(.*?)"', text), re.search(r'logit of "(.*?)"', text)
    assert came is not None and asked is not None
    return came[1] == asked[1]


def jacobian(weights: Any, dweights: Any) -> Any:
    return weights * (dweights - weights @ dweights)


def score_gradient(q: Question) -> float:
    t, s = q.at
    return float(jacobian(matrix(q, "weights")[t], matrix(q, "dweights")[t])[s])


def query_gradient(q: Question, scale: float | None = None) -> float:
    t, d = q.at
    back = jacobian(q.given["weights"][t], q.given["dweights"][t])
    root = math.sqrt(q.given["head_size"]) if scale is None else scale
    return float((back / root @ matrix(q, "k")[: t + 1])[d])


def step(m: float, v: float, given: dict[str, Any], corrected: bool = True, t: int = 3) -> float:
    if corrected:
        m, v = m / (1 - given["beta1"] ** t), v / (1 - given["beta2"] ** t)
    return float(given["eta"] * m / (math.sqrt(v) + given["epsilon"]))


def change(q: Question, decay: bool = True, sign: float = -1, corrected: bool = True) -> float:
    g = q.given
    m = g["beta1"] * g["m"] + (1 - g["beta1"]) * g["g"]
    v = g["beta2"] * g["v"] + (1 - g["beta2"]) * g["g"] ** 2
    return float(sign * step(m, v, g, corrected) - decay * g["eta"] * g["decay"] * g["w"])


def one_term(q: Question) -> float:
    (t, s), (_, d) = formula_indices(q, "weights"), formula_indices(q, "v")
    return float(q.given["weights"][t][s] * q.given["v"][s][d])


SOLUTIONS: dict[tuple[str, int], Callable[[Question], float]] = {
    ("dot-product", 1): one_product,
    ("dot-product", 2): lambda q: float(scores(q, 1)[q.at]),
    ("dot-product", 3): best,
    ("scaling", 1): lambda q: q.given["score"] / math.sqrt(q.given["head_size"]),
    ("scaling", 2): lambda q: float(scores(q)[q.at]),
    ("scaling", 3): exponential_of_row,
    ("softmax", 1): lambda q: math.exp(q.given["scaled"] - q.given["max"]),
    ("softmax", 2): lambda q: weight(q, matrix(q, "scaled")),
    ("softmax", 3): lambda q: weight(q, scores(q)),
    ("weighted-sum", 1): one_term,
    ("weighted-sum", 2): mixed,
    ("weighted-sum", 3): lambda q: float(q.given["x"][q.at[0]]) + projected(q),
    ("layer-norm", 1): lambda q: float(q.given["x"].mean()),
    ("layer-norm", 2): lambda q: float((q.given["centered"] ** 2).mean()),
    ("layer-norm", 3): normed,
    ("gelu", 1): lambda q: 0.5 * q.given["hidden"] * (1 + q.given["tanh"]),
    ("gelu", 2): lambda q: argument(q.given["hidden"]),
    ("gelu", 3): lambda q: gelu(q.given["hidden"]),
    ("cross-entropy", 1): lambda q: -math.log(q.given["p"]),
    ("cross-entropy", 2): lambda q: math.log(q.given["sum"]) + q.given["max"] - q.given["logit"],
    ("cross-entropy", 3): lambda q: float(losses(q).mean()),
    ("gradient", 1): lambda q: (q.given["p"] - is_next_word(q)) / q.given["predictions"],
    ("gradient", 2): score_gradient,
    ("gradient", 3): query_gradient,
    ("adamw", 1): lambda q: q.given["beta1"] * q.given["m"] + (1 - q.given["beta1"]) * q.given["g"],
    ("adamw", 2): lambda q: step(q.given["m"], q.given["v"], q.given),
    ("adamw", 3): change,
}
