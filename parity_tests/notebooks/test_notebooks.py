"""The notebooks run from start to end, and what their files show is what they show today, apart from rounding.

Numbers may differ by one unit of their last digit, or by 1e-6. Where more depends on how a machine rounds, or on its
speed, as in a text from a model that was just trained, a cell has the tag ``varies``, and only the kinds of its outputs
are compared.
"""

from __future__ import annotations

import os
import re
from decimal import Decimal
from pathlib import Path

import pytest

ROOM = Path(__file__).parents[2] / "notebooks"
PATHS = sorted(ROOM.glob("*.ipynb"))
LONG = ("5-layer-norm-and-dropout",)
"""Notebooks that take more than ten seconds."""

try:
    from notebooks.run import read_notebook, run_notebook, tidy_notebook
except ImportError as error:
    if os.environ.get("NOTEBOOKS_REQUIRED") == "1":
        raise
    pytest.skip(f"needs pip install -e .[notebooks] ({error})", allow_module_level=True)

NUMBER = re.compile(r"[-+]?\d+(?:,\d{3})*(?:\.\d+)?(?:e[-+]?\d+)?", re.IGNORECASE)
OF_ONE_RUN = re.compile(r"0x[0-9a-f]{6,}|/tmp/|/home/|/root/|Users/|Warning")
every_notebook = pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def texts_of(output):
    """Return what an output shows as text, by its kind; pictures have only a kind."""
    if output.output_type == "stream":
        return {output.name: output.text}
    return {kind: text if kind.startswith("text/") else "" for kind, text in output.data.items()}


def shown_by(cell):
    """Return the texts of the cell's outputs by their kinds, without colours; of a cell that varies only the kinds."""
    varies = "varies" in cell.metadata.get("tags", ())
    return [
        {kind: "" if varies else re.sub(r' style="[^"]*"', "", text) for kind, text in texts_of(output).items()}
        for output in cell.outputs
    ]


def words_of(text):
    """Return the text with # for each number."""
    return " ".join(NUMBER.sub("#", text).split())


def numbers_of(text):
    return [Decimal(number.replace(",", "")) for number in NUMBER.findall(text)]


def differs(before, after):
    """Whether two printed numbers differ by more than rounding; whole numbers are counts, and must be equal."""
    places = max(number.as_tuple().exponent for number in (before, after))
    last_digit = Decimal(10) ** places if places < 0 else Decimal(0)
    return abs(after - before) > max(last_digit, Decimal("1e-6")) * Decimal("1.001")


def assert_shows_the_same(before, after):
    for old, new in zip(shown_by(before), shown_by(after), strict=True):
        assert {kind: words_of(text) for kind, text in new.items()} == {kind: words_of(old[kind]) for kind in old}
        for kind, text in new.items():
            pairs = zip(numbers_of(old[kind]), numbers_of(text), strict=True)
            assert [pair for pair in pairs if differs(*pair)] == [], f"{old[kind]}\n{text}"


@pytest.mark.parametrize(
    "path",
    [pytest.param(path, marks=[pytest.mark.prove] * (path.stem in LONG)) for path in PATHS],
    ids=lambda p: p.stem,
)
def test_the_notebook_shows_the_same_again(path):
    saved = read_notebook(path)
    for before, after in zip(code_cells(saved), code_cells(run_notebook(saved)), strict=True):
        assert_shows_the_same(before, after)


@every_notebook
def test_the_file_is_one_tidy_run(path):
    notebook = read_notebook(path)
    assert notebook == tidy_notebook(notebook), f"run python -m notebooks.run {path.stem}"
    cells = code_cells(notebook)
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    assert path.stat().st_size < 500_000, "a reader loads this; show less, or draw smaller"
    for cell in cells:
        assert cell.source.count("\n") < 15, f"a long cell:\n{cell.source}"
        for output in cell.outputs:
            assert output.output_type != "error"
            assert output.get("name") != "stderr"
            assert output.output_type == "stream" or "text/plain" in output.data, "some readers show only text"
            for text in texts_of(output).values():
                assert not OF_ONE_RUN.search(text), f"this differs in every run: {text[:300]}"


def test_every_notebook_is_listed():
    listed = re.findall(r"\]\((\d-[\w-]+\.ipynb)\)", (ROOM / "README.md").read_text(encoding="utf-8"))
    assert listed == [path.name for path in PATHS]


@pytest.mark.parametrize(
    ("before", "after", "differ"),
    [
        ("0.4412", "0.4413", False),
        ("0.4412", "0.4414", True),
        ("-1.5e-16", "3e-15", False),
        ("1.5e-03", "1.7e-03", True),
        ("1,134", "1,135", True),
        ("1,134", "1134", False),
    ],
)
def test_numbers_differ_by_more_than_rounding(before, after, differ):
    assert words_of(before) == words_of(after) == "#"
    assert differs(*numbers_of(before), *numbers_of(after)) is differ
