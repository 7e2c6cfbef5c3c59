"""Exercises on softmax: scores become shares of attention."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from random import Random

from handcalc.arithmetic.expression import ONE, ZERO, Cells, Constant, Expression, exp, largest, log, sqrt, total
from handcalc.exercises.exercise import Exercise, Givens, Line, Mistake
from handcalc.exercises.questions.choices import Head, dot, dot_column, give_sizes, random_head, share
from handcalc.exercises.source import Source

SOFTMAX = "softmax"
_TEN = Constant(10)

Score = Callable[[int, int], Expression]
"""The scaled score of position s as seen from position t."""


def exponential(source: Source, rng: Random) -> Exercise:
    """Level 1: one exponential, the largest score given."""
    head, givens = random_head(source, rng), Givens()
    t = head.t
    row = head.cells("scaled", [t])
    s = min(range(t + 1), key=lambda place: (row[t, place], place))  # the exponential of the largest is always 1
    x = givens.number("scaled", f"the scaled score of {source.word(s)} as seen from {source.word(t)}", row[t, s])
    most = givens.number("max", f"the largest that {source.word(t)} sees", max(row[t, place] for place in range(t + 1)))
    return givens.exercise(
        SOFTMAX,
        1,
        source.scene(head.where),
        "The first half of softmax: subtract the largest score, then work out the exponential.",
        f"exponentials[{t},{s}] = exp(scaled - max)",
        [Line("exponentials", (t, s), exp(x - most))],
        [
            Mistake("forgot to subtract the largest", exp(x)),
            Mistake("subtracted the score from the largest: the sign is wrong", exp(most - x)),
            Mistake("forgot the exponential", x - most),
            Mistake("10 to the power instead of e to the power", exp((x - most) * log(_TEN))),
        ],
    )


def weight(source: Source, rng: Random) -> Exercise:
    """Level 2: one attention weight from the scaled scores."""
    head, givens = random_head(source, rng), Givens()
    x = givens.add("scaled", "the scaled scores: row t for the position that attends, column s for the one it attends "
                   "to; nothing is masked yet", head.cells("scaled"))  # fmt: skip
    return givens.exercise(
        SOFTMAX,
        2,
        source.scene(head.where),
        f"What share of its attention does {source.word(head.t)} give to {source.word(head.s)}? No position sees the "
        "future: mask first.",
        _formula(head),
        _working(head),
        _softmax_mistakes(head, lambda t, s: x[t, s]),
    )


def weight_from_queries(source: Source, rng: Random) -> Exercise:
    """Level 3: one attention weight from queries and keys."""
    head, givens = random_head(source, rng), Givens()
    t, s, seen = head.t, head.s, range(head.t + 1)
    q = givens.add("q", "the queries, a row for each position", head.cells("q"))
    k = givens.add("k", "the keys, a row for each position", head.cells("k"))
    size, width = give_sizes(givens, head)
    scores = Cells("scores")
    working = [Line("scores", (t, place), dot(q, t, k, place, head.size)) for place in seen]
    working += [Line("scaled", (t, place), scores[t, place] / sqrt(size)) for place in seen]

    def scale_by(divisor: Expression) -> Score:
        return lambda row, column: dot(q, row, k, column, head.size) / divisor

    mistakes = [
        Mistake(name, share((scale_by(divisor)(t, place) for place in seen), scale_by(divisor)(t, s)))
        for name, divisor in (
            ("forgot the scale", ONE),
            ("√width instead of √head_size", sqrt(width)),
            ("divided by head_size, not by its root", size),
        )
    ]
    if head.time >= head.size > t:
        columns = [dot_column(q, t, k, place, head.size) / sqrt(size) for place in seen]
        mistakes.append(Mistake("K transposed: read down a column", share(columns, columns[s])))
    return givens.exercise(
        SOFTMAX,
        3,
        source.scene(head.where),
        f"What share of its attention does {source.word(t)} give to {source.word(s)}? Go all the way: scores, scale, "
        "mask, softmax.",
        f"{_formula(head)}\nscaled[{t},s] = Σ_d q[{t},d]·k[s,d] / √head_size",
        [*working, *_working(head)],
        [*mistakes, *_softmax_mistakes(head, scale_by(sqrt(size)))],
    )


def _formula(head: Head) -> str:
    t, s = head.t, head.s
    return f"weights[{t},{s}] = exp(scaled[{t},{s}]) / Σ_(s≤{t}) exp(scaled[{t},s])"


def _working(head: Head) -> list[Line]:
    """Return the lines from a row of ``scaled`` to the weight."""
    t, seen = head.t, range(head.t + 1)
    x, e = Cells("scaled"), Cells("exponentials")
    return [
        Line("max", (t,), largest(x[t, s] for s in seen)),
        *(Line("exponentials", (t, s), exp(x[t, s] - Cells("max")[t])) for s in seen),
        Line("sum", (t,), total(e[t, s] for s in seen)),
        Line("weights", (t, head.s), e[t, head.s] / Cells("sum")[t]),
    ]


def _softmax_mistakes(head: Head, x: Score) -> list[Mistake]:
    t, s, time = head.t, head.s, head.time

    def row(places: Iterable[int]) -> list[Expression]:
        return [x(t, place) for place in places]

    seen = row(range(t + 1))
    return [
        Mistake("softmax over the wrong axis: down the column", share([x(r, s) for r in range(s, time)], x(t, s))),
        Mistake("masked the wrong side", share(row(range(t, time)), x(t, s)) if s == t else ZERO),
        Mistake("forgot the mask: the future is in the sum", share(row(range(time)), x(t, s))),
        Mistake("forgot the exponentials: plain shares", x(t, s) / total(seen)),
        Mistake("forgot to divide by the sum", exp(x(t, s) - largest(seen))),
        Mistake(
            "10 to the power instead of e to the power", share([one * log(_TEN) for one in seen], x(t, s) * log(_TEN))
        ),
    ]
