"""A stand-in for a checkout of nanoGPT: its interface around the idiomatic model."""

from __future__ import annotations

MODEL = """
from dataclasses import dataclass
import torch
from benchmarks.peers.torch_model import IdiomaticGPT
from numpy_gpt.shared.model.config import GPTConfig as Config
@dataclass
class GPTConfig:
    block_size: int = 1
    vocab_size: int = 1
    n_layer: int = 1
    n_head: int = 1
    n_embd: int = 1
    dropout: float = 0.0
    bias: bool = True
class GPT(torch.nn.Module):
    def __init__(self, config):
        super().__init__()
        self.inner = IdiomaticGPT(Config(**vars(config)))
        print("number of parameters: 1")
    def forward(self, tokens, targets=None):
        return None, self.inner(tokens, targets)
    def configure_optimizers(self, weight_decay, learning_rate, betas, device_type):
        return torch.optim.AdamW(self.parameters(), learning_rate, betas, weight_decay=weight_decay)
"""


def write_checkout(folder):
    """Write model.py into the folder and return the folder."""
    (folder / "model.py").write_text(MODEL, encoding="utf-8")
    return folder
