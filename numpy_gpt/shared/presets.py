"""Named recipes: a corpus, the shape of a model, and the training numbers that suit them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from gpt_data.errors import UserError
from gpt_data.wording import listed, suggestion
from numpy_gpt.shared.config import GPTConfig, described

DTYPES = ("float32", "float64")


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """How a model is trained, with nanoGPT's names; every field is checked when it is made.

    Raises
    ------
    UserError
        If a field is out of its range.
    """

    batch_size: int = described("sequences in a batch (B)", default=16)
    max_iters: int = described("training steps", default=6000)
    learning_rate: float = described("peak learning rate", default=3e-3)
    min_lr: float | None = described("rate at the end of the cosine (None: a tenth of the peak)", default=None)
    warmup_iters: int = described("steps of linear warm-up", default=500)
    lr_decay_iters: int | None = described("step at which the cosine ends (None: max_iters)", default=None)
    weight_decay: float = described("decoupled weight decay, on matrices only", default=0.1)
    beta1: float = described("AdamW's decay of the mean gradient", default=0.9)
    beta2: float = described("AdamW's decay of the mean squared gradient", default=0.99)
    adam_epsilon: float = described("added to the root of the mean squared gradient", default=1e-8)
    grad_clip: float = described("largest global norm of the gradient (0: no clipping)", default=1.0)
    eval_interval: int = described("steps between evaluations, each of which saves a checkpoint", default=500)
    eval_stride: int = described("distance of evaluation windows (1: all windows)", default=1)
    log_interval: int = described("steps between lines of metrics", default=100)
    seed: int = described("seed of initial values, batches, dropout and sampling", default=1337)
    dtype: str = described(f"precision: {' or '.join(DTYPES)}", default="float32")

    def __post_init__(self) -> None:
        for name in ("batch_size", "eval_interval", "eval_stride", "log_interval"):
            self._require(name, isinstance(getattr(self, name), int) and getattr(self, name) >= 1, "at least 1")
        for name in ("max_iters", "warmup_iters", "seed"):
            self._require(name, isinstance(getattr(self, name), int) and getattr(self, name) >= 0, "at least 0")
        self._require("lr_decay_iters", self.lr_decay_iters is None or self.lr_decay_iters >= 0, "at least 0")
        self._require("adam_epsilon", 0 < self.adam_epsilon < float("inf"), "positive and finite")
        for name in ("learning_rate", "min_lr", "weight_decay", "grad_clip"):
            value = getattr(self, name)
            self._require(name, value is None or 0 <= value < float("inf"), "at least 0 and finite")
        for name in ("beta1", "beta2"):
            self._require(name, 0 <= getattr(self, name) < 1, "in [0, 1)")
        self._require("dtype", self.dtype in DTYPES, " or ".join(DTYPES))

    def _require(self, name: str, holds: bool, what: str) -> None:
        if not holds:
            raise UserError(f"{name} must be {what}, not {getattr(self, name)!r}")

    def schedule(self) -> dict[str, Any]:
        """Return the arguments of ``schedule.learning_rate_at`` but the step."""
        return {
            "learning_rate": self.learning_rate,
            "min_lr": self.learning_rate / 10 if self.min_lr is None else self.min_lr,
            "warmup_iters": self.warmup_iters,
            "lr_decay_iters": self.max_iters if self.lr_decay_iters is None else self.lr_decay_iters,
        }


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """All that decides a training run."""

    name: str
    dataset: str
    model: GPTConfig
    training: TrainingConfig

    def override(self, changes: Mapping[str, Any]) -> Recipe:
        """Return the recipe with some fields of its model and training changed.

        Raises
        ------
        UserError
            If a name is unknown or a value out of its range.
        """
        parts: dict[str, dict[str, Any]] = {"model": {}, "training": {}}
        for name, value in changes.items():
            for part in parts:
                if name in {item.name for item in fields(getattr(self, part))}:
                    parts[part][name] = value
                    break
            else:
                known = [item.name for part in parts for item in fields(getattr(self, part))]
                raise UserError(f"unknown field {name!r}{suggestion(name, known) or ';'} there are: {listed(known)}")
        return replace(
            self, model=replace(self.model, **parts["model"]), training=replace(self.training, **parts["training"])
        )

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Recipe:
        """Return the recipe that ``dataclasses.asdict`` wrote.

        Raises
        ------
        UserError
            If a field is missing, unknown or out of its range.
        """
        try:
            model, training = GPTConfig.from_dict(values["model"]), TrainingConfig(**values["training"])
            return cls(name=values["name"], dataset=values["dataset"], model=model, training=training)
        except (KeyError, TypeError) as error:
            raise UserError(f"the recipe is incomplete or of another version: {error}") from error

    def to_dict(self) -> dict[str, Any]:
        """Return the recipe as plain values, for JSON."""
        return asdict(self)


def preset(name: str) -> Recipe:
    """Return the recipe of that name.

    Raises
    ------
    UserError
        If there is none; the message lists them and names the nearest.
    """
    if name not in PRESETS:
        raise UserError(f"unknown preset {name!r}{suggestion(name, PRESETS) or ';'} there are: {listed(PRESETS)}")
    return PRESETS[name]


_TINY = GPTConfig(vocab_size=32, block_size=8, n_layer=2, n_head=2, n_embd=6, bias=False)

PRESETS = {
    # 1,134 parameters: small enough to follow every digit by hand. Its low rate and long warm-up keep training from
    # being chaotic: a difference in the last bit at the start is still invisible at the end, so that twins can agree.
    "tiny": Recipe(name="tiny", dataset="tiny", model=_TINY, training=TrainingConfig()),
    # 6,864 parameters, enough to learn the order of the 170 training phrases by heart: dropout keeps it from that.
    "tiny16": Recipe(
        name="tiny16",
        dataset="tiny",
        model=replace(_TINY, n_embd=16, dropout=0.1),
        training=TrainingConfig(max_iters=4000, learning_rate=5e-3),
    ),
}
