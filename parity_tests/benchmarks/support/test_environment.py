"""The line above a table names the settings that choose kernels."""

from __future__ import annotations

from benchmarks.support.environment import describe_environment, environment_line


def test_kernel_settings_are_named(monkeypatch):
    monkeypatch.delenv("OPENBLAS_CORETYPE", raising=False)
    assert "OPENBLAS_CORETYPE" not in environment_line(describe_environment())
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Haswell")
    assert ", OPENBLAS_CORETYPE=Haswell, " in environment_line(describe_environment())
