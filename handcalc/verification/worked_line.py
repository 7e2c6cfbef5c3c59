"""A worked line as it was read: ``name[index] = arithmetic = value``."""

from __future__ import annotations

import re
from dataclasses import dataclass

from handcalc.arithmetic.expression import Index
from handcalc.verification.notation import plain, shown_number

NAME = r"[^\W\d][\w.]*"
_LABEL = re.compile(rf"({NAME})\s*(?:\[\s*([0-9]{{1,9}}(?:\s*,\s*[0-9]{{1,9}})*)\s*\])?")
_LETTER_FREE = re.compile(r"(?:exp|log|ln|sqrt|tanh|max|inf|√|[eE](?=[-+0-9])|[-+*/^(),.\s0-9])*")


@dataclass(frozen=True, slots=True)
class WorkedLine:
    """One worked line: where it stands, its cell, its arithmetic as written, and its value as written.

    ``place`` is the number of its first line in the file, or 0 where the file has no lines that count. There are
    several ``arithmetics`` where somebody wrote down a step between: ``6/4 = 3/2 = 1.5``.
    """

    place: int
    name: str
    index: Index | None
    arithmetics: tuple[str, ...]
    value: str

    @property
    def label(self) -> str:
        """The cell as it is written: ``h.0.attn.q[0,2,1]``."""
        return label_of(self.name, self.index)


def label_of(name: str, index: Index | None) -> str:
    """Return how a cell is written."""
    return name if index is None else f"{name}[{','.join(map(str, index))}]"


def read_line(text: str, place: int = 0) -> WorkedLine | None:
    """Return the worked line that ``text`` is, or None where it does not look like one.

    With an index of numbers, ``name[0,1] = … = …`` is one whatever the dots are. Without, what stands between must
    have the look of arithmetic, because prose and equations have signs of equality too.
    """
    label, *parts = (part.strip() for part in plain(text).split("="))
    match = _LABEL.fullmatch(label)
    if match is None or len(parts) < 2:
        return None
    name, digits = match.groups()
    index = None if digits is None else tuple(map(int, digits.split(",")))
    line = WorkedLine(place, name, index, tuple(parts[:-1]), parts[-1])
    return line if index is not None or _has_the_look(line) else None


def _has_the_look(line: WorkedLine) -> bool:
    try:
        value = shown_number(line.value)
    except ValueError:
        return True
    written = " ".join(line.arithmetics)
    return value is not None and bool(re.search("[0-9]|inf", written)) and bool(_LETTER_FREE.fullmatch(written))
