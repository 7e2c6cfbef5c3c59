"""Exercises on cross-entropy: how surprised the model is by the words that come next."""

from __future__ import annotations

from decimal import Decimal
from random import Random

from gpt_data.wording import make_visible
from handcalc.arithmetic.expression import MINUS_ONE, ONE, TWO, Cells, Constant, Expression, log, total
from handcalc.exercises.exercise import Exercise, Givens, Line, Mistake
from handcalc.exercises.source import Source

CROSS_ENTROPY = "cross-entropy"
_UNCERTAIN = Decimal("0.95")
_LOG_2, _LOG_10 = log(TWO), log(Constant(10))


def surprise(source: Source, rng: Random) -> Exercise:
    """Level 1: the loss of one word from its probability."""
    t, givens = _random_position(source, rng), Givens()
    probability = source.training.numbers["probabilities"][t, source.tokens[t + 1]]
    p = givens.number(
        "p", f"the probability that the model gives to {_next_word(source, t)} as the next word", probability
    )
    return givens.exercise(
        CROSS_ENTROPY,
        1,
        source.scene(source.word(t)),
        f"The next word is {_next_word(source, t)}. Work out the loss of this prediction, in nats.",
        f"losses[{t}] = -log(p)",
        [Line("losses", (t,), MINUS_ONE * log(p))],
        [
            Mistake("forgot the minus sign", log(p)),
            Mistake("logarithm to base 10 instead of the natural one", MINUS_ONE * log(p) / _LOG_10),
            Mistake("bits instead of nats: logarithm to base 2", MINUS_ONE * log(p) / _LOG_2),
            Mistake("no logarithm: one minus the probability", ONE - p),
            Mistake("one over the probability: the perplexity", ONE / p),
        ],
    )


def from_logits(source: Source, rng: Random) -> Exercise:
    """Level 2: the same from the logit, the largest logit and the sum of exponentials."""
    t, givens, page = _random_position(source, rng), Givens(), source.training.numbers
    most = givens.number("max", "the largest logit of all words", page["softmax.max"][t,])
    added = givens.number("sum", "Σ exp(logit - max) over all words", page["softmax.sum"][t,])
    logit = givens.number("logit", f"the logit of {_next_word(source, t)}", page["logits"][t, source.tokens[t + 1]])
    return givens.exercise(
        CROSS_ENTROPY,
        2,
        source.scene(source.word(t)),
        f"The next word is {_next_word(source, t)}. Work out the loss of this prediction, in nats, without working out "
        "its probability first.",
        f"losses[{t}] = log(sum) + max - logit",
        [Line("losses", (t,), log(added) + most - logit)],
        [
            Mistake("forgot the maximum", log(added) - logit),
            Mistake("subtracted the maximum", log(added) - most - logit),
            Mistake("forgot the sum", most - logit),
            Mistake("forgot the logarithm", added + most - logit),
            Mistake("logarithm to base 10 instead of the natural one", log(added) / _LOG_10 + most - logit),
            Mistake("the sign is wrong: log of the probability", logit - log(added) - most),
        ],
    )


def mean_loss(source: Source, rng: Random) -> Exercise:
    """Level 3: the loss of a text from a table of probabilities."""
    givens, time = Givens(), len(source.training.plan.tokens)
    cells: dict[tuple[int, ...], Decimal] = {
        (t, i): source.training.numbers["probabilities"][t, word]
        for t in range(time)
        for i, word in enumerate(source.tokens)
    }
    words = ", ".join(f"{i} {make_visible(source.training.vocabulary[word])}" for i, word in enumerate(source.tokens))
    p = givens.add("p", f"the probabilities; row t: after position t, column i: of word i of the text ({words})", cells)
    losses, count = Cells("losses"), Constant(time)

    def mean_of(columns: range) -> Expression:
        return total(MINUS_ONE * log(p[t, i]) for t, i in enumerate(columns)) / count

    following = range(1, time + 1)
    right = mean_of(following)
    return givens.exercise(
        CROSS_ENTROPY,
        3,
        source.scene(),
        "At each position but the last the model predicts the word that follows. Work out the mean loss of the "
        f"{time} predictions, in nats.",
        f"loss = Σ_t -log(p[t,t+1]) / {time}",
        [
            *(Line("losses", (t,), MINUS_ONE * log(p[t, t + 1])) for t in range(time)),
            Line("loss", (), total(losses[t] for t in range(time)) / count),
        ],
        [
            Mistake("sum instead of mean", right * count),
            Mistake("targets not shifted: each word as its own next word", mean_of(range(time))),
            Mistake("forgot the minus sign", MINUS_ONE * right),
            Mistake("logarithm to base 10 instead of the natural one", right / _LOG_10),
            Mistake(
                "averaged the probabilities, then took the logarithm",
                MINUS_ONE * log(total(p[t, i] for t, i in enumerate(following)) / count),
            ),
            Mistake("only the last prediction", MINUS_ONE * log(p[time - 1, time])),
        ],
    )


def _random_position(source: Source, rng: Random) -> int:
    """Return a position whose next word is uncertain, or else not quite certain, or else any."""
    positions = range(len(source.training.plan.tokens))
    probabilities = source.training.numbers["probabilities"]
    for most in (_UNCERTAIN, 1):
        if unsure := [t for t in positions if 0 < probabilities[t, source.tokens[t + 1]] < most]:
            return rng.choice(unsure)
    return rng.choice(positions)


def _next_word(source: Source, t: int) -> str:
    return f'"{make_visible(source.training.vocabulary[source.tokens[t + 1]])}"'
