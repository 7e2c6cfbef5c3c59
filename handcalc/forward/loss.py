"""Cross-entropy: how surprised the model was by each word that really came next."""

from __future__ import annotations

from collections.abc import Iterator

from handcalc.arithmetic.expression import Cells, Constant, log, total
from handcalc.tracing.steps import Step


def loss_steps(targets: tuple[int, ...]) -> Iterator[Step]:
    """Yield the steps losses = −log P(target) (T) and loss, their mean (); ``targets`` are the ids that came next."""
    logits, maxima, sums = Cells("logits"), Cells("softmax.max"), Cells("softmax.sum")
    losses, count = Cells("losses"), len(targets)
    yield Step(
        name="losses",
        axes="t",
        equation="losses[t] = log(sum[t]) + max[t] - logits[t, id of the next word]",
        section="11.1",
        meaning="How surprised the model was by the word that came next, in nats: 0 if it was sure of that word, more "
        "the less likely it thought it. It is -log of the word's probability, taken apart so that nothing is lost "
        "where that is very small.",
        cell=lambda t: log(sums[t]) + maxima[t] - logits[t, targets[t]],
    )
    yield Step(
        name="loss",
        axes="",
        equation=f"loss = Σ_t losses[t] / {count}",
        section="11.2",
        meaning="The average surprise. This one number is what training makes smaller.",
        cell=lambda: total(losses[t] for t in range(count)) / Constant(count),
    )
