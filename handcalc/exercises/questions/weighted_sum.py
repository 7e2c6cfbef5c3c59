"""Exercises on weighted sums: the values that attention averages, and the residual stream to which they are added."""

from __future__ import annotations

from decimal import Decimal
from random import Random

from handcalc.arithmetic.expression import ZERO, Cells, Constant, Index, total
from handcalc.exercises.exercise import Exercise, Givens, Line, Mistake
from handcalc.exercises.questions.choices import Head, random_head
from handcalc.exercises.source import Source
from handcalc.formulas.norms.norm import stream_before

WEIGHTED_SUM = "weighted-sum"


def one_term(source: Source, rng: Random) -> Exercise:
    """Level 1: what one position contributes."""
    head, givens = random_head(source, rng), Givens()
    t, s, d = head.t, head.s, rng.randrange(head.size)
    weights = givens.add("weights", f"the attention weights of {source.word(t)}", head.visible("weights"))
    v = givens.add("v", f"the value of {source.word(s)}", head.cells("v", [s]))
    return givens.exercise(
        WEIGHTED_SUM,
        1,
        source.scene(head.where),
        f"What does {source.word(s)} contribute to channel {d} of the head's result at {source.word(t)}?",
        f"term[{s}] = weights[{t},{s}]·v[{s},{d}]",
        [Line("term", (s,), weights[t, s] * v[s, d])],
        [
            Mistake("added instead of multiplied", weights[t, s] + v[s, d]),
            Mistake("divided instead of multiplied", v[s, d] / weights[t, s]),
            *(Mistake("took another position's weight", weights[t, o] * v[s, d]) for o in range(t + 1) if o != s),
            *(Mistake("took another channel", weights[t, s] * v[s, o]) for o in range(head.size) if o != d),
        ],
    )


def mixed_value(source: Source, rng: Random) -> Exercise:
    """Level 2: one channel of a head's result."""
    head, givens = random_head(source, rng), Givens()
    t, d, seen = head.t, rng.randrange(head.size), range(head.t + 1)
    weights = givens.add("weights", "the attention weights, a row for each position that attends; masked ones are 0",
                         head.cells("weights"))  # fmt: skip
    v = givens.add("v", "the values, a row for each position", head.cells("v"))
    mistakes = [
        Mistake("W transposed: the weights down a column", total(weights[s, t] * v[s, d] for s in range(head.time))),
        Mistake("forgot the weights: a plain average", total(v[s, d] for s in seen) / Constant(t + 1)),
        Mistake("forgot the weights: a plain sum", total(v[s, d] for s in seen)),
        Mistake("averaged the products", total(weights[t, s] * v[s, d] for s in seen) / Constant(t + 1)),
        Mistake("took only the position's own value", weights[t, t] * v[t, d]),
    ]
    if t < head.size and d < head.time:
        transposed = total(weights[t, s] * v[d, s] for s in seen)
        mistakes.append(Mistake("V transposed: read along a row", transposed))
    return givens.exercise(
        WEIGHTED_SUM,
        2,
        source.scene(head.where),
        f"What is channel {d} of the head's result at {source.word(t)}? Average the values with its attention weights.",
        f"heads[{t},{d}] = Σ_(s≤{t}) weights[{t},s]·v[s,{d}]",
        [Line("heads", (t, d), total(weights[t, s] * v[s, d] for s in seen))],
        mistakes,
    )


def residual(source: Source, rng: Random) -> Exercise:
    """Level 3: the projection of the heads' results, added to the stream."""
    head, givens = random_head(source, rng), Givens()
    t, c = head.t, rng.randrange(source.config.n_embd)
    channels = range(source.config.n_embd)
    merged, matrix, stream, normed, bias = _give_projection(givens, head, source)
    out = total(merged[j] * matrix[j, c] for j in channels)
    across = total(merged[j] * matrix[c, j] for j in channels)
    added = ZERO if bias is None else bias[c]
    projected = out if bias is None else out + added
    working = [Line("out", (c,), projected), Line("residual", (c,), stream[c] + Cells("out")[c])]
    mistakes = [
        Mistake("forgot the residual: only what attention found", projected),
        Mistake("added to the normalized vector, not to the stream", normed[c] + projected),
        Mistake("subtracted it from the stream instead of adding", stream[c] - projected),
        Mistake("c_proj transposed: read along a row", stream[c] + across + added),
    ]
    if bias is not None:
        mistakes.append(Mistake("forgot the bias", stream[c] + out))
    return givens.exercise(
        WEIGHTED_SUM,
        3,
        source.scene(f"layer {head.layer}, {source.word(t)}"),
        f"The heads' results are mixed by c_proj and added to the residual stream. Work out channel {c} of the new "
        "stream.",
        f"residual[{c}] = x[{c}] + Σ_j merged[j]·c_proj[j,{c}]" + f" + bias[{c}]" * (bias is not None),
        working,
        mistakes,
    )


def _give_projection(givens: Givens, head: Head, source: Source) -> tuple[Cells, Cells, Cells, Cells, Cells | None]:
    numbers, block, channels = head.trace.numbers, f"h.{head.layer}", range(source.config.n_embd)
    before = stream_before(head.layer, source.config)

    merged = givens.add("merged", "the heads' results, concatenated", _row(head, f"{block}.attn.merged", channels))
    matrix = givens.add("c_proj", "the weights, row j by column c", numbers[f"{block}.attn.c_proj.weight"])
    stream = givens.add("x", "the residual stream before attention", _row(head, before, channels))
    normed = givens.add("normed", "x after the norm, which attention reads", _row(head, f"{block}.ln_1.out", channels))
    if not source.config.bias:
        return merged, matrix, stream, normed, None
    return merged, matrix, stream, normed, givens.add("bias", "c_proj's bias", numbers[f"{block}.attn.c_proj.bias"])


def _row(head: Head, name: str, channels: range) -> dict[Index, Decimal]:
    return {(c,): head.trace.numbers[name][head.t, c] for c in channels}
