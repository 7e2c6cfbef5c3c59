"""Cross-entropy: how surprised the model was by each word that actually came next."""

from __future__ import annotations

from collections.abc import Iterator

from handcalc.arithmetic.expression import ONE, ZERO, Cells, Constant, Expression, log, total
from handcalc.formulas.step import Sizes, Step, gradient, gradient_step
from handcalc.formulas.tokens import Token, cell_of_token, terms_where


def loss_steps(targets: tuple[Token, ...], sizes: Sizes) -> Iterator[Step]:
    """Yield the steps losses = −log P(target) (T) and loss, their mean (); ``targets`` are the ids that came next."""
    logits, maxima, sums = Cells("logits"), Cells("softmax.max"), Cells("softmax.sum")
    losses, count = Cells("losses"), len(targets)
    yield Step(
        name="losses",
        axes="t",
        equation="losses[t] = log(sum[t]) + max[t] - logits[t, id of the next word]",
        section="11.1",
        meaning="How surprised the model was by the word that came next, in nats: 0 if it was certain of that word, "
        "larger the less likely it considered the word. It is -log of the word's probability, written so that no "
        "precision is lost when that probability is very small.",
        cell=lambda t: log(sums[t]) + maxima[t] - cell_of_token(targets[t], sizes.v, lambda word: logits[t, word]),
    )
    yield Step(
        name="loss",
        axes="",
        equation=f"loss = Σ_t losses[t] / {count}",
        section="11.2",
        meaning="The mean surprise. This one number is what training makes smaller.",
        cell=lambda: total(losses[t] for t in range(count)) / Constant(count),
    )


# Backward: (11.4), (11.5), (11.6) and (11.7)


def loss_gradient_steps(targets: tuple[Token, ...], sizes: Sizes) -> Iterator[Step]:
    """Yield the gradients from ``loss`` () to ``logits`` (T, V), one named activation at a time."""
    dloss, count = gradient("loss"), Constant(sizes.t)
    yield gradient_step(
        "loss",
        "",
        "dloss = 1",
        "11.4",
        "The start of all gradients: when the loss rises by some amount, the loss rises by exactly that amount.",
        lambda: ONE,
        undoes=(),
    )
    yield gradient_step(
        "losses",
        "t",
        f"dlosses[t] = dloss / {sizes.t}",
        "11.4",
        "The loss is the mean of the losses, so each of them contributes its share.",
        lambda t: dloss[()] / count,
        undoes=("loss",),
    )
    yield from _row_gradient_steps()
    yield _logits_gradient_step(targets)


def _row_gradient_steps() -> Iterator[Step]:
    """Yield the gradients of what all logits of a row share: the sum, the exponentials and the maximum."""
    dlosses, sums, dsum = gradient("losses"), Cells("softmax.sum"), gradient("softmax.sum")
    yield gradient_step(
        "softmax.sum",
        "t",
        "dsum[t] = dlosses[t] / sum[t]",
        "11.5",
        "The slope of the logarithm is 1 divided by its argument.",
        lambda t: dlosses[t] / sums[t],
        undoes=("losses",),
    )
    yield gradient_step(
        "softmax.exponentials",
        "tv",
        "dexponentials[t,v] = dsum[t]",
        "11.5",
        "Each word's exponential was added to the sum, so its gradient is that of the sum, unchanged.",
        lambda t, v: dsum[t],
        undoes=("softmax.sum",),
    )
    yield gradient_step(
        "softmax.max",
        "t",
        "dmax[t] = dlosses[t] - Σ_v dexponentials[t,v]·exponentials[t,v] = 0",
        "11.6",
        "The largest logit was subtracted in the exponentials and added back in the losses, so the loss does not "
        "depend on it. Its gradient is exactly 0, and is set to 0 here; computing it would only give the rounding "
        "error of two equal numbers.",
        lambda t: ZERO,
        undoes=("losses", "softmax.exponentials"),
    )


def _logits_gradient_step(targets: tuple[Token, ...]) -> Step:
    dlosses, exponentials = gradient("losses"), Cells("softmax.exponentials")
    dexponentials = gradient("softmax.exponentials")

    def cell(t: int, v: int) -> Expression:
        change: Expression = dexponentials[t, v] * exponentials[t, v]
        for term in terms_where(targets[t], v, dlosses[t]):
            change = change - term
        return change

    return gradient_step(
        "logits",
        "tv",
        "dlogits[t,v] = dexponentials[t,v]·exponentials[t,v], minus dlosses[t] where v is the next word",
        "11.7",
        "In total, the gradient of a logit is the probability of its word, minus 1 for the word that came next, "
        f"divided by the number of predictions, {len(targets)} (11.3). So only the word that came next has a negative "
        "gradient: its logit must rise for the loss to fall. All the others must fall, the likelier ones more.",
        cell,
        undoes=("losses", "softmax.exponentials"),
    )
