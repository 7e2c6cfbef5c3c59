"""The tables of ``benchmarks.cuda`` are well-formed for any figures, and for messages instead of figures."""

from __future__ import annotations

import math

from benchmarks.gpu.tables import divergence_table, loss_table, peer_table, speed_table
from parity_tests.benchmarks.gpu.settings import rows_of


def test_tables_accept_any_figures():
    memory = {
        "first_seconds": 1.0,
        "seconds": 0.01,
        "tokens_per_second": 5.0,
        "mfu": 0.5,
        "peak_memory": 2**30,
        "notes": [],
    }
    results = {"a": memory, "b": {**memory, "mfu": math.nan, "notes": ["one", "two"]}, "c": "failed: so"}
    rows = rows_of(speed_table(results).splitlines())
    assert "| 50.0% | 1,024 |" in rows[0]
    assert "| peak unknown |" in rows[1]
    apart = {
        "differences": [0.1] * 60,
        "bounds": [0.05] * 60,
        "holds": False,
        "worst_fraction": 2.0,
        "worst_step": 7,
        "notes": [],
    }
    rows = rows_of(divergence_table({"a": apart, "b": "failed: so"}).splitlines())
    assert rows[0].startswith("| a | NO | 2.00, at step 7 |")
    rows_of(loss_table({"a": "not measured: so"}, 1.5).splitlines())
    rows_of(peer_table("not measured: so").splitlines())
