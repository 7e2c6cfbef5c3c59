"""Tables as text: columns fit their cells, and numbers are aligned at the decimal point."""

from __future__ import annotations

import pytest

from numpy_gpt.shared.cli.tables import Column, align_at_point, row_line, side_by_side, table_lines, title_line


def test_columns_fit_their_cells():
    columns = [Column("name", "left"), Column("count"), Column("", "left")]
    assert table_lines(columns, [("a", "1,134", ""), ("longer", "2", "note")]) == [
        "name    count",
        "a       1,134",
        "longer      2  note",
    ]


def test_least_width_is_kept():
    columns = [Column("n", width=4), Column("word", "left", 6), Column("p")]
    assert table_lines(columns, [("1", "'a'", "0.5")]) == ["   n  word      p", "   1  'a'     0.5"]


def test_rows_may_be_written_one_by_one():
    columns = [Column("n", width=4), Column("word", "left", 4), Column("p", width=3)]
    assert title_line(columns) == "   n  word    p"
    assert row_line(columns, ("12", "longer", "1")) == "  12  longer    1"  # the rest is pushed aside


@pytest.mark.parametrize(
    ("cells", "aligned"),
    [
        (["0.001", "0.01", "1e+38"], ["0.001", "0.01 ", "1e+38"]),
        (["4", "16"], ["4", "16"]),
        (["0", "0.1"], ["0  ", "0.1"]),
        (["-", "0.25", "diverged"], ["-", "0.25", "diverged"]),
        (["relu", "gelu_erf"], ["relu", "gelu_erf"]),
        ([], []),
    ],
)
def test_numbers_are_aligned_at_the_point(cells, aligned):
    assert align_at_point(cells) == aligned


def test_points_are_below_one_another():
    lines = table_lines([Column("rate", "point")], [("10",), ("0.5",), ("0.125",)])
    assert lines == ["  rate", "10", " 0.5", " 0.125"]


def test_blocks_are_placed_side_by_side():
    assert side_by_side([["ab", "c"], ["d", "e", "f"]]) == ["ab  d", "c   e", "    f"]
