"""The growth of attention as a table for a terminal: a row for each head, a column for each snapshot."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from textwrap import wrap

from gpt_data.wording import quote
from numpy_gpt.shared.attention.growth import Growth, head_growths

_BARS = " ▁▂▃▄▅▆▇█"
_GAP = "  "
_CELL = 6
_NARROWEST_TEXT = 40
_NARROWEST = 1  # columns of numbers, however narrow the terminal is

WHAT_SHARES_ARE = (
    "Each number is the share of a head's attention that goes to the target which it prefers at the last step: the "
    "mean over the tokens that have such a target and something else to look at. even: the share if attention were "
    "spread evenly over the past. A share is a measurement of this text, not a role of the head in general."
)


def heading_of(growth: Growth) -> str:
    """Return what is seen."""
    return f"How attention grew in training: {quote(growth.maps[0].text)}"


def shown_of(growth: Growth) -> str:
    """Return which snapshots of which run are shown."""
    count, note = len(growth.steps), growth.maps[0].note
    some = f"{count} of its {growth.found} snapshots" if count < growth.found else f"its {count} snapshots"
    return f"{growth.run}, {some}" + (f"; {note}" if note else "")


def growth_lines(growth: Growth, columns: int) -> Iterator[str]:
    """Yield the lines of the table, at most ``columns`` wide if that is possible: with parts below each other."""
    rows = head_growths(growth)
    names = [f"layer {row.layer} head {row.head}" for row in rows]
    width = max(map(len, [*names, "validation loss"]))
    yield heading_of(growth)
    yield shown_of(growth)
    yield ""
    yield from wrap(WHAT_SHARES_ARE, max(columns, _NARROWEST_TEXT))
    yield ""
    for name, row in zip(names, rows, strict=True):
        yield f"{name:<{width}}{_GAP}{_bars(row.shares)}{_GAP}{row.title}"
    cell = max(_CELL, *(len(str(step)) + len(_GAP) for step in growth.steps))
    fit = max(_NARROWEST, (columns - width - cell) // cell)
    for first in range(0, len(growth.steps), fit):
        part = slice(first, first + fit)
        yield ""
        yield _line("after step", width, [*map(str, growth.steps[part]), "even"], cell)
        for name, row in zip(names, rows, strict=True):
            even = [] if row.last.main is None else [row.last.main.even_share]
            yield _line(name, width, [f"{share:.2f}" for share in (*row.shares[part], *even)], cell)
        yield _line("validation loss", width, [f"{loss:.2f}" for loss in growth.losses[part]], cell)


def _line(name: str, width: int, numbers: Iterable[str], cell: int) -> str:
    return f"{name:<{width}}" + "".join(f"{number:>{cell}}" for number in numbers)


def _bars(shares: tuple[float, ...]) -> str:
    """Return the shares as a row of bars, each an eighth of the full height or more."""
    return "".join(_BARS[max(1, min(8, round(8 * share)))] for share in shares)
