"""Documents and code agree: cited equations exist, links lead somewhere, files stay small."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("numpy_gpt", "torch_gpt", "handcalc", "data", "benchmarks", "notebooks")
SOURCES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
DOCUMENTS = sorted(
    path for path in ROOT.rglob("*.md") if not any(part.startswith(".") for part in path.relative_to(ROOT).parts)
)
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
EQUATION = re.compile(r"\((\d{1,2}\.\d{1,2})\)")


def _equation_numbers() -> list[str]:
    text = (ROOT / "docs" / "derivations.md").read_text(encoding="utf-8")
    return re.findall(r"^\((\d+\.\d+)\)", text, re.MULTILINE)


def _prose(path: Path) -> str:
    """Return the text of a document, or what a notebook says between its cells of code."""
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".ipynb":
        return text
    return "\n".join("".join(cell["source"]) for cell in json.loads(text)["cells"] if cell["cell_type"] == "markdown")


def test_equations_are_numbered_in_order():
    defined = _equation_numbers()
    assert len(defined) == len(set(defined)) > 80
    assert defined == sorted(defined, key=lambda number: tuple(map(int, number.split("."))))


@pytest.mark.parametrize("path", [*SOURCES, *NOTEBOOKS], ids=lambda path: str(path.relative_to(ROOT)))
def test_cited_equations_exist(path):
    cited = set(EQUATION.findall(_prose(path)))
    assert cited <= set(_equation_numbers())


def test_every_equation_is_cited():
    cited = {number for path in SOURCES for number in EQUATION.findall(path.read_text(encoding="utf-8"))}
    assert set(_equation_numbers()) - cited == set()


@pytest.mark.parametrize("path", [*DOCUMENTS, *NOTEBOOKS], ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(path):
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", _prose(path)):
        if "://" not in target:
            assert (path.parent / target).exists(), f"{path.name} links to {target}, which does not exist"


def test_the_paths_of_contributing_exist():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    named = re.findall(r"`([\w.-]+(?:/[\w.-]+)*(?:/|\.(?:py|md)))`", text)
    assert len(named) > 30
    for path in named:
        assert (ROOT / path).exists(), f"CONTRIBUTING.md names {path}, which does not exist"


def test_no_room_is_crowded():
    rooms = {path.parent for path in SOURCES}
    for room in rooms:
        files = [path for path in room.glob("*.py") if not path.name.startswith("_")]
        assert len(files) <= 17, f"{room.relative_to(ROOT)} has {len(files)} files: group those of one idea"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_and_functions_stay_small(path):
    source = path.read_text(encoding="utf-8")
    assert source.count("\n") <= 400, "a file is one idea; this one has become two"
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef):
            assert _length_without_docstring(node) <= 40, f"{node.name} is too long"


def test_long_tests_are_described():
    room = ROOT / "parity_tests"
    readme = (room / "README.md").read_text(encoding="utf-8")
    others = sorted(set(room.rglob("test_*.py")) - {Path(__file__)})
    long = [path for path in others if "pytest.mark.prove" in path.read_text(encoding="utf-8")]
    assert len(long) >= 10
    for path in long:
        name = str(path.relative_to(room))
        assert f"`{name}`" in readme, f"{name} has long tests; say in parity_tests/README.md what they prove"


def _length_without_docstring(node: ast.FunctionDef) -> int:
    length = (node.end_lineno or 0) - node.lineno + 1
    first = node.body[0]
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
        length -= (first.end_lineno or 0) - first.lineno + 1
    return length
