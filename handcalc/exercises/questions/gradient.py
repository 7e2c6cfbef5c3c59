"""Exercises on gradients: of a logit, through a softmax, and back to a query."""

from __future__ import annotations

from random import Random

from gpt_data.wording import make_visible
from handcalc.arithmetic.expression import MINUS_ONE, ONE, ZERO, Cells, Constant, Expression, sqrt, total
from handcalc.exercises.exercise import Exercise, Givens, Line, Mistake
from handcalc.exercises.questions.choices import Head, give_sizes, random_head
from handcalc.exercises.source import Source
from handcalc.page.results import likeliest_words

GRADIENT = "gradient"


def of_a_logit(source: Source, rng: Random) -> Exercise:
    """Level 1: the probability minus one-hot, divided by the number of predictions."""
    trace, givens = source.training, Givens()
    t = rng.randrange(len(trace.plan.tokens))
    came = source.tokens[t + 1]
    v = came if rng.random() < 0.5 else rng.choice(likeliest_words(trace, t))[0]
    word, next_word = make_visible(trace.vocabulary[v]), make_visible(trace.vocabulary[came])
    p = givens.number("p", f'the probability of "{word}" after {source.word(t)}', trace.numbers["probabilities"][t, v])
    count = givens.number("predictions", "the number of predictions; the loss is their mean", len(trace.plan.tokens))
    right = (p - ONE) / count if v == came else p / count
    mistakes = [
        Mistake("the sign is wrong: the direction in which the loss falls", MINUS_ONE * right),
        Mistake("forgot that the loss is a mean: not divided", p - ONE if v == came else p),
    ]
    if v == came:
        mistakes.append(Mistake("forgot the 1 for the word that came next", p / count))
        mistakes.append(Mistake("divided only the probability", p / count - ONE))
    else:
        mistakes.append(Mistake("subtracted 1, though another word came next", (p - ONE) / count))
    return givens.exercise(
        GRADIENT,
        1,
        source.scene(source.word(t)),
        f'The word that came next is "{next_word}". Work out the gradient of the loss for the logit of "{word}".',
        f"dlogits[{t},{v}] = (p - 1 if it is the word that came next, else p) / predictions",
        [Line("dlogits", (t, v), right)],
        mistakes,
    )


def through_softmax(source: Source, rng: Random) -> Exercise:
    """Level 2: the gradient of one score from the gradients of the row's weights."""
    head, givens = random_head(source, rng, source.training), Givens()
    t, s, seen = head.t, head.s, range(head.t + 1)
    about = "a row for each position that attends; 0 where masked"
    weights = givens.add("weights", f"the attention weights, {about}", head.cells("weights"))
    dweights = givens.add("dweights", f"the gradient of the loss for each of them, {about}", head.cells("dweights"))
    average = _average(weights, dweights, t)
    return givens.exercise(
        GRADIENT,
        2,
        source.scene(head.where),
        f"Work out the gradient of the scaled score of {source.word(s)} as seen from {source.word(t)}: back through "
        "the softmax.",
        f"dscaled[{t},{s}] = weights[{t},{s}]·(dweights[{t},{s}] - Σ_r weights[{t},r]·dweights[{t},r])",
        [
            Line("average", (t,), average),
            Line("dscaled", (t, s), weights[t, s] * (dweights[t, s] - Cells("average")[t])),
        ],
        [
            Mistake("the sign is wrong", weights[t, s] * (average - dweights[t, s])),
            Mistake("forgot the sum: as if the weights were independent", weights[t, s] * dweights[t, s]),
            Mistake("forgot the weight in front", dweights[t, s] - average),
            Mistake(
                "a plain mean instead of the weighted one",
                weights[t, s] * (dweights[t, s] - total(dweights[t, r] for r in seen) / Constant(t + 1)),
            ),
            Mistake(
                "the sum over the wrong axis: down the column",
                weights[t, s] * (dweights[t, s] - _down(head, weights, dweights)),
            ),
            Mistake("p·(1 − p), the slope of a sigmoid", weights[t, s] * (ONE - weights[t, s]) * dweights[t, s]),
        ],
    )


def of_a_query(source: Source, rng: Random) -> Exercise:
    """Level 3: through softmax and scale back to one number of a query."""
    head, givens = random_head(source, rng, source.training), Givens()
    t, d, seen = head.t, rng.randrange(head.size), range(head.t + 1)
    weights = givens.add("weights", f"the attention weights of {source.word(t)}", head.visible("weights"))
    dweights = givens.add("dweights", "the gradient of the loss for each of them", head.visible("dweights"))
    k = givens.add("k", "the keys, a row for each position", head.cells("k"))
    size, width = give_sizes(givens, head)
    dscaled, dscores = Cells("dscaled"), Cells("dscores")

    def back(divisor: Expression, subtracted: Expression) -> Expression:
        return total(weights[t, s] * (dweights[t, s] - subtracted) * k[s, d] for s in seen) / divisor

    average = _average(weights, dweights, t)
    mistakes = [
        Mistake("forgot the scale", back(ONE, average)),
        Mistake("√width instead of √head_size", back(sqrt(width), average)),
        Mistake("multiplied by the root instead of divided", back(ONE / sqrt(size), average)),
        Mistake("forgot the sum in the softmax", back(sqrt(size), ZERO)),
        Mistake("the sign is wrong", MINUS_ONE * back(sqrt(size), average)),
    ]
    if t < head.size and d < head.time:
        transposed = total(weights[t, s] * (dweights[t, s] - average) * k[d, s] for s in seen)
        mistakes.append(Mistake("K transposed: read along a row", transposed / sqrt(size)))
    return givens.exercise(
        GRADIENT,
        3,
        source.scene(head.where),
        f"Work out the gradient of the loss for channel {d} of the query at {source.word(t)}: back through the "
        "softmax, through the scale, to the query.",
        f"dq[{t},{d}] = Σ_s dscores[{t},s]·k[s,{d}]\n"
        f"dscores[{t},s] = dscaled[{t},s] / √head_size\n"
        f"dscaled[{t},s] = weights[{t},s]·(dweights[{t},s] - Σ_r weights[{t},r]·dweights[{t},r])",
        [
            Line("average", (t,), average),
            *(Line("dscaled", (t, s), weights[t, s] * (dweights[t, s] - Cells("average")[t])) for s in seen),
            *(Line("dscores", (t, s), dscaled[t, s] / sqrt(size)) for s in seen),
            Line("dq", (t, d), total(dscores[t, s] * k[s, d] for s in seen)),
        ],
        mistakes,
    )


def _average(weights: Cells, dweights: Cells, t: int) -> Expression:
    return total(weights[t, r] * dweights[t, r] for r in range(t + 1))


def _down(head: Head, weights: Cells, dweights: Cells) -> Expression:
    return total(weights[r, head.s] * dweights[r, head.s] for r in range(head.s, head.time))
