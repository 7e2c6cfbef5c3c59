"""Batches cut from a text on the device: the windows of ``gpt_data.tokens.batches`` without a copy per step."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from gpt_data.tokens.batches import CHUNK, BatchSampler
from numpy_gpt.shared.model.arrays import Tokens
from numpy_gpt.shared.training.process_group import ProcessGroup


class DeviceBatches:
    """The training text on a device, and the positions at which each step's windows start.

    Process r of n takes B/n of the B windows of each batch: r, r + n, r + 2n …, so that all processes together read the
    same windows as a single process would.
    """

    def __init__(self, tokens: Tokens, sampler: BatchSampler, device: torch.device, group: ProcessGroup) -> None:
        self.sampler, self._group, self._device = sampler, group, device
        self._tokens = torch.from_numpy(np.ascontiguousarray(tokens, dtype=np.int32)).to(device)
        self._offsets = torch.arange(sampler.block_size + 1, device=device)
        self._starts = torch.zeros(CHUNK, sampler.batch_size // group.size, dtype=torch.int64, device=device)
        self._row = torch.zeros((), dtype=torch.int64, device=device)
        self._chunk = -1

    def set_step(self, step: int) -> None:
        """Select the windows of this step; every 256 steps their start positions are copied to the device."""
        chunk, row = divmod(step, CHUNK)
        if chunk != self._chunk:
            mine = np.ascontiguousarray(self.sampler.starts(chunk)[:, self._group.rank :: self._group.size])
            self._starts.copy_(torch.from_numpy(mine))
            self._chunk = chunk
        self._row.fill_(row)

    def windows(self) -> Tensor:
        """Return this process's windows (B/n, T + 1), int64; only memory on the device is read."""
        starts = self._starts.index_select(0, self._row.view(1)).view(-1, 1)
        return self._tokens[starts + self._offsets].long()  # (B/n, 1) + (T + 1,) → (B/n, T + 1)
