"""Training runs side by side on the same batches: how far apart they are after every step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from gpt_data.texts.corpora import load_corpus
from gpt_data.tokens.batches import BatchSampler
from numpy_gpt.clipping import clip_gradients
from numpy_gpt.engine import NumpyEngine
from numpy_gpt.model import loss_and_gradients
from numpy_gpt.shared.model.initial_values import initial_values
from numpy_gpt.shared.training.engine import StepResult
from numpy_gpt.shared.training.randomness import dropout_masks
from numpy_gpt.shared.training.recipe import Recipe
from numpy_gpt.shared.training.schedule import learning_rate_at

Steps = npt.NDArray[np.float64]
UNIT = {"float32": 2.0**-24, "float64": 2.0**-53}
NOISE = 8
"""The standard deviation of a jittered gradient, in units in the last place of the tensor's largest gradient.

It is c of the tolerances: what elementary functions good to 4 ulp may add to a result. Sums of a few hundred terms in
another order add as much again; both twins together stay below it in every step (whole_runs/test_training.py).
"""


class Divergence(NamedTuple):
    """After ``step`` steps: the difference of the two losses, and the largest one between any two weights."""

    step: int
    loss: float
    weight: float


class JitteredEngine(NumpyEngine):
    """A NumpyEngine with additional rounding errors in its gradients: a control for the twin.

    How far two correct implementations drift apart depends on how training amplifies rounding, not on the
    implementations. This engine measures it: it differs from NumpyEngine only by noise of NOISE units.
    """

    def __init__(self, recipe: Recipe, values: Any, seed: int) -> None:
        super().__init__(recipe, values)
        self._noise = np.random.default_rng(seed)

    def training_step(self, inputs: Any, targets: Any, step: int, learning_rate: float, **options: Any) -> StepResult:
        """Take one step as NumpyEngine does, with the noise added."""
        training = self.recipe.training
        masks = dropout_masks(self.recipe.model, *inputs.shape, training.seed, step, training.dtype)
        loss, gradients = loss_and_gradients(self.parameters, inputs, targets, masks)
        for gradient in gradients.values():
            scale = NOISE * UNIT[training.dtype] * np.abs(gradient).max()
            gradient += (scale * self._noise.standard_normal(gradient.shape)).astype(gradient.dtype)
        norm = clip_gradients(gradients, training.grad_clip)
        self._update(gradients, step, learning_rate)
        return StepResult(float(loss), norm)


def new_engine(engine: Any, recipe: Recipe, *arguments: Any) -> Any:
    """Return a new engine at the recipe's initial values."""
    values = initial_values(recipe.model, recipe.training.seed, recipe.training.dtype)
    return engine(recipe, values, *arguments)


def train_whole_recipe(engine: Any) -> Any:
    """Train an engine by its whole recipe, without evaluations; return the engine."""
    recipe = engine.recipe
    engine.begin(load_corpus(recipe.dataset).train)
    for step in range(recipe.training.max_iters):
        engine.take_step(step, learning_rate_at(step, **recipe.training.schedule()))
    return engine


def lockstep(recipe: Recipe, one: Any, others: Sequence[Any], steps: int) -> list[list[Divergence]]:
    """Train all engines on the recipe's batches; return how far each of the others is from ``one``."""
    training = recipe.training
    sampler = BatchSampler(
        load_corpus(recipe.dataset).train, recipe.model.block_size, training.batch_size, training.seed
    )
    runs: list[list[Divergence]] = [[] for _ in others]
    for step in range(steps):
        rate = learning_rate_at(step, **training.schedule())
        loss, *losses = (engine.training_step(*sampler.batch(step), step, rate).loss for engine in (one, *others))
        values = one.values()
        for run, engine, its_loss in zip(runs, others, losses, strict=True):
            theirs = engine.values()
            weight = max(float(np.abs(values[name] - theirs[name]).max()) for name in values)
            run.append(Divergence(step + 1, abs(loss - its_loss), weight))
    return runs


def controls(recipe: Recipe, count: int = 3) -> list[JitteredEngine]:
    """Return engines that differ from NumpyEngine, and from each other, by noise alone."""
    return [new_engine(JitteredEngine, recipe, seed) for seed in range(count)]


def field_of(runs: Sequence[Sequence[Divergence]], field: str) -> Steps:
    """Return ``loss`` or ``weight`` of all steps of some runs, (runs, steps)."""
    return np.array([[getattr(divergence, field) for divergence in run] for run in runs])


def allowed_by(runs: Sequence[Sequence[Divergence]], field: str, dtype: str) -> Steps:
    """Return how far a twin may be from ``one`` after each step, given the distances of the controls.

    4·max over s ≤ t and all runs + 16u. The bound is measured, not derived: it is what rounding of the size of NOISE
    does to the same run, times four for the spread between runs; 16u, since both losses are up to 4 nats and rounded.
    """
    bound: Steps = 4 * np.maximum.accumulate(field_of(runs, field).max(axis=0)) + 16 * UNIT[dtype]
    return bound
