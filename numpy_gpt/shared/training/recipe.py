"""A recipe: a corpus, a model config, and training settings; everything that determines a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Annotated, Any, TypedDict

from gpt_data.errors import UserError
from gpt_data.files.json_values import From, convert
from gpt_data.files.sealed_json import check_record
from gpt_data.wording import describe, list_names, quote, show_path, suggest
from numpy_gpt.shared.model.config import (
    ModelConfig,
    check_types,
    config_field,
    config_from_dict,
    config_to_dict,
    use_builtin_numbers,
)
from numpy_gpt.shared.runs.checkpoint import MANIFEST, Checkpoint
from numpy_gpt.shared.runs.run_state import Step, steps_taken

DTYPES = ("float32", "float64", "bfloat16", "float16")
_LARGEST = 2.0**128 - 2.0**104  # of float32
_ROUNDS_TO_0 = 2.0**-150  # half of the smallest float32 above 0
_REMEDY = "use another checkpoint"
_TOO_MANY = 1 << 31  # more sequences or steps than any machine can handle: surely a typo


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """How a model is trained, with nanoGPT's names; every field is checked on construction.

    Raises
    ------
    UserError
        If a field is out of range.
    """

    batch_size: int = config_field("sequences in a batch (B)", default=16)
    gradient_accumulation_steps: int = config_field("batches whose gradients are averaged for one step", default=1)
    max_iters: int = config_field("training steps", default=6000)
    learning_rate: float = config_field("peak learning rate", default=3e-3)
    min_lr: float | None = config_field("rate at the end of the cosine (None: a tenth of the peak)", default=None)
    warmup_iters: int = config_field("steps of linear warm-up", default=500)
    lr_decay_iters: int | None = config_field("step at which the cosine ends (None: max_iters)", default=None)
    weight_decay: float = config_field("decoupled weight decay, on matrices only", default=0.1)
    beta1: float = config_field("AdamW's decay of the mean gradient", default=0.9)
    beta2: float = config_field("AdamW's decay of the mean squared gradient", default=0.99)
    adam_epsilon: float = config_field("added to the root of the mean squared gradient", default=1e-8)
    grad_clip: float = config_field("largest global norm of the gradient (0: no clipping)", default=1.0)
    ema_decay: float = config_field(
        "decay of the weights' moving average (EMA), which is then evaluated and sampled; values above "
        "1 - 9/max_iters all have the same effect (0: no EMA)",
        default=0.0,
    )
    eval_interval: int = config_field("steps between evaluations, each of which saves a checkpoint", default=500)
    eval_stride: int | None = config_field(
        "tokens between the starts of evaluation windows (1: all windows; none: block_size, each token once)", default=1
    )
    eval_iters: int = config_field("random batches in nanoGPT's estimate of each loss (0: no estimate)", default=0)
    snapshots: int = config_field(
        "snapshots of the weights to keep, spaced as a logarithm from step 0 to the last step (0: none)", default=0
    )
    patience: int = config_field("evaluations without improvement that end training (0: never)", default=0)
    log_interval: int = config_field("steps between lines of metrics", default=100)
    seed: int = config_field("seed of initial values, batches, dropout and sampling", default=1337)
    dtype: str = config_field(
        f"precision: {', '.join(DTYPES)}; the last two, for matrix products only, in torch_gpt only", default="float32"
    )

    def __post_init__(self) -> None:
        use_builtin_numbers(self)
        check_types(self)
        for name in ("batch_size", "gradient_accumulation_steps", "eval_interval", "eval_stride", "log_interval"):
            value = getattr(self, name)
            self._require(name, value is None or value >= 1, "at least 1")
            self._require(name, value is None or value < _TOO_MANY, f"below {_TOO_MANY:,}")
        for name in ("max_iters", "warmup_iters", "lr_decay_iters", "eval_iters", "patience", "seed"):
            value = getattr(self, name)
            self._require(name, value is None or value >= 0, "at least 0")
            self._require(name, value is None or value < _TOO_MANY or name == "seed", f"below {_TOO_MANY:,}")
        self._require("adam_epsilon", 0 < self.adam_epsilon < float("inf"), "positive and finite")
        for name in ("learning_rate", "min_lr", "weight_decay", "grad_clip"):
            value = getattr(self, name)
            self._require(name, value is None or 0 <= value < float("inf"), "at least 0 and finite")
        for name in ("beta1", "beta2", "ema_decay"):
            self._require(name, 0 <= getattr(self, name) < 1, "in [0, 1)")
        self._require("snapshots", self.snapshots == 0 or self.snapshots >= 2, "0, or at least 2")
        if self.snapshots > self.max_iters + 1:
            most = f"at most {self.max_iters + 1:,}, as there are only so many steps from 0 to max_iters"
            raise UserError(f"snapshots must be {most}, not {describe(self.snapshots)}")
        self._require("dtype", self.dtype in DTYPES, " or ".join(DTYPES))
        for name in ("adam_epsilon", "learning_rate", "min_lr", "weight_decay", "grad_clip"):
            value = getattr(self, name)
            in_range = value is None or value <= _LARGEST or self.weights_dtype == "float64"
            self._require(name, in_range, f"at most {_LARGEST:.6g}, the largest number in float32")
        if self.weights_dtype == "float32" and self.adam_epsilon <= _ROUNDS_TO_0:  # otherwise a zero gradient gives 0/0
            raise UserError(f"adam_epsilon={self.adam_epsilon!r} must not be 0 in {self.weights_dtype}; try 1e-8")

    def _require(self, name: str, is_valid: bool, what: str) -> None:
        if not is_valid:
            raise UserError(f"{name} must be {what}, not {describe(getattr(self, name))}")

    @property
    def weights_dtype(self) -> str:
        """The dtype of weights and moments: float64 for float64, otherwise float32, even in half precision."""
        return "float64" if self.dtype == "float64" else "float32"

    def schedule(self) -> dict[str, Any]:
        """Return the arguments of ``schedule.learning_rate_at``, except the step."""
        return {
            "learning_rate": self.learning_rate,
            "min_lr": self.learning_rate / 10 if self.min_lr is None else self.min_lr,
            "warmup_iters": self.warmup_iters,
            "lr_decay_iters": self.max_iters if self.lr_decay_iters is None else self.lr_decay_iters,
        }

    def adamw(self) -> dict[str, Any]:
        """Return the settings of AdamW by the names of ``adamw_step``'s arguments."""
        return {
            "beta1": self.beta1,
            "beta2": self.beta2,
            "epsilon": self.adam_epsilon,
            "weight_decay": self.weight_decay,
        }


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Where a run took its initial weights: the place, the model's step there, and the SHA-256 of its file."""

    place: str
    step: Step
    sha256: str

    def __str__(self) -> str:
        return f"the weights of {self.place}{steps_taken(self.step, ', ')}"


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Everything that determines a training run; without ``init_from`` the seed determines the initial weights."""

    name: str
    dataset: str
    model: Annotated[ModelConfig, From(config_from_dict)]
    training: TrainingConfig
    init_from: Origin | None = None

    @property
    def eval_stride(self) -> int:
        """The distance between the starts of evaluation windows: the one in the training config, or the block size."""
        return self.training.eval_stride or self.model.block_size

    def override(self, changes: Mapping[str, Any]) -> Recipe:
        """Return the recipe with a changed dataset or changed fields of its model and training.

        Raises
        ------
        UserError
            If a name is unknown or a value out of range.
        """
        owners = {item.name: part for part in ("model", "training") for item in fields(getattr(self, part))}
        parts: dict[str, dict[str, Any]] = {"model": {}, "training": {}}
        for name, value in changes.items():
            if name in owners:
                parts[owners[name]][name] = value
            elif name != "dataset":
                known = ["dataset", *owners]
                raise UserError(f"unknown field {quote(name)}{suggest(name, known) or ';'} known: {list_names(known)}")
        return replace(
            self,
            dataset=changes.get("dataset", self.dataset),
            model=replace(self.model, **parts["model"]),
            training=replace(self.training, **parts["training"]),
        )

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Recipe:
        """Return the recipe that ``to_dict`` converted.

        Raises
        ------
        UserError
            If a field is missing, unknown, of another type or out of range.
        """
        recipe: Recipe = convert(values, cls, "recipe")
        return recipe

    def to_dict(self) -> dict[str, Any]:
        """Return the recipe as plain values, for JSON; it does not mention snapshots or an origin that it has not."""
        training = asdict(self.training)
        if self.training.snapshots == 0:
            del training["snapshots"]
        values = asdict(self) | {"model": config_to_dict(self.model), "training": training}
        if self.init_from is None:
            del values["init_from"]
        return values


class _Stored(TypedDict):
    recipe: Recipe | None


def stored_recipe(checkpoint: Checkpoint) -> Recipe | None:
    """Return the recipe that a checkpoint was trained with, or None if it has none.

    Raises
    ------
    UserError
        If a field is missing, unknown, of another type or out of range, or the checkpoint is of a later step than the
        last one; the message names the file.
    """
    path = (checkpoint.path or Path()) / MANIFEST
    stored: _Stored = check_record({"recipe": checkpoint.recipe}, _Stored, path, _REMEDY)
    recipe = stored["recipe"]
    if recipe is not None and recipe.training.max_iters < checkpoint.step:
        place, last = show_path(path), recipe.training.max_iters
        raise UserError(
            f"{place}: recipe.training.max_iters must be at least the step {checkpoint.step}, not {last}; {_REMEDY}"
        )
    return recipe
