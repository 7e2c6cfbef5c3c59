"""Which part of a trace is shown: some steps, one layer, head or position. Everything is worked out regardless."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from itertools import product
from typing import NamedTuple

from gpt_data.errors import UserError
from gpt_data.wording import list_names, quote, suggest
from handcalc.arithmetic.expression import Index
from handcalc.formulas.step import AGAIN, Sizes, Step
from numpy_gpt.shared.model.config import GPTConfig
from numpy_gpt.shared.model.config_checks import check_place


class Selection(NamedTuple):
    """The options ``--only --layer --head --position``; None and () leave nothing out.

    ``words`` are the ids of the only words whose logits are split, in the steps of the attribution.
    """

    only: tuple[str, ...] = ()
    layer: int | None = None
    head: int | None = None
    position: int | None = None
    words: tuple[int, ...] | None = None

    @property
    def narrows_steps(self) -> bool:
        """Whether some steps may be left out, and with them the results after the steps."""
        return bool(self.only) or self.layer is not None


EVERYTHING = Selection()


def check_selection(selection: Selection, config: GPTConfig, time: int | None = None) -> None:
    """Refuse a layer, head or position that does not exist in a text of ``time`` tokens, or in any text.

    Raises
    ------
    UserError
        If one is out of range.
    """
    check_place("layer", selection.layer, config.n_layer)
    check_place("head", selection.head, config.n_head)
    if time is None:
        check_place("position", selection.position, config.block_size)
    else:
        check_place("position", selection.position, time, "this text")


def select_steps(steps: Sequence[Step], selection: Selection) -> list[Step]:
    """Return the steps to show, in order of computation.

    An item of ``--only`` is a step's full name, the last parts of its name (``scores``, ``attn.scores``), or either of
    these with the wildcards ``* ? [ ]``. A layer leaves only the steps inside that block.

    Raises
    ------
    UserError
        If an item of ``--only`` matches no step, or nothing is left.
    """
    names = [step.name for step in steps]
    wanted = set(names) if not selection.only else set()
    for pattern in selection.only:
        matches = [pattern] if pattern in names else [name for name in names if _matches(name, pattern)]
        if not matches:
            near = suggest(pattern, _known_words(names)) or "; --list shows them"
            raise UserError(f"--only {quote(pattern)} matches no step{near}")
        wanted.update(matches)
    scope = "" if selection.layer is None else f".h.{selection.layer}."
    chosen = [step for step in steps if step.name in wanted and scope in f".{step.name}"]
    if not chosen:
        raise UserError(f"--only {list_names(selection.only, 5)} matches no step of --layer {selection.layer}")
    return chosen


def steps_to_show(steps: Sequence[Step], selection: Selection, *, full: bool) -> list[Step]:
    """Return the steps to show; those of the second forward pass only with ``full`` or if they were asked for."""
    chosen = select_steps(steps, selection)
    return chosen if full or selection.narrows_steps else [step for step in chosen if step.phase != AGAIN]


def indices_to_show(step: Step, sizes: Sizes, selection: Selection) -> Iterator[Index]:
    """Yield the step's indices at the chosen head and position; all positions that attention looks at stay."""
    return product(*(places_to_show(letter, sizes, selection) for letter in step.axes))


def places_to_show(letter: str, sizes: Sizes, selection: Selection) -> Sequence[int]:
    """Return the places to show along the axis of an index letter."""
    if letter == "v" and selection.words is not None:
        return selection.words
    chosen = {"h": selection.head, "t": selection.position}.get(letter)
    return range(getattr(sizes, letter)) if chosen is None else (chosen,)


def _matches(name: str, pattern: str) -> bool:
    return fnmatchcase(name, pattern) or fnmatchcase(name, f"*.{pattern}")


def _known_words(names: Sequence[str]) -> list[str]:
    """Return every full name and every last part of one, the shortest first."""
    parts = {name.split(".", cut)[-1] for name in names for cut in range(name.count(".") + 1)}
    return sorted(parts, key=lambda part: (len(part), part))
