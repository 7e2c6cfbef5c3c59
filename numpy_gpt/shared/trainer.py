"""ONE training loop, which both twins' engines plug into: batches, schedule, evaluation, checkpoints, stopping."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from gpt_data.batches import BatchSampler, evaluation_windows
from gpt_data.corpora import Corpus
from gpt_data.errors import UserError
from numpy_gpt.shared.arrays import Array, Tokens
from numpy_gpt.shared.checkpoint import Checkpoint, save_in_run
from numpy_gpt.shared.metrics import MetricsFile
from numpy_gpt.shared.presets import Recipe
from numpy_gpt.shared.schedule import learning_rate_at
from numpy_gpt.shared.stopping import Interrupted, StopSignals

Moments = Sequence[Mapping[str, Array]]
"""AdamW's m and v, each by parameter name."""


class StepResult(NamedTuple):
    """The batch's mean loss in nats per token, and the gradient's global norm before clipping."""

    loss: float
    gradient_norm: float


class Engine(Protocol):
    """What a twin must do to be trained; arrays are NumPy's on both sides."""

    def training_step(self, inputs: Tokens, targets: Tokens, step: int, learning_rate: float) -> StepResult:
        """Take the step counted from 0; leave the parameters alone if the loss or gradient is not finite."""

    def loss(self, inputs: Tokens, targets: Tokens) -> float:
        """Return the mean loss in nats per token, without dropout."""

    def values(self) -> Mapping[str, Array]:
        """Return the parameters by name."""

    def moments(self) -> Moments:
        """Return AdamW's m and v."""

    def sample(self, prompt: list[int], count: int) -> list[int]:
        """Return ``count`` tokens that follow the prompt."""


@dataclass(frozen=True)
class Evaluation:
    """Losses in nats per token after ``step`` steps; the rate is that of the next step."""

    step: int
    train_loss: float
    val_loss: float
    learning_rate: float


@dataclass(frozen=True)
class Progress:
    """Where training stands between evaluations; ``seconds_left`` counts training alone."""

    step: int
    loss: float
    val_loss: float
    learning_rate: float
    tokens_per_second: float
    seconds_left: float


class Display(Protocol):
    """What shows a run to its user."""

    def progress(self, progress: Progress) -> None:
        """Show where training stands; called at most some ten times a second."""

    def evaluation(self, evaluation: Evaluation) -> None:
        """Show an evaluation."""


_REFRESH_SECONDS = 0.1


def evaluate(engine: Engine, tokens: Tokens, block_size: int, stride: int) -> float:
    """Return the mean loss in nats per token over all windows of ``tokens`` at distance ``stride``."""
    total, count = 0.0, 0
    for inputs, targets in evaluation_windows(tokens, block_size, stride):
        total += engine.loss(inputs, targets) * targets.size
        count += targets.size
    return total / count


def train(
    recipe: Recipe, engine: Engine, corpus: Corpus, out_dir: Path, display: Display, first_step: int = 0
) -> Evaluation:
    """Train from ``first_step`` to max_iters and return the last evaluation; the run directory holds the rest.

    Raises
    ------
    UserError
        If the loss or the gradient is no longer finite, or the run directory cannot be written.
    Interrupted
        On SIGINT or SIGTERM, after the step under way and a checkpoint.
    """
    training, block_size = recipe.training, recipe.model.block_size
    sampler = BatchSampler(corpus.train, block_size, training.batch_size, training.seed)
    pace = _Pace(training.batch_size * block_size, training.max_iters)
    result, evaluation = StepResult(math.nan, math.nan), None
    with StopSignals() as stop, MetricsFile(out_dir / "metrics.jsonl", first_step) as metrics:
        for step in range(first_step, training.max_iters + 1):
            rate = learning_rate_at(step, **training.schedule())
            if step == training.max_iters or step % training.eval_interval == 0:
                with pace.paused():
                    evaluation = _evaluate_both(recipe, engine, corpus, step, rate)
                    metrics.write("evaluation", asdict(evaluation))
                    display.evaluation(evaluation)
                    save_in_run(out_dir, _checkpoint(recipe, engine, corpus, step, asdict(evaluation)))
            if step == training.max_iters:
                break
            result = engine.training_step(*sampler.batch(step), step, rate)
            if not (math.isfinite(result.loss) and math.isfinite(result.gradient_norm)):
                raise UserError(_not_finite(result, step, out_dir))
            if (step + 1) % training.log_interval == 0:
                metrics.write("step", _logged(step + 1, result, rate))
            if pace.due():
                val_loss = evaluation.val_loss if evaluation else math.nan
                display.progress(Progress(step + 1, result.loss, val_loss, rate, *pace.measure(step + 1)))
            if stop.received:
                save_in_run(out_dir, _checkpoint(recipe, engine, corpus, step + 1, None))
                raise Interrupted(stop.received, step + 1, out_dir)
    assert evaluation is not None  # the loop always ends with one
    return evaluation


class _Pace:
    """Measures training speed, leaving evaluations and checkpoints out."""

    def __init__(self, tokens_per_step: int, max_iters: int) -> None:
        self._tokens_per_step, self._max_iters = tokens_per_step, max_iters
        self._shown = self._since = time.perf_counter()
        self._first_step: int | None = None

    def due(self) -> bool:
        return time.perf_counter() - self._shown >= _REFRESH_SECONDS

    def measure(self, step: int) -> tuple[float, float]:
        """Return tokens per second since the first measurement, and the seconds that the rest will take."""
        self._shown = time.perf_counter()
        if self._first_step is None:  # the first steps also warm up caches and libraries
            self._first_step, self._since = step, self._shown
            return math.nan, math.nan
        per_second = (step - self._first_step) / (self._shown - self._since)
        return per_second * self._tokens_per_step, (self._max_iters - step) / per_second

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Leave out the time spent inside a ``with`` block."""
        start = time.perf_counter()
        yield
        self._since += time.perf_counter() - start


def _evaluate_both(recipe: Recipe, engine: Engine, corpus: Corpus, step: int, rate: float) -> Evaluation:
    block_size, stride = recipe.model.block_size, recipe.training.eval_stride
    # Of the training text as much as there is validation text: enough to compare the two.
    excerpt = corpus.train[: max(len(corpus.val), block_size + 1)]
    train_loss, val_loss = (evaluate(engine, tokens, block_size, stride) for tokens in (excerpt, corpus.val))
    return Evaluation(step, train_loss, val_loss, rate)


def _checkpoint(
    recipe: Recipe, engine: Engine, corpus: Corpus, step: int, facts: Mapping[str, Any] | None
) -> Checkpoint:
    m, v = engine.moments()
    return Checkpoint(recipe.model, corpus.tokenizer, engine.values(), step, recipe.to_dict(), facts, moments=(m, v))


def _logged(step: int, result: StepResult, rate: float) -> dict[str, Any]:
    return {
        "step": step,
        "train_loss": result.loss,
        "val_loss": None,
        "learning_rate": rate,
        "gradient_norm": result.gradient_norm,
    }


def _not_finite(result: StepResult, step: int, out_dir: Path) -> str:
    what = "loss" if not math.isfinite(result.loss) else "gradient's norm"
    value = result.loss if what == "loss" else result.gradient_norm
    return (
        f"the {what} must be finite, but is {value} at step {step}; the weights were left as they were before it, "
        f"and {out_dir} keeps its last checkpoint; try a lower --learning_rate"
    )
