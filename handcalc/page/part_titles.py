"""Which part of the model or of the calculation a step belongs to, as a heading says it."""

from __future__ import annotations

from handcalc.tracing.steps import AGAIN, BACKWARD, UPDATE, Step

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
_CLIPPING = ("row_squares", "squares", "clipping")


def part_title(step: Step) -> str:
    """Return the heading of the part that a step belongs to: ``h.0.attn.q`` → ``Layer 0: attention``."""
    first, _, rest = step.name.partition(".")
    if step.phase == BACKWARD:
        return _backward_title(step.name)
    if step.phase == UPDATE:
        return "Clipping: the length of the whole gradient" if first in _CLIPPING else f"AdamW: {rest}"
    if step.phase == AGAIN:
        return f"Again, with the new weights: {_forward_title(rest)}"
    return _forward_title(step.name)


def _forward_title(name: str) -> str:
    parts = name.split(".")
    if parts[0] == "h":
        return f"Layer {parts[1]}: {_PARTS[parts[2]]}"
    return _PARTS.get(parts[0], "Output: the probability of every next word")


def _backward_title(name: str) -> str:
    parts = name.split(".")
    if parts[0] == "h":
        return f"Backward through layer {parts[1]}: {_PARTS[parts[2]]}"
    return _BACKWARD_PARTS.get(parts[0], "Backward through the embedding")
