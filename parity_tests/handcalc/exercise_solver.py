"""Somebody who solves the exercises from the printed page alone, in floating point, and makes mistakes on purpose.

Nothing here knows handcalc's expressions: the numbers are read from the question's text, and the formulas are written
down once more.
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
    """What is asked, to how many digits, the given numbers by name (rows by number), and the page itself."""

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

_SCALE, _WIDTH = "forgot the scale", "√width in place of √head_size"
_TEN = "logarithm to base 10 in place of the natural one"
_RELU = "ReLU in place of GELU"

MISTAKES: dict[tuple[str, int], dict[str, Callable[[Question], float]]] = {
    ("dot-product", 1): {"added in place of multiplied": lambda q: added(q)},
    ("dot-product", 2): {
        "exchanged the two positions": lambda q: float(scores(q, 1)[q.at[::-1]]),
        "K transposed: read down a column": lambda q: float((matrix(q, "q") @ matrix(q, "k")[:3])[q.at]),
    },
    ("dot-product", 3): {
        _SCALE: lambda q: best(q, 1),
        _WIDTH: lambda q: best(q, math.sqrt(q.given["width"])),
        "masked the wrong side": lambda q: best(q, seen=lambda t, time: slice(t, time)),
        "forgot the mask": lambda q: best(q, seen=lambda t, time: slice(time)),
    },
    ("scaling", 1): {
        _SCALE: lambda q: q.given["score"],
        _WIDTH: lambda q: q.given["score"] / math.sqrt(q.given["width"]),
        "divided by head_size, not by its root": lambda q: q.given["score"] / q.given["head_size"],
    },
    ("scaling", 2): {
        _SCALE: lambda q: float(scores(q, 1)[q.at]),
        _WIDTH: lambda q: float(scores(q, math.sqrt(q.given["width"]))[q.at]),
    },
    ("scaling", 3): {
        _SCALE: lambda q: exponential_of_row(q, 1),
        _WIDTH: lambda q: exponential_of_row(q, math.sqrt(q.given["width"])),
    },
    ("softmax", 1): {
        "forgot to take off the largest": lambda q: math.exp(q.given["scaled"]),
        "10 to the power in place of e to the power": lambda q: 10 ** (q.given["scaled"] - q.given["max"]),
    },
    ("softmax", 2): {
        "softmax over the wrong axis: down the column": lambda q: over_the_wrong_axis(q, matrix(q, "scaled")),
        "forgot the mask: the future is in the sum": lambda q: float(softmax(matrix(q, "scaled")[q.at[0]])[q.at[1]]),
    },
    ("softmax", 3): {
        _SCALE: lambda q: weight(q, scores(q, 1)),
        _WIDTH: lambda q: weight(q, scores(q, math.sqrt(q.given["width"]))),
        "softmax over the wrong axis: down the column": lambda q: over_the_wrong_axis(q, scores(q)),
    },
    ("weighted-sum", 1): {"added in place of multiplied": lambda q: sum_of_term(q)},
    ("weighted-sum", 2): {
        "W transposed: the weights down a column": lambda q: float(
            (matrix(q, "weights")[:, q.at[0]] @ matrix(q, "v"))[q.at[1]]
        ),
        "forgot the weights: a plain average": lambda q: float(matrix(q, "v")[: q.at[0] + 1].mean(axis=0)[q.at[1]]),
    },
    ("weighted-sum", 3): {
        "forgot the residual: only what attention found": projected,
        "c_proj transposed: read along a row": lambda q: float(q.given["x"][q.at[0]]) + projected(q, True),
        "added to the normed vector, not to the stream": lambda q: float(q.given["normed"][q.at[0]]) + projected(q),
    },
    ("layer-norm", 1): {"forgot to divide: the sum": lambda q: float(q.given["x"].sum())},
    ("layer-norm", 2): {
        "variance with n − 1": lambda q: float((q.given["centered"] ** 2).sum() / (len(q.given["centered"]) - 1)),
        "sum in place of mean": lambda q: float((q.given["centered"] ** 2).sum()),
    },
    ("layer-norm", 3): {
        "variance with n − 1": lambda q: normed(q, ddof=1),
        "forgot the root: divided by the variance": lambda q: normed(q, root=False),
        "forgot to take off the mean": lambda q: normed(q, center=False),
    },
    ("gelu", 1): {"forgot the half": lambda q: q.given["hidden"] * (1 + q.given["tanh"])},
    ("gelu", 2): {
        "forgot √(2/π)": lambda q: argument(q.given["hidden"]) * math.sqrt(math.pi / 2),
        "squared in place of cubed": lambda q: (
            math.sqrt(2 / math.pi) * (q.given["hidden"] + 0.044715 * q.given["hidden"] ** 2)
        ),
    },
    ("gelu", 3): {
        "forgot the half": lambda q: 2 * gelu(q.given["hidden"]),
        _RELU: lambda q: max(0.0, q.given["hidden"]),
        "erf in place of tanh: the exact GELU": lambda q: (
            0.5 * q.given["hidden"] * (1 + math.erf(q.given["hidden"] / math.sqrt(2)))
        ),
    },
    ("cross-entropy", 1): {
        _TEN: lambda q: -math.log10(q.given["p"]),
        "bits in place of nats: logarithm to base 2": lambda q: -math.log2(q.given["p"]),
    },
    ("cross-entropy", 2): {
        "forgot the maximum": lambda q: math.log(q.given["sum"]) - q.given["logit"],
        "forgot the sum": lambda q: q.given["max"] - q.given["logit"],
    },
    ("cross-entropy", 3): {
        "sum in place of mean": lambda q: float(losses(q).sum()),
        "targets not shifted: each word as its own next word": lambda q: float(losses(q, 0).mean()),
        _TEN: lambda q: float(losses(q).mean() / math.log(10)),
    },
    ("gradient", 1): {
        "the sign is wrong: where the logit should go, not where the loss rises": lambda q: (
            (is_next_word(q) - q.given["p"]) / q.given["predictions"]
        ),
        "forgot that the loss is a mean: not divided": lambda q: q.given["p"] - is_next_word(q),
    },
    ("gradient", 2): {
        "forgot the sum: as if the weights did not share": lambda q: float(
            (matrix(q, "weights") * matrix(q, "dweights"))[q.at]
        ),
        "the sign is wrong": lambda q: -score_gradient(q),
    },
    ("gradient", 3): {
        _SCALE: lambda q: query_gradient(q, 1),
        _WIDTH: lambda q: query_gradient(q, math.sqrt(q.given["width"])),
    },
    ("adamw", 1): {
        "exchanged the two shares": lambda q: q.given["beta1"] * q.given["g"] + (1 - q.given["beta1"]) * q.given["m"]
    },
    ("adamw", 2): {
        "forgot the bias correction": lambda q: step(q.given["m"], q.given["v"], q.given, corrected=False),
        "counted the steps from 0": lambda q: step(q.given["m"], q.given["v"], q.given, t=2),
    },
    ("adamw", 3): {
        "forgot the decay": lambda q: change(q, decay=False),
        "the sign of the gradient: went uphill": lambda q: change(q, sign=1),
        "forgot the bias correction": lambda q: change(q, corrected=False),
    },
}


def added(q: Question) -> float:
    (t, d), (s, _) = formula_indices(q, "q"), formula_indices(q, "k")
    return float(q.given["q"][t][d] + q.given["k"][s][d])


def sum_of_term(q: Question) -> float:
    (t, s), (_, d) = formula_indices(q, "weights"), formula_indices(q, "v")
    return float(q.given["weights"][t][s] + q.given["v"][s][d])
