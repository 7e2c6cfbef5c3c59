"""The workbook: its formulas are numpy_gpt's training step for any weights and tokens, and its values are stored."""

from __future__ import annotations

from io import BytesIO
from typing import Any, NamedTuple

import numpy as np
import openpyxl
import pytest

from handcalc.arithmetic.expression import Constant
from handcalc.page.sheets.layout import TRAIN, WEIGHTS
from parity_tests.handcalc.page.sheets.workbooks import (
    TOLERANCE,
    Case,
    areas,
    calculate,
    cells_of,
    distances,
    read_numbers,
    small_case,
)

VARIANTS: tuple[dict[str, Any], ...] = (
    {"bias": True, "tie_weights": False, "activation": "gelu_erf"},
    {"kind": "bigram"},
    {},
    {"n_layer": 2, "activation": "relu", "n_head": 1, "grad_clip": "0"},
    {"n_layer": 0},
    {"norm": "rms_norm", "bias": False, "tie_weights": False, "activation": "relu"},
)


class Small(NamedTuple):
    """A training step of a small model, and its workbook: the formulas, and the stored values."""

    case: Case
    formulas: Any
    values: Any


@pytest.fixture(scope="module")
def small() -> Small:
    """Return a training step of a small model."""
    case = small_case((1, 0, 1), (3, 5, 3))
    content = case.workbook()
    return Small(case, *(openpyxl.load_workbook(BytesIO(content), data_only=only) for only in (False, True)))


@pytest.mark.parametrize(
    "changes",
    [*VARIANTS[:2], *(pytest.param(changes, marks=pytest.mark.prove) for changes in VARIANTS[2:])],
    ids=str,
)
def test_formulas_follow_weights_tokens_moments_and_step(changes: dict[str, Any]) -> None:
    case = small_case((1, 0, 2, 0), (3, 5, 3, 3), **changes)
    found = calculate(case.workbook(), case.live, case.inputs, case.ids)
    far = distances(case, found)
    assert len(far) == len(case.live.steps)
    assert max(far.values()) < TOLERANCE, max(far, key=lambda name: far[name])


@pytest.mark.parametrize("ids", [(1,), (1, 0, 2)])
def test_forward_alone(ids: tuple[int, ...]) -> None:
    case = small_case(ids, ids[::-1], update=False)
    content = case.workbook()
    far = distances(case, calculate(content, case.live, case.inputs, case.ids))
    assert max(far.values()) < TOLERANCE
    assert TRAIN not in openpyxl.load_workbook(BytesIO(content)).sheetnames


def test_values_are_stored(small: Small) -> None:
    case, _, book = small
    inputs = case.inputs | {name: array * 0 for name, array in case.inputs.items() if name.startswith("before.")}
    first = Case(case.live, inputs | {"step_number": np.array(1.0)}, case.live.ids)
    assert max(distances(first, read_numbers(book, case.live)).values()) < TOLERANCE


def test_every_number_is_a_formula_on_other_cells(small: Small) -> None:
    case, book, _ = small
    where = areas(book)
    for step in case.live.steps:
        for index, cell in zip(case.live.sizes.indices(step.axes), cells_of(book, where[step.name]), strict=True):
            given = isinstance(step.cell(*index), Constant)
            assert given or (cell.data_type == "f" and any(map(str.isdigit, cell.value))), (step.name, index)


def test_train_has_the_next_step_where_the_weights_are(small: Small) -> None:
    case, formulas, values = small
    where = areas(values)
    assert len({name.lower() for name in where}) == len(case.live.steps) + len(case.live.inputs)
    for one in case.live.inputs:
        after = where[one.name]._replace(sheet=TRAIN)
        found = [cell.value for cell in cells_of(values, after)]
        source = one.name.removeprefix("before.") if one.name.startswith("before.") else f"updated.{one.name}"
        right = [2] if one.name == "step_number" else [cell.value for cell in cells_of(values, where[source])]
        assert found == right, one.name
        assert all(cell.data_type == "f" for cell in cells_of(formulas, after))
    labels = [[[cell.value for cell in row] for row in values[name].iter_rows(min_row=3)] for name in (WEIGHTS, TRAIN)]
    for one, other in zip(*labels, strict=True):
        assert [cell for cell in one if isinstance(cell, str)] == [cell for cell in other if isinstance(cell, str)]


def test_sheets_read_well(small: Small) -> None:
    case, book, _ = small
    assert all(sheet.freeze_panes for sheet in book)
    colored = [str(area.sqref) for sheet in book for area in sheet.conditional_formatting]
    assert len(colored) == sum(step.name.endswith("attn.weights") for step in case.live.steps) == 2
    texts = {cell.value for sheet in book for row in sheet.iter_rows() for cell in row if isinstance(cell.value, str)}
    for number, step in enumerate(case.live.steps, 1):
        assert {f"{number}. {step.name}", step.meaning, f"{step.equation}   ({step.section})"} <= texts
    links = [cell.hyperlink.location for row in book["steps"].iter_rows() for cell in row if cell.hyperlink]
    assert len(links) == len(case.live.steps)


def test_same_bytes_again() -> None:
    case = small_case((1, 0), (1, 0), update=False)
    assert case.workbook() == case.workbook()
