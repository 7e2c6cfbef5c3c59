"""nanoGPT as a peer: imported from a checkout, and timed with ours."""

from __future__ import annotations

import pytest

from benchmarks import cuda
from benchmarks.gpu.modes import training_modes
from benchmarks.gpu.suite import compare_with_peer
from benchmarks.peers.nanogpt import peer_module
from gpt_data.errors import UserError
from parity_tests.benchmarks.gpu.settings import tiny_setting
from parity_tests.benchmarks.peers.nanogpt_checkout import write_checkout

MODES = training_modes("cpu")


def test_a_checkout_takes_its_own_steps(tmp_path, capsys):
    options = cuda.options_parser().parse_args(["--peer", str(write_checkout(tmp_path))])
    found = compare_with_peer(tiny_setting(2), MODES["half"], options)
    ours, theirs = found["each"].values()
    assert (ours["median"], ours["parameters"]) == (1.0, 1134)
    assert theirs["parameters"] == 1134
    assert capsys.readouterr().out == ""  # messages of the peer go to stderr
    with pytest.raises(UserError, match="must be a checkout of nanoGPT"):
        peer_module(tmp_path / "elsewhere")
