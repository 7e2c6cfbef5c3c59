"""The benchmark of growth: exponents, expected values, plot and tables."""

from __future__ import annotations

import json

import pytest

from benchmarks import growth

pytest.importorskip("matplotlib")


def _made_up(sizes, steps, threads):
    operations, formula = growth.expected_growth(sizes)
    return {"seconds": 1e-9 * operations, "bytes": 2.0 * formula, "resident": 3.0 * formula}


def test_exponents_are_slopes():
    sizes = [1.0, 2.0, 4.0, 8.0, 16.0]
    assert growth.exponent(sizes, [7 * size**1.5 for size in sizes]) == pytest.approx(1.5)
    assert growth.exponent(sizes, [99.0, 0.1, *(size**2 for size in sizes[2:])]) == pytest.approx(2)


def test_every_axis_grows_alone():
    for axis in growth.START:
        sizes = [point[axis] for point in growth.points(axis)]
        assert sizes[-1] >= 8 * sizes[0]
        recipe = growth.recipe_of(growth.points(axis)[-1])
        start = growth.recipe_of({})
        fields = [*vars(recipe.model), *vars(recipe.training)]
        values = [{**vars(r.model), **vars(r.training)} for r in (start, recipe)]
        assert [name for name in fields if values[0][name] != values[1][name]] == [axis]


def test_growth_of_operations():
    operations, _ = growth.expected_growth({})
    assert growth.expected_growth({"batch_size": 8 * growth.START["batch_size"]})[0] == 8 * operations
    assert 8 * operations < growth.expected_growth({"block_size": 8 * growth.START["block_size"]})[0] < 64 * operations


def test_a_point_in_its_own_process():
    found = growth._run_point({"n_embd": 32}, 2, 1)
    assert set(found) == {"seconds", "bytes", "resident"}
    assert found["bytes"] == pytest.approx(growth.expected_growth({"n_embd": 32})[1], rel=0.1)
    assert found["seconds"] > 0


def test_the_command_writes_its_output(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr(growth, "_run_point", _made_up)
    files = [tmp_path / "plot" / "growth.png", tmp_path / "report.json"]
    growth.main(["--rounds", "2", "--plot", str(files[0]), "--json", str(files[1])])
    first, second = (part.splitlines() for part in capsys.readouterr().out.split("\n\n")[1:3])
    assert (len(first), len(second)) == (2 + 4, 2 + 4 * 5)
    for table in (first, second):
        assert len({line.count("|") for line in table}) == 1
    assert first[2].startswith("| batch | 1.00 | 1.00 | 1 |")
    assert all("| 2.000 |" in line for line in second[2:])
    assert files[0].read_bytes().startswith(b"\x89PNG")
    report = json.loads(files[1].read_text(encoding="utf-8"))
    for axis, slopes in report["exponents"].items():
        assert slopes["seconds"] == pytest.approx(slopes["operations"])
        assert len(report["rows"][axis]) == 5
