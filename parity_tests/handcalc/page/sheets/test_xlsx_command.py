"""The command that writes the workbook, and what it refuses."""

from __future__ import annotations

import sys
from pathlib import Path

import openpyxl
import pytest

from gpt_data.errors import UserError
from handcalc.page.sheets.layout import make_layout
from handcalc.trace import main
from handcalc.tracing import size
from handcalc.tracing.live import make_live
from handcalc.tracing.plan import make_plan
from numpy_gpt.shared.model.config import BigramConfig

COMMAND = ["hello", "--format", "xlsx", "--output"]

Capture = pytest.CaptureFixture[str]


def refusal(arguments: list[str], capsys: Capture) -> str:
    """Return the one line with which the command refuses."""
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1
    return err


def test_writes_a_changed_model(tmp_path: Path, capsys: Capture) -> None:
    file = tmp_path / "hello.xlsx"
    assert main([*COMMAND, str(file), "--set", "wte.weight[31,0]=0.5"]) == 0
    assert capsys.readouterr() == ("", "")
    texts = [cell.value for row in openpyxl.load_workbook(file)["start"].iter_rows() for cell in row]
    assert any(str(text).startswith("Changed in the model (--set): wte.weight[31,0] from ") for text in texts)


def test_needs_xlsxwriter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    monkeypatch.setitem(sys.modules, "xlsxwriter", None)
    file = tmp_path / "hello.xlsx"
    message = '--format xlsx needs XlsxWriter, which is not installed: pip install "numpy-gpt[sheets]"'
    assert message in refusal([*COMMAND, str(file)], capsys)
    assert not file.exists()


def test_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    monkeypatch.setattr(size, "MOST_WORKBOOK_NUMBERS", 100)
    file = tmp_path / "hello.xlsx"
    file.write_bytes(b"before")
    assert "too large for a workbook: " in refusal([*COMMAND, str(file)], capsys)
    assert file.read_bytes() == b"before"
    assert main([*COMMAND, str(file), "--force"]) == 0
    assert file.read_bytes()[:2] == b"PK"


def test_more_columns_than_a_sheet_has() -> None:
    live = make_live(make_plan(BigramConfig(vocab_size=16_384, block_size=4), (1, 2), digits=4))
    with pytest.raises(UserError, match=r"does not fit on a sheet, which has 1,048,576 rows and 16,384 columns"):
        make_layout(live)
