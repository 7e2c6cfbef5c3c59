"""What a port should write first: few arrays that say in which block and which pass it goes wrong, then all others."""

from __future__ import annotations

import re
from collections.abc import Sequence

from gpt_data.terminal import Style, plain
from numpy_gpt.golden.pack.contents import Entry
from numpy_gpt.golden.pack.layouts import group_and_parameter, stored_as
from numpy_gpt.golden.pack.reading import Pack
from numpy_gpt.golden.theirs.names import split_step
from numpy_gpt.shared.cli.tables import Column, table_lines
from numpy_gpt.shared.interchange.microgpt import is_microgpt

_FORWARD = re.compile(r"loss|logits|embedding\.sum|h\.N\.\w+\.residual|ln_f\.out")
_BACKWARD = re.compile(r"dlogits|ln_f\.dout|h\.N\.\w+\.dresidual|embedding\.dsum")
_LAYER = re.compile(r"layer\d+\.")
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
            lines += ["", style("heading", title), *_table(inside, pack, style)]
    return lines


def _introduction(pack: Pack) -> Sequence[str]:
    last = pack.config.n_layer - 1
    blocks = {-1: "", 0: "h.N is the only block, h.0. "}.get(last, f"h.N are the blocks, N from 0 to {last}. ")
    lines = [f"{blocks}P is any parameter."]
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


def _table(entries: dict[str, Entry], pack: Pack, style: Style) -> list[str]:
    titles, rows = ["name", "shape", "axes", "equation"], []
    for name, entry in entries.items():
        rows += _rows(name, entry, pack.layout)
    if is_microgpt(pack.config) and any(theirs for *_, theirs in rows):
        titles.append("microgpt's names")
    columns = [Column(title, "right" if title == "equation" else "left") for title in titles]
    columns[0] = columns[0]._replace(role="name")
    return table_lines(columns, [row[: len(titles)] for row in rows], style)


def _rows(name: str, entry: Entry, layout: str) -> list[tuple[str, ...]]:
    equation = f"({entry.equation})" + (" s ≤ t only" if entry.skip == "future" else "")
    if name.endswith(".P"):
        return [(name, "P's", "", equation, "")]
    stored = stored_as(entry, layout)
    theirs = [_LAYER.sub("layerN.", part.name) for part in stored_as(entry, "microgpt") if part.name != entry.name]
    names = theirs if layout == "microgpt" and theirs else [name]
    rows: list[tuple[str, ...]] = []
    for called, part in zip(names, stored, strict=True):
        shape = " × ".join(map(str, part.shape)) or "one number"
        axes = "" if part.axes == "-" else part.axes
        rows.append((called, shape, axes, equation, "" if layout == "microgpt" else ", ".join(theirs)))
    return rows
