"""Workbooks under test: made from a model, read back, their inputs changed, and calculated without a spreadsheet."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from decimal import Decimal
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import openpyxl
from openpyxl.utils import range_boundaries

from handcalc.formulas.adamw import Optimizer
from handcalc.formulas.step import Step
from handcalc.page.sheets.xlsx_format import xlsx_bytes
from handcalc.tracing.live import Live, evaluate_live, make_live
from handcalc.tracing.plan import make_plan, make_training_plan
from numpy_gpt.shared.model.names import parameter_shapes
from parity_tests.handcalc.conftest import WORDS, small_config
from parity_tests.handcalc.page.sheets.numpy_reference import Arrays, numpy_numbers

TOLERANCE = 1e-12
OPTIMIZER = Optimizer(*map(Decimal, ("0.01", "0.1", "0.9", "0.99", "1e-8", "1")))
ERRORS = ("#REF!", "#NAME?", "#VALUE!", "#DIV/0!", "#NUM!", "#N/A", "#NULL!")


class Case(NamedTuple):
    """A calculation, and the values of its inputs."""

    live: Live
    inputs: Arrays
    ids: tuple[int, ...]

    def workbook(self) -> bytes:
        """Return the workbook of the calculation's own text and its weights, before a first update."""
        weights = {name: self.inputs[name] for name in parameter_shapes(self.live.config)}
        return xlsx_bytes(self.live, evaluate_live(self.live, weights), words(self.live), "random")


def words(live: Live) -> tuple[str, ...]:
    """Return the words of a small vocabulary."""
    return WORDS[: live.sizes.v]


def small_case(ids: tuple[int, ...], other: tuple[int, ...], *, update: bool = True, **changes: Any) -> Case:
    """Return the calculation of a small random model on the text ``ids``, and random inputs with the ids ``other``."""
    grad_clip = changes.pop("grad_clip", "1")
    config = small_config({"vocab_size": 6, "block_size": 6} | changes)
    optimizer = OPTIMIZER._replace(grad_clip=Decimal(grad_clip))
    plan = make_training_plan(config, ids, optimizer, digits=4) if update else make_plan(config, ids, digits=4)
    live = make_live(plan)
    return Case(live, random_inputs(live, 3), other)


def random_inputs(live: Live, seed: int) -> Arrays:
    """Return random weights and moments, and that this is the third update."""
    rng = np.random.default_rng(seed)
    inputs: Arrays = {}
    for one in live.inputs:
        shape = live.sizes.shape(one.axes)
        inputs[one.name] = rng.normal(float(one.name.endswith(("_1.weight", "_2.weight", "f.weight"))), 0.5, shape)
        if one.name.startswith("before.v."):
            inputs[one.name] = inputs[one.name] ** 2
    return inputs | ({"step_number": np.array(3.0)} if "step_number" in inputs else {})


def expected(case: Case, gradients: Arrays) -> Arrays:
    """Return every step's numbers: numpy_gpt's, and where it keeps none of that name, those of the trees in float64.

    The update is that of the ``gradients``, by name. Cells of the future are NaN.
    """
    live = case.live._replace(ids=case.ids)
    values = evaluate_live(live, case.inputs)
    known = numpy_numbers(live, case.inputs, case.ids, gradients)
    found: Arrays = {}
    for step in live.steps:
        own = to_array(values.numbers[step.name], live, step)
        found[step.name] = np.array(known.get(step.name, own), dtype=float)
        for name, index in values.masked:
            if name == step.name:
                found[name][index] = np.nan
    return found


def to_array(numbers: Mapping[tuple[int, ...], float], live: Live, step: Step) -> Any:
    """Return a tensor's numbers as an array."""
    return np.array(list(numbers.values())).reshape(live.sizes.shape(step.axes))


def distances(case: Case, found: Arrays) -> dict[str, float]:
    """Return how far each tensor is from numpy_gpt's, relative to its largest entry; a change, to that of the weights.

    A change is the difference of two weights, and no more exact than they are.
    """
    result, right = {}, expected(case, found)
    for name, array in right.items():
        compared = ~np.isnan(array)
        if not compared.any():
            continue
        scale = right[f"updated.{name.removeprefix('change.')}"] if name.startswith("change.") else array
        largest = np.nanmax(np.abs(scale)) or 1.0
        result[name] = float(np.max(np.abs(found[name] - array)[compared]) / largest)
    return result


# Reading and writing


class Area(NamedTuple):
    """The cells of a defined name."""

    sheet: str
    columns: tuple[int, int]
    rows: tuple[int, int]


def areas(book: Any) -> dict[str, Area]:
    """Return the cells of every defined name."""
    result = {}
    for name, defined in book.defined_names.items():
        sheet, _, cells = defined.attr_text.rpartition("!")
        left, top, right, bottom = range_boundaries(cells)
        result[name] = Area(sheet.strip("'"), (left, right), (top, bottom))
    return result


def cells_of(book: Any, area: Area) -> list[Any]:
    """Return the cells of an area, row by row."""
    (left, right), (top, bottom) = area.columns, area.rows
    rows = book[area.sheet].iter_rows(min_row=top, max_row=bottom, min_col=left, max_col=right)
    return [cell for row in rows for cell in row]


def read_numbers(book: Any, live: Live) -> Arrays:
    """Return every step's numbers as they are stored; none of the cells may be an error."""
    where = areas(book)
    return {
        step.name: np.array(
            [-math.inf if cell.value == "−∞" else cell.value for cell in cells_of(book, where[step.name])], dtype=float
        ).reshape(live.sizes.shape(step.axes))
        for step in live.steps
    }


def write_inputs(content: bytes, inputs: Arrays, ids: tuple[int, ...], path: Path) -> None:
    """Write a copy of a workbook with other inputs; it has no stored values, so whoever reads it must calculate."""
    book = openpyxl.load_workbook(BytesIO(content))
    where = areas(book)
    for name, array in inputs.items():
        for cell, value in zip(cells_of(book, where[name]), np.ravel(array).tolist(), strict=True):
            cell.value = value
    for cell, token in zip(id_cells(book), ids, strict=False):
        cell.value = token
    book.save(path)


def id_cells(book: Any) -> list[Any]:
    """Return the input cells of the tokens: those below the header ``id``."""
    sheet = book["start"]
    header = next(cell for row in sheet.iter_rows() for cell in row if cell.value == "id")
    cells = (sheet.cell(row, header.column) for row in range(header.row + 1, sheet.max_row + 1))
    return [cell for cell in cells if isinstance(cell.value, int)]


# Calculating

_REFERENCE = re.compile(r"(?:'([^']+)'!|(?<![\w.!:']))([A-Z]+[0-9]+(?::[A-Z]+[0-9]+)?)(?![\w(])")
_FUNCTIONS = {
    "SUM": np.sum,
    "SUMSQ": lambda cells: np.sum(cells**2),
    "SUMPRODUCT": lambda one, other: np.sum(one * other),
    "MMULT": np.matmul,
    "SUMIF": lambda cells, value, summed: np.sum(summed[cells == value]),
    "INDEX": lambda cells, place: cells.ravel()[int(place) - 1],
    "IF": lambda condition, one, other: one if condition else other,
    "MAX": lambda *some: max(np.max(one) for one in some),
    "EXP": math.exp,
    "LN": math.log,
    "SQRT": math.sqrt,
    "TANH": math.tanh,
    "ERF_PRECISE": math.erf,
    "POWER": math.pow,
}


def calculate(content: bytes, live: Live, inputs: Arrays, ids: tuple[int, ...]) -> Arrays:
    """Return every step's numbers, calculated from the formulas alone, in the order of the steps."""
    book = openpyxl.load_workbook(BytesIO(content))
    where, values = areas(book), dict[tuple[str, int, int], float]()
    for name, array in inputs.items():
        for cell, value in zip(cells_of(book, where[name]), np.ravel(array).tolist(), strict=True):
            values[cell.parent.title, cell.row, cell.column] = value
    for cell, token in zip(id_cells(book), ids, strict=True):
        values[cell.parent.title, cell.row, cell.column] = token
    found: Arrays = {}
    for step in live.steps:
        cells = cells_of(book, where[step.name])
        for cell in cells:
            values[cell.parent.title, cell.row, cell.column] = _value(cell, values)
        numbers = [values[cell.parent.title, cell.row, cell.column] for cell in cells]
        found[step.name] = np.array(numbers).reshape(live.sizes.shape(step.axes))
    return found


def _value(cell: Any, values: Mapping[tuple[str, int, int], float]) -> float:
    if not isinstance(cell.value, str) or not cell.value.startswith("="):
        return -math.inf if cell.value == "−∞" else float(cell.value)

    def read(sheet: str, cells: str) -> Any:
        left, top, right, bottom = range_boundaries(cells)
        rows, columns = range(top, bottom + 1), range(left, right + 1)
        array = np.array([[values[sheet, row, column] for column in columns] for row in rows])
        return array if ":" in cells else array[0, 0]

    code = cell.value[1:].replace("_xlfn.ERF.PRECISE", "ERF_PRECISE").replace("=", "==")
    code = _REFERENCE.sub(lambda match: f"read({match[1] or cell.parent.title!r}, {match[2]!r})", code)
    code = re.sub(r"read\((?!')([^,]+),", lambda match: f"read({match[1]!r},", code)
    return float(eval(code, {"read": read, **_FUNCTIONS}))
