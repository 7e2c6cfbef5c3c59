"""The recipes that ``benchmarks.recipe_search`` compares: ``shakespeare-best`` with one or two changes."""

from __future__ import annotations

from typing import Any

from numpy_gpt.shared.training.presets import preset
from numpy_gpt.shared.training.recipe import Recipe

BASE = "shakespeare-best"


def candidates() -> dict[str, Recipe]:
    """Return the recipes by their difference from the preset; the first is the preset itself."""
    base, nano = preset(BASE), preset("shakespeare").training
    batch, rate = base.training.batch_size, base.training.learning_rate
    ends = {"max_iters": base.training.max_iters, "lr_decay_iters": base.training.schedule()["lr_decay_iters"]}

    def longer(factor: float, **changes: Any) -> dict[str, Any]:
        return {name: round(factor * end) for name, end in ends.items()} | changes

    changes: dict[str, dict[str, Any]] = {
        "the preset": {},
        "dropout 0.1": {"dropout": 0.1},
        "dropout 0.3": {"dropout": 0.3},
        "dropout 0.4": {"dropout": 0.4},
        "half the batch": {"batch_size": batch // 2},
        "twice the batch": {"batch_size": 2 * batch},
        "half the batch, twice the steps": longer(2, batch_size=batch // 2),
        "twice the batch, half the steps": longer(1 / 2, batch_size=2 * batch),
        "half the peak rate": {"learning_rate": rate / 2},
        "twice the peak rate": {"learning_rate": 2 * rate},
        "the rate falls to 0": {"min_lr": 0.0},
        "the rate falls to a third": {"min_lr": rate / 3},
        "the rate does not fall": {"min_lr": rate},
        "the rate falls until the end": {"lr_decay_iters": None},
        "two thirds of the steps": longer(2 / 3),
        "one and a half times the steps": longer(3 / 2),
        "one and a half times the steps, dropout 0.3": longer(3 / 2, dropout=0.3),
        "twice the steps, dropout 0.3": longer(2, dropout=0.3),
        "twice the steps, dropout 0.4": longer(2, dropout=0.4),
        "weight decay 0.3": {"weight_decay": 0.3},
        "beta2 0.95": {"beta2": 0.95},
        "beta2 0.999": {"beta2": 0.999},
        "nanoGPT's batch and steps": {
            "batch_size": nano.batch_size,
            "max_iters": nano.max_iters,
            "lr_decay_iters": nano.lr_decay_iters,
        },
    }
    return {name: base.override(change) for name, change in changes.items()}
