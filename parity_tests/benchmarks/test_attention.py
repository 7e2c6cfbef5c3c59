"""The benchmark of attention: both forms compute the same, and the table has a row per preset."""

from __future__ import annotations

import json

import numpy as np
import pytest

pytest.importorskip("threadpoolctl")

from benchmarks import attention
from numpy_gpt.shared.training.presets import preset


@pytest.mark.parametrize("name", ["tiny", "minigpt"])  # without and with biases
def test_both_forms_compute_the_same(name):
    recipe = preset(name)
    calls = attention.workloads(recipe.model, recipe.training.batch_size)
    for part in ("forward", "backward"):
        at_once, separate = (calls[f"{form}{part}"].call() for form in ("", "separate "))
        pairs = [(at_once[0], separate[0])] if part == "forward" else zip(at_once, separate, strict=True)
        for one, other in pairs:
            assert (one is None) == (other is None)
            if one is not None:  # whether they are equal is proven elsewhere; here, that the same things are timed
                assert np.allclose(one, other, rtol=0.01, atol=0.01 * np.abs(one).max())


def test_the_command_prints_the_table(capsys, tmp_path):
    path = tmp_path / "report.json"
    quick = ["--rounds", "1", "--seconds", "0", "--threads", "1"]
    assert attention.main(["--presets", "tiny", "minigpt", *quick, "--json", str(path)]) == 0
    lines = capsys.readouterr().out.strip().split("\n\n")[1].splitlines()
    assert [line.split("|")[2].strip() for line in lines[2:]] == ["16, 8, 6, 2", "6, 32, 64, 4"]
    assert len({line.count("|") for line in lines}) == 1
    report = json.loads(path.read_text(encoding="utf-8"))
    for row in report["shapes"]:
        assert row["rounds"]["both"] == [sum(row["rounds"][part][0] for part in ("forward", "backward"))]
        assert all(ratio["median"] > 0 for ratio in row["ratios"].values())


def test_a_preset_without_attention_is_refused(capsys):
    assert attention.main(["--presets", "bigram"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
