"""Which part of a trace is shown: steps or single cells, a layer, head or position. All is worked out regardless."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from itertools import product
from typing import NamedTuple

from gpt_data.errors import UserError
from gpt_data.wording import list_names, quote, suggest
from handcalc.arithmetic.expression import Index
from handcalc.formulas.step import AGAIN, AXES, Sizes, Step
from numpy_gpt.shared.model.config import BigramConfig, ModelConfig
from numpy_gpt.shared.model.config_checks import check_place
from numpy_gpt.shared.model.names import gradient_name

_ITEM = re.compile(r"(?:\[[^\]]*\]?|[^,\[])+")
_CELL = re.compile(r"(.+?)\[ *(-?[0-9]{1,9}(?: *, *-?[0-9]{1,9})*) *\]")


class Selection(NamedTuple):
    """The options ``--only --layer --head --position``; None and () leave nothing out.

    ``words`` are the ids of the only words whose logits are split, in the steps of the attribution. ``cells`` are the
    single cells of ``--only``, as (name of the step, index); of their steps nothing else is shown, unless ``only`` has
    the step's name. ``is_typed`` says whether errors name the options of the command, or the arguments of the library.
    """

    only: tuple[str, ...] = ()
    layer: int | None = None
    head: int | None = None
    position: int | None = None
    words: tuple[int, ...] | None = None
    cells: tuple[tuple[str, Index], ...] = ()
    is_typed: bool = True

    @property
    def only_option(self) -> str:
        """What an error says before a name of a step that was asked for."""
        return "--only " if self.is_typed else ""

    @property
    def names_steps(self) -> bool:
        """Whether only steps or cells are shown that were asked for by name."""
        return bool(self.only or self.cells)

    @property
    def narrows_steps(self) -> bool:
        """Whether some steps may be left out, and with them the results after the steps."""
        return self.names_steps or self.layer is not None

    def cells_of(self, name: str) -> list[Index]:
        """Return the single cells of a step that were asked for, in order."""
        return sorted(index for owner, index in self.cells if owner == name)

    def shows_whole(self, name: str) -> bool:
        """Return whether a step that is shown is shown as a whole, not only some of its cells."""
        return name in self.only or not self.cells_of(name)


EVERYTHING = Selection()


def check_selection(selection: Selection, config: ModelConfig, time: int | None = None) -> None:
    """Refuse a layer, head or position that does not exist in a text of ``time`` tokens, or in any text.

    Raises
    ------
    UserError
        If one is out of range.
    """
    layers, heads, model = 0, 0, "a bigram model"
    if not isinstance(config, BigramConfig):
        layers, heads, model = config.n_layer, config.n_head, "this model"
    check_place("layer", selection.layer, layers, model)
    check_place("head", selection.head, heads, model)
    if time is None:
        check_place("position", selection.position, config.block_size)
    else:
        check_place("position", selection.position, time, "this text")


def split_items(text: str) -> list[str]:
    """Return the items of ``--only``, which are separated by commas outside square brackets."""
    return [item for item in map(str.strip, _ITEM.findall(text)) if item]


def choose_cells(selection: Selection, steps: Sequence[Step], sizes: Sizes, *, full: bool = False) -> Selection:
    """Return the selection with the items of ``--only`` that end in an index, ``attn.weights[0,2,0]``, as its cells.

    An item's name selects steps as always; of these it means all that have such a cell. With ``full``, a step that is
    also named as a whole has every cell worked out anyway.

    Raises
    ------
    UserError
        If an item matches no step, or none of its steps has this cell.
    """
    matches = {item: match for item in selection.only if (match := _CELL.fullmatch(item))}
    if not matches:
        return selection
    names = tuple(item for item in selection.only if item not in matches)
    chosen = selection._replace(only=names)
    whole = tuple(step.name for step in select_steps(steps, chosen)) if names else ()
    cells = [cell for item, match in matches.items() for cell in _find_cells(item, match, steps, chosen, sizes)]
    order = {step.name: place for place, step in enumerate(steps)}
    kept = {cell for cell in cells if not (full and cell[0] in whole)}
    return selection._replace(only=whole, cells=tuple(sorted(kept, key=lambda cell: (order[cell[0]], cell[1]))))


def _find_cells(
    item: str, match: re.Match[str], steps: Sequence[Step], selection: Selection, sizes: Sizes
) -> list[tuple[str, Index]]:
    index = tuple(map(int, match[2].split(",")))
    found = select_steps(steps, selection._replace(only=(match[1],)))
    having = [step for step in found if _has_cell(sizes.shape(step.axes), index)]
    if not having:
        nearest = min(found, key=lambda step: abs(len(step.axes) - len(index)))
        raise UserError(f"{selection.only_option}{quote(item)} does not exist: {_describe_axes(nearest, sizes)}")
    shown = [step for step in having if index in indices_to_show(step, sizes, selection._replace(only=()))]
    if not shown:
        raise UserError(f"--only {quote(item)} is left out by --head or --position; leave one of them out")
    return [(step.name, index) for step in shown]


def _has_cell(shape: tuple[int, ...], index: Index) -> bool:
    return len(index) == len(shape) and all(0 <= place < size for place, size in zip(index, shape, strict=True))


def _describe_axes(step: Step, sizes: Sizes) -> str:
    """Return the axes of a step and their sizes in words."""
    if not step.axes:
        return f"{step.name} is a single number, without an index"
    ranges = [f"{letter} from 0 to {getattr(sizes, letter) - 1} ({AXES[letter][1]})" for letter in step.axes]
    return f"the index is {step.name}[{','.join(step.axes)}], with {', '.join(ranges)}"


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
    wanted = {name for name, _ in selection.cells} if selection.names_steps else set(names)
    for pattern in selection.only:
        matches = [pattern] if pattern in names else [name for name in names if _matches(name, pattern)]
        if not matches:
            raise UserError(
                f"{selection.only_option}{quote(pattern)} matches no step{_why_no_step(pattern, steps, selection)}"
            )
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
    """Yield the step's chosen cells, or its indices at the chosen head and position.

    All positions that attention looks at stay.
    """
    if not selection.shows_whole(step.name):
        return iter(selection.cells_of(step.name))
    return product(*(places_to_show(letter, sizes, selection) for letter in step.axes))


def places_to_show(letter: str, sizes: Sizes, selection: Selection) -> Sequence[int]:
    """Return the places to show along the axis of an index letter."""
    if letter == "v" and selection.words is not None:
        return selection.words
    chosen = {"h": selection.head, "t": selection.position}.get(letter)
    return range(getattr(sizes, letter)) if chosen is None else (chosen,)


def _why_no_step(pattern: str, steps: Sequence[Step], selection: Selection) -> str:
    """Return the end of the message: that the name is a weight's, or which name was probably meant."""
    weights = dict.fromkeys(weights.name for step in steps for weights in step.weights)
    given = next((name for name in weights if _matches(name, pattern)), None)
    backward, update = ("--backward", "--update") if selection.is_typed else ("backward=True", "update=True")
    if given is not None:
        return (
            f": {given} is a weight, which is given and not worked out; add {backward} for its gradient, "
            f"{gradient_name(given)}, or {update} for its new value"
        )
    shown = "--list shows them" if selection.is_typed else f"they are {list_names([step.name for step in steps], 5)}"
    return suggest(pattern, _known_words([step.name for step in steps])) or f"; {shown}"


def _matches(name: str, pattern: str) -> bool:
    return fnmatchcase(name, pattern) or fnmatchcase(name, f"*.{pattern}")


def _known_words(names: Sequence[str]) -> list[str]:
    """Return every full name and every last part of one, the shortest first."""
    parts = {name.split(".", cut)[-1] for name in names for cut in range(name.count(".") + 1)}
    return sorted(parts, key=lambda part: (len(part), part))
