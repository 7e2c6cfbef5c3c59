"""Batches that are cut out of the text on the device: ``gpt_data.tokens.batches``' windows, without a copy a step."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from gpt_data.tokens.batches import CHUNK, BatchSampler
from numpy_gpt.shared.model.arrays import Tokens
from numpy_gpt.shared.training.process_group import ProcessGroup


class DeviceBatches:
    """The training text on a device, and where the windows of the steps begin in it.

    Of each batch of B windows the process number r of n takes B/n: r, r + n, r + 2n …, so that all of them together
    read what one alone would read.
    """

    def __init__(self, tokens: Tokens, sampler: BatchSampler, device: torch.device, team: ProcessGroup) -> None:
        self.sampler, self._team, self._device = sampler, team, device
        self._tokens = torch.from_numpy(np.ascontiguousarray(tokens, dtype=np.int32)).to(device)
        self._within = torch.arange(sampler.block_size + 1, device=device)
        self._starts = torch.zeros(CHUNK, sampler.batch_size // team.size, dtype=torch.int64, device=device)
        self._row = torch.zeros((), dtype=torch.int64, device=device)
        self._chunk = -1

    def turn_to(self, step: int) -> None:
        """Make ``windows`` those of this step: once in 256 steps their beginnings are copied to the device."""
        chunk, row = divmod(step, CHUNK)
        if chunk != self._chunk:
            mine = np.ascontiguousarray(self.sampler.starts(chunk)[:, self._team.rank :: self._team.size])
            self._starts.copy_(torch.from_numpy(mine))
            self._chunk = chunk
        self._row.fill_(row)

    def windows(self) -> Tensor:
        """Return this process's windows (B/n, T + 1), int64; it reads only what is on the device already."""
        starts = self._starts.index_select(0, self._row.view(1)).view(-1, 1)
        return self._tokens[starts + self._within].long()  # (B/n, 1) + (T + 1,) → (B/n, T + 1)
