"""Exercises on layer norm: a vector is shifted to mean 0 and scaled to variance 1."""

from __future__ import annotations

from decimal import Decimal
from random import Random

from handcalc.arithmetic.expression import MINUS_ONE, ONE, Cells, Constant, Expression, Index, largest, sqrt, total
from handcalc.exercises.exercise import Exercise, Givens, Line, Mistake
from handcalc.exercises.source import Source
from handcalc.formulas.norms.norm import stream_before

LAYER_NORM = "layer-norm"


def mean(source: Source, rng: Random) -> Exercise:
    """Level 1: the mean of a vector."""
    norm, before, t, givens = *_random_norm(source, rng), Givens()
    x, channels = _give_vector(givens, source, "x", f"the vector at {source.word(t)}", before, t)
    count = len(channels)
    added = total(x[c] for c in channels)
    return givens.exercise(
        LAYER_NORM,
        1,
        source.scene(norm),
        "Work out the mean of the vector.",
        f"mean = Σ_c x[c] / {count}",
        [Line("mean", (), added / Constant(count))],
        [
            Mistake("forgot to divide: the sum", added),
            *([Mistake("divided by the count minus one", added / Constant(count - 1))] if count > 1 else []),
            Mistake("lost the signs", total(_absolute(x[c]) for c in channels) / Constant(count)),
            Mistake("left out the last number", total(x[c] for c in channels[:-1] or channels) / Constant(count)),
        ],
    )


def variance(source: Source, rng: Random) -> Exercise:
    """Level 2: the variance, with the distances from the mean given."""
    norm, _, t, givens = *_random_norm(source, rng), Givens()
    about = f"how far each number at {source.word(t)} is from their mean"
    centered, channels = _give_vector(givens, source, "centered", about, f"{norm}.centered", t)
    count = len(channels)
    squares = total(centered[c] * centered[c] for c in channels)
    right = squares / Constant(count)
    return givens.exercise(
        LAYER_NORM,
        2,
        source.scene(norm),
        "Work out the variance: the mean of the squared distances.",
        f"variance = Σ_c centered[c]·centered[c] / {count}",
        [Line("variance", (), right)],
        [
            *([Mistake("variance with n − 1", squares / Constant(count - 1))] if count > 1 else []),
            Mistake("sum instead of mean", squares),
            Mistake("took the root: the standard deviation", sqrt(right)),
            Mistake("did not square", total(_absolute(centered[c]) for c in channels) / Constant(count)),
        ],
    )


def normalized(source: Source, rng: Random) -> Exercise:
    """Level 3: one number of the norm's output, from the vector itself."""
    norm, before, t, givens = *_random_norm(source, rng), Givens()
    x, channels = _give_vector(givens, source, "x", f"the vector at {source.word(t)}", before, t)
    page, c, count = source.forward.numbers, rng.randrange(len(channels)), Constant(len(channels))
    weight = givens.add("weight", "the learned weight of each channel", page[f"{norm}.weight"])
    bias = givens.add("bias", "its learned bias", page[f"{norm}.bias"]) if source.config.bias else None
    epsilon = givens.number("epsilon", "prevents division by 0", repr(source.config.layer_norm_epsilon))
    centered, spread = Cells("centered"), Cells("variance")[()]
    squares = total(centered[i] * centered[i] for i in channels)
    shift = None if bias is None else bias[c]

    def out(x: Expression, root: Expression) -> Expression:
        return _affine(x / root, weight[c], shift)

    working = [
        Line("mean", (), total(x[i] for i in channels) / count),
        *(Line("centered", (i,), x[i] - Cells("mean")[()]) for i in channels),
        Line("variance", (), squares / count),
        Line("rstd", (), ONE / sqrt(spread + epsilon)),
        Line("normalized", (c,), centered[c] * Cells("rstd")[()]),
        Line("out", (c,), _affine(Cells("normalized")[c], weight[c], shift)),
    ]
    unbiased = squares / Constant(max(1, len(channels) - 1))
    mistakes = [
        Mistake("variance with n − 1", out(centered[c], sqrt(unbiased + epsilon))),
        Mistake("sum instead of mean in the variance", out(centered[c], sqrt(squares + epsilon))),
        Mistake("forgot ε", out(centered[c], sqrt(spread))),
        Mistake("forgot the root: divided by the variance", out(centered[c], spread + epsilon)),
        Mistake("forgot to subtract the mean", out(x[c], sqrt(spread + epsilon))),
        Mistake("forgot the weight", centered[c] / sqrt(spread + epsilon)),
    ]
    return givens.exercise(
        LAYER_NORM,
        3,
        source.scene(norm),
        f"Work out channel {c} of the layer norm: mean, variance, scale, and then the learned weight.",
        f"out[{c}] = (x[{c}] - mean) / √(variance + epsilon)·weight[{c}]" + f" + bias[{c}]" * (bias is not None),
        working,
        mistakes,
    )


def _affine(x: Expression, weight: Expression, bias: Expression | None) -> Expression:
    return x * weight if bias is None else x * weight + bias


def _random_norm(source: Source, rng: Random) -> tuple[str, str, int]:
    """Return a random layer norm, its input, and a position."""
    config, norms = source.config, []
    for layer in range(config.n_layer):
        norms += [(f"h.{layer}.ln_1", stream_before(layer, config)), (f"h.{layer}.ln_2", f"h.{layer}.attn.residual")]
    norm, before = rng.choice([*norms, ("ln_f", stream_before(config.n_layer, config))])
    return norm, before, rng.randrange(len(source.tokens))


def _give_vector(givens: Givens, source: Source, name: str, meaning: str, tensor: str, t: int) -> tuple[Cells, range]:
    channels = range(source.config.n_embd)
    cells: dict[Index, Decimal] = {(c,): source.forward.numbers[tensor][t, c] for c in channels}
    return givens.add(name, f"{meaning} ({len(channels)} numbers)", cells), channels


def _absolute(x: Expression) -> Expression:
    return largest((x, MINUS_ONE * x))
