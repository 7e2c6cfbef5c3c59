"""A process of a job that cannot find the others: wrong variables are refused, and a wait ends with a message."""

from __future__ import annotations

import socket

import pytest

from gpt_data.errors import UserError
from torch_gpt.cli import main
from torch_gpt.fast import rendezvous

RIGHT = {"RANK": "1", "WORLD_SIZE": "2", "LOCAL_RANK": "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29500"}


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("RANK", "5", "RANK must be a whole number from 0 to 1, not '5'"),
        ("RANK", "-1", "RANK must be a whole number from 0 to 1, not '-1'"),
        ("RANK", "²", "RANK must be"),
        ("WORLD_SIZE", "many", "WORLD_SIZE must be a whole number from 1 to 1000000, not 'many'"),
        ("WORLD_SIZE", "9" * 5000, "WORLD_SIZE must be"),
        ("WORLD_SIZE", "0", "WORLD_SIZE must be"),
        ("LOCAL_RANK", "2", "LOCAL_RANK must be a whole number from 0 to 1, not '2'"),
        ("LOCAL_RANK", "", "LOCAL_RANK must be"),
        ("MASTER_PORT", "70000", "MASTER_PORT must be a whole number from 1 to 65535, not '70000'"),
        ("MASTER_PORT", None, "MASTER_PORT must be a whole number from 1 to 65535, and is not set"),
        ("MASTER_ADDR", None, "MASTER_ADDR must be the address of process 0, and is not set"),
    ],
)
def test_wrong_variables_are_refused(monkeypatch, capsys, tmp_path, name, value, message):
    monkeypatch.chdir(tmp_path)
    for other, right in RIGHT.items():
        monkeypatch.setenv(other, right)
    monkeypatch.delenv(name) if value is None else monkeypatch.setenv(name, value)
    assert main(["train", "tiny", "--device", "cpu"]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert err.startswith(f"error: {message}")
    assert err.endswith("; start the job with torchrun, or unset RANK and WORLD_SIZE to train in one process\n")


@pytest.mark.parametrize("rank", ["0", "1"])
def test_a_process_alone_does_not_wait_for_ever(monkeypatch, capsys, rank):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    for name, value in {**RIGHT, "RANK": rank, "MASTER_PORT": port}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(rendezvous, "_NOTE_AFTER", 0.1)
    with pytest.raises(
        UserError, match=f"process {rank} .of 0 to 1. waits at 127.0.0.1:{port} .*in vain for 1 seconds"
    ):
        rendezvous.meet("gloo", patience=1.0)
    assert "for the others of its job, up to 1 seconds" in capsys.readouterr().err
