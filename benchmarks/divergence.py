"""How far the twins diverge while training in float32 and float64: ``python -m benchmarks.divergence``.

Writes a line for every step (divergence.jsonl) and a plot (divergence.png) into ``--out_dir``. The control is numpy_gpt
against itself with rounding-sized noise in its gradients. Needs the extras ``torch`` and ``plot``, and the repository's
root as working directory.
"""

from __future__ import annotations

if __name__ == "__main__":  # before the imports, during which Ctrl-C is handled, too
    from gpt_data.process import run_program

    run_program("benchmarks.divergence")

import argparse
import json
from pathlib import Path
from typing import Any

from benchmarks.support.command import at_least_one, command_parser
from numpy_gpt.engine import NumpyEngine
from numpy_gpt.shared.cli.parser import run_command
from numpy_gpt.shared.training.presets import preset
from parity_tests.support.lockstep import Divergence, JitteredEngine, lockstep, new_engine
from torch_gpt.engine import TorchEngine

RUNS = [(dtype, dropout) for dtype in ("float32", "float64") for dropout in (0.0, 0.2)]


def measure(dtype: str, dropout: float, steps: int) -> dict[str, list[Divergence]]:
    """Return the divergence after each step, for the twin and for the control."""
    recipe = preset("tiny").override({"dtype": dtype, "dropout": dropout})
    twin, control = new_engine(TorchEngine, recipe), new_engine(JitteredEngine, recipe, 0)
    others = {"torch_gpt": twin, "numpy_gpt with noise": control}
    runs = lockstep(recipe, new_engine(NumpyEngine, recipe), list(others.values()), steps)
    return dict(zip(others, runs, strict=True))


def plot(results: dict[tuple[str, float], dict[str, list[Divergence]]], path: Path) -> None:
    """Plot the largest difference of any weight over the steps, one panel per run."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    figure, panels = pyplot.subplots(2, 2, figsize=(10, 7), sharex=True, layout="constrained")
    for panel, ((dtype, dropout), curves) in zip(panels.flat, results.items(), strict=True):
        for name, style in (("numpy_gpt with noise", "0.6"), ("torch_gpt", "C0")):
            points = [(row.step, row.weight) for row in curves[name] if row.weight > 0]
            panel.plot(*zip(*points, strict=True), color=style, label=f"numpy_gpt against {name}")
        panel.set(title=f"{dtype}, dropout {dropout}", yscale="log", ylim=(1e-17, 10))
        panel.grid(alpha=0.3)
    panels[0, 0].legend(loc="lower right")
    figure.supxlabel("training step of the preset tiny")
    figure.supylabel("largest difference between two weights")
    figure.savefig(path, dpi=110)


def main(arguments: list[str] | None = None) -> int:
    """Measure, write and plot."""
    parser = command_parser(__doc__)
    parser.add_argument("--steps", type=at_least_one, default=2000)
    parser.add_argument("--out_dir", type=Path, default=Path("runs/divergence"))
    return run_command(_run, parser, arguments)


def _run(options: argparse.Namespace) -> int:
    options.out_dir.mkdir(parents=True, exist_ok=True)
    results: dict[tuple[str, float], dict[str, list[Divergence]]] = {}
    with (options.out_dir / "divergence.jsonl").open("w") as file:
        for dtype, dropout in RUNS:
            results[dtype, dropout] = measure(dtype, dropout, options.steps)
            for name, rows in results[dtype, dropout].items():
                for row in rows:
                    record: dict[str, Any] = {"dtype": dtype, "dropout": dropout, "against": name, **row._asdict()}
                    file.write(json.dumps(record) + "\n")
                last = rows[-1]
                print(f"{dtype}, dropout {dropout}, {name}: weights {last.weight:.1e}, loss {last.loss:.1e} apart")
    plot(results, options.out_dir / "divergence.png")
    print(f"wrote {options.out_dir / 'divergence.png'}")
    return 0
