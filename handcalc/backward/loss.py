"""Cross-entropy undone: from the loss to the gradient of every logit, (11.4), (11.5), (11.6) and (11.7)."""

from __future__ import annotations

from collections.abc import Iterator

from handcalc.arithmetic.expression import Cells, Constant, Expression
from handcalc.backward.gradient import ONE, gradient, gradient_step
from handcalc.tracing.steps import Sizes, Step


def loss_gradient_steps(targets: tuple[int, ...], sizes: Sizes) -> Iterator[Step]:
    """Yield the gradients from ``loss`` () to ``logits`` (T, V), one named activation at a time."""
    dloss, count = gradient("loss"), Constant(sizes.t)
    yield gradient_step(
        "loss",
        "",
        "dloss = 1",
        "11.4",
        "The beginning of all gradients: when the loss rises by something, the loss rises by just that.",
        lambda: ONE,
        undoes=(),
    )
    yield gradient_step(
        "losses",
        "t",
        f"dlosses[t] = dloss / {sizes.t}",
        "11.4",
        "The loss is the average of the losses, so each of them counts for its share of it.",
        lambda t: dloss[()] / count,
        undoes=("loss",),
    )
    yield from _shared_steps()
    yield _logits_step(targets)


def _shared_steps() -> Iterator[Step]:
    """Yield the gradients of what all logits of a row have in common."""
    dlosses, sums, dsum = gradient("losses"), Cells("softmax.sum"), gradient("softmax.sum")
    yield gradient_step(
        "softmax.sum",
        "t",
        "dsum[t] = dlosses[t] / sum[t]",
        "11.5",
        "The slope of the logarithm is 1 over its argument.",
        lambda t: dlosses[t] / sums[t],
        undoes=("losses",),
    )
    yield gradient_step(
        "softmax.exponentials",
        "tv",
        "dexponentials[t,v] = dsum[t]",
        "11.5",
        "Each word's exponential was added to the sum as it is, so each gets the gradient of the sum as it is.",
        lambda t, v: dsum[t],
        undoes=("softmax.sum",),
    )
    yield gradient_step(
        "softmax.max",
        "t",
        "dmax[t] = dlosses[t] - Σ_v dexponentials[t,v]·exponentials[t,v] = 0",
        "11.6",
        "The largest logit was only taken off in the exponentials and put back in the losses: whatever is taken off, "
        "the loss is the same. So its gradient is exactly 0, and is set to 0 here; worked out, it would only be what "
        "rounding left of two equal numbers.",
        lambda t: Constant(0),
        undoes=("losses", "softmax.exponentials"),
    )


def _logits_step(targets: tuple[int, ...]) -> Step:
    dlosses, exponentials = gradient("losses"), Cells("softmax.exponentials")
    dexponentials = gradient("softmax.exponentials")

    def cell(t: int, v: int) -> Expression:
        through_the_sum = dexponentials[t, v] * exponentials[t, v]
        return through_the_sum - dlosses[t] if v == targets[t] else through_the_sum

    return gradient_step(
        "logits",
        "tv",
        "dlogits[t,v] = dexponentials[t,v]·exponentials[t,v], less dlosses[t] where v is the next word",
        "11.7",
        "Put together, the gradient of a logit is its word's probability, less 1 for the word that came, divided by "
        f"the number of predictions, {len(targets)} (11.3). So only the word that came has a negative gradient: its "
        "logit must rise for the loss to fall. All others must fall, the likelier the more.",
        cell,
        undoes=("losses", "softmax.exponentials"),
    )
