"""Times are taken in turn, and what is said of them is what they say."""

from __future__ import annotations

import pytest

from benchmarks.support.interleaved import Contestant, at_least_one, in_turn, markdown_table, ratios


def test_all_are_warmed_up_and_then_have_their_turns_in_every_round():
    log = []
    contestants = {
        name: Contestant(lambda n=name: log.append(n), lambda n=name: log.append(f"end of {n}")) for name in "AB"
    }
    times = in_turn(contestants, rounds=3, seconds=0.0)
    assert {name: len(each) for name, each in times.items()} == {"A": 3, "B": 3}
    assert log[-12:] == ["A", "end of A", "B", "end of B"] * 3
    assert log.index("B") < len(log) - 12
    assert all(time > 0 for each in times.values() for time in each)


def test_a_turn_lasts_about_as_long_as_was_asked_for(monkeypatch):
    from benchmarks.support import interleaved

    clock = [0.0]
    monkeypatch.setattr(interleaved.time, "perf_counter", lambda: clock[0])

    def work():
        clock[0] += 0.01

    calls = []
    times = in_turn({"A": Contestant(work, lambda: calls.append(clock[0]))}, rounds=2, seconds=0.5)
    assert times["A"] == pytest.approx([0.01, 0.01])
    assert calls[-1] - calls[-2] == pytest.approx(0.5)


def test_both_ratios_are_what_they_are_called():
    assert ratios([2.0, 9.0, 4.0], [1.0, 3.0, 4.0]) == (4 / 3, 2.0)  # medians 4 and 3; rounds 2, 3 and 1


def test_every_row_of_a_table_has_the_header_s_cells_whatever_they_hold():
    table = markdown_table(("a", "b"), [("1", "an error\nof two | lines"), ("", 2)])
    assert table.splitlines() == ["| a | b |", "| --- | --- |", "| 1 | an error of two ¦ lines |", "|  | 2 |"]
    with pytest.raises(ValueError, match="2 cells"):
        markdown_table(("a", "b"), [("1",)])


def test_no_rounds_are_too_few():
    assert at_least_one("3") == 3
    with pytest.raises(ValueError, match="at least 1"):
        at_least_one("0")
