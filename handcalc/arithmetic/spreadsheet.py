"""Write trees as formulas of a spreadsheet: each reference is a cell, and a sum over a row of cells is one function.

Only functions that Excel and LibreOffice share are used, and each takes ranges wherever a sum runs over neighbours:
SUM, SUMSQ, SUMPRODUCT for two rows or two columns, MMULT for a row and a column, SUMIF for the tokens that are a word.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from handcalc.arithmetic.expression import (
    Constant,
    Expression,
    Function,
    Index,
    Maximum,
    Positive,
    Product,
    Ref,
    Sum,
)
from handcalc.arithmetic.unknown import Choice, Power, UnknownToken, Where
from handcalc.arithmetic.writing import ATOM, Written, join_operands

FUNCTIONS = {"exp": "EXP", "log": "LN", "sqrt": "SQRT", "tanh": "TANH", "erf": "_xlfn.ERF.PRECISE"}
"""A key of the calculator → the function of a spreadsheet; the prefix marks those that came after Excel 2007's."""

_ACROSS, _DOWN = (0, 1), (1, 0)
_Step = tuple[int, int]


class Address(NamedTuple):
    """A cell: its sheet, and its row and column counted from 0."""

    sheet: str
    row: int
    column: int


class Places(NamedTuple):
    """Where a formula finds its numbers: the address of a cell of a tensor, and of the id of a token."""

    cell: Callable[[str, Index], Address]
    token: Callable[[UnknownToken], Address]


def spreadsheet_formula(expression: Expression, places: Places, sheet: str) -> str:
    """Return the formula, without ``=``, of a cell of ``sheet``."""
    return _Writer(places, sheet).write(expression)[0]


def area(first: Address, last: Address, sheet: str) -> str:
    """Return the cells from ``first`` to ``last`` as a formula in ``sheet`` refers to them."""
    start = f"{column_letters(first.column)}{first.row + 1}"
    stop = f":{column_letters(last.column)}{last.row + 1}" if first != last else ""
    return start + stop if first.sheet == sheet else f"'{first.sheet}'!{start}{stop}"


def column_letters(column: int) -> str:
    """Return the name of a column counted from 0: A to Z, then AA."""
    letters = ""
    column += 1
    while column:
        column, place = divmod(column - 1, 26)
        letters = chr(ord("A") + place) + letters
    return letters


class _Line(NamedTuple):
    """The operands of a term of a sum, as addresses; terms of the same ``kind`` can be neighbours."""

    kind: type[Expression] | tuple[type[Expression], int]
    cells: tuple[Address, ...]


class _Writer(NamedTuple):
    places: Places
    sheet: str

    def write(self, node: Expression) -> Written:
        """Return the formula of a node, and how tightly its outermost operator binds."""
        match node:
            case Ref():
                return self.area([self._cell(node)]), ATOM
            case Constant():
                return repr(float(node.value)).removesuffix(".0").upper(), ATOM
            case Function():
                return f"{FUNCTIONS[node.name]}({self.text(node.parts[0])})", ATOM
            case Sum():
                terms = [self._sum(run) for run in self._runs(node.parts)]
                return terms[0] if len(terms) == 1 else join_operands(node, terms)
            case Maximum():
                arguments = (self._range(run) if len(run) > 1 else self.text(run[0]) for run in self._runs(node.parts))
                return f"MAX({','.join(arguments)})", ATOM
            case Positive():
                return f"IF({self.text(node.parts[0])}>0,1,0)", ATOM
            case Power():
                return f"POWER({self.text(node.parts[0])},{self.text(node.parts[1])})", ATOM
            case Choice():
                return f"INDEX({self._range(node.parts)},{self.token(node.token)}+1)", ATOM
            case Where():
                return f"IF({self.token(node.token)}={node.word},{self.text(node.parts[0])},0)", ATOM
        return join_operands(node, [self.write(part) for part in node.parts])

    def text(self, node: Expression) -> str:
        """Return the formula of a node that needs no parentheses."""
        return self.write(node)[0]

    def token(self, token: UnknownToken) -> str:
        """Return the cell of a token's id."""
        return self.area([self.places.token(token)])

    def area(self, cells: Sequence[Address]) -> str:
        """Return neighbours as a range."""
        return area(cells[0], cells[-1], self.sheet)

    def _line(self, node: Expression) -> _Line | None:
        match node:
            case Ref():
                return _Line(Ref, (self._cell(node),))
            case Where(parts=(Ref() as ref,)):
                return _Line((Where, node.word), (self.places.token(node.token), self._cell(ref)))
            case Product(parts=(Ref() as one, Ref() as other)):
                return _Line(Product, (self._cell(one), self._cell(other)))
        return None

    def _cell(self, ref: Ref) -> Address:
        return self.places.cell(ref.name, ref.index)

    def _runs(self, parts: Sequence[Expression]) -> Iterator[Sequence[Expression]]:
        """Yield the parts in groups whose cells are neighbours, the others alone."""
        lines = [self._line(part) for part in parts]
        start, steps = 0, None
        for place, (line, following) in enumerate(pairwise([*lines, None]), 1):
            step = _steps_between(line, following)
            if step is None or (steps is not None and step != steps):
                yield parts[start:place]
                start, steps = place, None
            else:
                steps = step

    def _range(self, run: Sequence[Expression]) -> str:
        """Return the cells of references that are neighbours."""
        lines = [line for line in map(self._line, run) if line is not None]
        return self.area([line.cells[0] for line in lines])

    def _sum(self, run: Sequence[Expression]) -> Written:
        lines = [line for line in map(self._line, run) if line is not None]
        if len(run) == 1:
            return self.write(run[0])
        ranges = [self.area(cells) for cells in zip(*(line.cells for line in lines), strict=True)]
        match run[0]:
            case Ref():
                return f"SUM({ranges[0]})", ATOM
            case Where() as term:
                return f"SUMIF({ranges[0]},{term.word},{ranges[1]})", ATOM
        across = [_step(lines[0].cells[place], lines[1].cells[place]) == _ACROSS for place in (0, 1)]
        if ranges[0] == ranges[1]:
            return f"SUMSQ({ranges[0]})", ATOM
        if across[0] == across[1]:
            return f"SUMPRODUCT({','.join(ranges)})", ATOM
        # The product of a row and a column has one number; SUM makes it a plain one in every version of Excel.
        return f"SUM(MMULT({','.join(ranges if across[0] else reversed(ranges))}))", ATOM


def _steps_between(one: _Line | None, other: _Line | None) -> tuple[_Step, ...] | None:
    """Return how each operand moves from a term to the next one, if all move to a neighbour, else None."""
    if one is None or other is None or one.kind != other.kind:
        return None
    steps = tuple(map(_step, one.cells, other.cells))
    same_sheets = all(a.sheet == b.sheet for a, b in zip(one.cells, other.cells, strict=True))
    return steps if same_sheets and all(step in (_ACROSS, _DOWN) for step in steps) else None


def _step(one: Address, other: Address) -> _Step:
    return other.row - one.row, other.column - one.column
