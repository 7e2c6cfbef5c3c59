"""The ONE training loop for both twins' engines: batches, schedule, evaluation, checkpoints, stopping."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from gpt_data.texts.corpora import Corpus, fingerprint
from gpt_data.wording import show_path
from numpy_gpt.shared.model.arrays import Tokens, first_not_finite
from numpy_gpt.shared.runs.checkpoint import Checkpoint
from numpy_gpt.shared.runs.metrics import METRICS_FILE, MetricsFile, MetricsLog
from numpy_gpt.shared.runs.run_directory import remove_outdated, save_in_run
from numpy_gpt.shared.runs.run_state import Evaluation, RunState
from numpy_gpt.shared.runs.snapshots import save_snapshot
from numpy_gpt.shared.training.engine import Engine, StepResult
from numpy_gpt.shared.training.evaluation import evaluate_run
from numpy_gpt.shared.training.recipe import Recipe
from numpy_gpt.shared.training.schedule import learning_rate_at, snapshot_steps
from numpy_gpt.shared.training.stopping import Diverged, Interrupted, Stopped, StopSignals, has_run_out
from numpy_gpt.shared.training.throughput import Throughput, ThroughputMeter, operations_per_token


@dataclass(frozen=True)
class Progress:
    """The progress of training between evaluations; ``seconds_left`` covers training only.

    ``val_loss`` is from the last evaluation, NaN if a resumed run has had none yet.
    """

    step: int
    loss: float
    val_loss: float
    learning_rate: float
    throughput: Throughput
    seconds_left: float


class Display(Protocol):
    """Shows a run to its user."""

    def progress(self, progress: Progress) -> None:
        """Show the progress; called at most about ten times per second."""

    def evaluation_progress(self, step: int, tokens: int) -> None:
        """Show how many tokens the evaluation after ``step`` steps has read so far; called after each batch."""

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
    """Train from ``state`` until max_iters, or until patience runs out; return the last state, with its evaluation.

    Metrics, checkpoints and snapshots are written to the run directory ``out_dir``; ``logs`` also receive the metrics.

    Raises
    ------
    Diverged
        If a loss or the gradient is no longer finite.
    UserError
        If the run directory cannot be written.
    Interrupted
        On SIGINT or SIGTERM, after the current step or in the middle of an evaluation, and after saving a checkpoint.
    """
    training, state = recipe.training, state or RunState()
    engine.begin(corpus.train)
    with StopSignals() as stop, ExitStack() as stack:
        logs = _enter_logs(engine, stack, out_dir, state, logs)
        run = _TrainingRun(recipe, engine, corpus, out_dir, display, logs)
        for step in range(state.step, training.max_iters + 1):
            state = state.after_steps(step)
            if step == training.max_iters or step % training.eval_interval == 0:
                try:
                    state = run.evaluate(state, stop)
                except Stopped as stopped:  # the resumed run repeats the evaluation
                    stop.ignore_more()
                    run.save(state)
                    raise Interrupted(stopped.signal_number, step, out_dir) from None
            is_last = step == training.max_iters or has_run_out(training, state)
            run.keep_snapshot(state, is_last)
            if is_last:
                break
            result = engine.take_step(step, learning_rate_at(step, **training.schedule()))
            signal_number = engine.group.agree_on_signal(stop.received, step)
            run.report_step(step, result, at_once=signal_number != 0)
            if signal_number:
                stop.ignore_more()
                run.save(state.after_steps(step + 1))
                raise Interrupted(signal_number, step + 1, out_dir)
    return state


def _enter_logs(
    engine: Engine, stack: ExitStack, out_dir: Path, state: RunState, logs: Sequence[MetricsLog]
) -> list[MetricsLog]:
    """Return everything that receives metrics; in a group of processes, only the main process writes them."""
    if engine.group.rank != 0:
        return []
    return [stack.enter_context(MetricsFile(out_dir / METRICS_FILE, state)), *logs]


class _TrainingRun:
    """The work between training steps: evaluate, check and report results, save checkpoints."""

    def __init__(
        self,
        recipe: Recipe,
        engine: Engine,
        corpus: Corpus,
        out_dir: Path,
        display: Display,
        logs: Sequence[MetricsLog],
    ) -> None:
        self._recipe, self._engine, self._corpus, self._out_dir = recipe, engine, corpus, out_dir
        self._display, self._logs, self._fingerprint = display, logs, fingerprint(corpus)
        training = recipe.training
        per_step = training.batch_size * training.gradient_accumulation_steps * recipe.model.block_size
        self._meter = ThroughputMeter(per_step, training.max_iters)
        self._val_loss = math.nan  # of the last evaluation
        self._snapshots = frozenset(snapshot_steps(training.snapshots, training.max_iters))

    def evaluate(self, state: RunState, stop: StopSignals) -> RunState:
        """Evaluate and save, unless the resumed state includes the evaluation; show it and return the new state.

        Raises
        ------
        Stopped
            If a signal arrived, in all processes after the same batch.
        """
        group, step = self._engine.group, state.step
        if state.evaluation is None:
            rate = learning_rate_at(step, **self._recipe.training.schedule())
            with self._meter.pause():
                engine = _InterruptibleEngine(self._engine, stop, self._display, step)
                evaluation = group.broadcast(evaluate_run(engine, self._recipe, self._corpus, step, rate))
                state = state.after_evaluation(evaluation)
                self._write_metrics("evaluation", asdict(evaluation))
                self.save(state)
        elif group.rank == 0:
            remove_outdated(self._out_dir, step, self._recipe.to_dict(), state)
        self._val_loss = state.current_evaluation.val_loss
        if group.rank == 0:
            self._display.evaluation(state.current_evaluation)
        return state

    def report_step(self, step: int, result: StepResult | None, at_once: bool) -> None:
        """Check that the step's result is finite, then log it and display it, if either is due.

        A result that is not yet available is awaited only if it is needed now, so that the device does not idle.
        """
        training, done = self._recipe.training, step + 1
        log, display = done % training.log_interval == 0, self._meter.is_display_due()
        is_kept = done % training.eval_interval == 0 or done == training.max_iters or done in self._snapshots
        if result is None and (log or display or at_once or is_kept):
            step, result = self._engine.latest()
        if result is None:
            return
        if not (math.isfinite(result.loss) and math.isfinite(result.gradient_norm)):
            raise Diverged(_divergence_message(self._engine, result, step, self._out_dir))
        if not (log or display):
            return
        rate = learning_rate_at(done - 1, **training.schedule())
        throughput = self._meter.throughput(
            done, operations_per_token(self._recipe.model), self._engine.peak_flops, self._engine.peak_memory()
        )
        if log:
            how = self._engine.execution
            execution = {} if how is None else {"execution": how}
            self._write_metrics("step", _step_metrics(done, result, rate, throughput) | execution)
        if display:
            self._meter.mark_display()
            if self._engine.group.rank == 0:
                left = self._meter.seconds_left(done)
                self._display.progress(Progress(done, result.loss, self._val_loss, rate, throughput, left))

    def save(self, state: RunState) -> None:
        """Write a checkpoint to resume from ``state``; all processes of a group must call this; the main one writes."""
        m, v = self._engine.moments()
        checkpoint = replace(
            self._model(state),
            moments=(m, v),
            trained=self._engine.trained_values(),
            state=state,
            engine_state=self._engine.engine_state(),
        )
        if self._engine.group.rank == 0:
            save_in_run(self._out_dir, checkpoint)

    def keep_snapshot(self, state: RunState, is_last: bool) -> None:
        """Keep the weights, if this step has a snapshot; all processes of a group must call this; the main one writes.

        A run that stops early has its last snapshot there. Snapshots come after the checkpoint of the same step, so a
        run that was killed before it had a checkpoint has none.

        Raises
        ------
        Diverged
            If a weight is not finite.
        """
        if not self._snapshots or not (is_last or state.step in self._snapshots):
            return
        with self._meter.pause():
            model = self._model(state)
            if name := first_not_finite(model.values):  # the update overflowed; the next step would find it
                raise Diverged(
                    f"the weights must be finite, but {name} is not after step {state.step}; "
                    f"{show_path(self._out_dir)} keeps its last checkpoint; try a lower learning_rate"
                )
            if self._engine.group.rank == 0:
                save_snapshot(self._out_dir, model)

    def _model(self, state: RunState) -> Checkpoint:
        """Return what a snapshot contains; all processes of a group must call this."""
        return Checkpoint(
            self._recipe.model,
            self._corpus.tokenizer,
            self._engine.values(),
            state.step,
            self._recipe.to_dict(),
            None if state.evaluation is None else asdict(state.evaluation),
            corpus=self._fingerprint,
        )

    def _write_metrics(self, kind: str, values: dict[str, Any]) -> None:
        for log in self._logs:
            log.write(kind, values)


class _InterruptibleEngine:
    """Evaluates as the engine does, but displays the progress and stops between two batches if a signal has arrived."""

    def __init__(self, engine: Engine, stop: StopSignals, display: Display, step: int) -> None:
        self._engine, self._stop, self.evaluation_tokens = engine, stop, engine.evaluation_tokens
        self._display, self._step, self._batches, self._tokens = display, step, 0, 0

    def mean_loss(self, batches: Iterable[tuple[Tokens, Tokens]]) -> float:
        return self._engine.mean_loss(self._until_stopped(batches))

    def _until_stopped(self, batches: Iterable[tuple[Tokens, Tokens]]) -> Iterator[tuple[Tokens, Tokens]]:
        group = self._engine.group
        for inputs, targets in batches:
            if signal_number := group.agree_on_signal(self._stop.received, self._batches):
                raise Stopped(signal_number)
            yield inputs, targets
            self._batches, self._tokens = self._batches + 1, self._tokens + targets.size
            if group.rank == 0:
                self._display.evaluation_progress(self._step, self._tokens)


def _step_metrics(step: int, result: StepResult, rate: float, throughput: Throughput) -> dict[str, Any]:
    losses = {"step": step, "train_loss": result.loss, "val_loss": None}
    known = {
        name: None if value is None or math.isnan(value) else value for name, value in throughput._asdict().items()
    }
    return {**losses, "learning_rate": rate, "gradient_norm": result.gradient_norm, **known}


def _divergence_message(engine: Engine, result: StepResult, step: int, out_dir: Path) -> str:
    what = "loss" if not math.isfinite(result.loss) else "gradient's norm"
    value = result.loss if what == "loss" else result.gradient_norm
    first = engine.first_not_finite(step) or ""
    where = f", where {first} was the first to go bad" if first else ""
    # A non-finite parameter comes from the previous step's update.
    unchanged = "" if first.startswith("the parameter") else "the weights are unchanged since the step before, and "
    return (
        f"the {what} must be finite, but is {value} at step {step}{where}; {unchanged}{show_path(out_dir)} keeps its "
        "last checkpoint; try a lower learning_rate"
    )
