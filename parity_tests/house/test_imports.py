"""Imports run one way, and starting a program loads no more than it needs."""

from __future__ import annotations

import subprocess
import sys

import pytest
from importlinter.cli import lint_imports


def test_the_import_contracts_hold():
    assert lint_imports(no_cache=True) == 0, "run lint-imports to see which import broke which contract"


def _loaded_by(statement: str) -> set[str]:
    program = f"import sys; {statement}; print(*sys.modules)"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    names = {name.partition(".")[0] for name in result.stdout.split("\n")[-2].split()}
    return {name for name in names if "cython_" not in name}  # in NumPy 1, by Cython's own code


OURS = {"numpy_gpt", "gpt_data", "handcalc"}


@pytest.mark.parametrize(
    "statement",
    ["import numpy_gpt", "from numpy_gpt import *", "import numpy_gpt.engine, numpy_gpt.shared.training.trainer"],
)
def test_numpy_gpt_loads_only_numpy(statement):
    bare = _loaded_by("pass")  # what an environment loads by itself, such as editable installs
    assert _loaded_by(statement) - bare - OURS - set(sys.stdlib_module_names) <= {"numpy"}


def test_the_trace_loads_no_torch():
    loaded = _loaded_by("from handcalc.trace import main; main(['hello world'])")
    assert not loaded & {"torch", "rich", "threadpoolctl", "matplotlib", "pytest"}
    assert "numpy" in loaded
