"""Compare a trace of this program with its formulas, number by number, using the numbers that it prints itself.

A worked line can be true and still be wrong on its page: an operand may be changed so little that the rounded value
stays the same. So if a trace says which model and which words it is about, each number is compared with its formula: a
worked line must be the formula's arithmetic over the numbers printed earlier, a table's cell must be the value of its
formula, and a number that appears in several places must be the same in all of them.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from decimal import Decimal
from typing import NamedTuple

from gpt_data.errors import UserError
from handcalc.arithmetic.calculator import Calculator
from handcalc.arithmetic.expression import Expression, Index, Masked, MutableNumbers
from handcalc.arithmetic.notation import NUMBER, read_number
from handcalc.arithmetic.writing import arithmetic, cell_label, format_number
from handcalc.formulas.step import Step
from handcalc.page.cells import MASKED
from handcalc.tracing.plan import Plan
from handcalc.tracing.size import MOST_OPERANDS, count_operands
from handcalc.verification.document import Document
from handcalc.verification.line_check import OTHER_NUMBERS, Finding, LineChecker
from handcalc.verification.line_reader import WorkedLine
from handcalc.verification.order_check import check_cell_order, check_line_order
from handcalc.verification.rewriting import Kind, compare_page
from handcalc.verification.table_reader import TableCell

OTHER_LINES = Kind("line of text", "lines of text", "not a worked line")
OPERANDS = Kind("worked line", "worked lines", "only the arithmetic, because its operands are not on this page")
NUMBERS = Kind(
    *("number of a table", "numbers of tables"),
    "only whether it is the same all over the page, because its operands are not on this page",
)

Reading = tuple[Decimal, str | None]
"""The value of a formula, and its arithmetic."""

_NUMBERS = re.compile("[0-9]+")
_TOKEN = re.compile(rf"-?{NUMBER}|\S")


class Report(NamedTuple):
    """Everything that is wrong with a file, by lines, and how many of which things were not checked.

    Every worked line without a finding is right.
    """

    findings: list[Finding]
    unchecked: Counter[Kind]


def check_document(document: Document, digits: int | None) -> Report:
    """Return what is wrong with a file, and what was not checked.

    ``digits`` override the number of digits that the file states.
    """
    findings, unchecked = list(document.findings), Counter[Kind]()
    used = document.digits if digits is None else digits
    checker = LineChecker()
    if document.plan is not None and _claims_too_much(document, document.plan):
        document = document._replace(plan=None)
        findings.append(Finding(0, "", "a calculation is claimed that nobody can have worked out: it is far too large"))
    if document.plan is None or used != document.plan.digits:
        findings += [found for line in document.worked if (found := checker.check(line, used))]
        unchecked[OTHER_LINES] = _count_other_lines(document)
    else:
        page = _PageCheck(document, document.plan, checker)
        findings += page.findings()
        rewriting = compare_page(document, document.plan, page.numbers, findings)
        findings += rewriting.findings
        unchecked = rewriting.unchecked
        unchecked |= page.unchecked
    return Report(sorted(dict.fromkeys(findings), key=lambda found: found.place), +unchecked)


def _claims_too_much(document: Document, plan: Plan) -> bool:
    """Return whether the formulas of the page's numbers are larger than those of any trace."""
    cells = {(cell.name, cell.index) for section in document.sections for cell in section.cells}
    counts, operands = Counter(name for name, _ in cells | {(line.name, line.index) for line in document.worked}), 0
    for step in plan.page_steps:
        if counts[step.name] and operands <= MOST_OPERANDS:
            operands += counts[step.name] * count_operands(step.cell(*(n - 1 for n in plan.sizes.shape(step.axes))))
    return operands > MOST_OPERANDS


def _count_other_lines(document: Document) -> int:
    """Return how many lines with words are not part of a worked line."""
    return sum(bool(line.strip()) for line in document.written) - sum(line.height for line in document.worked)


def _number(text: str) -> Decimal | None:
    try:
        number = read_number(text)
    except ValueError:
        return None
    return None if number is None else number.value


class _PageCheck:
    """One pass through the steps in order of computation, with all numbers met so far."""

    def __init__(self, document: Document, plan: Plan, checker: LineChecker) -> None:
        self._document, self._plan, self._calculator = document, plan, Calculator(plan.digits)
        self._checker, self.unchecked = checker, Counter[Kind]()
        self.numbers: MutableNumbers = defaultdict(dict)
        self._corrected: MutableNumbers = defaultdict(dict)
        self._has_slips = False
        self._cells: dict[str, dict[Index, list[TableCell]]] = defaultdict(lambda: defaultdict(list))
        self._lines: dict[str, dict[Index, list[WorkedLine]]] = defaultdict(lambda: defaultdict(list))
        for section in document.sections:
            for cell in section.cells:
                self._cells[cell.name][cell.index].append(cell)
        for line in document.worked:
            self._lines[line.name][line.index or ()].append(line)

    def findings(self) -> Iterator[Finding]:
        """Yield everything that is wrong."""
        known = {step.name: step for step in self._plan.page_steps}
        for section in self._document.sections:
            yield from check_line_order(section, known)
            if not section.place:
                yield from check_cell_order(section, self._plan.weight_shapes)
        for name in [name for name in self._cells if name not in known]:
            for index, several in self._cells[name].items():
                yield from self._check_weight(name, index, several)
        alike = {_NUMBERS.sub("", name) for name in known}
        for line in self._document.worked:
            if line.name in known:
                continue
            if (found := self._checker.check(line, self._plan.digits)) is not None:
                yield found
            elif _NUMBERS.sub("", line.name) in alike:
                yield Finding(line.place, line.label, "is true, but this model has no such step")
        for step in self._plan.page_steps:
            for index in dict.fromkeys([*self._cells[step.name], *self._lines[step.name]]):
                yield from self._check_cell(step, index)

    def _check_weight(self, name: str, index: Index, several: list[TableCell]) -> Iterator[Finding]:
        """Check a weight, which is not computed from anything: it must be the same wherever it appears."""
        values = [_number(cell.text) for cell in several]
        for cell, value in zip(several, values, strict=True):
            if value is None or self._calculator.round(value) != value:
                problem = f"shows {cell.text:.60}, which is not a number of at most {self._plan.digits} digits"
                yield Finding(cell.place, cell_label(name, index), problem)
            elif value != values[0]:
                where = f" in line {several[0].place}" if several[0].place else ""
                problem = f"shows {cell.text}, but {several[0].text}{where}"
                yield Finding(cell.place, cell_label(name, index), problem)
        self.numbers[name][index] = self._corrected[name][index] = values[0] or Decimal(0)

    def _check_cell(self, step: Step, index: Index) -> Iterator[Finding]:
        cells, lines = self._cells[step.name][index], self._lines[step.name][index]
        shape = self._plan.sizes.shape(step.axes)
        if len(index) != len(shape) or any(not 0 <= place < size for place, size in zip(index, shape, strict=True)):
            for place in [cell.place for cell in cells] + [line.place for line in lines]:
                yield Finding(place, cell_label(step.name, index or None), f"does not exist: the shape is {shape}")
            return
        expression = step.cell(*index)
        if isinstance(expression, Masked):
            yield from self._check_masked(step.name, index, expression)
            return
        values = [value for value in (_number(cell.text) for cell in cells) if value is not None]
        carried = [value for value in (_number(line.value) for line in lines) if value is not None]
        readings = self._readings(expression)
        for line in lines:
            yield from self._check_line(line, readings)
        printed = [*carried, *values]
        right = next((right for right, _ in readings if right in printed), readings[0][0] if readings else None)
        if right is None:
            right = next(iter(printed), Decimal(0))
        for cell in cells:
            if _number(cell.text) != right:
                problem = f"the table shows {cell.text:.60}, but it is {format_number(right)}"
                yield Finding(cell.place, cell_label(step.name, index), problem)
        self.unchecked[NUMBERS] += bool(cells) and not readings and not lines
        self._accept(step.name, index, right, printed)
        if printed and right not in printed and not carried:
            self._corrected[step.name][index] = right
            self._has_slips = True

    def _accept(self, name: str, index: Index, right: Decimal, printed: list[Decimal]) -> None:
        """Continue with the printed number: lines that correctly use a wrong number are right."""
        value = right if right in printed or not printed else printed[0]
        self.numbers[name][index] = self._corrected[name][index] = value

    def _readings(self, expression: Expression) -> list[Reading]:
        """Return the formula's value and arithmetic over the printed numbers.

        If only a table had a wrong number before, it may be a slip of the pen: what follows may also use the right one.
        The list is empty if numbers of the formula are not printed.
        """
        readings = []
        for numbers in (self.numbers, self._corrected) if self._has_slips else (self.numbers,):
            try:
                readings.append((self._calculator.evaluate(expression, numbers), arithmetic(expression, numbers)))
            except (KeyError, ArithmeticError, UserError):
                continue
        return readings

    def _check_line(self, line: WorkedLine, readings: list[Reading]) -> Iterator[Finding]:
        written = [_tokens(one) for one in line.arithmetics]
        same = [right for right, formula in readings if written == [_tokens(formula or "")]]
        if _number(line.value) in same:
            return
        if (found := self._checker.check(line, self._plan.digits)) is not None:
            yield found
        elif readings and not same:
            problem = _difference(line.arithmetics[0], readings[0][1] or "")
            yield Finding(line.place, line.label, problem, OTHER_NUMBERS)
        else:
            self.unchecked[OPERANDS] += not readings

    def _check_masked(self, name: str, index: Index, expression: Masked) -> Iterator[Finding]:
        self.numbers[name][index] = self._corrected[name][index] = expression.value
        for cell in self._cells[name][index]:
            if cell.text != MASKED and (cell.place or _number(cell.text) != expression.value):
                yield Finding(cell.place, cell_label(name, index), f"shows {cell.text:.60}, but it is masked")
        for line in self._lines[name][index]:
            yield Finding(line.place, line.label, "is worked out, but it is masked")


def _tokens(arithmetic: str) -> list[str]:
    """Return the numbers, with their signs, and everything else, wherever the line was broken."""
    return _TOKEN.findall(arithmetic.replace(" ", ""))


def _difference(written: str, right: str) -> str:
    """Describe where a true line differs from the formula's arithmetic over the page's numbers."""
    for own, other in zip(_tokens(right), _tokens(written), strict=False):
        if own != other:
            return f"is true, but not with the numbers of this page: it has {other} instead of {own}"
    return f"is true, but its formula is {right:.80}"
