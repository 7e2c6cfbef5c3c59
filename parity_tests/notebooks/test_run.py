"""The command that runs the notebooks saves a tidy run, or leaves the file as it was."""

from __future__ import annotations

import pytest

run = pytest.importorskip("notebooks.run", reason="needs pip install -e .[notebooks]")
nbformat = pytest.importorskip("nbformat")


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Write a notebook of these cells to the only room that the command knows."""

    def write(*sources):
        path = tmp_path / "1-story.ipynb"
        cells = [nbformat.v4.new_code_cell(source, metadata={"collapsed": True}) for source in sources]
        run.write_notebook(path, nbformat.v4.new_notebook(cells=cells))
        monkeypatch.setattr(run, "NOTEBOOKS", [path])
        return path

    return write


def test_a_run_is_saved_tidily(write, capsys):
    path = write("from pathlib import Path\n\nPath('made').mkdir()\nprint(1)\nprint(2)", "len(list(Path().iterdir()))")
    assert run.main(["1"]) == 0
    assert capsys.readouterr().out.startswith("1-story.ipynb: ")
    saved = run.read_notebook(path)
    assert saved == run.tidy_notebook(saved)
    assert [cell.execution_count for cell in saved.cells] == [1, 2]
    assert saved.cells[0].outputs == [{"output_type": "stream", "name": "stdout", "text": "1\n2\n"}]
    assert saved.cells[1].outputs[0].data == {"text/plain": "1"}  # a directory of its own
    assert [other.name for other in path.parent.iterdir()] == ["1-story.ipynb"]


def test_a_notebook_that_fails_stays_as_it_was(write, capsys):
    path = write("1 / 0")
    before = path.read_bytes()
    assert run.main([]) == 2
    out, err = capsys.readouterr()
    assert "1 / 0" in out
    assert err.endswith("1-story.ipynb fails: ZeroDivisionError; it is left as it was\n")
    assert path.read_bytes() == before


def test_an_unknown_name_is_refused(write, capsys):
    write()
    assert run.main(["7"]) == 2
    assert "no notebook begins with '7'; there are '1-story'" in capsys.readouterr().err
