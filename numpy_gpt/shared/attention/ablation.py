"""What a part of the model is for: how much the loss of each token rises without it.

A head, an attention layer or an MLP is replaced by zero, or by its mean over all positions of the text at hand. The
mean takes away what the part knows of a token and leaves what it adds to every token, so it is the gentler of the two.
The rise is measured for each token, so that it can be averaged over any of them, and bootstrapped over windows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from gpt_data.errors import UserError
from gpt_data.wording import describe
from numpy_gpt.shared.model.array_checks import check_array
from numpy_gpt.shared.model.arrays import Array, Tokens, ieee
from numpy_gpt.shared.model.config import GPTConfig, ModelConfig
from numpy_gpt.shared.model.config_checks import require_gpt
from numpy_gpt.shared.model.interventions import Intervention, intervene
from numpy_gpt.shared.model.record import Record
from numpy_gpt.shared.model.token_checks import check_tokens
from numpy_gpt.shared.training.engine import Engine

Losses = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
Kind = Literal["head", "attention", "mlp"]
Replacement = Literal["zero", "mean"]
_ACTIVATIONS: dict[str, str] = {"head": "attn.heads", "attention": "attn.out", "mlp": "mlp.out"}


class Part(NamedTuple):
    """A head, a whole attention layer with its bias, or an MLP; layers and heads count from 0."""

    kind: Kind
    layer: int
    head: int | None = None

    @property
    def title(self) -> str:
        """Return its name for a reader, such as ``layer 0, head 1``."""
        name = {"head": f"head {self.head}", "attention": "attention", "mlp": "MLP"}[self.kind]
        return f"layer {self.layer}, {name}"

    @property
    def activation(self) -> str:
        """Return the name of the activation that is replaced, of which a head is one of H."""
        return f"h.{self.layer}.{_ACTIVATIONS[self.kind]}"


class Baseline(NamedTuple):
    """The unchanged model on a text: inputs and targets (N, T), each token's loss (N, T), and the parts' means.

    The means are by the name of the activation: (H, 1, D) of a layer's heads, (C,) of attention and MLP.
    """

    inputs: Tokens
    targets: Tokens
    losses: Losses
    means: Mapping[str, Array]


class Ablation(NamedTuple):
    """The loss of each token (N, T) in nats with the unchanged model, and how much it rises without each part."""

    losses: Losses
    rises: Mapping[Part, Losses]


def parts_of(config: ModelConfig) -> tuple[Part, ...]:
    """Return everything that can be replaced, layer by layer: the heads, the attention layer, the MLP.

    Raises
    ------
    UserError
        If the model is a bigram model, which has no layers.
    """
    config = require_gpt(config)
    parts: list[Part] = []
    for layer in range(config.n_layer):
        parts += [Part("head", layer, head) for head in range(config.n_head)]
        parts += [Part("attention", layer), Part("mlp", layer)]
    return tuple(parts)


def ablate(
    engine: Engine,
    windows: Tokens,
    parts: Iterable[Part] | None = None,
    replacement: Replacement = "mean",
    counted: Mask | None = None,
) -> Ablation:
    """Return the loss of each token, and its rise without each of the parts, by default all.

    Windows and ``counted`` are those of ``measure_baseline``; parts and errors also those of ``measure_rise``.
    """
    before = measure_baseline(engine, windows, counted)
    chosen = parts_of(engine.recipe.model) if parts is None else parts
    return Ablation(before.losses, {part: measure_rise(engine, before, part, replacement) for part in chosen})


def measure_baseline(engine: Engine, windows: Tokens, counted: Mask | None = None) -> Baseline:
    """Return the unchanged model's losses on windows of token ids (N, T + 1), and the parts' means over them.

    ``counted`` (N, T) says which inputs count for the means, by default all: not those that fill up short windows.

    Raises
    ------
    UserError
        If the model is a bigram model, the windows are not such ids, or ``counted`` selects nothing or does not fit.
    """
    config = require_gpt(engine.recipe.model)
    check_array("windows", windows)
    if windows.ndim != 2 or windows.shape[1] < 2:
        raise UserError(f"windows must have shape (N, T + 1), two tokens or more each, not {windows.shape}")
    inputs = check_tokens(windows[:, :-1], config)
    targets = check_tokens(windows[:, 1:], config)  # of a text, every target counts
    counted = np.ones(inputs.shape, np.bool_) if counted is None else counted
    check_array("counted", counted)
    if counted.shape != inputs.shape or counted.dtype != np.bool_ or not counted.any():
        raise UserError(f"counted must select some of the inputs, as bool {inputs.shape}, not {describe(counted)}")
    weights = counted.astype(np.float64)
    sums: dict[str, Array] = {}
    dtypes: dict[str, Any] = {}

    def add_up(rows: slice, name: str, array: Array) -> None:
        if name.split(".", 2)[-1] in _ACTIVATIONS.values():
            letters, out = ("bhtd", "hd") if array.ndim == 4 else ("btc", "c")
            part: Array = np.einsum(f"{letters},bt->{out}", array, weights[rows])
            sums[name], dtypes[name] = sums.get(name, 0) + part, array.dtype

    losses = _losses_of(engine, inputs, targets, {}, add_up)
    means = {name: (total / weights.sum()).astype(dtypes[name]) for name, total in sums.items()}
    heads = {name: mean[:, None] for name, mean in means.items() if name.endswith(_ACTIVATIONS["head"])}
    return Baseline(inputs, targets, losses, means | heads)


def measure_rise(engine: Engine, before: Baseline, part: Part, replacement: Replacement = "mean") -> Losses:
    """Return how much the loss of each token (N, T) rises if the part is replaced by zero or by its mean.

    Raises
    ------
    UserError
        If the model has no such part, or the replacement is something else.
    """
    config = require_gpt(engine.recipe.model)
    if part not in parts_of(config):
        raise UserError(f"there is no part {describe(part)} in a model of {config.n_layer} × {config.n_head} heads")
    if replacement not in ("zero", "mean"):
        raise UserError(f"replacement must be zero or mean, not {describe(replacement)}")
    change = _replaced(config, part, before.means[part.activation], replacement)
    return _losses_of(engine, before.inputs, before.targets, {part.activation: change}) - before.losses


def _replaced(config: GPTConfig, part: Part, mean: Array, replacement: Replacement) -> Intervention:
    shift = mean if replacement == "mean" else np.zeros_like(mean)
    if part.head is None:
        return Intervention(0.0, shift)
    replaced = (np.arange(config.n_head) == part.head)[:, None, None]  # (H, 1, 1)
    return Intervention((~replaced).astype(mean.dtype), shift * replaced)


def _nothing(rows: slice, name: str, array: Array) -> None:
    """Listen to no activation but the logits."""


def _losses_of(
    engine: Engine, inputs: Tokens, targets: Tokens, changes: Mapping[str, Intervention], listen: Any = _nothing
) -> Losses:
    """Return the loss of each token (N, T), batch by batch; ``listen(rows, name, array)`` hears every activation."""
    losses = np.empty(inputs.shape)

    def of(rows: slice) -> Record:
        def hear(name: str, array: Array) -> None:
            if name == "logits":
                losses[rows] = _token_losses(array, targets[rows])
            listen(rows, name, array)

        return hear

    size = max(1, engine.evaluation_tokens // inputs.shape[1])
    for first in range(0, len(inputs), size):
        rows = slice(first, first + size)
        engine.predict(inputs[rows], intervene(changes, of(rows)))
    return losses


@ieee
def _token_losses(logits: Array, targets: Tokens) -> Losses:
    """Return −ln softmax(logits)[target] (B, T), as ln Σ exp(z − max) + max − z[target]."""
    largest = logits.max(-1)
    total = np.exp(logits - largest[..., None]).sum(-1, dtype=np.float64)
    losses: Losses = np.log(total) + (largest - np.take_along_axis(logits, targets[..., None], -1)[..., 0])
    return losses
