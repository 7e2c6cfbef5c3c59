"""Which part of a trace is shown: some steps, one layer, head or position. All of it is worked out all the same."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from itertools import product
from typing import NamedTuple

from gpt_data.errors import UserError
from gpt_data.wording import quote, suggest
from handcalc.arithmetic.expression import Index
from handcalc.tracing.steps import Sizes, Step
from numpy_gpt.shared.model.config import GPTConfig


class Selection(NamedTuple):
    """What the options ``--only --layer --head --position`` ask for; None and () leave nothing out."""

    only: tuple[str, ...] = ()
    layer: int | None = None
    head: int | None = None
    position: int | None = None

    @property
    def narrows_steps(self) -> bool:
        """Whether some steps may be left out, and with them the pages before and after the steps."""
        return bool(self.only) or self.layer is not None


def check_selection(selection: Selection, config: GPTConfig, time: int | None = None) -> None:
    """Refuse a layer, head or position that is not there, in a text of ``time`` tokens or in any that the model sees.

    Raises
    ------
    UserError
        If one is out of range.
    """
    for option, value, count, owner in (
        ("layer", selection.layer, config.n_layer, "this model"),
        ("head", selection.head, config.n_head, "this model"),
        ("position", selection.position, *((config.block_size, "this model") if time is None else (time, "this text"))),
    ):
        if value is not None and not 0 <= value < count:
            have = f"{count} {option}s, numbered 0 to {count - 1}" if count > 1 else f"one {option}, number 0"
            raise UserError(f"--{option} {value} is not there: {owner} has {have if count else f'no {option}s'}")


def select_steps(steps: Sequence[Step], selection: Selection) -> list[Step]:
    """Return the steps to show, in order of computation.

    A word of ``--only`` is a step's full name, the last parts of its name (``scores``, ``attn.scores``), or either of
    these with the wildcards ``* ? [ ]``. A layer leaves only the steps inside that block.

    Raises
    ------
    UserError
        If a word of ``--only`` fits no step, or nothing is left.
    """
    names = [step.name for step in steps]
    wanted = set(names) if not selection.only else set()
    for pattern in selection.only:
        matches = [pattern] if pattern in names else [name for name in names if _fits(name, pattern)]
        if not matches:
            near = suggest(pattern, _known_words(names)) or "; --list shows them"
            raise UserError(f"--only {quote(pattern)} fits no step{near}")
        wanted.update(matches)
    scope = "" if selection.layer is None else f".h.{selection.layer}."
    chosen = [step for step in steps if step.name in wanted and scope in f".{step.name}"]
    if not chosen:
        raise UserError(f"--only {','.join(selection.only)} names no step of --layer {selection.layer}")
    return chosen


def shown_indices(step: Step, sizes: Sizes, selection: Selection) -> Iterator[Index]:
    """Yield the step's indices of the chosen head and position; of what attention looks at, all positions stay."""
    return product(*(shown_places(letter, sizes, selection) for letter in step.axes))


def shown_places(letter: str, sizes: Sizes, selection: Selection) -> Sequence[int]:
    """Return the places to show along the axis of an index letter."""
    chosen = {"h": selection.head, "t": selection.position}.get(letter)
    return range(getattr(sizes, letter)) if chosen is None else (chosen,)


def _fits(name: str, pattern: str) -> bool:
    return fnmatchcase(name, pattern) or fnmatchcase(name, f"*.{pattern}")


def _known_words(names: Sequence[str]) -> list[str]:
    """Return every full name and every last part of one, nearest spelling first by length."""
    parts = {name.split(".", cut)[-1] for name in names for cut in range(name.count(".") + 1)}
    return sorted(parts, key=lambda part: (len(part), part))
