"""A solver that makes typical mistakes on purpose, from the printed page alone, in floating point."""

from __future__ import annotations

import math
from collections.abc import Callable

from parity_tests.handcalc.exercises.exercise_solver import (
    Question,
    argument,
    best,
    change,
    exponential_of_row,
    formula_indices,
    gelu,
    is_next_word,
    losses,
    matrix,
    normed,
    over_the_wrong_axis,
    projected,
    query_gradient,
    score_gradient,
    scores,
    softmax,
    step,
    weight,
)


def added(q: Question) -> float:
    (t, d), (s, _) = formula_indices(q, "q"), formula_indices(q, "k")
    return float(q.given["q"][t][d] + q.given["k"][s][d])


def sum_of_term(q: Question) -> float:
    (t, s), (_, d) = formula_indices(q, "weights"), formula_indices(q, "v")
    return float(q.given["weights"][t][s] + q.given["v"][s][d])


_SCALE, _WIDTH = "forgot the scale", "√width instead of √head_size"
_TEN = "logarithm to base 10 instead of the natural one"
_RELU = "ReLU instead of GELU"

MISTAKES: dict[tuple[str, int], dict[str, Callable[[Question], float]]] = {
    ("dot-product", 1): {"added instead of multiplied": lambda q: added(q)},
    ("dot-product", 2): {
        "swapped the two positions": lambda q: float(scores(q, 1)[q.at[::-1]]),
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
        "forgot to subtract the largest": lambda q: math.exp(q.given["scaled"]),
        "10 to the power instead of e to the power": lambda q: 10 ** (q.given["scaled"] - q.given["max"]),
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
    ("weighted-sum", 1): {"added instead of multiplied": lambda q: sum_of_term(q)},
    ("weighted-sum", 2): {
        "W transposed: the weights down a column": lambda q: float(
            (matrix(q, "weights")[:, q.at[0]] @ matrix(q, "v"))[q.at[1]]
        ),
        "forgot the weights: a plain average": lambda q: float(matrix(q, "v")[: q.at[0] + 1].mean(axis=0)[q.at[1]]),
    },
    ("weighted-sum", 3): {
        "forgot the residual: only what attention found": projected,
        "c_proj transposed: read along a row": lambda q: float(q.given["x"][q.at[0]]) + projected(q, True),
        "added to the normalized vector, not to the stream": lambda q: float(q.given["normed"][q.at[0]]) + projected(q),
    },
    ("layer-norm", 1): {"forgot to divide: the sum": lambda q: float(q.given["x"].sum())},
    ("layer-norm", 2): {
        "variance with n − 1": lambda q: float((q.given["centered"] ** 2).sum() / (len(q.given["centered"]) - 1)),
        "sum instead of mean": lambda q: float((q.given["centered"] ** 2).sum()),
    },
    ("layer-norm", 3): {
        "variance with n − 1": lambda q: normed(q, ddof=1),
        "forgot the root: divided by the variance": lambda q: normed(q, root=False),
        "forgot to subtract the mean": lambda q: normed(q, center=False),
    },
    ("gelu", 1): {"forgot the half": lambda q: q.given["hidden"] * (1 + q.given["tanh"])},
    ("gelu", 2): {
        "forgot √(2/π)": lambda q: argument(q.given["hidden"]) * math.sqrt(math.pi / 2),
        "squared instead of cubed": lambda q: (
            math.sqrt(2 / math.pi) * (q.given["hidden"] + 0.044715 * q.given["hidden"] ** 2)
        ),
    },
    ("gelu", 3): {
        "forgot the half": lambda q: 2 * gelu(q.given["hidden"]),
        _RELU: lambda q: max(0.0, q.given["hidden"]),
        "erf instead of tanh: the exact GELU": lambda q: (
            0.5 * q.given["hidden"] * (1 + math.erf(q.given["hidden"] / math.sqrt(2)))
        ),
    },
    ("cross-entropy", 1): {
        _TEN: lambda q: -math.log10(q.given["p"]),
        "bits instead of nats: logarithm to base 2": lambda q: -math.log2(q.given["p"]),
    },
    ("cross-entropy", 2): {
        "forgot the maximum": lambda q: math.log(q.given["sum"]) - q.given["logit"],
        "forgot the sum": lambda q: q.given["max"] - q.given["logit"],
    },
    ("cross-entropy", 3): {
        "sum instead of mean": lambda q: float(losses(q).sum()),
        "targets not shifted: each word as its own next word": lambda q: float(losses(q, 0).mean()),
        _TEN: lambda q: float(losses(q).mean() / math.log(10)),
    },
    ("gradient", 1): {
        "the sign is wrong: the direction in which the loss falls": lambda q: (
            (is_next_word(q) - q.given["p"]) / q.given["predictions"]
        ),
        "forgot that the loss is a mean: not divided": lambda q: q.given["p"] - is_next_word(q),
    },
    ("gradient", 2): {
        "forgot the sum: as if the weights were independent": lambda q: float(
            (matrix(q, "weights") * matrix(q, "dweights"))[q.at]
        ),
        "the sign is wrong": lambda q: -score_gradient(q),
    },
    ("gradient", 3): {
        _SCALE: lambda q: query_gradient(q, 1),
        _WIDTH: lambda q: query_gradient(q, math.sqrt(q.given["width"])),
    },
    ("adamw", 1): {
        "swapped the two factors": lambda q: q.given["beta1"] * q.given["g"] + (1 - q.given["beta1"]) * q.given["m"]
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
