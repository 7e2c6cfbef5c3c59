"""Exercises on attention scores: dot products and their scaling."""

from __future__ import annotations

from random import Random

from handcalc.arithmetic.expression import ONE, Cells, Constant, Expression, exp, largest, sqrt
from handcalc.exercises.exercise import Exercise, Givens, Line, Mistake
from handcalc.exercises.questions.choices import Head, dot, dot_column, give_sizes, random_head
from handcalc.exercises.source import Source

DOT_PRODUCT, SCALING = "dot-product", "scaling"


def one_product(source: Source, rng: Random) -> Exercise:
    """Level 1: one term of a dot product."""
    head, givens = random_head(source, rng), Givens()
    t, s, d = head.t, head.s, rng.randrange(head.size)
    q = givens.add("q", f"the query at {source.word(t)}", head.cells("q", [t]))
    k = givens.add("k", f"the key at {source.word(s)}", head.cells("k", [s]))
    other = (d + 1) % head.size
    return givens.exercise(
        DOT_PRODUCT,
        1,
        source.scene(head.where),
        f"A dot product is a sum of products. Work out the product for channel {d} (channels are counted from 0).",
        f"product[{d}] = q[{t},{d}]·k[{s},{d}]",
        (Line("product", (d,), q[t, d] * k[s, d]),),
        (
            Mistake("added instead of multiplied", q[t, d] + k[s, d]),
            Mistake("took the wrong channel of the key", q[t, d] * k[s, other]),
            Mistake("took the wrong channel of the query", q[t, other] * k[s, d]),
            *([Mistake("counted the channels from 1", q[t, d - 1] * k[s, d - 1])] if d else []),
        ),
    )


def score(source: Source, rng: Random) -> Exercise:
    """Level 2: one attention score, with all queries and keys to choose from."""
    head, givens = random_head(source, rng), Givens()
    t, s = head.t, head.s
    q, k = _queries_and_keys(givens, head)
    right = dot(q, t, k, s, head.size)
    return givens.exercise(
        DOT_PRODUCT,
        2,
        source.scene(head.where),
        f"How well does the query at {source.word(t)} match the key at {source.word(s)}? Work out their dot product.",
        f"scores[{t},{s}] = Σ_d q[{t},d]·k[{s},d]",
        (Line("scores", (t, s), right),),
        (
            *_transposed_mistake(head, q, k, ONE),
            Mistake("swapped the two positions", dot(q, s, k, t, head.size)),
            Mistake("took the key of the position that attends", dot(q, t, k, t, head.size)),
            Mistake("forgot to add up: only the first product", q[t, 0] * k[s, 0]),
            Mistake("averaged instead of added up", right / Constant(head.size)),
        ),
    )


def best_score(source: Source, rng: Random) -> Exercise:
    """Level 3: the largest scaled score that a position sees."""
    head, givens = random_head(source, rng), Givens()
    t, scores, scaled = head.t, Cells("scores"), Cells("scaled")
    q, k = _queries_and_keys(givens, head)
    size, width = give_sizes(givens, head)
    root, seen = sqrt(size), range(t + 1)
    all_scores = [dot(q, t, k, s, head.size) for s in range(head.time)]
    steps = [Line("scores", (t, s), all_scores[s]) for s in seen]
    steps += [Line("scaled", (t, s), scores[t, s] / root) for s in seen]
    return givens.exercise(
        DOT_PRODUCT,
        3,
        source.scene(head.where),
        f"The query at {source.word(t)} is compared with the key of every position that it can see, and each score is "
        "divided by the square root of the head size. Which is the largest? (Attention is causal: no position sees "
        "the future.)",
        f"max[{t}] = max over s ≤ {t} of Σ_d q[{t},d]·k[s,d] / √head_size",
        (*steps, Line("max", (t,), largest(scaled[t, s] for s in seen))),
        (
            Mistake("forgot the scale", largest(all_scores[: t + 1])),
            Mistake("√width instead of √head_size", largest(all_scores[: t + 1]) / sqrt(width)),
            Mistake("divided by head_size, not by its root", largest(all_scores[: t + 1]) / size),
            Mistake("masked the wrong side", largest(all_scores[t:]) / root),
            Mistake("forgot the mask", largest(all_scores) / root),
            *_transposed_mistake(head, q, k, root, largest_of=len(seen)),
        ),
    )


def scaled_score(source: Source, rng: Random) -> Exercise:
    """Level 1: a scaled score."""
    head, givens = random_head(source, rng), Givens()
    t, s = head.t, head.s
    raw = givens.number("score", "the dot product of query and key", head.cells("scores", [t])[t, s])
    size, width = give_sizes(givens, head)
    return givens.exercise(
        SCALING,
        1,
        source.scene(head.where),
        f"The score of {source.word(s)} as seen from {source.word(t)} is scaled before the softmax. What does it "
        "become?",
        f"scaled[{t},{s}] = score / √head_size",
        (Line("scaled", (t, s), raw / sqrt(size)),),
        (*_scale_mistakes(raw, size, width), Mistake("multiplied by the root", raw * sqrt(size))),
    )


def score_and_scale(source: Source, rng: Random) -> Exercise:
    """Level 2: from query and key to the scaled score."""
    head, givens = random_head(source, rng), Givens()
    t, s = head.t, head.s
    q, k = _queries_and_keys(givens, head)
    size, width = give_sizes(givens, head)
    raw = dot(q, t, k, s, head.size)
    return givens.exercise(
        SCALING,
        2,
        source.scene(head.where),
        f"Work out the scaled score of {source.word(s)} as seen from {source.word(t)}.",
        f"scaled[{t},{s}] = Σ_d q[{t},d]·k[{s},d] / √head_size",
        (Line("scores", (t, s), raw), Line("scaled", (t, s), Cells("scores")[t, s] / sqrt(size))),
        (*_scale_mistakes(raw, size, width), *_transposed_mistake(head, q, k, sqrt(size))),
    )


def scaled_exponential(source: Source, rng: Random) -> Exercise:
    """Level 3: from a row of scores to one exponential of its softmax."""
    head, givens = random_head(source, rng), Givens()
    t, scaled = head.t, Cells("scaled")
    seen = range(t + 1)
    raw = givens.add("scores", f"the scores of all positions as seen from {source.word(t)}", head.cells("scores", [t]))
    size, width = give_sizes(givens, head)
    s = min(seen, key=lambda place: (head.cells("scores", [t])[t, place], place))  # the largest one's is always 1

    def exponential(divisor: Expression, places: range) -> Expression:
        return exp(raw[t, s] / divisor - largest(raw[t, place] / divisor for place in places))

    return givens.exercise(
        SCALING,
        3,
        source.scene(head.where),
        f"Scale the scores that {source.word(t)} sees (none of the future), subtract the largest of them, and work "
        f"out the exponential of {source.word(s)}.",
        f"exponentials[{t},{s}] = exp(scaled[{t},{s}] - max over s ≤ {t} of scaled[{t},s])\n"
        f"scaled[{t},s] = scores[{t},s] / √head_size",
        (
            *(Line("scaled", (t, place), raw[t, place] / sqrt(size)) for place in seen),
            Line("max", (t,), largest(scaled[t, place] for place in seen)),
            Line("exponentials", (t, s), exp(scaled[t, s] - Cells("max")[t])),
        ),
        (
            Mistake("forgot the scale", exponential(ONE, seen)),
            Mistake("√width instead of √head_size", exponential(sqrt(width), seen)),
            Mistake("divided by head_size, not by its root", exponential(size, seen)),
            Mistake("masked the wrong side", exponential(sqrt(size), range(t, head.time))),
            Mistake("forgot the mask", exponential(sqrt(size), range(head.time))),
            Mistake("forgot to subtract the largest", exp(raw[t, s] / sqrt(size))),
        ),
    )


def _queries_and_keys(givens: Givens, head: Head) -> tuple[Cells, Cells]:
    return (
        givens.add("q", "the queries, a row for each position", head.cells("q")),
        givens.add("k", "the keys, a row for each position", head.cells("k")),
    )


def _scale_mistakes(raw: Expression, size: Expression, width: Expression) -> tuple[Mistake, ...]:
    return (
        Mistake("forgot the scale", raw),
        Mistake("√width instead of √head_size", raw / sqrt(width)),
        Mistake("divided by head_size, not by its root", raw / size),
    )


def _transposed_mistake(
    head: Head, q: Cells, k: Cells, divisor: Expression, largest_of: int | None = None
) -> tuple[Mistake, ...]:
    """Return the mistake of reading the keys down their columns, if there are enough rows and columns for it."""
    columns = [head.s] if largest_of is None else list(range(largest_of))
    if head.time < head.size or max(columns) >= head.size:
        return ()
    read = largest(dot_column(q, head.t, k, column, head.size) for column in columns)
    return (Mistake("K transposed: read down a column", read / divisor),)
