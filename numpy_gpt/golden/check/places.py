"""Where a mistake may have been made: in one pass or both, in one norm or all, in one half of a block, in one layer."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

from numpy_gpt.golden.evaluation import Change
from numpy_gpt.golden.graph import Node
from numpy_gpt.golden.operations.operation import BACKWARD, Mistake


def stem(node: Node) -> str:
    """Return an array's name without its step and layer: ``h.N.attn.q``."""
    return re.sub(r"^h\.\d+\.", "h.N.", node.plain)


def likely_scopes(mistake: Mistake, node: Node, is_known: bool, has_forward: bool) -> list[Change]:
    """Return a mistake as it is usually made: forward, or backward, or in both passes."""
    if node.phase != BACKWARD:
        return [Change(mistake, lambda other: other.phase != BACKWARD)]
    if is_known or not has_forward:
        return [Change(mistake, lambda other: other.phase == BACKWARD)]
    return [Change(mistake)]


def other_scopes(mistake: Mistake, node: Node, is_known: bool, has_forward: bool) -> list[Change]:
    """Return a mistake as it is made more rarely: in one pass, though the other one has it as well."""
    if node.phase != BACKWARD:
        return [Change(mistake)]
    if not has_forward:
        return []
    return [
        Change(mistake, lambda other: other.phase == BACKWARD),
        Change(mistake, lambda other: other.phase != BACKWARD),
    ]


def _layer(node: Node) -> int:
    return -1 if node.place is None else node.place.layer


def single_places(mistake: Mistake, changed: Sequence[Node]) -> Iterator[Callable[[Node], bool]]:
    """Return predicates for one place in a block, or one half of it, and for one layer.

    The rules of a mistake in several operations belong together: it is made in a whole half, or nowhere there.
    """
    whole = len({kind.partition(":")[0] for kind in mistake.kinds}) > 1
    part = _half if whole else _prefix
    parts, layers = sorted({part(node) for node in changed}), sorted({_layer(node) for node in changed})
    for one in parts if len(parts) > 1 else ():
        yield lambda node, one=one: part(node) == one  # type: ignore[misc]
    for layer in layers if len(layers) > 1 else ():
        yield lambda node, layer=layer: _layer(node) == layer  # type: ignore[misc]


def _half(node: Node) -> str:
    """Return which half of a block an array belongs to: attention's or the feed-forward network's.

    Where the gradient around a norm joins the stream is where that norm's half of the block begins.
    """
    prefix = _prefix(node)
    if node.kind in _JOINS:
        return "attention" if prefix != "h.N.attn." else "feed-forward"
    if prefix in ("h.N.ln_1.", "h.N.attn."):
        return "attention"
    return "feed-forward" if prefix in ("h.N.ln_2.", "h.N.mlp.") else ""


_JOINS = ("branch:dresidual", "embedding:dsum", "embedding_norm:dout")


def _prefix(node: Node) -> str:
    """Return where a node's operation stands, without the layer: ``h.N.ln_1.``."""
    return stem(node) if node.place is None else re.sub(r"^h\.\d+\.", "h.N.", node.place.prefix)


def restrictions(change: Change, changed: Sequence[Node], right: set[str]) -> Iterator[Callable[[Node], bool]]:
    """Return narrower predicates: without one kind of place or of array, without one layer's, or one step's."""
    halves = dict.fromkeys(_half(node) for node in changed)
    for half in halves if len({kind.partition(":")[0] for kind in change.mistake.kinds}) > 1 else ():
        yield lambda node, half=half: change.applies(node) and _half(node) != half  # type: ignore[misc]
    prefixes = dict.fromkeys(_prefix(node) for node in changed if stem(node) not in right)
    for prefix in prefixes if len(prefixes) > 1 else ():
        yield lambda node, prefix=prefix: change.applies(node) and _prefix(node) != prefix  # type: ignore[misc]
    for other in dict.fromkeys(stem(node) for node in changed):
        if other not in right:
            yield lambda node, other=other: change.applies(node) and stem(node) != other  # type: ignore[misc]
    for layer in sorted({_layer(node) for node in changed}):
        yield lambda node, layer=layer: change.applies(node) and _layer(node) != layer  # type: ignore[misc]
    for step in sorted({node.step for node in changed}):
        yield lambda node, step=step: change.applies(node) and node.step != step  # type: ignore[misc]
    names = {node.name for node in changed}
    yield lambda node: change.applies(node) and node.name not in names
