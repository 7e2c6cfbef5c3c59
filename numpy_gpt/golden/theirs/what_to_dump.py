"""What a port should write first: few arrays that say in which block and which pass it goes wrong, then all others."""

from __future__ import annotations

import re
from collections.abc import Sequence

from gpt_data.terminal import Style, plain
from numpy_gpt.golden.pack.contents import Entry
from numpy_gpt.golden.pack.layouts import group_and_parameter, stored_axes, stored_shape
from numpy_gpt.golden.pack.reading import Pack
from numpy_gpt.golden.theirs.names import split_step
from numpy_gpt.shared.cli.tables import Column, table_lines

_FORWARD = re.compile(r"loss|logits|embedding\.sum|h\.N\.\w+\.residual|ln_f\.out")
_BACKWARD = re.compile(r"dlogits|ln_f\.dout|h\.N\.\w+\.dresidual|embedding\.dsum")
_UPDATE = re.compile(r"clipping\.norm|(m|v|updated)\.P")
_SECTIONS = (
    ("1. Forward: in which block is the first error?", _FORWARD),
    ("2. Backward: in which block?", _BACKWARD),
    ("3. The parameters' gradients: all that most ports have", re.compile(r".*\.d(weight|bias)")),
    ("4. The optimizer", _UPDATE),
    ("5. Everything else, in the order of computation: at which operation?", re.compile(".*")),
)


def name_lines(pack: Pack, style: Style = plain) -> list[str]:
    """Return the sections as lines; blocks and parameters are not repeated."""
    entries = _without_repetition(pack)
    lines = [*_introduction(pack)]
    for title, pattern in _SECTIONS:
        inside = {name: entry for name, entry in entries.items() if pattern.fullmatch(name)}
        entries = {name: entry for name, entry in entries.items() if name not in inside}
        if inside:
            lines += ["", style("heading", title), *_table(inside, pack.layout, style)]
    return lines


def _introduction(pack: Pack) -> Sequence[str]:
    last = pack.config.n_layer - 1
    lines = [f"h.N are the blocks, N from 0 to {last}. P is any parameter." if last else "P is any parameter."]
    if pack.steps > 1:
        lines.append(f"Names of step K, from 2 to {pack.steps}, begin with stepK., such as step2.loss.")
    return [*lines, "A port may write any of these; what it does not write is not compared."]


def _without_repetition(pack: Pack) -> dict[str, Entry]:
    """Return the arrays of the first step that a port computes: of all blocks and parameters the first."""
    entries: dict[str, Entry] = {}
    for entry in pack.entries:
        found = group_and_parameter(entry.name)
        name = re.sub(r"^h\.\d+\.", "h.N.", entry.name)
        if found is not None and found[0].endswith("."):
            name = f"{found[0]}P"
        if entry.equation != "-" and split_step(entry.name)[0] == 1:
            entries.setdefault(name, entry)
    return entries


def _table(entries: dict[str, Entry], layout: str, style: Style) -> list[str]:
    columns = [Column("name", "left", role="name"), Column("shape", "left"), Column("axes", "left"), Column("equation")]
    return table_lines(columns, [_row(name, entry, layout) for name, entry in entries.items()], style)


def _row(name: str, entry: Entry, layout: str) -> tuple[str, str, str, str]:
    equation = f"({entry.equation})" + (" s ≤ t only" if entry.skip == "future" else "")
    if name.endswith(".P"):
        return name, "P's", "", equation
    shape = " × ".join(map(str, stored_shape(entry, layout))) or "one number"
    return name, shape, "" if entry.axes == "-" else stored_axes(entry, layout), equation
