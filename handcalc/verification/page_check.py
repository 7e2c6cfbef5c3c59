"""Hold a trace of this program against its formulas, number by number, over the numbers that it prints itself.

A worked line can be true and yet be wrong on its page: a digit of an operand may be changed so little that the rounded
value stays. So of a trace that says which model and which words it is about, each number is held against its formula:
a worked line must be the formula's arithmetic over the numbers printed before, a table's cell must be what its formula
comes to, and a number that stands in several places must be the same in all of them.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal

from gpt_data.errors import UserError
from handcalc.arithmetic.calculator import Calculator
from handcalc.arithmetic.expression import Expression, Index, Masked
from handcalc.arithmetic.number_format import format_number
from handcalc.arithmetic.writing import arithmetic
from handcalc.tracing.steps import Step
from handcalc.verification.document import Document
from handcalc.verification.facts import Facts
from handcalc.verification.grid_reader import Shown
from handcalc.verification.line_check import Finding, check_line
from handcalc.verification.notation import NUMBER, shown_number
from handcalc.verification.order_check import MASKED, order_of_cells, order_of_lines
from handcalc.verification.worked_line import WorkedLine, label_of

Numbers = dict[str, dict[Index, Decimal]]

Reading = tuple[Decimal, str | None]
"""What a formula comes to, and how it is written."""

_NUMBERS = re.compile("[0-9]+")
_TOKEN = re.compile(rf"-?{NUMBER}|\S")


def check_document(document: Document, digits: int | None) -> list[Finding]:
    """Return all that is wrong with a file, by lines; every worked line that none of it is about is right.

    With ``digits`` these decide instead of what the file says.
    """
    findings = list(document.findings)
    used = document.digits if digits is None else digits
    if document.facts is None or used != document.facts.digits:
        findings += [found for line in document.lines if (found := check_line(line, used))]
    else:
        findings += _PageCheck(document, document.facts).findings()
    return sorted(dict.fromkeys(findings), key=lambda found: found.place)


def _number(text: str) -> Decimal | None:
    try:
        number = shown_number(text)
    except ValueError:
        return None
    return None if number is None else number.value


class _PageCheck:
    """One pass through the steps in order of computation, with the page of all numbers met so far."""

    def __init__(self, document: Document, facts: Facts) -> None:
        self._document, self._facts, self._calculator = document, facts, Calculator(facts.digits)
        self._page: Numbers = defaultdict(dict)
        self._mended: Numbers = defaultdict(dict)
        self._has_slips = False
        self._shown: dict[str, dict[Index, list[Shown]]] = defaultdict(lambda: defaultdict(list))
        self._worked: dict[str, dict[Index, list[WorkedLine]]] = defaultdict(lambda: defaultdict(list))
        for section in document.sections:
            for shown in section.shown:
                self._shown[shown.name][shown.index].append(shown)
        for line in document.lines:
            self._worked[line.name][line.index or ()].append(line)

    def findings(self) -> Iterator[Finding]:
        """Yield all that is wrong."""
        known = {step.name: step for step in self._facts.steps}
        for section in self._document.sections:
            yield from order_of_lines(section, known)
            if not section.place:
                yield from order_of_cells(section, self._facts.weight_shapes)
        for name in [name for name in self._shown if name not in known]:
            for index, several in self._shown[name].items():
                yield from self._given(name, index, several)
        alike = {_NUMBERS.sub("", name) for name in known}
        for line in self._document.lines:
            if line.name in known:
                continue
            if (found := check_line(line, self._facts.digits)) is not None:
                yield found
            elif _NUMBERS.sub("", line.name) in alike:
                yield Finding(line.place, line.label, "is true, but this model has no such step")
        for step in self._facts.steps:
            for index in dict.fromkeys([*self._shown[step.name], *self._worked[step.name]]):
                yield from self._cell(step, index)

    def _given(self, name: str, index: Index, several: list[Shown]) -> Iterator[Finding]:
        """Check a weight, which nothing on the page is made of: it must be the same wherever it stands."""
        values = [_number(shown.text) for shown in several]
        for shown, value in zip(several, values, strict=True):
            if value is None or self._calculator.round(value) != value:
                yield Finding(shown.place, label_of(name, index), f"shows {shown.text:.60}, which is no such number")
            elif value != values[0]:
                where = f" in line {several[0].place}" if several[0].place else ""
                problem = f"shows {shown.text}, but {several[0].text}{where}"
                yield Finding(shown.place, label_of(name, index), problem)
        self._page[name][index] = self._mended[name][index] = values[0] or Decimal(0)

    def _cell(self, step: Step, index: Index) -> Iterator[Finding]:
        shown, worked = self._shown[step.name][index], self._worked[step.name][index]
        shape = self._facts.sizes.shape(step.axes)
        if len(index) != len(shape) or any(not 0 <= place < size for place, size in zip(index, shape, strict=True)):
            for place in [one.place for one in shown] + [line.place for line in worked]:
                yield Finding(place, label_of(step.name, index or None), f"is not there: the shape is {shape}")
            return
        expression = step.cell(*index)
        if isinstance(expression, Masked):
            yield from self._masked(step.name, index, expression)
            return
        values = [value for value in (_number(one.text) for one in shown) if value is not None]
        carried = [value for value in (_number(line.value) for line in worked) if value is not None]
        readings = self._readings(expression)
        for line in worked:
            yield from self._line(line, readings)
        printed = [*carried, *values]
        right = next((right for right, _ in readings if right in printed), readings[0][0] if readings else None)
        if right is None:
            right = next(iter(printed), Decimal(0))
        for one in shown:
            if _number(one.text) != right:
                problem = f"the table shows {one.text:.60}, but it is {format_number(right)}"
                yield Finding(one.place, label_of(step.name, index), problem)
        self._keep(step.name, index, right, printed)
        if printed and right not in printed and not carried:
            self._mended[step.name][index] = right
            self._has_slips = True

    def _keep(self, name: str, index: Index, right: Decimal, printed: list[Decimal]) -> None:
        """Go on with what is printed: who went on with his own wrong number is right from there on."""
        kept = right if right in printed or not printed else printed[0]
        self._page[name][index] = self._mended[name][index] = kept

    def _readings(self, expression: Expression) -> list[Reading]:
        """Return what the formula comes to and how it is written, over the numbers that are printed.

        Where a table alone had a wrong number before, it may be a slip of the pen: what follows may also be over the
        right one. Empty where numbers of the formula are not printed.
        """
        readings = []
        for page in (self._page, self._mended) if self._has_slips else (self._page,):
            try:
                readings.append((self._calculator.evaluate(expression, page), arithmetic(expression, page)))
            except (KeyError, ArithmeticError, UserError):
                continue
        return readings

    def _line(self, line: WorkedLine, readings: list[Reading]) -> Iterator[Finding]:
        written = [_tokens(one) for one in line.arithmetics]
        same = [right for right, formula in readings if written == [_tokens(formula or "")]]
        if _number(line.value) in same:
            return
        if (found := check_line(line, self._facts.digits)) is not None:
            yield found
        elif readings and not same:
            yield Finding(line.place, line.label, _difference(line.arithmetics[0], readings[0][1] or ""))

    def _masked(self, name: str, index: Index, expression: Masked) -> Iterator[Finding]:
        self._page[name][index] = self._mended[name][index] = expression.value
        for one in self._shown[name][index]:
            if one.text != MASKED and (one.place or _number(one.text) != expression.value):
                yield Finding(one.place, label_of(name, index), f"shows {one.text:.60}, but it is masked")
        for line in self._worked[name][index]:
            yield Finding(line.place, line.label, "is worked out, but it is masked")


def _tokens(arithmetic: str) -> list[str]:
    """Return the numbers, their signs included, and all else that is written, wherever the line was broken."""
    return _TOKEN.findall(arithmetic.replace(" ", ""))


def _difference(written: str, right: str) -> str:
    """Return in words where a true line is not the formula's arithmetic over the page's numbers."""
    for own, other in zip(_tokens(right), _tokens(written), strict=False):
        if own != other:
            return f"is true, but not over the numbers of this page: {other} stands where {own} should"
    return f"is true, but its formula is {right:.80}"
