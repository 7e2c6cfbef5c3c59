"""Run the notebooks and save what they show: ``python -m notebooks.run``.

Each runs from its first cell to its last in a new kernel and a temporary directory. What would differ in every run,
such as times and versions, is not saved, so that a diff shows only what has changed. A notebook that fails stays as it
was.
"""

from __future__ import annotations

if __name__ == "__main__":  # before the imports, during which Ctrl-C is handled, too
    from gpt_data.process import run_program

    run_program("notebooks.run")

import argparse
import os
import time
from copy import deepcopy
from pathlib import Path
from tempfile import TemporaryDirectory

import nbformat
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbformat import NotebookNode

from gpt_data.errors import UserError
from gpt_data.files.atomic import atomic_write
from gpt_data.wording import list_names, quote
from numpy_gpt.shared.cli.parser import Parser, add_debug_flag, run_command

NOTEBOOKS = sorted(Path(__file__).parent.glob("*.ipynb"))
_LONGEST_CELL = 300  # seconds
_METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def read_notebook(path: Path) -> NotebookNode:
    """Return the notebook of a file, in today's format."""
    return nbformat.read(path, as_version=4)


def run_notebook(notebook: NotebookNode) -> NotebookNode:
    """Return a copy with the outputs of a new run, tidied.

    Raises
    ------
    CellExecutionError
        If a cell raises an error.
    """
    result = deepcopy(notebook)
    with TemporaryDirectory(prefix="notebook-") as work, TemporaryDirectory(prefix="kernel-") as settings:
        kernel = AsyncKernelManager(
            # Without directories there is only the native kernel, this Python; a user's own python3 may be another.
            kernel_spec_manager=KernelSpecManager(kernel_dirs=[]),
            connection_file=str(Path(settings) / "kernel.json"),
            transport="ipc" if os.name == "posix" else "tcp",  # kernels that start at once may choose the same port
        )
        client = NotebookClient(
            result,
            km=kernel,
            timeout=_LONGEST_CELL,
            record_timing=False,
            coalesce_streams=True,
            resources={"metadata": {"path": work}},
        )
        with client.setup_kernel(env={**os.environ, "IPYTHONDIR": settings}, cleanup_kc=True):
            for place, cell in enumerate(result.cells):  # client.execute would take Ctrl-C for a kernel that died
                client.execute_cell(cell, place)
    return tidy_notebook(result)


def tidy_notebook(notebook: NotebookNode) -> NotebookNode:
    """Return a copy without the metadata of an editor, a kernel and a run; the tags of cells remain."""
    result = deepcopy(notebook)
    result.metadata = nbformat.from_dict(_METADATA)
    for cell in result.cells:
        cell.metadata = nbformat.from_dict({key: cell.metadata[key] for key in ("tags",) if key in cell.metadata})
    return result


def write_notebook(path: Path, notebook: NotebookNode) -> None:
    """Write the whole file or nothing."""
    nbformat.validate(notebook)
    atomic_write(path, (nbformat.writes(notebook) + "\n").encode())


def main(arguments: list[str] | None = None) -> int:
    """Run all notebooks, or those that are named."""
    parser = Parser(prog="notebooks.run", description="Run the notebooks and save what they show.")
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help="how its file's name begins, such as 3; by default all"
    )
    add_debug_flag(parser)
    return run_command(_run, parser, arguments)


def _run(options: argparse.Namespace) -> int:
    for path in _choose(options.names):
        start = time.perf_counter()
        try:
            result = run_notebook(read_notebook(path))
        except CellExecutionError as error:
            print(error)
            raise UserError(f"{path.name} fails: {error.ename}; it is left as it was") from error
        write_notebook(path, result)
        print(f"{path.name}: {time.perf_counter() - start:.1f} s")
    return 0


def _choose(names: list[str]) -> list[Path]:
    for name in names:
        if not any(path.name.startswith(name) for path in NOTEBOOKS):
            raise UserError(f"no notebook begins with {quote(name)}; there are {list_names(p.stem for p in NOTEBOOKS)}")
    return [path for path in NOTEBOOKS if not names or path.name.startswith(tuple(names))]
