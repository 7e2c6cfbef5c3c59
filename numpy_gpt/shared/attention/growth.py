"""How attention grows in training: the maps of one text at each snapshot of a run, and the losses there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from gpt_data.errors import UserError
from gpt_data.texts.corpora import fingerprint, open_dataset
from gpt_data.wording import count_of, quote, show_path
from numpy_gpt.shared.attention.maps import AttentionMaps, record_maps
from numpy_gpt.shared.attention.sentences import Measurement, measure, share_of
from numpy_gpt.shared.model.arrays import Tokens
from numpy_gpt.shared.runs.checkpoint import Checkpoint, read_checkpoint
from numpy_gpt.shared.runs.metrics import read_metrics
from numpy_gpt.shared.runs.snapshots import how_to_keep, snapshots_of
from numpy_gpt.shared.training.engine import Engine
from numpy_gpt.shared.training.evaluation import evaluate
from numpy_gpt.shared.training.recipe import stored_recipe

MOST_SNAPSHOTS = 12
"""How many columns a film strip has room for; of more snapshots, so many are chosen."""


class Growth(NamedTuple):
    """The maps of one text after these ``steps`` of a run, in order, and the mean losses over its validation text.

    The losses are in nats per token, over all windows as in every evaluation of the run, computed from the snapshots'
    weights without dropout. ``curve`` has in addition those that the run measured itself: (step, loss), by step.
    ``found`` is the number of snapshots that the run has.
    """

    run: str
    steps: tuple[int, ...]
    maps: tuple[AttentionMaps, ...]
    losses: tuple[float, ...]
    curve: tuple[tuple[int, float], ...]
    found: int

    @property
    def places(self) -> list[tuple[int, int]]:
        """The row and column in ``weights`` of each head, layer by layer."""
        layers, heads = self.maps[0].weights.shape[:2]
        return [(layer, head) for layer in range(layers) for head in range(heads)]


class HeadGrowth(NamedTuple):
    """The share of a head's attention at each step that goes to the target which it prefers at the last step.

    ``last`` is what it attends to there; the shares are empty for a text of a single token.
    """

    layer: int
    head: int
    last: Measurement
    shares: tuple[float, ...]

    @property
    def title(self) -> str:
        """The target, and whether it stands out."""
        if self.last.main is None:
            return "nothing to choose from"
        return self.last.main.target.title + ("" if self.last.main.stands_out else ", which does not stand out")


def growth_of(
    run: Path,
    tokens: Tokens,
    validation: Tokens,
    make_engine: Callable[[Checkpoint], Engine],
    *,
    layer: int | None = None,
    head: int | None = None,
    note: str = "",
    warn: Callable[[str], object] = lambda line: None,
) -> Growth:
    """Return how the attention in tokens (T,) grew; ``validation`` is the run's validation text.

    ``warn`` is called with one line for each snapshot that is damaged, and is left out.

    Raises
    ------
    UserError
        If the run has no intact snapshots, its model has no attention, or the text does not fit into its context.
    """
    found = snapshots_of(run)
    taken: list[tuple[int, AttentionMaps, float]] = []
    for directory in _spread(found, MOST_SNAPSHOTS):
        try:
            model = read_checkpoint(directory)
        except UserError as error:
            warn(f"{error}; it is left out")
            continue
        engine = make_engine(model)
        name = f"{show_path(run)}, after {count_of(model.step, 'step')}"
        maps = record_maps(engine, model.tokenizer, tokens, model=name, layer=layer, head=head, note=note)
        recipe = engine.recipe
        loss = evaluate(engine, validation, recipe.model.block_size, recipe.eval_stride)
        taken.append((model.step, maps, loss))
    if not taken:
        raise UserError(f"{show_path(run)} has no intact snapshot" if found else how_to_keep(run))
    steps, shown, losses = zip(*taken, strict=True)
    curve = _measured_losses(run) | dict(zip(steps, losses, strict=True))
    return Growth(show_path(run), steps, shown, losses, tuple(sorted(curve.items())), len(found))


def validation_text(model: Checkpoint, source: Path | None = None) -> Tokens:
    """Return the validation text that a snapshot's run was evaluated on; ``source`` is a file of Shakespeare.

    Raises
    ------
    UserError
        If the text cannot be found, or has changed since.
    """
    recipe = stored_recipe(model)
    if recipe is None:
        raise UserError("this model does not say what it was trained on, so its losses cannot be computed")
    corpus = open_dataset(recipe.dataset, source, model.tokenizer)
    if model.corpus != fingerprint(corpus):
        raise UserError(
            f"the model was trained on a different text from what {quote(recipe.dataset)} is now; restore that text"
        )
    return corpus.val


def head_growths(growth: Growth) -> list[HeadGrowth]:
    """Return the growth of each head, layer by layer."""
    last, text = growth.maps[-1], growth.maps[-1].tokens
    rows = []
    for row, column in growth.places:
        measured = measure(last.weights[row, column], text)
        shares: tuple[float, ...] = ()
        if measured.main is not None:
            found = [share_of(measured.main.target, maps.weights[row, column], text) for maps in growth.maps]
            shares = tuple(share.share for share in found if share is not None)
        rows.append(HeadGrowth(last.layers[row], last.heads[column], measured, shares))
    return rows


def _spread(directories: Sequence[Path], most: int) -> list[Path]:
    """Return at most that many of them, from the first to the last; their steps are spaced as a logarithm already."""
    if len(directories) <= most:
        return list(directories)
    return [directories[place] for place in np.linspace(0, len(directories) - 1, most).round().astype(int)]


def _measured_losses(run: Path) -> dict[int, float]:
    """Return the validation losses that the run measured by step, as far as its metrics can be read."""
    losses = {}
    try:
        for record in read_metrics(run):
            if record.evaluation is not None:
                losses[record.step] = record.evaluation.val_loss
    except UserError:  # absent or damaged: the snapshots' own losses remain
        pass
    return losses
