"""What the model predicted at each position of the first sequence."""

from __future__ import annotations

from numpy_gpt.by_hand.recorded_step import RecordedStep
from numpy_gpt.shared.cli.tables import Column, table_lines
from numpy_gpt.shared.cli.tokens import likeliest


def prediction_lines(step: RecordedStep, count: int, positions: int) -> list[str]:
    """Return a table of the ``count`` likeliest next tokens and the target after each of the first positions."""
    rows: list[list[str]] = []
    probabilities = step.recorder.activations["probabilities"]
    for row, token, target in list(zip(probabilities, step.inputs[0], step.targets[0], strict=True))[:positions]:
        candidates = [f"{step.word(other)} {row[other]:.4f}" for other in (*likeliest(row, count), target)]
        rows.append([step.word(token), *candidates])
    titles = ["likeliest", *[""] * (len(rows[0]) - 3), "target"]
    return table_lines([Column("after"), *(Column(title, "left") for title in titles)], rows)
