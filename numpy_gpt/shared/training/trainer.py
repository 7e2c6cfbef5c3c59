"""ONE training loop, which both twins' engines plug into: batches, schedule, evaluation, checkpoints, stopping."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

from gpt_data.texts.corpora import Corpus, fingerprint
from gpt_data.wording import show_path
from numpy_gpt.shared.model.arrays import Tokens
from numpy_gpt.shared.model.not_finite import Diverged
from numpy_gpt.shared.runs.checkpoint import Checkpoint
from numpy_gpt.shared.runs.metrics import MetricsFile, MetricsLog
from numpy_gpt.shared.runs.run_directory import save_in_run, tidy
from numpy_gpt.shared.runs.run_state import Evaluation, RunState
from numpy_gpt.shared.training.engine_protocol import Engine, StepResult
from numpy_gpt.shared.training.evaluation import evaluate_run
from numpy_gpt.shared.training.recipe import Recipe
from numpy_gpt.shared.training.schedule import learning_rate_at
from numpy_gpt.shared.training.stopping import Interrupted, Stopped, StopSignals
from numpy_gpt.shared.training.throughput import Throughput, ThroughputMeter, operations_per_token


@dataclass(frozen=True)
class Progress:
    """Where training stands between evaluations; ``seconds_left`` counts training alone.

    ``val_loss`` is that of the last evaluation, NaN while a run that goes on has had none yet.
    """

    step: int
    loss: float
    val_loss: float
    learning_rate: float
    speed: Throughput
    seconds_left: float


class Display(Protocol):
    """What shows a run to its user."""

    def progress(self, progress: Progress) -> None:
        """Show where training stands; called at most some ten times a second."""

    def evaluating(self, step: int, tokens: int) -> None:
        """Show that after ``step`` steps an evaluation goes on, and how many tokens it has read; called at each batch.

        Where several processes train, none is told.
        """

    def evaluation(self, evaluation: Evaluation) -> None:
        """Show an evaluation."""


def train(
    recipe: Recipe,
    engine: Engine,
    corpus: Corpus,
    out_dir: Path,
    display: Display,
    state: RunState | None = None,
    logs: Sequence[MetricsLog] = (),
) -> RunState:
    """Train from ``state`` to max_iters, or until patience ends; return the last state, with its evaluation.

    The run directory holds the rest: metrics.jsonl and checkpoints. ``logs`` hear of the same metrics.

    Raises
    ------
    Diverged
        If a loss or the gradient is no longer finite.
    UserError
        If the run directory cannot be written.
    Interrupted
        On SIGINT or SIGTERM, after the step under way or in the middle of an evaluation, and after a checkpoint.
    """
    training, state = recipe.training, state or RunState()
    engine.begin(corpus.train)
    with StopSignals() as stop, ExitStack() as stack:
        metrics = _Metrics(engine, stack, out_dir, state, logs)
        run = _Run(recipe, engine, corpus, out_dir, display, metrics)
        for step in range(state.step, training.max_iters + 1):
            state = state.after_steps(step)
            if step == training.max_iters or step % training.eval_interval == 0:
                try:
                    state = run.evaluate(state, stop)
                except Stopped:  # the evaluation is made anew when training goes on
                    run.save(state)
                    raise Interrupted(stop.received, step, out_dir) from None
                if step == training.max_iters or 0 < training.patience <= state.evaluations_since_best:
                    break
            result = engine.take_step(step, learning_rate_at(step, **training.schedule()))
            stopped = engine.team.agree_on_signal(stop.received, step)
            run.look(step, result, at_once=stopped != 0)
            if stopped:
                run.save(state.after_steps(step + 1))
                raise Interrupted(stopped, step + 1, out_dir)
    return state


class _Run:
    """What is done beside the steps themselves: evaluating, looking at results, saving."""

    def __init__(
        self, recipe: Recipe, engine: Engine, corpus: Corpus, out_dir: Path, display: Display, metrics: _Metrics
    ) -> None:
        self._recipe, self._engine, self._corpus, self._out_dir = recipe, engine, corpus, out_dir
        self._display, self._metrics, self._fingerprint = display, metrics, fingerprint(corpus)
        training = recipe.training
        per_step = training.batch_size * training.gradient_accumulation_steps * recipe.model.block_size
        self._pace = ThroughputMeter(per_step, training.max_iters)
        self._val_loss = math.nan  # of the last evaluation

    def evaluate(self, state: RunState, stop: StopSignals) -> RunState:
        """Evaluate and save, unless a resumed run has done so already; show it and return the state with it.

        Raises
        ------
        Stopped
            If a signal came; a team, whose processes must stop at the same place, evaluates to the end.
        """
        team, step = self._engine.team, state.step
        if state.evaluation is None:
            rate = learning_rate_at(step, **self._recipe.training.schedule())
            with self._pace.paused():
                engine = _Watched(self._engine, stop, self._display, step) if team.size == 1 else self._engine
                evaluation = team.broadcast(evaluate_run(engine, self._recipe, self._corpus, step, rate))
                state = state.after_evaluation(evaluation)
                self._metrics.write("evaluation", asdict(evaluation))
                self.save(state)
        elif team.rank == 0:
            tidy(self._out_dir, step, self._recipe.to_dict(), state.to_dict())
        self._val_loss = state.evaluated.val_loss
        if team.rank == 0:
            self._display.evaluation(state.evaluated)
        return state

    def look(self, step: int, result: StepResult | None, at_once: bool) -> None:
        """See that the step's result is finite, log it and show it, as far as each is due.

        A result that is not there yet is waited for only then: a device is not to be kept waiting for a look at it.
        """
        training, done = self._recipe.training, step + 1
        log, show = done % training.log_interval == 0, self._pace.due()
        evaluated = done % training.eval_interval == 0 or done == training.max_iters
        if result is None and (log or show or at_once or evaluated):
            step, result = self._engine.latest()
        if result is None:
            return
        if not (math.isfinite(result.loss) and math.isfinite(result.gradient_norm)):
            raise Diverged(_not_finite(self._engine, result, step, self._out_dir))
        if not (log or show):
            return
        rate = learning_rate_at(done - 1, **training.schedule())
        speed = self._pace.speed(
            done, operations_per_token(self._recipe.model), self._engine.peak_flops, self._engine.peak_memory()
        )
        if log:
            self._metrics.write("step", _logged(done, result, rate, speed))
        if show:
            self._pace.shown()
            if self._engine.team.rank == 0:
                left = self._pace.seconds_left(done)
                self._display.progress(Progress(done, result.loss, self._val_loss, rate, speed, left))

    def save(self, state: RunState) -> None:
        """Write what is needed to go on from ``state``; all processes of a team take part, and the main one writes."""
        m, v = self._engine.moments()
        checkpoint = Checkpoint(
            self._recipe.model,
            self._corpus.tokenizer,
            self._engine.values(),
            state.step,
            self._recipe.to_dict(),
            None if state.evaluation is None else asdict(state.evaluation),
            moments=(m, v),
            trained=self._engine.trained(),
            state=state.to_dict(),
            corpus=self._fingerprint,
            engine_state=self._engine.engine_state(),
        )
        if self._engine.team.rank == 0:
            save_in_run(self._out_dir, checkpoint)


class _Watched:
    """Evaluates as the engine does, but shows how far it is, and stops between two batches when a signal has come."""

    def __init__(self, engine: Engine, stop: StopSignals, display: Display, step: int) -> None:
        self._engine, self._stop, self.evaluation_tokens = engine, stop, engine.evaluation_tokens
        self._display, self._step, self._tokens = display, step, 0

    def mean_loss(self, batches: Iterable[tuple[Tokens, Tokens]]) -> float:
        return self._engine.mean_loss(self._shown(self._stop.until_stopped(batches)))

    def _shown(self, batches: Iterable[tuple[Tokens, Tokens]]) -> Iterator[tuple[Tokens, Tokens]]:
        for inputs, targets in batches:
            yield inputs, targets
            self._tokens += targets.size
            self._display.evaluating(self._step, self._tokens)


class _Metrics:
    """All that hears of the metrics; in a team only the main process writes them."""

    def __init__(
        self, engine: Engine, stack: ExitStack, out_dir: Path, state: RunState, logs: Sequence[MetricsLog]
    ) -> None:
        self._logs: list[MetricsLog] = []
        if engine.team.rank == 0:
            self._logs = [stack.enter_context(MetricsFile(out_dir / "metrics.jsonl", state)), *logs]

    def write(self, kind: str, values: dict[str, Any]) -> None:
        """Hand on one line; ``kind`` is evaluation or step."""
        for log in self._logs:
            log.write(kind, values)


def _logged(step: int, result: StepResult, rate: float, speed: Throughput) -> dict[str, Any]:
    known = {
        name: None if isinstance(value, float) and math.isnan(value) else value
        for name, value in speed._asdict().items()
    }
    return {
        "step": step,
        "train_loss": result.loss,
        "val_loss": None,
        "learning_rate": rate,
        "gradient_norm": result.gradient_norm,
        **known,
    }


def _not_finite(engine: Engine, result: StepResult, step: int, out_dir: Path) -> str:
    what = "loss" if not math.isfinite(result.loss) else "gradient's norm"
    value = result.loss if what == "loss" else result.gradient_norm
    first = engine.first_not_finite(step) or ""
    where = f", where {first} was the first to go bad" if first else ""
    # A parameter is bad by the update of the step before.
    kept = "" if first.startswith("the parameter") else "the weights were left as they were before it, and "
    return (
        f"the {what} must be finite, but is {value} at step {step}{where}; {kept}{show_path(out_dir)} keeps its last "
        "checkpoint; try a lower --learning_rate"
    )
