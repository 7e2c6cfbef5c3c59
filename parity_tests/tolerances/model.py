"""The whole models' statements: loss and every gradient over any kind of bound, every array by its name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from numpy_gpt.shared.model.config import GPTConfig
from numpy_gpt.shared.model.record import Record, scoped
from parity_tests.tolerances import statement
from parity_tests.tolerances.statement import Value


def gpt(
    ops: Any,
    parameters: Mapping[str, Value],
    config: GPTConfig,
    tokens: Any,
    targets: Any,
    masks: Mapping[str, Value],
    record: Record,
) -> dict[str, Value]:
    """Return the gradient of every parameter by name; ``record`` gets all activations, their gradients and the loss."""
    wte, wpe = parameters["wte.weight"], parameters["wpe.weight"]
    head = parameters.get("lm_head.weight", wte)
    x = statement.embedding(ops, tokens, wte, wpe, scoped(record, "embedding"))
    embedding_mask = masks.get("embedding.dropout")
    if embedding_mask is not None:
        x = ops.multiply(x, embedding_mask)
        record("embedding.dropout", x)
    embedding_norm = ln_f = None
    if config.has_embedding_norm:
        x, embedding_norm = statement.normalize(ops, x, {}, "embedding.norm", config, record)
    backward = []
    for layer in range(config.n_layer):
        name = f"h.{layer}"
        inside, masked = statement.inside(parameters, name), statement.inside(masks, name)
        x, back = statement.block(ops, x, inside, config, masked, scoped(record, name))
        backward.append((name, back))
    if not config.has_embedding_norm:
        x, ln_f = statement.normalize(ops, x, parameters, "ln_f", config, record)
    final = x
    head_transposed = ops.shaped(head, lambda a: a.swapaxes(-1, -2))
    logits = statement.hear(record, "logits", ops.linear(final, head_transposed, None))
    dlogits = statement.hear(record, "dlogits", _loss(ops, logits, targets, record))
    dx, dhead, _ = statement.linear_backward(ops, dlogits, final, head_transposed, False)
    dx, gradients = (dx, {}) if ln_f is None else ln_f(dx)
    for name, back in reversed(backward):
        dx, inside = back(dx)
        gradients |= {f"{name}.{key}": value for key, value in inside.items()}
    if embedding_norm is not None:
        dx, _ = embedding_norm(dx)
    if embedding_mask is not None:
        record("embedding.ddropout", dx)
        dx = ops.multiply(dx, embedding_mask)
    dwte, dwpe = statement.embedding_backward(ops, dx, tokens, wte, wpe, scoped(record, "embedding"))
    dhead = ops.shaped(dhead, lambda a: a.swapaxes(-1, -2))
    gradients |= {"wte.weight": dwte, "wpe.weight": dwpe, "lm_head.weight": dhead}
    if "lm_head.weight" not in parameters:
        record("head.dweight", dhead)
        record("embedding.dweight", dwte)
        gradients["wte.weight"] = ops.add(dwte, dhead)
    return {name: gradients[name] for name in parameters}


def bigram(
    ops: Any, parameters: Mapping[str, Value], tokens: Any, targets: Any, record: Record
) -> tuple[Value, dict[str, Value]]:
    """Return the loss and the table's gradient by its name; ``record`` gets the same as for a GPT."""
    table, kept = parameters["wte.weight"], {}
    logits = statement.hear(record, "logits", ops.shaped(table, lambda a: a[tokens]))

    def keep(name: str, value: Value) -> None:
        kept[name] = value
        record(name, value)

    dlogits = statement.hear(record, "dlogits", _loss(ops, logits, targets, keep))
    return kept["loss"], {"wte.weight": ops.scatter_rows(dlogits, tokens, table.shape[0])}


def _loss(ops: Any, logits: Value, targets: Any, record: Record) -> Value:
    parts = ops.cross_entropy(logits, targets)
    for name in ("max", "exponentials", "sum"):
        record(f"softmax.{name}", getattr(parts.softmax, name))
    record("probabilities", parts.softmax.probabilities)
    record("losses", parts.losses)
    record("loss", parts.loss)
    return ops.cross_entropy_backward(parts.softmax.probabilities, targets)
