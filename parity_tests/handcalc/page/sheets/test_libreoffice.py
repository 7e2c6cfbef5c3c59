"""LibreOffice calculates the workbook: other weights and other tokens give numpy_gpt's numbers, and no error."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import openpyxl
import pytest

from handcalc.page.sheets.xlsx_format import xlsx_bytes
from handcalc.tracing.live import evaluate_live, make_live
from handcalc.tracing.plan import make_training_plan, optimizer_of
from numpy_gpt.shared.runs.checkpoint import SHIPPED_MODEL
from numpy_gpt.shared.runs.run_directory import load_checkpoint
from parity_tests.handcalc.page.sheets.conftest import Recalculate
from parity_tests.handcalc.page.sheets.test_xlsx_format import VARIANTS
from parity_tests.handcalc.page.sheets.workbooks import (
    TOLERANCE,
    Case,
    areas,
    cells_of,
    distances,
    random_inputs,
    read_numbers,
    small_case,
    write_inputs,
)

pytestmark = pytest.mark.prove

MOST_BYTES = 2_000_000
STEPS = 3
OTHER_TEXTS = ((31, 0, 31), (5, 5, 9))
ONE_WORD = (31, 31, 31)
"""With the shipped weights, the gradients of its queries cancel almost to 0, and are no more exact in numpy_gpt."""


def shipped_case(text: str) -> tuple[Case, bytes]:
    """Return the training step of the shipped model on a text, and its workbook."""
    model = load_checkpoint(SHIPPED_MODEL)
    ids = tuple(model.tokenizer.encode(text).tolist())
    live = make_live(make_training_plan(model.config, ids, optimizer_of(model.recipe), digits=4))
    values = evaluate_live(live, model.values)
    content = xlsx_bytes(live, values, tuple(model.tokenizer.vocabulary), "tiny")
    inputs = {
        one.name: np.array(list(values.numbers[one.name].values())).reshape(live.sizes.shape(one.axes))
        for one in live.inputs
    }
    return Case(live, inputs, ids), content


def check(path: Path, case: Case) -> Any:
    """Check every number of a calculated workbook, and that no cell of it is an error; return the workbook."""
    book = openpyxl.load_workbook(path, data_only=True)
    assert not [cell for sheet in book for row in sheet.iter_rows() for cell in row if cell.data_type == "e"]
    far = distances(case, read_numbers(book, case.live))
    assert len(far) == len(case.live.steps)
    assert max(far.values()) < TOLERANCE, max(far, key=lambda name: far[name])
    return book


def test_shipped_model(recalculate: Recalculate, tmp_path: Path) -> None:
    case, content = shipped_case("hello world")
    assert len(content) < MOST_BYTES
    changed = [case, *(case._replace(ids=ids) for ids in OTHER_TEXTS)]
    changed += [
        case._replace(ids=ids, inputs=random_inputs(case.live, seed))
        for seed, ids in enumerate((*OTHER_TEXTS, ONE_WORD))
    ]
    paths = [tmp_path / f"{number}.xlsx" for number in range(len(changed))]
    for path, one in zip(paths, changed, strict=True):
        write_inputs(content, one.inputs, one.ids, path)
    for path, one in zip(recalculate(paths), changed, strict=True):
        check(path, one)


def test_variants(recalculate: Recalculate, tmp_path: Path) -> None:
    cases = [small_case((1, 0, 2, 0), (3, 5, 3, 3), **changes) for changes in VARIANTS]
    cases.append(small_case((1, 0, 2, 0), (3, 5, 3, 3), update=False))
    paths = [tmp_path / f"{number}.xlsx" for number in range(len(cases))]
    for path, case in zip(paths, cases, strict=True):
        write_inputs(case.workbook(), case.inputs, case.ids, path)
    for path, case in zip(recalculate(paths), cases, strict=True):
        check(path, case)


def test_copying_the_sheet_train_takes_the_steps_of_numpy(recalculate: Recalculate, tmp_path: Path) -> None:
    case, content = shipped_case("hello world")
    losses = []
    for number in range(STEPS):
        path = tmp_path / f"step{number}.xlsx"
        write_inputs(content, case.inputs, case.ids, path)
        (calculated,) = recalculate([path])
        book = check(calculated, case)
        where = areas(book)
        losses.append(read_numbers(book, case.live)["loss"])
        copied = {
            name: np.array([cell.value for cell in cells_of(book, where[name]._replace(sheet="train"))], dtype=float)
            for name in case.inputs
        }
        case = case._replace(inputs={name: copied[name].reshape(array.shape) for name, array in case.inputs.items()})
    assert case.inputs["step_number"] == STEPS + 1
    assert losses == sorted(losses, reverse=True) and losses[-1] < losses[0] / 2
