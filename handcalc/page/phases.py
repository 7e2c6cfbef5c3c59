"""The phases of the calculation and the parts of the model: the headings above the steps, and what they introduce."""

from __future__ import annotations

from collections.abc import Iterator

from handcalc.formulas.attribution import ATTRIBUTION
from handcalc.formulas.norms.norm import EMBEDDING_NORM
from handcalc.formulas.step import AGAIN, BACKWARD, TABLE, UPDATE, Step
from handcalc.page.blocks import PAGE, Block, Heading, Paragraph
from handcalc.page.stated_facts import write_optimizer
from handcalc.tracing.plan import Plan

_PARTS = {
    "embedding": "Embedding: words become vectors",
    "ln_1": "norm before attention",
    "attn": "attention",
    "ln_2": "norm before the feed-forward network",
    "mlp": "feed-forward network",
    "ln_f": "Final norm",
    "losses": "Loss: how surprised the model was",
    "loss": "Loss: how surprised the model was",
}
_BACKWARD_PARTS = {
    "dloss": "Backward from the loss to the logits",
    "dlosses": "Backward from the loss to the logits",
    "softmax": "Backward from the loss to the logits",
    "dlogits": "Backward from the loss to the logits",
    "head": "Backward through the output head",
    "lm_head": "Backward through the output head",
    "ln_f": "Backward through the final norm",
}
WHY = "Why: where the logits come from"
"""The heading of the steps of the attribution."""

_CLIPPING = ("row_squares", "squares", "clipping")

_BACKWARD = (
    "Now back the same way. Each step asks: if this number were a little larger, how much larger would the loss be? "
    "The answer is the number's gradient. It follows from the gradients of everything that was computed from the "
    "number, which are already known, and from the slope of the one forward step in between: the chain rule, one step "
    "at a time. If a number was used more than once, its gradients add up. (probabilities have no gradient: the loss "
    "was computed without them.)"
)
_NO_DROPOUT = " This model was trained with dropout, which sets numbers to 0 at random; here nothing is dropped."
_AGAIN = 'The same forward pass as before, but with the new weights; "updated." precedes each name.'


def phase_blocks(plan: Plan, phase: str) -> Iterator[Block]:
    """Yield the heading and the introduction of a phase after the first."""
    title, text = {
        BACKWARD: ("Backward", _BACKWARD + _NO_DROPOUT * bool(plan.config.dropout)),
        UPDATE: ("Update", _update_text(plan)),
        AGAIN: ("Forward again", _AGAIN),
    }[phase]
    yield Heading(title, PAGE)
    yield Paragraph(text)


def _update_text(plan: Plan) -> str:
    if plan.optimizer is None:
        return ""
    return (
        "AdamW moves each weight against its gradient, as in "
        f"{'the first step' if plan.number == 1 else f'step {plan.number}'} of a training run. Its numbers are: "
        f"{write_optimizer(plan.optimizer)} In short: weights that raise the loss go down, weights that lower it go "
        "up, each by about the learning rate."
    )


def part_title(step: Step) -> str:
    """Return the heading of the part to which a step belongs: ``h.0.attn.q`` → ``Layer 0: attention``."""
    first, _, rest = step.name.partition(".")
    if step.phase == BACKWARD:
        return _backward_title(step)
    if step.phase == UPDATE:
        return _update_title(first, rest)
    if step.phase == AGAIN:
        return f"Again, with the new weights: {_forward_title(rest)}"
    return _forward_title(step.name)


def _update_title(prefix: str, rest: str) -> str:
    if prefix in _CLIPPING:
        return "Clipping: the length of the whole gradient"
    return "AdamW: the correction of the moments" if prefix == "correction" else f"AdamW: {rest}"


def _forward_title(name: str) -> str:
    parts = name.split(".")
    if parts[0] == ATTRIBUTION:
        return WHY
    if parts[0] == "h":
        return f"Layer {parts[1]}: {_PARTS[parts[2]]}"
    if name.startswith(EMBEDDING_NORM):
        return "Norm of the embeddings"
    return _PARTS.get(parts[0], "Output: the probability of every next word")


def _backward_title(step: Step) -> str:
    parts = step.name.split(".")
    if step.axes == TABLE.axes:
        return "Backward through the table"
    if parts[0] == "h":
        return f"Backward through layer {parts[1]}: {_PARTS[parts[2]]}"
    if step.name.startswith(EMBEDDING_NORM):
        return "Backward through the norm of the embeddings"
    return _BACKWARD_PARTS.get(parts[0], "Backward through the embedding")
